"""The medial axis of a chromosome: a smooth line from telomere to telomere, at one point per pixel of arc length.

The skeleton of the mask gives the course of the axis, but its ends fork into corners and into open chromatids, and it
follows every ragged edge. It therefore only starts a refinement: points are moved to the middle of the mask along
their normals and smoothed, twice, after which the axis runs between open chromatids and ends at the outline.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, label, map_coordinates
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from skimage.morphology import skeletonize

from karyonet.errors import ArrayError
from karyonet.geometry.curve import (
    Points,
    along,
    arc_length,
    extend,
    normals_of,
    own_stretch,
    resample,
    smooth,
    tangents_of,
)

FloatArray = NDArray[np.float32]

EIGHT_CONNECTED = np.ones((3, 3), dtype=int)
_FOLDED = 1.1
"""Skeletons longer than this many diagonals of the mask's box turn back on themselves: no straight line is a start."""
_SLENDER, _UNBRANCHED = 3.5, 0.8
"""Length in widths, and share of the longest path, from which a skeleton does not just follow one open chromatid."""
_SQUAT = 2.0
"""Lengths in widths below which the principal axis is kept."""
_TIP = 0.7
"""Half widths at either end that do not decide where the middle is."""
_REFINEMENTS = 2
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
    filled = fill_holes(padded(mask))
    body, share = largest_piece(filled)
    line, half_width, diagonal = _principal_axis(body if share >= 0.9 else filled)
    if share < 0.9:
        return _axis(line, float(body.sum()), share, 1.0)
    course = course_of(body)
    reach = float(arc_length(course.line)[-1]) + course.half_width
    slender = reach > _SLENDER * 2.0 * half_width and course.unbranched > _UNBRANCHED
    if slender or reach > _FOLDED * diagonal:
        return centred_axis(body, course.trimmed(), course.half_width, share, course.unbranched)
    return centred_axis(body, line, half_width, share, course.unbranched)


@dataclass(frozen=True, eq=False)
class Course:
    """The longest path through the skeleton of a mask.

    Attributes:
        line: float64, shape (n, 2): row and column.
        half_width: of the mask along it, in pixels, from the mean distance to the outline.
        unbranched: 0–1, the share of the skeleton that lies on the path.
    """

    line: Points
    half_width: float
    unbranched: float

    def trimmed(self) -> Points:
        """The line without its last half widths, which turn towards a corner or into one chromatid."""
        return _trim(resample(self.line, 1.0), round(0.5 * self.half_width))


def course_of(body: NDArray[np.bool_]) -> Course:
    """The course of a mask in one piece, with a clear border and without holes."""
    half_width = inner_half_width(body)
    line, unbranched = longest_path(skeletonize(_smooth_outline(body, half_width)))  # type: ignore[no-untyped-call]
    return Course(line, half_width, unbranched)


def inner_half_width(mask: NDArray[np.bool_]) -> float:
    """Half width of an elongated mask in pixels, of its arms where it is folded, from the mean distance to the outline.

    Args:
        mask: bool, shape (height, width), at least one pixel set and none on the border.
    """
    return max(2.0 * float(distance_transform_edt(mask)[mask].mean()) - 1.0, 0.5)


def centred_axis(
    body: NDArray[np.bool_], line: Points, half_width: float, share: float = 1.0, unbranched: float = 1.0
) -> Axis:
    """The axis that a line is the start of: moved to the middle, smoothed, and ended at the outline.

    Args:
        body: bool, shape (height, width), in one piece; its border is clear and no part of the coordinates of the axis.
        line: float64, shape (n, 2): row and column in ``body``.
        half_width: in pixels.
        share: of the mask that is in ``body``. unbranched: as of :class:`Course`. Both lower the confidence.
    """
    soft, margin = _soft_edge(body, half_width)
    line = line + margin
    if arc_length(line)[-1] > _SQUAT * 2.0 * half_width:
        line = _centre(line, soft, half_width)
    return _axis(_cut_at_outline(line, soft, half_width) - margin, float(body.sum()), share, unbranched)


