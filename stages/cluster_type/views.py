"""From a composed example to the input of the network: turned, scaled, stained and recorded anew each time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from karyonet.case import FloatArray
from karyonet.geometry.region import Region

from .compositions import Composed, Compositions
from .crops import MOST_DENSE, CropSettings, crop_by, crop_matrix

PACKED_SIZE = 64.0
"""Median of the longer sides of a metaphase's boxes in a metaphase pack, in pixels."""
_SQUARE = np.ones((3, 3), np.uint8)


class View(NamedTuple):
    """An example turned, scaled, stained and recorded anew.

    Attributes:
        crop: float32, shape (2, side, side), see :func:`~karyonet.stages.cluster_type.crops.crop_component`.
        matrix: float64, shape (2, 3), from the example's image to the crop.
    """

    crop: FloatArray
    matrix: NDArray[np.float64]


def view(composed: Composed, crops: CropSettings, settings: Compositions, seed: int | Sequence[int]) -> View:
    """The input of the network for an example.

    Args:
        composed: the example.
        crops: of the network.
        settings: how much varies.
        seed: the same seed gives the same view.
    """
    generator = np.random.default_rng(seed)
    angle = float(generator.uniform(0, 2 * np.pi))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if generator.random() < 0.5:
        turn = turn @ np.diag([-1.0, 1.0])
    scale = crops.size / PACKED_SIZE * (1 + float(generator.uniform(-settings.scale, settings.scale)))
    region = _misdrawn(composed, int(generator.integers(-settings.mask_error, settings.mask_error + 1)))
    matrix = crop_matrix(region, scale, crops, turn)
    crop = crop_by(matrix, composed.relative_density, region, crops.side)
    exponent = np.exp(generator.triangular(np.log(settings.curve[0]), 0, np.log(settings.curve[1])))
    density = _stained(crop, float(exponent)) * np.float32(1 + generator.uniform(-settings.gain, settings.gain))
    blur = settings.blur * float(generator.random())
    if blur > 0.2:  # less does nothing
        density = np.asarray(cv2.GaussianBlur(density, (0, 0), blur), dtype=np.float32)
    slope = generator.uniform(-1, 1, 2)
    ramp = np.linspace(-1, 1, crops.side)
    haze = settings.haze * generator.random() * (0.5 + 0.25 * np.add.outer(ramp * slope[0], ramp * slope[1]))
    noise = generator.standard_normal(density.shape, dtype=np.float32) * (settings.noise * generator.random())
    crop[0] = np.clip(density + haze + noise, 0, MOST_DENSE)
    return View(crop, matrix)


def _stained(crop: FloatArray, exponent: float) -> FloatArray:
    """A power of the density, after which the mean of the component is that power of what it was."""
    density, inside = np.maximum(crop[0], 0), crop[1] > 0.5
    mean = float(density[inside].mean()) if inside.any() else 0.0
    if mean <= 0:
        return np.asarray(density, dtype=np.float32)
    curved = density ** np.float32(exponent)
    return np.asarray(curved * np.float32(mean**exponent / float(curved[inside].mean())), dtype=np.float32)


def _misdrawn(composed: Composed, by: int) -> Region:
    """The component as a segmentation might draw it: ``by`` pixels wider, or narrower if something is left."""
    if by == 0:
        return composed.region
    height, width = composed.relative_density.shape
    region = composed.region.with_margin(max(by, 0) + 1, (height, width))
    mask = region.mask.astype(np.uint8)
    changed = cv2.dilate(mask, _SQUARE, iterations=by) if by > 0 else cv2.erode(mask, _SQUARE, iterations=-by)
    return Region.from_mask(changed > 0, region.bbox[:2]) if changed.any() else composed.region
