"""The medial axis of a chromosome: a smooth line from telomere to telomere, at one point per pixel of arc length.

The skeleton of the mask gives the course of the axis, but its ends fork into corners and into open chromatids, and it
follows every ragged edge. It therefore only starts a refinement: points are moved to the middle of the mask along
their normals and smoothed, twice, after which the axis runs between open chromatids and ends at the outline.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded
from scipy.ndimage import distance_transform_edt, gaussian_filter, label, map_coordinates
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from skimage.morphology import skeletonize

from karyonet.errors import ArrayError

FloatArray = NDArray[np.float32]
Points = NDArray[np.float64]

_EIGHT_CONNECTED = np.ones((3, 3), dtype=int)
_STIFFNESS = 0.8
"""Smoothing length of the axis in half widths: bends tighter than about this radius are smoothed away."""
_REFINEMENTS = 3
_STRAIGHT_CONFIDENCE = 0.3
"""Factor on the confidence of an axis that is only the principal axis of the pixels."""


@dataclass(frozen=True, eq=False)
class Axis:
    """A line along a chromosome; point 0 is the end with the smaller row (of equal ones, the smaller column).

    Attributes:
        points: float32, shape (n, 2): row and column, 1 pixel of arc length apart, centred between the two ends.
        tangents: float32, shape (n, 2): unit vectors towards the last point.
        normals: float32, shape (n, 2): unit vectors to the right of an upright chromosome, ``(-column, row)`` of the
            tangent.
        length: arc length from outline to outline in pixels; n is this, rounded, and at least 1.
        half_width: mean distance from the axis to the outline in pixels.
        confidence: 0–1; low for masks that are round, thin, in pieces or branched.
    """

    points: FloatArray
    tangents: FloatArray
    normals: FloatArray
    length: float
    half_width: float
    confidence: float


def medial_axis(mask: NDArray[np.bool_]) -> Axis:
    """The axis of one chromosome.

    A mask that has no course of its own (a few pixels, a disc, two pieces far apart) gets the principal axis of its
    pixels, with low confidence.

    Args:
        mask: bool, shape (height, width).

    Raises:
        ArrayError: K501 if the mask has not two dimensions, K502 if it is empty.
    """
    mask = np.asarray(mask, dtype=bool)
    if mask.ndim != 2:
        raise ArrayError("K501", what="mask", expected="an array of two dimensions", actual=f"{mask.ndim} dimensions")
    if not mask.any():
        raise ArrayError("K502")
    filled = _fill_holes(np.pad(mask, 1))
    pieces, _ = label(filled, structure=_EIGHT_CONNECTED)
    areas = np.bincount(pieces.ravel())[1:]
    share = float(areas.max() / areas.sum())
    body = pieces == 1 + int(areas.argmax())
    half_width = max(2.0 * float(distance_transform_edt(body)[body].mean()) - 1.0, 0.5)

    straight = _principal_axis(filled if share < 0.9 else body)
    line, unbranched = straight, 1.0
    if share >= 0.9:
        skeleton = skeletonize(_smooth_outline(body, half_width))
        course, unbranched = longest_path(skeleton)
        # The last half width of a skeleton turns towards a corner or into one chromatid.
        course = _trim(_resample(course), round(0.5 * half_width))
        curved = len(course) > 2.0 * half_width + 1
        line = course if curved else straight
        # A straight start needs no stiffness of its own; it may still tilt and shift into the middle.
        line = _refine(line, body, half_width, stiffness=_STIFFNESS * half_width if curved else 4.0 * half_width)
    points, length = _resample_centred(line)
    if _runs_upwards(points):
        points = points[::-1]
    tangents = tangents_of(points) if len(points) > 1 else np.array([[1.0, 0.0]])
    confidence = _confidence(length, float(areas.max()), share, unbranched)
    return Axis(
        points=(points - 1.0).astype(np.float32),
        tangents=tangents.astype(np.float32),
        normals=normals_of(tangents).astype(np.float32),
        length=length,
        half_width=half_width,
        confidence=confidence,
    )


def longest_path(skeleton: NDArray[np.bool_]) -> tuple[Points, float]:
    """The longest of the shortest paths between two pixels of a skeleton.

    Exact where the skeleton has no cycle (two sweeps from the farthest point of an arbitrary start).

    Args:
        skeleton: bool, shape (height, width), at least one pixel set and none on the border.

    Returns:
        points: float64, shape (n, 2), in order along the path.
        share: 0–1, the pixels of the path among all pixels of the skeleton.
    """
    pixels = np.argwhere(skeleton)
    number = np.full(skeleton.shape, -1)
    number[tuple(pixels.T)] = np.arange(len(pixels))
    starts, ends, lengths = [], [], []
    for step in ((0, 1), (1, 0), (1, 1), (1, -1)):
        neighbour = number[tuple((pixels + step).T)]
        linked = np.flatnonzero(neighbour >= 0)
        starts.append(linked)
        ends.append(neighbour[linked])
        lengths.append(np.full(len(linked), np.hypot(*step)))
    edges = (np.concatenate(lengths), (np.concatenate(starts), np.concatenate(ends)))
    graph = csr_array(edges, shape=(len(pixels), len(pixels)))

    def distances(source: int) -> NDArray[np.float64]:
        found = dijkstra(graph, directed=False, indices=source)
        return np.where(np.isfinite(found), found, -1.0)

    first = int(distances(0).argmax())
    from_first = distances(first)
    last = int(from_first.argmax())
    on_path = np.flatnonzero(np.abs(from_first + distances(last) - from_first[last]) < 1e-6)
    # Where two equally short ways exist, keep one pixel for each distance.
    _, one_each = np.unique(from_first[on_path].round(4), return_index=True)
    path = on_path[one_each]
    return pixels[path].astype(float), len(path) / len(pixels)


def tangents_of(points: Points) -> Points:
    """Unit tangents of a line, float64, shape (n, 2), from points of the same shape (n >= 2)."""
    steps = np.gradient(points, axis=0)
    return steps / np.maximum(np.hypot(steps[:, :1], steps[:, 1:]), 1e-9)


def normals_of(tangents: Points) -> Points:
    """Tangents turned so that a line running down has normals that point right."""
    return np.stack([-tangents[:, 1], tangents[:, 0]], axis=1)


def nearest_row(points: Points, shape: tuple[int, int]) -> NDArray[np.intp]:
    """For every pixel of a shape, the index of the axis point nearest to it (to within a pixel)."""
    at = np.rint(points).astype(np.intp)
    inside = np.flatnonzero(((at >= 0) & (at < shape)).all(axis=1))
    index = np.zeros(shape, dtype=np.intp)
    free = np.ones(shape, dtype=bool)
    index[tuple(at[inside].T)] = inside
    free[tuple(at[inside].T)] = False
    rows, columns = distance_transform_edt(free, return_distances=False, return_indices=True)
    return index[rows, columns]


def belongs_to_row(positions: Points, nearest: NDArray[np.intp], tolerance: float) -> NDArray[np.bool_]:
    """Whether samples along normals lie nearest to their own stretch of the axis, not to another arm of a bent one.

    Args:
        positions: float, shape (2, n, m): row and column of sample m on the normal of point n.
        nearest: the map of :func:`nearest_row`.
        tolerance: how many points along the axis the nearest one may be away.

    Returns:
        bool, shape (n, m).
    """
    limits = np.array(nearest.shape)[:, None, None] - 1
    rows, columns = np.rint(positions).astype(np.intp).clip(0, limits)
    own = np.arange(positions.shape[1])[:, None]
    return np.abs(nearest[rows, columns] - own) <= tolerance


def _fill_holes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask without holes; its border must be clear."""
    background, _ = label(~mask)
    return background != background[0, 0]


