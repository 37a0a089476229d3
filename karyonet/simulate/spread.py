"""Where the chromosomes of a metaphase come to lie: alone, touching, or crossing.

Every chromosome first gets a relation to those that lie already; then places are tried until one fits it. What the
metaphase's truth says is measured on the masks afterwards (:func:`pair_contacts`), never taken from the intention.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from karyonet.geometry.region import Region

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Relation = Literal["alone", "touching", "overlapping"]

_DISC = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=bool)
_TRIES = 60
_GROWTH = 1.05
"""Factor on the axes of the spread when no place was found in it."""
_MOST_OVERLAP = 0.4
"""Share of a chromosome that may lie under or over others."""
_CROSSING = 0.4
"""Share of the contacts in which chromosomes cross. Of clusters of real metaphases of one kind 97 in 248 cross."""


@dataclass(frozen=True, eq=False)
class Piece:
    """A bent chromosome that has no place yet.

    Attributes:
        mask: bool, shape (height, width).
        origin: row and column of its middle in the mask, whole pixels.
        points: float64, shape (n, 2): its axis relative to the origin.
    """

    mask: BoolArray
    origin: FloatArray
    points: FloatArray


def relations(number: int, crowding: float, generator: np.random.Generator) -> list[Relation]:
    """What every chromosome is to do when it is placed; the first lies alone.

    Args:
        number: of chromosomes.
        crowding: 0 (all alone) to 1 (hardly one alone).
    """
    contact = 0.35 * crowding + 0.40 * crowding**2
    draws = generator.random((number, 2))
    return [
        "alone" if place == 0 or draw >= contact else "overlapping" if kind < _CROSSING else "touching"
        for place, (draw, kind) in enumerate(draws)
    ]


def place(
    pieces: Sequence[Piece],
    wanted: Sequence[Relation],
    shape: tuple[int, int],
    axes: tuple[float, float],
    gap: int,
    generator: np.random.Generator,
) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """Find a place for every piece.

    Args:
        pieces: of one metaphase.
        wanted: relation of each to those placed before it, in order of decreasing size.
        shape: height and width of the image.
        axes: half axes of the spread in rows and columns.
        gap: pixels left free around a chromosome that lies alone.
        generator: of the randomness.

    Returns:
        Row and column in the image of every mask's first pixel, and the image's height and width, which grow where
        not all pieces find a place.
    """
    occupied = np.zeros(shape, dtype=bool)
    near = np.zeros(shape, dtype=bool)
    tilt = generator.uniform(0, np.pi)
    places: list[tuple[int, int]] = [(0, 0)] * len(pieces)
    placed: list[int] = []
    extent = np.array(axes, dtype=float)
    order = sorted(range(len(pieces)), key=lambda number: -int(pieces[number].mask.sum()))
    for relation, number in zip(wanted, order, strict=True):
        piece = pieces[number]
        while True:
            found = _try(
                piece, relation, occupied, near, extent, tilt, [(pieces[p], places[p]) for p in placed], generator
            )
            if found is not None:
                break
            if extent.max() < 0.6 * max(occupied.shape):
                extent = extent * _GROWTH
            else:
                occupied, near, moved = _grow(occupied), _grow(near), np.array(occupied.shape) // 20 + 1
                places = [(row + int(moved[0]), column + int(moved[1])) for row, column in places]
            relation = "alone"
        places[number] = found
        placed.append(number)
        _mark(occupied, piece.mask, found)
        wide = binary_dilation(np.pad(piece.mask, gap), _DISC, iterations=gap)
        _mark(near, wide, (found[0] - gap, found[1] - gap))
    return places, (occupied.shape[0], occupied.shape[1])


def _try(
    piece: Piece,
    relation: Relation,
    occupied: BoolArray,
    near: BoolArray,
    extent: FloatArray,
    tilt: float,
    others: Sequence[tuple[Piece, tuple[int, int]]],
    generator: np.random.Generator,
) -> tuple[int, int] | None:
    """A place that fits the relation, None if none was found."""
    area = int(piece.mask.sum())
    for _ in range(_TRIES):
        if relation == "alone" or not others:
            corner = _anywhere(piece, occupied.shape, extent, tilt, generator)
            if (
                _inside(piece.mask, corner, occupied.shape)
                and not (_under(near, piece.mask, corner) & piece.mask).any()
            ):
                return corner
            continue
        other, (row, column) = others[int(generator.integers(len(others)))]
        target = other.points[int(generator.integers(len(other.points)))] + other.origin + (row, column)
        own = piece.points[int(generator.integers(len(piece.points)))]
        middle = np.round(target - own)
        corner = (int(middle[0] - piece.origin[0]), int(middle[1] - piece.origin[1]))
        if relation == "touching":
            moved = _push_off(piece, corner, occupied, generator)
            if moved is None:
                continue
            corner = moved
        if not _inside(piece.mask, corner, occupied.shape):
            continue
        overlap = int((_under(occupied, piece.mask, corner) & piece.mask).sum())
        if relation == "touching" or 0 < overlap <= _MOST_OVERLAP * area:
            return corner
    return None


def _push_off(
    piece: Piece, corner: tuple[int, int], occupied: BoolArray, generator: np.random.Generator
) -> tuple[int, int] | None:
    """Move a piece in a random direction until it no longer overlaps but touches."""
    angle = generator.uniform(0, 2 * np.pi)
    step = np.array([np.sin(angle), np.cos(angle)])
    for distance in range(0, 60, 1):
        moved = (corner[0] + round(distance * step[0]), corner[1] + round(distance * step[1]))
        if not _inside(piece.mask, moved, occupied.shape):
            return None
        if not (_under(occupied, piece.mask, moved) & piece.mask).any():
            return moved
    return None


def _anywhere(
    piece: Piece, shape: tuple[int, ...], extent: FloatArray, tilt: float, generator: np.random.Generator
) -> tuple[int, int]:
    """A uniformly random place in the tilted ellipse of the spread."""
    radius, angle = np.sqrt(generator.random()), generator.uniform(0, 2 * np.pi)
    first, second = extent * radius * np.array([np.cos(angle), np.sin(angle)])
    row = shape[0] / 2 + first * np.cos(tilt) - second * np.sin(tilt)
    column = shape[1] / 2 + first * np.sin(tilt) + second * np.cos(tilt)
    return round(row - piece.origin[0]), round(column - piece.origin[1])


def _inside(mask: BoolArray, corner: tuple[int, int], shape: tuple[int, ...]) -> bool:
    return (
        corner[0] >= 1
        and corner[1] >= 1
        and corner[0] + mask.shape[0] < shape[0]
        and corner[1] + mask.shape[1] < shape[1]
    )


def _under(image: BoolArray, mask: BoolArray, corner: tuple[int, int]) -> BoolArray:
    return image[corner[0] : corner[0] + mask.shape[0], corner[1] : corner[1] + mask.shape[1]]


def _mark(image: BoolArray, mask: BoolArray, corner: tuple[int, int]) -> None:
    """Set the pixels of a mask in an image, which it may leave."""
    top, left = max(corner[0], 0), max(corner[1], 0)
    bottom, right = min(corner[0] + mask.shape[0], image.shape[0]), min(corner[1] + mask.shape[1], image.shape[1])
    image[top:bottom, left:right] |= mask[top - corner[0] : bottom - corner[0], left - corner[1] : right - corner[1]]


def _grow(image: BoolArray) -> BoolArray:
    """A tenth more image, equally on all sides."""
    rows, columns = image.shape[0] // 20 + 1, image.shape[1] // 20 + 1
    return np.pad(image, ((rows, rows), (columns, columns)))


def pair_contacts(regions: Sequence[Region]) -> dict[tuple[int, int], int]:
    """Which regions touch or overlap: shared pixels by pair, 0 for those that touch (eight neighbours) only."""
    found: dict[tuple[int, int], int] = {}
    boxes = np.array([region.bbox for region in regions])
    for first, region in enumerate(regions):
        xmin, ymin, xmax, ymax = region.bbox
        wide = binary_dilation(np.pad(region.mask, 1), np.ones((3, 3), dtype=bool))
        later = boxes[first + 1 :]
        close = (later[:, 0] <= xmax) & (later[:, 2] >= xmin) & (later[:, 1] <= ymax) & (later[:, 3] >= ymin)
        for second in (np.flatnonzero(close) + first + 1).tolist():
            shared, touching = _common(region, wide, regions[second])
            if touching:
                found[(first, second)] = shared
    return found


def _common(region: Region, wide: BoolArray, other: Region) -> tuple[int, bool]:
    """Pixels that two regions share, and whether the first one, a pixel wider, meets the other."""
    xmin, ymin, xmax, ymax = region.bbox
    left, top = max(xmin - 1, other.bbox[0]), max(ymin - 1, other.bbox[1])
    right, bottom = min(xmax + 1, other.bbox[2]), min(ymax + 1, other.bbox[3])
    if right <= left or bottom <= top:
        return 0, False
    theirs = other.mask[top - other.bbox[1] : bottom - other.bbox[1], left - other.bbox[0] : right - other.bbox[0]]
    ours = wide[top - ymin + 1 : bottom - ymin + 1, left - xmin + 1 : right - xmin + 1]
    own = np.pad(region.mask, 1)[top - ymin + 1 : bottom - ymin + 1, left - xmin + 1 : right - xmin + 1]
    return int((own & theirs).sum()), bool((ours & theirs).any())
