"""Lines in the plane as rows of points: arc length, tangents, smoothing, extension."""

from __future__ import annotations

from itertools import combinations_with_replacement
from math import atan2

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded
from scipy.ndimage import distance_transform_edt

Points = NDArray[np.float64]
"""Shape (n, 2): row and column, in order along a line."""

_STIFFNESS = (0.3, 1.0)
"""Smoothing lengths of the axis in half widths, for curvature and for its change: finer detail is smoothed away."""
_FACING = 0.7
"""Cosine: stretches within about 45 degrees of the mean direction cannot face each other."""


def tangents_of(points: Points) -> Points:
    """Unit tangents of a line, float64, shape (n, 2), from points of the same shape (n >= 2)."""
    steps = np.gradient(points, axis=0)
    return steps / np.maximum(np.hypot(steps[:, :1], steps[:, 1:]), 1e-9)


def normals_of(tangents: Points) -> Points:
    """Tangents turned so that a line running down has normals that point right."""
    return np.stack([-tangents[:, 1], tangents[:, 0]], axis=1)


def along(points: Points, arc: NDArray[np.float64], at: NDArray[np.float64]) -> Points:
    return np.stack([np.interp(at, arc, coordinate) for coordinate in points.T], axis=1)


def smooth(points: Points, weight: NDArray[np.float64] | None, scale: float) -> Points:
    """Discrete smoothing spline (Whittaker 1923; Eilers 2003, eq. 3, with weights).

    Minimises the weighted squared distance to the points plus penalties on curvature and on its change. The second
    lets an even bend run on to the ends, which a penalty on curvature alone would straighten.

    Args:
        points: float64, shape (n, 2), evenly spaced.
        weight: float64, shape (n,); by default all 1.
        scale: the half width in steps between points.
    """
    n = len(points)
    if n < 5:
        return points
    weight = np.ones(n) if weight is None else weight
    bands = np.zeros((4, n))
    bands[0] = weight
    curvature, change = _STIFFNESS
    for difference, penalty in (((1, -2, 1), (curvature * scale) ** 4), ((1, -3, 3, -1), (change * scale) ** 6)):
        order = len(difference)
        for i, j in combinations_with_replacement(range(order), 2):
            bands[j - i, i : i + n - order + 1] += penalty * difference[i] * difference[j]
    solved: Points = solveh_banded(bands, weight[:, None] * points, lower=True, check_finite=False)
    return solved


def arc_length(points: Points) -> NDArray[np.float64]:
    """Arc length at every point of a polyline."""
    return np.concatenate([[0.0], np.hypot(*np.diff(points, axis=0).T).cumsum()]) if len(points) > 1 else np.zeros(1)


def resample(points: Points, step: float) -> Points:
    """The same line at even steps of about the given arc length."""
    arc = arc_length(points)
    return along(points, arc, np.linspace(0.0, arc[-1], max(round(float(arc[-1]) / step), 1) + 1))


def extend(points: Points, scale: float, step: float) -> Points:
    """Points added at both ends over about two half widths, bending on as the last half widths do.

    Args:
        scale: the half width in steps between points.
    """
    half = max(min(round(scale), (len(points) - 1) // 2), 1)
    ahead = np.arange(1.0, 4.0 * scale + 3)

    def beyond(end: Points, middle: Points, start: Points) -> Points:
        (y, x), (v, u) = end - middle, middle - start
        turn = atan2(u * -y + v * x, v * y + u * x) / half if len(points) > 4 else 0.0
        course = atan2(x, y) + np.clip(turn, -0.5 / scale, 0.5 / scale) * (ahead + half / 2)
        return end + step * np.stack([np.cos(course), np.sin(course)], axis=1).cumsum(axis=0)

    before = beyond(points[0], points[half], points[min(2 * half, len(points) - 1)])
    after = beyond(points[-1], points[-1 - half], points[max(-1 - 2 * half, -len(points))])
    return np.concatenate([before[::-1], points, after])


def own_stretch(points: Points, positions: Points, tolerance: float) -> NDArray[np.bool_]:
    """Whether samples along normals lie nearest to their own stretch of the axis, not to another arm of a bent one.

    Args:
        points: float64, shape (n, 2), evenly spaced: row and column of the axis.
        positions: float64, shape (2, n, m): row and column of sample m on the normal of point n.
        tolerance: how far along the axis, in pixels, the nearest point may be away.

    Returns:
        bool, shape (n, m).
    """
    step = max(float(np.hypot(*(points[1:2] - points[:1]).sum(axis=0))), 1.0)
    tangents = points[1:] - points[:-1]
    if len(points) < 3 or (tangents @ tangents.mean(axis=0)).min() > _FACING * step * np.hypot(*tangents.mean(axis=0)):
        return np.ones(positions.shape[1:], dtype=bool)  # no stretch turns back to face another
    # A map of the nearest point, at the resolution of the points.
    origin = positions.min(axis=(1, 2))
    cells = np.rint((positions - origin[:, None, None]) / step).astype(np.intp)
    at = np.rint((points - origin) / step).astype(np.intp).T
    index = np.full(cells.max(axis=(1, 2)) + 1, -1)
    index[tuple(at)] = np.arange(len(points))
    rows, columns = distance_transform_edt(index < 0, return_distances=False, return_indices=True)
    nearest = index[rows, columns][tuple(cells)]
    own: NDArray[np.bool_] = np.abs(nearest - np.arange(len(points))[:, None]) * step <= tolerance
    return own