def _smooth_outline(body: NDArray[np.bool_], half_width: float) -> NDArray[np.bool_]:
    """The body with edges and clefts smoothed at its own scale; unchanged where that would break it."""
    smooth = gaussian_filter(body.astype(np.float32), 0.35 * half_width, mode="constant") > 0.5
    smooth[[0, -1]] = False
    smooth[:, [0, -1]] = False
    _, pieces = label(smooth, structure=_EIGHT_CONNECTED)
    return smooth if pieces == 1 else body


def _principal_axis(mask: NDArray[np.bool_]) -> Points:
    """The straight line through the pixels' centroid along their largest spread, as long as the pixels reach."""
    pixels = np.argwhere(mask).astype(float)
    centre = pixels.mean(axis=0)
    spread = (pixels - centre).T @ (pixels - centre)
    direction = np.linalg.eigh(spread)[1][:, -1] if np.ptp(np.linalg.eigvalsh(spread)) > 1e-6 else np.array([1.0, 0.0])
    along = (pixels - centre) @ direction
    low, high = along.min() - 0.5, along.max() + 0.5
    steps = np.linspace(low, high, max(round(high - low), 1) + 1)
    return centre + steps[:, None] * direction


def _refine(line: Points, body: NDArray[np.bool_], half_width: float, stiffness: float) -> Points:
    """Move a line to the middle of the body and let it reach the outline at both ends."""
    reach = int(np.ceil(2.0 * half_width)) + 1
    margin = 2 * reach + 2
    padded = np.pad(body, margin).astype(np.float32)
    # A touch of blur turns the staircase of the outline into an edge that crosses 0.5 where the outline runs.
    soft = gaussian_filter(padded, min(0.7, 0.3 * half_width), mode="constant")
    line = _smooth(_resample(line) + margin, np.ones(len(_resample(line))), stiffness)
    offsets = np.arange(-reach, reach + 1.0)
    for _ in range(_REFINEMENTS):
        line = _extend(_resample(line), 2 * reach)
        normals = normals_of(tangents_of(line))
        positions = line.T[:, :, None] + normals.T[:, :, None] * offsets
        inside = map_coordinates(soft, positions, order=1, mode="constant")
        inside *= belongs_to_row(positions, nearest_row(line, padded.shape), max(half_width, 2.0))
        width = inside.sum(axis=1)
        first, last = _span(inside.max(axis=1))
        rows = slice(max(int(np.ceil(first)), 0), int(last) + 1)
        shift = (inside @ offsets)[rows] / np.maximum(width[rows], 1e-6)
        moved = line[rows] + normals[rows] * shift[:, None]
        # Rows near the tip hold few pixels and say little about the middle.
        weight = np.clip(width[rows] / (2.0 * half_width), 0.02, 1.0)
        line = _smooth(moved, weight, stiffness)
    return _cut_at_outline(_extend(_resample(line), 2 * reach), soft, half_width) - margin


