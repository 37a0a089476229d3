"""Outlines that a person changes: a mask cut along a line, pieces joined to one mask."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from karyonet.geometry.region import Region

BoolArray = NDArray[np.bool_]

SPECK = 0.02
"""A part with a smaller share of the pixels goes to its neighbour: a line drawn by hand frays an outline."""
_EIGHT = np.ones((3, 3), dtype=bool)


def divide(region: Region, line: Sequence[tuple[float, float]]) -> list[Region]:
    """Cut a region along a line.

    Args:
        region: what is cut; of several pieces, each hangs on the nearest one, so that a line between them parts them.
        line: points ``(x, y)`` in pixels of the image, joined in their order.

    Returns:
        The parts, which together are the region; from top to bottom, then from left to right. One part alone if the
        line does not part it.
    """
    mask = np.pad(region.mask, 1)
    xmin, ymin = region.bbox[0] - 1, region.bbox[1] - 1
    whole = connected(mask)
    labels, count = ndimage.label(whole & ~_drawn(np.array(line, dtype=float) - (xmin, ymin), mask.shape))
    sizes = np.bincount(labels[mask], minlength=count + 1)
    large = [number for number in range(1, count + 1) if sizes[number] > SPECK * region.area]
    if len(large) < 2:
        return [region]
    # The line's own pixels and specks go to the nearest part.
    seeds = np.where(np.isin(labels, large), labels, 0)
    nearest = ndimage.distance_transform_edt(seeds == 0, return_distances=False, return_indices=True)
    owner = seeds[tuple(nearest)]
    parts = [Region.from_mask(mask & (owner == number), offset=(xmin, ymin)) for number in large]
    return sorted(parts, key=lambda part: (part.bbox[1], part.bbox[0]))


def join(regions: Sequence[Region]) -> tuple[Region, float]:
    """One region of several, with the narrowest bridges where they do not touch.

    Returns:
        The region, and the length in pixels of the longest bridge: 0.0 where all touch.
    """
    boxes = np.array([region.bbox for region in regions])
    left, top = boxes[:, :2].min(axis=0)
    right, bottom = boxes[:, 2:].max(axis=0)
    mask = np.zeros((bottom - top + 2, right - left + 2), dtype=bool)
    for region in regions:
        xmin, ymin, xmax, ymax = region.bbox
        mask[ymin - top + 1 : ymax - top + 1, xmin - left + 1 : xmax - left + 1] |= region.mask
    bridges: list[float] = []
    whole = connected(mask, bridges)
    offset = (int(left) - 1, int(top) - 1)
    # Where nothing had to be bridged the pixels are exactly those of the pieces.
    longest = max(bridges, default=0.0)
    return Region.from_mask(whole[1:-1, 1:-1] if longest else mask[1:-1, 1:-1], (offset[0] + 1, offset[1] + 1)), longest


def connected(mask: BoolArray, bridges: list[float] | None = None) -> BoolArray:
    """A mask whose pieces are joined by bridges three pixels wide between their nearest pixels.

    Args:
        mask: bool, shape (height, width), at least one pixel.
        bridges: gets the length in pixels of every bridge between pieces that do not touch, not even by a corner.
    """
    whole = mask.copy()
    while True:
        pieces, count = ndimage.label(whole)
        if count < 2:
            return whole
        largest = 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
        away, nearest = ndimage.distance_transform_edt(pieces != largest, return_indices=True)
        away[(pieces == 0) | (pieces == largest)] = np.inf
        row, column = np.unravel_index(int(np.argmin(away)), away.shape)
        target = nearest[:, row, column]
        if bridges is not None and away[row, column] > 1.5:
            bridges.append(float(away[row, column]))
        ends = np.array([(column, row), (target[1], target[0])], dtype=float)
        whole |= ndimage.binary_dilation(_drawn(ends, mask.shape), _EIGHT)


def _drawn(points: NDArray[np.float64], shape: tuple[int, ...]) -> BoolArray:
    """Pixels on a line through points ``(x, y)``: bool, of a shape; no four-connected way leads through it."""
    drawn = np.zeros(shape, dtype=bool)
    limit = np.array(shape[::-1], dtype=float)
    for start, stop in pairwise(points):
        clipped = _clipped(start, stop, limit)
        if clipped is None:
            continue
        steps = int(np.ceil(np.abs(clipped[1] - clipped[0]).max())) + 1
        along = np.linspace(clipped[0], clipped[1], 2 * steps + 1)
        columns, rows = np.rint(along).astype(np.int64).T
        inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
        drawn[rows[inside], columns[inside]] = True
    return drawn


def _clipped(
    start: NDArray[np.float64], stop: NDArray[np.float64], limit: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """The part of a segment within two pixels of an image, None if there is none (Liang and Barsky, 1984)."""
    low, high = 0.0, 1.0
    for position, step, size in zip(start, stop - start, limit, strict=True):
        if step == 0:
            if not -2 <= position <= size + 2:
                return None
            continue
        first, last = sorted(((-2 - position) / step, (size + 2 - position) / step))
        low, high = max(low, first), min(high, last)
    if low > high:
        return None
    return start + low * (stop - start), start + high * (stop - start)