def principal_axis(mask: NDArray[np.bool_]) -> Axis:
    """The straight line through the middle of a mask along its longest spread; what is bent is not followed.

    Args:
        mask: bool, shape (height, width).

    Raises:
        ArrayError: K501 if the mask has not two dimensions, K502 if it is empty.
    """
    filled = fill_holes(padded(mask))
    line, _, _ = _principal_axis(filled)
    return _axis(line, float(filled.sum()), largest_piece(filled)[1])


def padded(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """One pixel around a checked mask."""
    mask = np.asarray(mask, dtype=bool)
    if mask.ndim != 2:
        raise ArrayError("K501", what="mask", expected="an array of two dimensions", actual=f"{mask.ndim} dimensions")
    if not mask.any():
        raise ArrayError("K502")
    return np.pad(mask, 1)


def largest_piece(mask: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], float]:
    """The largest connected piece of a mask, and its share of the area."""
    pieces, _ = label(mask, structure=EIGHT_CONNECTED)
    areas = np.bincount(pieces.ravel())[1:]
    return pieces == 1 + int(areas.argmax()), float(areas.max() / areas.sum())


def _axis(line: Points, area: float, share: float, unbranched: float = 1.0) -> Axis:
    """From a line in a padded mask to the axis in the mask, the higher end first; doubts as of :func:`_confidence`."""
    points, length = _resample_centred(line)
    if _runs_upwards(points):
        points = points[::-1]
    tangents = tangents_of(points) if len(points) > 1 else np.array([[1.0, 0.0]])
    return Axis(
        points=(points - 1.0).astype(np.float32),
        tangents=tangents.astype(np.float32),
        normals=normals_of(tangents).astype(np.float32),
        length=length,
        half_width=area / (2.0 * length),
        confidence=_confidence(length, area, share, unbranched),
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


def fill_holes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask without holes; its border must be clear."""
    background, _ = label(~mask)
    filled: NDArray[np.bool_] = background != background[0, 0]
    return filled


def _smooth_outline(body: NDArray[np.bool_], half_width: float) -> NDArray[np.bool_]:
    """The body with edges and clefts smoothed at its own scale; unchanged where that would break it."""
    smooth = gaussian_filter(body.astype(np.float32), 0.35 * half_width, mode="constant") > 0.5
    smooth[[0, -1]] = False
    smooth[:, [0, -1]] = False
    _, pieces = label(smooth, structure=EIGHT_CONNECTED)
    return smooth if pieces == 1 else body


def _principal_axis(mask: NDArray[np.bool_]) -> tuple[Points, float, float]:
    """The straight line through the pixels' centroid along their largest spread, as long as the pixels reach.

    Returns:
        points of the line; half the median extent across it, clefts included; diagonal of the box around the pixels
        that is aligned with it.
    """
    pixels = np.argwhere(mask).astype(float)
    centre = pixels.mean(axis=0)
    variances, directions = np.linalg.eigh((pixels - centre).T @ (pixels - centre))
    direction = directions[:, 1] if variances[1] - variances[0] > 1e-6 else np.array([1.0, 0.0])
    lengthwise, crosswise = (pixels - centre) @ direction, (pixels - centre) @ np.array([-direction[1], direction[0]])
    low, high = lengthwise.min() - 0.5, lengthwise.max() + 0.5
    row = np.rint(lengthwise - lengthwise.min()).astype(np.intp)
    right, left = np.full(row.max() + 1, -np.inf), np.full(row.max() + 1, np.inf)
    np.maximum.at(right, row, crosswise)
    np.minimum.at(left, row, crosswise)
    extents = (right - left)[np.isfinite(right)] + 1.0
    steps = np.linspace(low, high, max(round(high - low), 1) + 1)
    diagonal = float(np.hypot(high - low, np.ptp(crosswise) + 1.0))
    return centre + steps[:, None] * direction, 0.5 * float(np.median(extents)), diagonal


def _centre(line: Points, soft: FloatArray, half_width: float) -> Points:
    """Move a line to the middle of a body with a soft edge.

    Works at steps of about a sixth of the half width: the axis has no finer detail.
    """
    step = max(half_width / 6.0, 1.0)
    scale = half_width / step
    offsets = np.arange(-np.ceil(2.0 * scale) - 1, np.ceil(2.0 * scale) + 2) * step
    line = smooth(resample(line, step), None, scale)
    for _ in range(_REFINEMENTS):
        line = extend(resample(line, step), scale, step)
        normals = normals_of(tangents_of(line))
        positions = line.T[:, :, None] + normals.T[:, :, None] * offsets
        inside = map_coordinates(soft, positions, order=1, mode="constant")
        inside *= own_stretch(line, positions, max(half_width, 2.0))
        first, last = _span(inside.max(axis=1))
        low, high = max(int(np.ceil(first)), 0), int(last) + 1
        inside, rows = inside[low:high], np.arange(low, high)
        shift = (inside @ offsets) / np.maximum(inside.sum(axis=1), 1e-6)
        # A slanting tip would pull the line into its corner: its rows have next to no say.
        weight = np.where(np.minimum(rows - first, last - rows) < min(_TIP * scale, (last - first) / 4), 1e-3, 1.0)
        line = smooth(line[low:high] + normals[low:high] * shift[:, None], weight, scale)
    return line


def _cut_at_outline(line: Points, soft: FloatArray, half_width: float) -> Points:
    """The line, extended and cut where it leaves the body, to a fraction of a pixel."""
    line = extend(resample(line, 1.0), half_width, 1.0)
    offsets = np.arange(-round(0.8 * half_width), round(0.8 * half_width) + 1.0)
    positions = line.T[:, :, None] + normals_of(tangents_of(line)).T[:, :, None] * offsets
    inside = map_coordinates(soft, positions, order=1, mode="constant")
    # The upper quartile ends the line where a blunt tip ends, and not at the last pixel of a ragged one.
    first, last = _span(np.quantile(inside, 0.75, axis=1))
    at = np.concatenate([[first], np.arange(np.floor(first) + 1, np.ceil(last)), [last]])
    return along(line, np.arange(float(len(line))), at)


def _soft_edge(body: NDArray[np.bool_], half_width: float) -> tuple[FloatArray, int]:
    """The body, padded by a margin, with its staircase outline blurred into an edge that crosses 0.5 where it runs."""
    margin = int(np.ceil(2.0 * half_width)) + 3
    padded = np.pad(body, margin).astype(np.float32)
    return gaussian_filter(padded, min(0.7, 0.3 * half_width), mode="constant", truncate=3.0), margin


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


def _resample_centred(points: Points) -> tuple[Points, float]:
    """Points exactly one pixel apart, the middle one (or two) in the middle of the line; and the line's length."""
    arc = arc_length(points)
    length = float(arc[-1])
    count = max(round(length), 1)
    at: NDArray[np.float64] = np.arange(float(count)) + (length - count + 1) / 2
    return along(points, arc, at), max(length, 1.0)


def _trim(points: Points, count: int) -> Points:
    return points[count : len(points) - count] if len(points) > 2 * count + 2 else points


def _runs_upwards(points: Points) -> bool:
    first, last = points[0].round(2), points[-1].round(2)
    return bool(last[0] < first[0] or (last[0] == first[0] and last[1] < first[1]))


def _confidence(length: float, area: float, share: float, unbranched: float) -> float:
    """Product of four doubts: is the mask long enough, thick enough, one piece, unbranched?"""
    elongation = np.clip((length**2 / area - 1.2) / 0.6, 0.0, 1.0)  # 1.27 for a disc, the aspect ratio for a rod
    thickness = np.clip((area / length - 1.0) / 3.0, 0.0, 1.0)
    whole = share if share >= 0.9 else share * _STRAIGHT_CONFIDENCE
    return float(elongation * thickness * whole * np.clip(1.3 * unbranched, 0.0, 1.0))