def _cut_at_outline(line: Points, soft: FloatArray, half_width: float) -> Points:
    """The part of a line on whose normals, within half a width, the body is met, ends to a fraction of a pixel."""
    reach = round(0.8 * half_width)
    offsets = np.arange(-reach, reach + 1.0)
    positions = line.T[:, :, None] + normals_of(tangents_of(line)).T[:, :, None] * offsets
    inside = map_coordinates(soft, positions, order=1, mode="constant")
    # The upper quartile ends the line where a blunt tip ends, and not at the last pixel of a ragged one.
    first, last = _span(np.quantile(inside, 0.75, axis=1))
    at = np.concatenate([[first], np.arange(np.floor(first) + 1, np.ceil(last)), [last]])
    return np.stack([np.interp(at, np.arange(len(line)), coordinate) for coordinate in line.T], axis=1)


def _span(presence: NDArray[np.floating]) -> tuple[float, float]:
    """Where the run of rows above 0.5 that holds most of the presence begins and ends, interpolated."""
    runs, count = label(presence > 0.5)
    if count == 0:
        middle = float(np.argmax(presence))
        return middle, middle
    best = 1 + int(np.argmax(np.bincount(runs, weights=presence)[1:]))
    run = np.flatnonzero(runs == best)
    first, last = int(run[0]), int(run[-1])
    before = presence[first - 1] if first > 0 else presence[first]
    after = presence[last + 1] if last + 1 < len(presence) else presence[last]
    low = first - (presence[first] - 0.5) / max(presence[first] - before, 1e-6) if presence[first] > before else first
    high = last + (presence[last] - 0.5) / max(presence[last] - after, 1e-6) if presence[last] > after else last
    return float(low), float(high)


