"""The course of a chromosome over the slide, and how its strip is laid along it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter1d, map_coordinates

FloatArray = NDArray[np.float64]
_GRID = 256
"""Points lie on multiples of 1/256 pixel, so that the last bit of a sine differs on no machine."""
_LEAST_RADIUS = 1.4
"""Least radius of a bend, in half widths: tighter ones would fold the inner side."""
_MOST_TURNING = 3.6
"""Radians between any two directions of a chromosome: more and it could cross itself."""


@dataclass(frozen=True, eq=False)
class Course:
    """A line in pixels, one point per pixel of arc length.

    Attributes:
        points: float64, shape (n, 2): row and column.
        tangents: float64, shape (n, 2): unit vectors towards the last point.
    """

    points: FloatArray
    tangents: FloatArray

    @property
    def normals(self) -> FloatArray:
        """float64, shape (n, 2): the tangents turned by a quarter."""
        return np.column_stack([-self.tangents[:, 1], self.tangents[:, 0]])


def random_course(
    length: int, half_width: float, turning: float, kinks: tuple[float, ...], generator: np.random.Generator
) -> Course:
    """A smooth random line with a random direction.

    Args:
        length: points.
        half_width: pixels; limits how tightly it bends.
        turning: radians between its extreme directions, about.
        kinks: points where a chromosome likes to bend: its centromeres.
        generator: of the randomness.
    """
    bends = generator.standard_normal(4)
    phases = generator.uniform(0, 2 * np.pi, 4)
    kink = generator.standard_normal(2)
    start = generator.uniform(0, 2 * np.pi)
    place = np.arange(length) / max(length - 1, 1)
    # A constant bend and three waves, the longer ones stronger.
    waves = bends[1:] / np.array([1.0, 2.0, 3.0])
    curvature = bends[0] + 0.8 * np.sum(
        waves[:, None] * np.sin(np.pi * np.outer([2, 3, 5], place) + phases[1:, None]), 0
    )
    for position in kinks[:2]:
        spread = max(1.5 * half_width, 3.0)
        bump = np.exp(-0.5 * ((np.arange(length) - position) / spread) ** 2)
        curvature = curvature + 0.6 * kink[0] * bump * length / (2.5 * spread)
    angle = gaussian_filter1d(np.cumsum(curvature) / length, 1.0, mode="nearest")
    span = float(np.ptp(angle))
    angle *= min(turning, _MOST_TURNING) / max(span, 1e-9)
    steepest = float(np.abs(np.diff(angle)).max(initial=0.0))
    angle *= min(1.0, 1.0 / (_LEAST_RADIUS * half_width) / max(steepest, 1e-9))
    return _course(angle + start)


def ring_course(length: int, generator: np.random.Generator) -> Course:
    """A closed, slightly oval line."""
    start, oval = generator.uniform(0, 2 * np.pi), generator.uniform(0.0, 0.25)
    turn = 2 * np.pi * np.arange(length) / length
    return _course(start + turn + oval * np.sin(2 * turn))


def _course(angle: FloatArray) -> Course:
    tangents = np.column_stack([np.cos(angle), np.sin(angle)])
    points = np.cumsum(tangents, axis=0)
    points -= points.mean(axis=0)
    return Course(np.round(points * _GRID) / _GRID, np.round(tangents * _GRID**2) / _GRID**2)


def lay_along(
    course: Course, strip: FloatArray, coverage: FloatArray
) -> tuple[FloatArray, NDArray[np.bool_], FloatArray]:
    """Lay a straight strip along a course.

    Args:
        course: n points.
        strip: float64, shape (n, 2 r + 1): optical density, the axis in the middle column.
        coverage: float64, shape of ``strip``: how far a pixel belongs to the chromosome, 0–1.

    Returns:
        Optical density and mask in a box around the course, and the row and column of the course's origin in it,
        on whole pixels: float64 and bool, shape (height, width); float64, shape (2,).
    """
    reach = strip.shape[1] // 2
    low = np.floor(course.points.min(axis=0)) - reach - 1
    high = np.ceil(course.points.max(axis=0)) + reach + 2
    shape = tuple((high - low).astype(int))
    points = course.points - low
    cells = np.round(points).astype(int)
    empty = np.ones(shape, dtype=bool)
    empty[cells[:, 0], cells[:, 1]] = False
    holder = np.zeros(shape, dtype=np.intp)
    holder[cells[:, 0], cells[:, 1]] = np.arange(len(points))
    distance, nearest = distance_transform_edt(empty, return_indices=True)
    rows, columns = np.nonzero(distance <= reach)
    index = holder[nearest[0][rows, columns], nearest[1][rows, columns]]
    offset = np.column_stack([rows, columns]) - points[index]
    along = index + (offset * course.tangents[index]).sum(axis=1)
    across = (offset * course.normals[index]).sum(axis=1) + reach
    density, mask = np.zeros(shape), np.zeros(shape, dtype=bool)
    where = np.stack([along, across])
    density[rows, columns] = map_coordinates(strip, where, order=1, mode="constant")
    mask[rows, columns] = map_coordinates(coverage, where, order=1, mode="constant") > 0.5
    return density, mask, -low
