"""A region: some pixels of an image, as a box and a mask inside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from karyonet.errors import ArrayError

BoundingBox = tuple[int, int, int, int]
"""``(xmin, ymin, xmax, ymax)`` in pixels, origin top left, max exclusive."""


@dataclass(frozen=True, eq=False)
class Region:
    """Pixels of one object. Regions of crossing chromosomes share the pixels of their overlap.

    Attributes:
        bbox: a box that holds the pixels; tight from :meth:`from_mask`, wider from :meth:`with_margin`.
        mask: bool, shape (ymax - ymin, xmax - xmin).
    """

    bbox: BoundingBox
    mask: NDArray[np.bool_]

    def __post_init__(self) -> None:
        xmin, ymin, xmax, ymax = self.bbox
        if self.mask.shape != (ymax - ymin, xmax - xmin):
            raise ArrayError(
                "K501", what="mask", expected=f"shape {(ymax - ymin, xmax - xmin)}", actual=self.mask.shape
            )

    @classmethod
    def from_mask(cls, mask: NDArray[np.bool_], offset: tuple[int, int] = (0, 0)) -> Region:
        """Crop a mask to its pixels.

        Args:
            mask: bool, shape (height, width).
            offset: ``(x, y)`` of the mask's top left pixel in the image.

        Raises:
            ArrayError: K502 if no pixel is set.
        """
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if rows.size == 0:
            raise ArrayError("K502")
        top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
        x, y = offset
        bbox = (left + x, top + y, right + x, bottom + y)
        return cls(bbox, np.ascontiguousarray(mask[top:bottom, left:right], dtype=bool))

    def with_margin(self, margin: int, shape: tuple[int, int]) -> Region:
        """The same pixels in a box that leaves ``margin`` pixels around them, inside an image of ``shape``."""
        xmin, ymin, xmax, ymax = self.bbox
        height, width = shape
        wide = (max(xmin - margin, 0), max(ymin - margin, 0), min(xmax + margin, width), min(ymax + margin, height))
        around = ((ymin - wide[1], wide[3] - ymax), (xmin - wide[0], wide[2] - xmax))
        return Region(wide, np.pad(self.mask, around))

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the box, to index an image."""
        xmin, ymin, xmax, ymax = self.bbox
        return slice(ymin, ymax), slice(xmin, xmax)

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(self.mask.sum())

    def to_mask(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """The region as a mask of a whole image of ``shape`` (height, width)."""
        full = np.zeros(shape, dtype=bool)
        full[self.slices] = self.mask
        return full

    def crop(self, image: NDArray[np.float32], outside: float = 0.0) -> NDArray[np.float32]:
        """The image inside the box, float32, with ``outside`` where the mask is not set."""
        return np.where(self.mask, image[self.slices], np.float32(outside)).astype(np.float32)


def box_iou(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.float64]:
    """Intersection over union of every box of one set with every box of another.

    Args:
        first: shape (n, 4), ``xmin, ymin, xmax, ymax``.
        second: shape (m, 4).

    Returns:
        float64, shape (n, m).
    """
    first, second = np.asarray(first, dtype=float).reshape(-1, 4), np.asarray(second, dtype=float).reshape(-1, 4)
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    intersection = np.prod(np.clip(high - low, 0, None), axis=2)
    area_first, area_second = (np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (first, second))
    union = area_first[:, None] + area_second[None, :] - intersection
    iou: NDArray[np.float64] = np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
    return iou


def shared_pixels(first: Sequence[Region], second: Sequence[Region]) -> NDArray[np.int64]:
    """How many pixels every region of one set has in common with every region of another: int64, shape (n, m)."""
    shared = np.zeros((len(first), len(second)), dtype=np.int64)
    boxes, others = (np.array([region.bbox for region in regions]).reshape(-1, 4) for regions in (first, second))
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    for i, j in np.argwhere((high > low).all(axis=2)):
        (x, y), (right, bottom) = low[i, j], high[i, j]
        one, other = (
            region.mask[y - region.bbox[1] : bottom - region.bbox[1], x - region.bbox[0] : right - region.bbox[0]]
            for region in (first[i], second[j])
        )
        shared[i, j] = np.count_nonzero(one & other)
    return shared