def _smooth(points: Points, weight: NDArray[np.float64], scale: float) -> Points:
    """Discrete smoothing spline (Whittaker 1923): minimises weighted squared distance + scale^4 x squared curvature.

    Second differences at the ends are not bound, so that the ends are not drawn in.
    """
    n = len(points)
    if n < 3:
        return points
    difference = np.array([1.0, -2.0, 1.0])
    bands = np.zeros((3, n))
    for shift in range(3):
        for i in range(3 - shift):
            bands[shift, i : i + n - 2] += difference[i] * difference[i + shift]
    bands *= scale**4
    bands[0] += weight
    solved: Points = solveh_banded(bands, weight[:, None] * points, lower=True, check_finite=False)
    return solved


def _resample(points: Points) -> Points:
    """The same line at steps of about one pixel of arc length."""
    return _along(points, None)


def _resample_centred(points: Points) -> tuple[Points, float]:
    """Points exactly one pixel apart, the middle one (or two) in the middle of the line; and the line's length."""
    length = float(np.hypot(*np.diff(points, axis=0).T).sum()) if len(points) > 1 else 0.0
    count = max(round(length), 1)
    return _along(points, length / 2 + np.arange(count) - (count - 1) / 2), max(length, 1.0)


def _along(points: Points, at: NDArray[np.float64] | None) -> Points:
    """Points of a polyline at given arc lengths, or evenly at about one pixel."""
    arc = np.concatenate([[0.0], np.hypot(*np.diff(points, axis=0).T).cumsum()]) if len(points) > 1 else np.zeros(1)
    if at is None:
        at = np.linspace(0.0, arc[-1], max(round(float(arc[-1])), 1) + 1)
    return np.stack([np.interp(at, arc, coordinate) for coordinate in points.T], axis=1)


def _trim(points: Points, count: int) -> Points:
    return points[count : len(points) - count] if len(points) > 2 * count + 2 else points


def _extend(points: Points, count: int) -> Points:
    """Points added one pixel apart along the mean tangents of the ends."""
    stretch = min(4, len(points) - 1)
    steps = np.arange(1.0, count + 1)[:, None]

    def direction(towards: Points, away: Points) -> Points:
        return (towards - away) / max(float(np.hypot(*(towards - away))), 1e-9)

    before = points[0] + steps[::-1] * direction(points[0], points[stretch])
    after = points[-1] + steps * direction(points[-1], points[-1 - stretch])
    return np.concatenate([before, points, after])


def _runs_upwards(points: Points) -> bool:
    first, last = points[0].round(2), points[-1].round(2)
    return bool(last[0] < first[0] or (last[0] == first[0] and last[1] < first[1]))


def _confidence(length: float, area: float, share: float, unbranched: float) -> float:
    """Product of four doubts: is the mask long enough, thick enough, one piece, unbranched?"""
    elongation = np.clip((length**2 / area - 1.2) / 0.6, 0.0, 1.0)  # 1.27 for a disc, the aspect ratio for a rod
    thickness = np.clip((area / length - 1.0) / 3.0, 0.0, 1.0)
    whole = share if share >= 0.9 else share * _STRAIGHT_CONFIDENCE
    return float(elongation * thickness * whole * np.clip(1.3 * unbranched, 0.0, 1.0))
