"""The images in which least was found, as one HTML page that opens offline: what was missed, and what was made up."""

from __future__ import annotations

import base64
import io
from functools import cache
from pathlib import Path

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image, ImageDraw

from karyonet.case import Case
from karyonet.errors import InputError
from karyonet.evaluation.matching import match_boxes
from karyonet.evaluation.report import Evaluation
from karyonet.evaluation.segmentation import Seen
from karyonet.geometry.region import Region
from karyonet.report.overlay import contours
from karyonet.report.schema import NOTICE

COLOURS = {"true": "#00a35c", "found": "#ff9d1e", "missed": "#d7263d", "spurious": "#1f6fd6"}
SIDE, LARGEST_SCALE, QUALITY = 1000, 1.5, 82
"""Longer side of an embedded picture in pixels, how far a small one is enlarged, and the quality of its JPEG."""
_THIN, _THICK, _HALO = 2, 4, 2
"""Widths of lines in pixels."""


class WorstImages:
    """Keeps the images with the lowest F1, worst first; give :meth:`add` as ``inspect`` to an evaluation.

    Args:
        number: how many.
    """

    def __init__(self, number: int = 20) -> None:
        self.number = number
        self.images: list[Seen] = []

    def add(self, seen: Seen) -> None:
        """Keep an image if it is among the worst so far; of images with one F1 those first in the alphabet."""
        ranked = sorted([*self.images, seen], key=lambda one: (one.result.f1_50, one.result.metaphase))
        self.images = ranked[: self.number]


def gallery_path(path: Path) -> Path:
    """The file to write: the path itself if it ends in .html, otherwise ``gallery.html`` in that folder."""
    return path if path.suffix.lower() in {".html", ".htm"} else path / "gallery.html"


def render_gallery(evaluation: Evaluation, worst: WorstImages) -> str:
    """The page: no script, no request, every picture inside without the metadata of its file, every text escaped.

    Args:
        evaluation: of all images.
        worst: the images to show.
    """
    environment = _environment()
    assert environment.loader is not None
    return environment.get_template("segmentation_gallery.html.j2").render(
        evaluation=evaluation,
        entries=[{"seen": seen, "result": seen.result, "picture": _picture(seen)} for seen in worst.images],
        css=Markup(environment.loader.get_source(environment, "report.css")[0]),  # our own file, not anybody's input
        colours=COLOURS,
        masks=any(seen.image.masks for seen in worst.images),
        notice=NOTICE,
    )


def draw_comparison(seen: Seen) -> Image.Image:
    """An image with the outlines of what was found and of what is annotated.

    True chromosomes are boxes or contours, as they are annotated, and what was found is contours. What matches (box
    IoU at least 0.5) is thin, true in green and found in orange; thick is what was missed (red) and what is spurious
    (blue).

    Returns:
        An RGB image whose longer side is 1000 pixels, less for small images.

    Raises:
        InputError: K1xx if the file cannot be read any more.
    """
    case = Case.read(seen.image.path, case_id=seen.image.id)
    grey = case.metaphases[0].grey
    height, width = grey.shape
    scale = min(SIDE / max(height, width), LARGEST_SCALE)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    pixels = np.clip(np.nan_to_num(grey) * 255, 0, 255).round().astype(np.uint8)
    picture = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS).convert("RGB")
    draw = ImageDraw.Draw(picture)
    matches = match_boxes([region.bbox for region in seen.found], [region.bbox for region in seen.truth])
    found_pairs, true_pairs = matches.pairs[:, 0].tolist(), matches.pairs[:, 1].tolist()
    for regions, chosen, kind, line in (
        (seen.truth, true_pairs, "true", _THIN),
        (seen.found, found_pairs, "found", _THIN),
        (seen.truth, matches.unmatched_truth.tolist(), "missed", _THICK),
        (seen.found, matches.unmatched_predicted.tolist(), "spurious", _THICK),
    ):
        as_box = regions is seen.truth and not seen.image.masks
        for number in chosen:
            _outline(draw, regions[number], scale, COLOURS[kind], line, as_box)
    return picture


def _outline(draw: ImageDraw.ImageDraw, region: Region, scale: float, colour: str, width: int, as_box: bool) -> None:
    xmin, ymin, xmax, ymax = (value * scale for value in region.bbox)
    if as_box or not region.mask.any():
        lines = [[(xmin, ymin), (xmax, ymin), (xmax, ymax), (xmin, ymax), (xmin, ymin)]]
    else:
        lines = [[(x, y) for x, y in (points * scale).tolist()] for points in contours(region)]
    for line in lines:
        if width == _THICK:  # a halo, so that it stands out on any ground
            draw.line(line, fill="white", width=width + _HALO, joint="curve")
        draw.line(line, fill=colour, width=width, joint="curve")


def _picture(seen: Seen) -> str | None:
    """The drawing as a data URI; None where the image cannot be read."""
    try:
        picture = draw_comparison(seen)
    except InputError:
        return None
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=QUALITY, subsampling=0)  # full colour resolution keeps thin lines clean
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


@cache
def _environment() -> Environment:
    loader = ChoiceLoader([PackageLoader("karyonet.evaluation", "."), PackageLoader("karyonet.report", "templates")])
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
