"""From a box in a metaphase to the input of the mask network, and from its answer back to pixels of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from karyonet.case import FloatArray
from karyonet.data.boxes import box_size
from karyonet.geometry.region import BoundingBox

MOST_DENSE = 4.0
"""Density, relative to the mean of the metaphase's chromosomes, above which differences do not matter."""


class CropSettings(BaseModel):
    """How boxes become input; stored in the model card of the weights.

    Attributes:
        side: of the square crops in pixels.
        size: what the median of the longer sides of a metaphase's boxes is scaled to, in pixels.
        border: pixels that a crop leaves around its box at least; a box that is too long for it is shrunk.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    side: int = Field(default=96, ge=32)
    size: float = Field(default=40.0, gt=0)
    border: int = Field(default=4, ge=0)


@dataclass(frozen=True, eq=False)
class BoxCrops:
    """Crops of n boxes.

    Attributes:
        images: float32, shape (n, 5, side, side): density relative to the metaphase, the box itself (1 inside), how
            many other boxes hold a pixel, in thirds, and inside the box cosine and sine of twice the direction of the
            chromosome's long axis, both 0 where it is not known.
        matrices: float64, shape (n, 2, 3): from pixels of the image to pixels of the crop.
    """

    images: FloatArray
    matrices: NDArray[np.float64]


def crop_boxes(
    relative_density: FloatArray,
    boxes: Sequence[BoundingBox],
    settings: CropSettings,
    directions: Sequence[float | None] | None = None,
) -> BoxCrops:
    """Cut out n boxes of one metaphase.

    Args:
        relative_density: float32, shape (height, width); 1.0 is the mean density of the chromosomes.
        boxes: ``(xmin, ymin, xmax, ymax)`` in pixels, all chromosomes of the metaphase.
        settings: size and scale.
        directions: of the long axes, in radians from x towards y; None where one is not known, or none is.
    """
    side = settings.side
    images = np.zeros((len(boxes), 5, side, side), dtype=np.float32)
    matrices = np.zeros((len(boxes), 2, 3))
    if not boxes:
        return BoxCrops(images, matrices)
    usual = settings.size / box_size(boxes)
    smooth = softened(np.clip(relative_density, 0, MOST_DENSE), usual)
    for index, (box, direction) in enumerate(zip(boxes, directions or [None] * len(boxes), strict=True)):
        matrices[index] = matrix = crop_matrix(box, usual, settings)
        images[index, 0] = cv2.warpAffine(smooth, matrix, (side, side), flags=cv2.INTER_LINEAR)
        windows = [_window(matrix, other, side) for other in boxes]
        draw_boxes(images[index], windows.pop(index), windows, direction)
    return BoxCrops(images, matrices)


def draw_boxes(
    crop: FloatArray, own: tuple[slice, slice], others: Sequence[tuple[slice, slice]], direction: float | None
) -> None:
    """Fill in what a crop says of boxes: all channels behind the first.

    Args:
        crop: float32, shape (5, side, side), changed in place.
        own, others: rows and columns of the boxes.
        direction: of the chromosome's long axis, in radians; None if it is not known.
    """
    crop[1:, :, :] = 0
    crop[1, *own] = 1
    for rows, columns in others:
        crop[2, rows, columns] += 1 / 3
    np.minimum(crop[2], 1.0, out=crop[2])
    if direction is not None:
        crop[3, *own], crop[4, *own] = np.cos(2 * direction), np.sin(2 * direction)


def softened(image: FloatArray, scale: float) -> FloatArray:
    """Smoothed as much as a reduction by ``scale`` asks for; as it is where that is not below 1."""
    if scale >= 1:
        return image
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.4 / scale), dtype=np.float32)


def crop_matrix(box: BoundingBox, scale: float, settings: CropSettings) -> NDArray[np.float64]:
    """The map from the image to a crop with the box in its middle, float64, shape (2, 3)."""
    xmin, ymin, xmax, ymax = box
    scale = min(scale, (settings.side - 2 * settings.border) / max(xmax - xmin, ymax - ymin, 1))
    middle = (settings.side - 1) / 2
    x, y = (xmin + xmax - 1) / 2, (ymin + ymax - 1) / 2
    return np.array([[scale, 0.0, middle - scale * x], [0.0, scale, middle - scale * y]])


def mask_in_image(
    probability: FloatArray, matrix: NDArray[np.float64], box: BoundingBox, threshold: float = 0.5
) -> NDArray[np.bool_]:
    """What the network says of the pixels of the box.

    Args:
        probability: float32, shape (side, side).
        matrix: of the crop.
        box: inside the image.
        threshold: above it a pixel belongs to the chromosome.

    Returns:
        bool, shape of the box.
    """
    xmin, ymin, xmax, ymax = box
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ np.array([xmin, ymin])
    size = (xmax - xmin, ymax - ymin)
    drawn = cv2.warpAffine(probability, shifted, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.asarray(drawn > threshold)


def _window(matrix: NDArray[np.float64], box: BoundingBox, side: int) -> tuple[slice, slice]:
    xmin, ymin, xmax, ymax = box
    corners = matrix @ np.array([[xmin, xmax - 1], [ymin, ymax - 1], [1, 1]])
    (left, right), (top, bottom) = np.rint(corners).astype(int)
    return slice(max(top, 0), max(min(bottom + 1, side), 0)), slice(max(left, 0), max(min(right + 1, side), 0))
