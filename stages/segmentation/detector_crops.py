"""Training crops of the detector: windows of metaphases, turned, scaled and varied, with chromosomes laid into them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from karyonet.case import FloatArray
from karyonet.geometry.region import Region
from karyonet.training.compose import rising_share
from karyonet.training.metaphase_pack import MetaphasePack, long_axis
from karyonet.training.strip_pack import LEVELS

MARGIN = 0.04
"""What annotators leave around a chromosome, relative to the median of the longer sides of the boxes."""
STAINED = 0.3
"""Relative density from which a pixel counts as covered."""
TRIES = 8
"""Places that are tried for a chromosome to be laid in."""


class DetectorAugmentation(BaseModel):
    """How much crops are varied.

    Attributes:
        scale: relative, of the size. gain: relative, of the density. gamma: exponent, relative.
        blur: standard deviation in pixels at most. noise: standard deviation, in mean densities, at most.
        anywhere: share of the crops that lie anywhere in the image, where nuclei and debris are; the others lie about
            a chromosome.
        laid_in: lone chromosomes of other metaphases that are laid into a crop at most, on empty ground, beside others
            or across them.
        hidden: share of such a chromosome that may lie on others at most.
        addition: share, from and to, of the lighter density that adds to the darker one where they cross, see
            :class:`karyonet.training.compose.Field`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    scale: float = Field(default=0.25, ge=0, lt=1)
    gain: float = Field(default=0.3, ge=0, lt=1)
    gamma: float = Field(default=0.2, ge=0, lt=1)
    blur: float = Field(default=0.7, ge=0)
    noise: float = Field(default=0.05, ge=0)
    anywhere: float = Field(default=0.15, ge=0, le=1)
    laid_in: int = Field(default=0, ge=0)
    hidden: float = Field(default=0.4, ge=0, le=1)
    addition: tuple[float, float] = (0.0, 0.8)

    _rises = field_validator("addition")(rising_share)


@dataclass(frozen=True, eq=False)
class Crop:
    """A square window of a metaphase and the chromosomes about it.

    Attributes:
        density: float32, shape (side, side), relative to the metaphase.
        boxes: float64, shape (m, 4), in pixels of the crop, some of them outside.
        angles, elongation, labels: shape (m,), as in :class:`karyonet.training.metaphase_pack.MetaphasePack`.
    """

    density: FloatArray
    boxes: NDArray[np.float64]
    angles: NDArray[np.float64]
    elongation: NDArray[np.float64]
    labels: NDArray[np.int64]


def cut_crop(
    pack: MetaphasePack,
    index: int,
    side: int,
    scale: float,
    anywhere: float,
    generator: np.random.Generator,
) -> Crop:
    """Cut a window out of a metaphase, turned by quarters and perhaps mirrored.

    Args:
        pack, index: the image.
        side: of the crop in pixels.
        scale: from pixels of the pack to those of the crop.
        anywhere: probability that the window does not lie about a chromosome.
        generator: of the place and the pose.
    """
    image, rows = pack.image(index), pack.chromosomes(index)
    boxes = pack.boxes[rows].astype(np.float64)
    if len(boxes) and generator.random() >= anywhere:
        middle = boxes[int(generator.integers(len(boxes)))].reshape(2, 2).mean(axis=0)
        middle = middle + generator.uniform(-0.4, 0.4, 2) * side / scale
    else:
        middle = generator.uniform(0, 1, 2) * image.shape[::-1]
    turn = np.linalg.matrix_power(np.array([[0.0, -1.0], [1.0, 0.0]]), int(generator.integers(4)))
    if generator.random() < 0.5:
        turn = turn @ np.array([[-1.0, 0.0], [0.0, 1.0]])
    linear = scale * turn
    matrix = np.concatenate([linear, ((side - 1) / 2 - linear @ middle)[:, None]], axis=1)
    density = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR).astype(np.float32)
    corners = np.stack([boxes[:, :2], boxes[:, 2:]], axis=1) @ linear.T + matrix[:, 2]
    angles = pack.angles[rows].astype(np.float64)
    turned = np.stack([np.cos(angles), np.sin(angles)], axis=1) @ turn.T
    return Crop(
        density=density / np.float32(LEVELS),
        boxes=np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1),
        angles=np.arctan2(turned[:, 1], turned[:, 0]) % np.pi,
        elongation=pack.elongation[rows].astype(np.float64),
        labels=pack.labels[rows].astype(np.int64),
    )


def lay_in(
    crop: Crop,
    pack: MetaphasePack,
    row: int,
    scale: float,
    settings: DetectorAugmentation,
    margin: float,
    generator: np.random.Generator,
) -> Crop:
    """Lay a lone chromosome into a crop; the crop as it was where no place was found for it.

    Args:
        pack, row: the chromosome.
        scale: from pixels of the pack to those of the crop.
        settings: how much of it may lie on others, and how dark that is.
        margin: between the chromosome and its box, in pixels.
        generator: of place and pose.
    """
    posed = pack.cutout(row).posed(float(generator.uniform(0, 360)), scale, bool(generator.random() < 0.5))
    covered = crop.density > STAINED
    height, width = posed.mask.shape
    room = crop.density.shape[0] - np.array([height, width])
    if (room < 0).any() or not posed.mask.any():
        return crop
    for _ in range(TRIES):
        top, left = (int(generator.integers(free + 1)) for free in room)
        window = slice(top, top + height), slice(left, left + width)
        if covered[window][posed.mask].mean() <= settings.hidden:
            break
    else:
        return crop
    density = crop.density.copy()
    there, added = density[window], posed.optical_density * np.float32(1 + generator.uniform(-0.15, 0.15))
    addition = np.float32(generator.uniform(*settings.addition))
    density[window] = np.maximum(there, added) + addition * np.minimum(there, added)
    region = Region.from_mask(posed.mask, offset=(left, top))
    angle, elongation = long_axis(region)
    box = np.array(region.bbox) + margin * np.array([-1, -1, 1, 1])
    return replace(
        crop,
        density=density,
        boxes=np.concatenate([crop.boxes, box[None]]),
        angles=np.append(crop.angles, angle),
        elongation=np.append(crop.elongation, elongation),
        labels=np.append(crop.labels, pack.labels[row]),
    )


def varied(density: FloatArray, settings: DetectorAugmentation, generator: np.random.Generator) -> FloatArray:
    """Other stain, focus and camera: float32, shape as given."""
    gain = np.exp(generator.uniform(-1, 1) * np.log1p(settings.gain))
    changed = np.asarray(gain * np.power(density, 1 + settings.gamma * generator.uniform(-1, 1)), dtype=np.float32)
    width = settings.blur * generator.uniform(-1, 1)
    if width > 0.1:
        changed = np.asarray(cv2.GaussianBlur(changed, (0, 0), width), dtype=np.float32)
    noise = generator.standard_normal(density.shape, dtype=np.float32) * (settings.noise * generator.random())
    return np.clip(changed + noise, 0, 4).astype(np.float32)
