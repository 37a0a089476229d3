"""Windows that cover a large image, so that memory does not grow with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Tile(NamedTuple):
    """A window, and the part of it for which it answers.

    Attributes:
        rows, columns: of the window.
        core_rows, core_columns: inside it; the cores of all tiles cover the image once.
    """

    rows: slice
    columns: slice
    core_rows: slice
    core_columns: slice


def tiles(shape: tuple[int, int], side: int, margin: int) -> Iterator[Tile]:
    """Tiles of an image; one tile for an image that is no larger than ``side``.

    Args:
        shape: ``(height, width)`` in pixels.
        side: largest side of a tile in pixels, more than twice the margin.
        margin: pixels that a tile sees beyond its core, at least the size of the largest object.
    """
    for rows, core_rows in _spans(shape[0], side, margin):
        for columns, core_columns in _spans(shape[1], side, margin):
            yield Tile(rows, columns, core_rows, core_columns)


def _spans(length: int, side: int, margin: int) -> Iterator[tuple[slice, slice]]:
    if length <= side:
        yield slice(0, length), slice(0, length)
        return
    step = side - 2 * margin
    start = 0
    while start < length:
        stop = min(start + step, length)
        yield slice(max(start - margin, 0), min(stop + margin, length)), slice(start, stop)
        start = stop
