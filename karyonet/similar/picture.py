"""A chromosome beside the known ones that look like it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from karyonet.case import FloatArray
from karyonet.report.drawing import FAINT, INK, RULE, font, full_stain, stain_to_grey
from karyonet.report.schema import NOTICE, readable
from karyonet.similar.gallery import Gallery
from karyonet.similar.search import Sighting

_TALLEST, _CROP, _SLOT, _GAP, _MARGIN = 330, 230, 120, 26, 40
_TITLE, _NAMES, _FOOTER = 74, 84, 44


def draw_similar(sightings: Sequence[Sighting], gallery: Gallery) -> Image.Image:
    """Draw one row a chromosome: its picture, its strip, and its neighbours with their names, all short arm up.

    Strips are drawn dark on white, those of a row to one scale, relative to the median length of their metaphases.

    Args:
        sightings: at least one.
        gallery: that their neighbours come from.

    Returns:
        An RGB image.
    """
    most = max(len(sighting.neighbours) for sighting in sightings)
    width = 2 * _MARGIN + _CROP + 2 * _GAP + (most + 1) * _SLOT
    row = _TITLE + _TALLEST + _NAMES
    picture = Image.new("RGB", (max(width, 760), len(sightings) * row + _FOOTER), "white")
    draw = ImageDraw.Draw(picture)
    for number, sighting in enumerate(sightings):
        _draw_row(picture, draw, sighting, gallery, number * row)
    draw.text((_MARGIN, picture.height - 16), NOTICE, font=font(15), fill=FAINT, anchor="ls")
    return picture


def _draw_row(picture: Image.Image, draw: ImageDraw.ImageDraw, sighting: Sighting, gallery: Gallery, top: int) -> None:
    vote = sighting.votes[0] if sighting.votes else None
    said = f"classified {sighting.label} ({sighting.confidence:.0%})"
    voted = f", {vote.neighbours} of {len(sighting.neighbours)} neighbours are {vote.label}" if vote else ""
    draw.text((_MARGIN, top + 22), str(readable(sighting.name)), font=font(24), fill=INK)
    draw.text((_MARGIN, top + 52), said + voted, font=font(18), fill=FAINT)
    bottom = top + _TITLE + _TALLEST

    grey = Image.fromarray(np.clip(sighting.picture * 255, 0, 255).round().astype(np.uint8))
    factor = min(_CROP / grey.width, (_TALLEST - 10) / grey.height)
    size = (max(round(grey.width * factor), 1), max(round(grey.height * factor), 1))
    picture.paste(grey.resize(size, Image.Resampling.BICUBIC).convert("RGB"), (_MARGIN, bottom - size[1]))
    draw.text((_MARGIN + size[0] / 2, bottom + 24), "as it lies", font=font(18), fill=FAINT, anchor="mm")

    own = _Figure(_upright(sighting.strip, sighting.p_arm_up), sighting.scale)
    figures = [_figure(gallery, neighbour.index) for neighbour in sighting.neighbours]
    scale = min(figure.largest_scale for figure in (own, *figures))
    left = _MARGIN + _CROP + _GAP
    _draw_strip(picture, own, scale, left, bottom)
    draw.text((left + _SLOT / 2, bottom + 24), "straightened", font=font(18), fill=FAINT, anchor="mm")
    left += _SLOT + _GAP // 2
    draw.line([(left, top + _TITLE), (left, bottom + 60)], fill=RULE)
    left += _GAP // 2
    for neighbour, figure in zip(sighting.neighbours, figures, strict=True):
        _draw_strip(picture, figure, scale, left, bottom)
        middle = left + _SLOT / 2
        draw.text((middle, bottom + 20), neighbour.label, font=font(28), fill=INK, anchor="mm")
        draw.text((middle, bottom + 46), f"{neighbour.similarity:.3f}", font=font(16), fill=FAINT, anchor="mm")
        draw.text((middle, bottom + 66), _short(neighbour.cell), font=font(14), fill=FAINT, anchor="mm")
        left += _SLOT


@dataclass(frozen=True, eq=False)
class _Figure:
    """A strip, short arm up, and the median length of its metaphase in its pixels."""

    strip: FloatArray
    median: float

    @property
    def largest_scale(self) -> float:
        """Pixels a median length at which it still has room."""
        length, width = self.strip.shape
        return self.median * float(min(_TALLEST / length, (_SLOT - 10) / width))


def _figure(gallery: Gallery, n: int) -> _Figure:
    polarity = int(gallery.pack.polarity[n])
    strip = _upright(gallery.pack.strip(n).astype(np.float32), None if polarity < 0 else polarity == 1)
    return _Figure(strip, float(gallery.pack.median_length[n]))


def _draw_strip(picture: Image.Image, figure: _Figure, scale: float, left: int, bottom: int) -> None:
    """A strip standing on ``bottom`` in the middle of its place."""
    length, width = figure.strip.shape
    size = (max(round(width * scale / figure.median), 1), max(round(length * scale / figure.median), 1))
    scaled = np.asarray(Image.fromarray(np.ascontiguousarray(figure.strip)).resize(size, Image.Resampling.BICUBIC))
    # Drawn in proportion whatever the contrast was: a gallery may hold absorption, the picture fluorescence.
    drawn = Image.fromarray(stain_to_grey(scaled, "fluorescence", full_stain([figure.strip])))
    picture.paste(drawn.convert("RGB"), (left + (_SLOT - size[0]) // 2, bottom - size[1]))


def _upright(strip: FloatArray, p_arm_up: bool | None) -> FloatArray:
    return strip[::-1, ::-1] if p_arm_up is False else strip


def _short(name: str, most: int = 14) -> str:
    text = str(readable(name))
    return text if len(text) <= most else f"{text[: most - 1]}…"
