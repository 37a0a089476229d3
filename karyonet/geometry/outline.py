"""Where the outline of a mask turns inwards, at the scale of a chromosome."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import find_contours

Points = NDArray[np.float64]

ARC = 0.6
"""Concavity is read between points this far along the outline, both ways (chromosome widths)."""
LEAST_TURN = np.deg2rad(30)
"""The outline is concave where it turns inwards by at least this."""


def concave_points(mask: NDArray[np.bool_], width: float) -> list[tuple[Points, Points, NDArray[np.bool_]]]:
    """The outlines of a mask and where they turn inwards at the scale of a chromosome.

    Args:
        mask: bool, shape (height, width).
        width: width of a chromosome in pixels.

    Returns:
        for each outline its points (n, 2) as row and column, evenly spaced; the turn at each point in radians,
        positive where concave; and which points are the most concave of their surroundings.
    """
    smooth = ndimage.gaussian_filter(np.pad(mask, 2).astype(np.float32), max(0.6, width / 16))
    found = []
    outlines = find_contours(smooth, 0.5)  # type: ignore[no-untyped-call]
    for outline in outlines:
        points, turn = _turn(outline - 2, width)
        if points.shape[0] < 8:
            continue
        reach = max(1, round(0.5 * ARC * width / spacing(width)))
        peak = ndimage.maximum_filter1d(turn, 2 * reach + 1, mode="wrap")
        found.append((points, turn, (turn == peak) & (turn >= LEAST_TURN)))
    return found


def spacing(width: float) -> float:
    """Pixels between neighbouring points of an outline."""
    return max(1.0, width / 10)


def _turn(outline: Points, width: float) -> tuple[Points, Points]:
    """Evenly spaced points of a closed outline and the inward turn at each."""
    steps = np.hypot(*np.diff(outline, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    number = int(along[-1] / spacing(width))
    if number < 8:
        return np.zeros((0, 2)), np.zeros(0)
    at = np.linspace(0, along[-1], number, endpoint=False)
    points = np.stack([np.interp(at, along, outline[:, axis]) for axis in (0, 1)], axis=1)
    shift = max(1, round(ARC * width / spacing(width)))
    before, after = points - np.roll(points, shift, axis=0), np.roll(points, -shift, axis=0) - points
    cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    # find_contours keeps higher values on the left, with rows downwards: a concave point turns the other way.
    return points, np.arctan2(cross, (before * after).sum(axis=1))
