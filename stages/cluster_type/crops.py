"""From a component of a metaphase to the input of the network: one scale and one stain, whatever the microscope."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from karyonet.case import FloatArray
from karyonet.geometry.region import Region

MOST_DENSE = 4.0
"""Density, relative to the mean of the metaphase's chromosomes, above which differences do not matter."""
CHANNELS = 2
"""Density, and the component itself."""
_ONE = 1.5
"""A component of more than so many times the median area hardly is one chromosome."""
_LONGER, _DRAWN = 75, 1.04
"""The percentile of the longer sides of those that are left, since most long chromosomes are in clusters, and what the
median of the longer sides of drawn boxes is over it. On 40 training metaphases of ``gband_metaphases`` what comes out
departs from the drawn boxes by 11 % (standard deviation of the logarithm)."""


class CropSettings(BaseModel):
    """How components become input; stored in the model card of the weights.

    Attributes:
        side: of the square crops in pixels.
        size: what the median of the longer sides of the boxes of a metaphase's chromosomes is scaled to, in pixels.
        border: pixels that a crop leaves around its component at least; a component too long for it is shrunk.
        views: ways round in which the network looks at a crop; what it says is averaged.
        contrast: :func:`karyonet.geometry.stain.stain_contrast` that every metaphase is brought to in use, not in
            training: the usual one of those that the network was trained on. None leaves it as it is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    side: int = Field(default=96, ge=32)
    size: float = Field(default=36.0, gt=0)
    border: int = Field(default=3, ge=0, le=12)
    views: Literal[1, 2, 4, 8] = 1
    contrast: float | None = Field(default=None, gt=0)


def crop_component(
    relative_density: FloatArray,
    region: Region,
    scale: float,
    settings: CropSettings,
    turn: NDArray[np.float64] | None = None,
) -> FloatArray:
    """Cut out one component, in the middle of what lies around it.

    Args:
        relative_density: float32, shape (height, width); 1.0 is the mean density of the chromosomes.
        region: the component, inside the image, at least one pixel.
        scale: what brings the metaphase to ``settings.size``.
        settings: side and border.
        turn: float64, shape (2, 2), rotates or mirrors (x, y); None leaves the image as it lies.

    Returns:
        float32, shape (2, side, side): density, and 1 in the component, 0 around it.
    """
    return crop_by(crop_matrix(region, scale, settings, turn), relative_density, region, settings.side)


def crop_by(matrix: NDArray[np.float64], relative_density: FloatArray, region: Region, side: int) -> FloatArray:
    """As :func:`crop_component`, by a map from the image to the crop, float64, shape (2, 3)."""
    corners = np.array([[0, side - 1, 0, side - 1], [0, 0, side - 1, side - 1]])
    shown = np.linalg.solve(matrix[:, :2], corners - matrix[:, 2:])
    x, y = np.maximum(np.floor(shown.min(axis=1)).astype(int) - 2, 0).tolist()
    right, bottom = (np.ceil(shown.max(axis=1)).astype(int) + 3).tolist()
    window = np.clip(relative_density[y:bottom, x:right], 0, MOST_DENSE).astype(np.float32)
    reduction = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if reduction < 1:  # else fine grain turns into stripes
        window = np.asarray(cv2.GaussianBlur(window, (0, 0), 0.4 / reduction), dtype=np.float32)
    crop = np.empty((CHANNELS, side, side), dtype=np.float32)
    crop[0] = _warped(window, matrix, (x, y), side)
    crop[1] = _warped(region.mask.astype(np.float32), matrix, region.bbox[:2], side)
    return crop


def crop_matrix(
    region: Region, scale: float, settings: CropSettings, turn: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """The map from the image to a crop with the component in its middle, float64, shape (2, 3); arguments as above."""
    turn = np.eye(2) if turn is None else turn
    rows, columns = np.nonzero(region.mask)
    turned = turn @ np.stack([columns + region.bbox[0], rows + region.bbox[1]]).astype(np.float64)
    low, high = turned.min(axis=1), turned.max(axis=1)
    scale = min(scale, (settings.side - 2 * settings.border) / float((high - low).max() + 1))
    return np.column_stack([scale * turn, (settings.side - 1) / 2 - scale * (low + high) / 2])


def _warped(image: FloatArray, matrix: NDArray[np.float64], offset: tuple[int, int], side: int) -> FloatArray:
    """A part of an image, its top left pixel at ``offset`` (x, y), as a crop shows it."""
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ np.array(offset)
    return np.asarray(cv2.warpAffine(image, shifted, (side, side), flags=cv2.INTER_LINEAR), dtype=np.float32)


def chromosome_size(components: Sequence[Region]) -> float:
    """Median of the longer sides of the boxes that people would draw around a metaphase's chromosomes, in pixels.

    Args:
        components: of the foreground, at least one; larger ones than most are left out, since they are several.
    """
    areas = np.array([component.area for component in components])
    sides = np.array([max(c.bbox[2] - c.bbox[0], c.bbox[3] - c.bbox[1]) for c in components])
    return _DRAWN * float(np.percentile(sides[areas <= _ONE * np.median(areas)], _LONGER))
