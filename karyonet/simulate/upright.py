"""The chromosomes of a metaphase laid side by side: straight, upright, apart.

That is a quarter of the work of a whole metaphase. What bending, crossing and straightening do to bands is missing, so
that this is to be mixed with whole metaphases.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, shift

from karyonet.geometry.region import Region
from karyonet.geometry.strip import Strip
from karyonet.simulate.appearance import draw_look
from karyonet.simulate.chromosome import render
from karyonet.simulate.field import photograph
from karyonet.simulate.layout import lay_out
from karyonet.simulate.metaphase import look_at_level
from karyonet.simulate.plan import ChromosomePlan

_GAP = 10
"""Pixels between two chromosomes."""
_SHELF = 600
"""Pixels that chromosomes lie beside each other on."""


def draw_upright(
    chromosomes: Sequence[ChromosomePlan], generator: np.random.Generator, band_level: float
) -> tuple[NDArray[np.uint8], list[Region]]:
    """Photograph the chromosomes of a cell in rows, G-banded, the first end of each on top.

    Args:
        chromosomes: of the cell, none of them a ring.
        generator: all randomness comes from it, in a fixed order.
        band_level: 300–850.

    Returns:
        uint8, shape (height, width), and the pixels of each chromosome.

    Raises:
        ArrayError: K501 for a band level outside 300–850.
    """
    look = look_at_level(draw_look("gband", generator), band_level)
    bodies = []
    for plan in chromosomes:
        body = render(lay_out(plan.segments, band_level), look, generator)
        # Nothing lies on whole pixels: every chromosome of a slide is a little off, and as much less sharp.
        offset = generator.uniform(-0.5, 0.5, 2)
        padded = [np.pad(part, 1) for part in (body.density, body.coverage)]
        density, coverage = (shift(part, offset, order=1, prefilter=False) for part in padded)
        bodies.append((density, coverage > 0.5))
    corners, shape = _shelves([mask.shape for _, mask in bodies])
    stain = np.zeros(shape)
    for (row, column), (density, _) in zip(corners, bodies, strict=True):
        stain[row : row + density.shape[0], column : column + density.shape[1]] = density
    image = photograph(stain, look, "gband", 8, generator)
    regions = [Region.from_mask(mask, (column, row)) for (row, column), (_, mask) in zip(corners, bodies, strict=True)]
    return image.astype(np.uint8), regions


def lift(density: NDArray[np.float32], region: Region, margin: int = 2) -> Strip:
    """The strip of an upright chromosome: cut out, not sampled.

    Args:
        density: float32, shape (height, width): optical density of the image.
        region: its pixels, at least ``margin`` away from the edge of the image.
        margin: pixels left free on both sides.
    """
    xmin, ymin, xmax, ymax = region.bbox
    soft = binary_dilation(np.pad(region.mask, margin), np.ones((3, 3), dtype=bool))
    around = density[ymin:ymax, xmin - margin : xmax + margin]
    strip = np.where(soft[margin:-margin], around, 0).astype(np.float32)
    middle = (xmin + xmax - 1) / 2
    axis = np.column_stack([np.arange(ymin, ymax), np.full(ymax - ymin, middle)]).astype(np.float32)
    return Strip(strip, np.ones(len(strip), dtype=bool), np.zeros((2, 512), dtype=np.float32), axis, 1.0)


def _shelves(sizes: Sequence[tuple[int, ...]]) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """Row and column of each piece, in the order given, and the size of the whole."""
    corners: list[tuple[int, int]] = []
    row, column, tallest = _GAP, _GAP, 0
    for height, width in sizes:
        if column + width + _GAP > _SHELF:
            row, column, tallest = row + tallest + _GAP, _GAP, 0
        corners.append((row, column))
        column, tallest = column + width + _GAP, max(tallest, height)
    return corners, (row + tallest + _GAP, _SHELF)
