"""The metaphase picture with the outline, label and confidence of every chromosome."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter
from skimage.measure import find_contours

from karyonet.case import Chromosome, Metaphase
from karyonet.geometry.region import Region
from karyonet.report.drawing import AMBER, INK, colour, font

_SIDE, _LONGEST_SIDE, _LARGEST_SCALE = 1600, 2600, 6.0
_DASH, _PERIOD = 11.0, 19.0
_CELL = 4
"""Pixels of the drawing per cell of the map of what is taken."""

Points = NDArray[np.float64]


def draw_overlay(metaphase: Metaphase) -> Image.Image:
    """Draw what was found onto the metaphase as it was recorded.

    Homologs share a colour (of a palette that the colour-blind can tell apart; the label decides). Chromosomes to
    review are dashed in amber. Small images are enlarged, so that the labels can be read.

    Returns:
        An RGB image whose longer side is 1600 to 2600 pixels, less for images of under 270 pixels.
    """
    longer = max(metaphase.height, metaphase.width)
    scale = min(max(_SIDE / longer, 1.0), _LARGEST_SCALE, _LONGEST_SIDE / longer)
    size = (max(round(metaphase.width * scale), 1), max(round(metaphase.height * scale), 1))
    grey = np.clip(np.nan_to_num(metaphase.grey) * 255, 0, 255).round().astype(np.uint8)
    picture = Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC).convert("RGB")
    draw = ImageDraw.Draw(picture)
    for chromosome in metaphase.chromosomes:
        _outline(draw, chromosome, scale)
    taken = _taken(metaphase, scale, size)
    for chromosome in sorted(metaphase.chromosomes, key=lambda c: c.region.bbox[1]):
        if not chromosome.region.mask.any():
            continue
        _name(draw, chromosome, scale, taken)
    return picture


def contours(region: Region) -> list[Points]:
    """Outlines of a region, float64, shape (n, 2) each: x and y in the image, pixel edges at whole numbers."""
    padded = np.pad(region.mask.astype(float), 3)
    # Smoothed by less than a pixel against stairs; a part too thin for that keeps its stairs.
    found: list[Points] = find_contours(gaussian_filter(padded, 0.8), 0.5) or find_contours(padded, 0.5)  # type: ignore[no-untyped-call]
    xmin, ymin, _, _ = region.bbox
    found = [points for points in found if len(points) > 12] or found  # pinholes only clutter
    return [points[:, ::-1] + (xmin - 2.5, ymin - 2.5) for points in found]


def _outline(draw: ImageDraw.ImageDraw, chromosome: Chromosome, scale: float) -> None:
    for points in contours(chromosome.region):
        line = points * scale
        draw.line(_pairs(line), fill="white", width=5, joint="curve")  # a halo, for dark backgrounds
        if chromosome.review:
            for dash in _dashes(line):
                draw.line(_pairs(dash), fill=AMBER, width=4)
        else:
            draw.line(_pairs(line), fill=colour(chromosome.label), width=3, joint="curve")


def _dashes(line: Points) -> list[Points]:
    """Pieces of a polyline, in turn drawn and left out."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    pieces = []
    for start in np.arange(0, along[-1], _PERIOD):
        at = np.arange(start, min(start + _DASH, along[-1]), 2.0)
        pieces.append(np.column_stack([np.interp(at, along, line[:, 0]), np.interp(at, along, line[:, 1])]))
    return [piece for piece in pieces if len(piece) > 1]


def _pairs(line: Points) -> list[tuple[float, float]]:
    return [(x, y) for x, y in line.tolist()]


def _taken(metaphase: Metaphase, scale: float, size: tuple[int, int]) -> NDArray[np.float32]:
    """Map of the drawing at a coarse pitch: 1 where a chromosome lies."""
    found = np.zeros((metaphase.height, metaphase.width), dtype=np.float32)
    for chromosome in metaphase.chromosomes:
        found[chromosome.region.slices] = np.maximum(found[chromosome.region.slices], chromosome.region.mask)
    cells = (max(size[0] // _CELL, 1), max(size[1] // _CELL, 1))
    return np.array(Image.fromarray(found).resize(cells, Image.Resampling.BOX))


def _name(draw: ImageDraw.ImageDraw, chromosome: Chromosome, scale: float, taken: NDArray[np.float32]) -> None:
    """Write label and confidence where there is most room near the chromosome."""
    label = chromosome.label or chromosome.id
    sure = "" if chromosome.confidence is None else f"{min(round(100 * chromosome.confidence), 99)}%"
    label_width = draw.textlength(label, font=font(24))
    width, height = label_width + (4 + draw.textlength(sure, font=font(15)) if sure else 0), 24.0
    x, y = _place(chromosome.region, scale, (width, height), taken)
    ink = INK if chromosome.review else colour(chromosome.label)
    draw.text((x, y + height - 3), label, font=font(24), fill=ink, anchor="ls", stroke_width=3, stroke_fill="white")
    if sure:
        right = (x + label_width + 4, y + height - 3)
        draw.text(right, sure, font=font(15), fill=INK, anchor="ls", stroke_width=2, stroke_fill="white")


def _place(region: Region, scale: float, size: tuple[float, float], taken: NDArray[np.float32]) -> tuple[float, float]:
    """Top left corner for a text of ``size``: the freest place along the outline; marks it as taken."""
    half = np.array(size) / 2
    outline = max(contours(region), key=len) * scale
    middle = outline.mean(axis=0)
    points = outline[np.linspace(0, len(outline) - 1, 24, endpoint=False).astype(int)]
    outward = points - middle
    outward /= np.maximum(np.hypot(*outward.T), 1e-6)[:, None]
    # Moved outward by as much as the text reaches inward in that direction.
    centres = points + outward * (np.abs(outward) @ half + 5)[:, None]
    room = np.maximum(np.array(taken.shape[::-1]) * _CELL - np.array(size) - 2, 2)
    corners = np.clip(np.vstack([centres, middle[None]]) - half, 2, room)

    def cost(corner: NDArray[np.float64]) -> float:
        (x, y), (width, height) = corner.tolist(), size
        near = taken[_cells(max(x - 12, 0), max(y - 12, 0), width + 24, height + 24)].sum()
        return float(taken[_cells(x, y, width, height)].sum() + 0.15 * near)

    x, y = min(corners, key=cost).tolist()
    taken[_cells(x, y, *size)] += 4
    return x, y


def _cells(x: float, y: float, width: float, height: float) -> tuple[slice, slice]:
    return (
        slice(int(y // _CELL), int((y + height) // _CELL) + 1),
        slice(int(x // _CELL), int((x + width) // _CELL) + 1),
    )
