"""Augmentation of a batch of prepared strips: an albumentations pipeline, run strip by strip.

Everything happens after the optics, on strips that were straightened and scaled: what varies between laboratories,
between metaphases, and between a good straightening and a poor one. :func:`pipeline` is the place to add a transform;
inside it densities are divided by :data:`WHITE`, because the library keeps floating point images within 0–1.
"""

from __future__ import annotations

import math
import os
import random
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from karyonet.case import FloatArray

# Without this, importing the library asks a package index for its newest version.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations as A
import cv2
from albumentations.augmentations.geometric.distortion import BaseDistortion

WHITE = 4.0
"""Density that is 1 inside the pipeline; a strip pack holds no denser pixel."""
BACKGROUND = 0.02 / WHITE
"""What is less dense is not stained."""


class Augmentation(BaseModel):
    """How much is varied; 0 switches a part off.

    Attributes:
        flip: probability of turning the strip end over end, which turns its polarity; mirroring is always 1 in 2.
        scale: relative, of both axes, as when the metaphase's median is misjudged.
        stretch: relative, of the length alone. spread: of the width alone, as when chromatids have parted.
        warp: relative, how much condensation varies along the strip.
        rotation: degrees. bend: pixels at the ends. shift: pixels along the strip, half of it across.
        gain: relative, of the density. gamma: exponent, relative. fade: density gradient from end to end.
        blur: share of smoothing, or of sharpening, at most. noise: standard deviation, in mean densities, at most.
        occlusion: probability that a piece is lost. neighbour: probability that a piece of another strip is added.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    flip: float = Field(default=0.5, ge=0, le=1)
    scale: float = Field(default=0.10, ge=0, lt=0.5)
    stretch: float = Field(default=0.08, ge=0, lt=0.5)
    spread: float = Field(default=0.0, ge=0, lt=0.5)
    warp: float = Field(default=0.10, ge=0, lt=0.5)
    rotation: float = Field(default=5.0, ge=0)
    bend: float = Field(default=2.5, ge=0)
    shift: float = Field(default=4.0, ge=0)
    gain: float = Field(default=0.20, ge=0, lt=1)
    gamma: float = Field(default=0.25, ge=0, lt=1)
    fade: float = Field(default=0.15, ge=0, lt=1)
    blur: float = Field(default=0.8, ge=0, le=1)
    noise: float = Field(default=0.08, ge=0)
    occlusion: float = Field(default=0.10, ge=0, le=1)
    neighbour: float = Field(default=0.10, ge=0, le=1)


def augment(strips: Tensor, polarity: Tensor, settings: Augmentation, seed: int) -> tuple[Tensor, Tensor]:
    """Vary a batch, each strip in its own way.

    Args:
        strips: float32, shape (n, 1, height, width), as the network takes them.
        polarity: int64, shape (n,): 1 short arm at row 0, 0 at the last row, -1 unknown.
        settings: how much.
        seed: the same seed varies the same batch in the same way; no other random state is read.

    Returns:
        strips and polarity of the same shapes, on the same device.
    """
    images = strips[:, 0].cpu().numpy() / np.float32(WHITE)
    vary = pipeline(settings)
    # One stream for all transforms: set_random_seed would give each of them the same numbers.
    vary.set_random_state(np.random.default_rng(seed), random.Random(seed))
    varied = np.empty_like(images)
    turned = polarity.tolist()
    for index, image in enumerate(images):
        result = vary(image=image, polarity=turned[index], neighbour=images[index - 1])
        varied[index], turned[index] = result["image"], result["polarity"]
    varied *= np.float32(WHITE)
    return torch.from_numpy(varied)[:, None].to(strips.device), polarity.new_tensor(turned)


def pipeline(settings: Augmentation) -> A.Compose:
    """The transforms in their order.

    Returns:
        what takes ``image``, float32, shape (height, width), in 1/:data:`WHITE` of the mean density; ``polarity``, an
        int; ``neighbour``, an image of another strip; and gives the first two back.
    """
    # Away from the mean of the 9 neighbours, by a third as much as towards it; the kernel weighs that mean 9 times.
    sharpening = settings.blur / 27
    defocus = [
        A.GaussianBlur(blur_limit=(3, 3), sigma_limit=(0.3, 0.3 + 0.8 * settings.blur), p=0.75),
        A.Sharpen(alpha=(0.0, sharpening), lightness=(1.0, 1.0), p=0.25),
    ]
    return A.Compose(
        [
            EndOverEnd(p=settings.flip),
            Straightening(settings),
            A.CoarseDropout(
                num_holes_range=(1, 1),
                hole_height_range=(0.04, 0.24),
                hole_width_range=(0.2, 0.8),
                p=settings.occlusion,
            ),
            Neighbour(p=settings.neighbour),
            WhereStained(
                [
                    Staining(settings.gain, settings.gamma, settings.fade),
                    A.OneOf(defocus, p=float(settings.blur > 0)),
                    A.GaussNoise(std_range=(0.0, settings.noise / WHITE), p=float(settings.noise > 0)),
                ]
            ),
        ],
        is_check_shapes=False,
    )


class EndOverEnd(A.VerticalFlip):  # type: ignore[misc]
    """Turns a strip and what is known of its polarity."""

    @property
    def targets(self) -> dict[str, Any]:
        return {**super().targets, "polarity": self.apply_to_polarity}

    def apply_to_polarity(self, polarity: int, **_: Any) -> int:
        return 1 - polarity if polarity >= 0 else polarity


class Straightening(BaseDistortion):  # type: ignore[misc]
    """Rotation, bend, uneven condensation, stretch, scale, shift and mirroring: one resampling for all of them.

    Args:
        settings: how much of each.
        p: probability.
    """

    def __init__(self, settings: Augmentation, p: float = 1.0) -> None:
        super().__init__(cv2.INTER_LINEAR, cv2.INTER_NEAREST, "mask", p)
        self.settings = settings

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """Where every pixel of the result is taken from: ``map_x`` and ``map_y``, float32, in pixels."""
        settings, uniform = self.settings, self.py_random.uniform
        height, width = params["shape"][:2]
        half = (height - 1) / 2
        rows = np.arange(height, dtype=np.float32) - half
        columns = np.arange(width, dtype=np.float32) - (width - 1) / 2
        angle = math.radians(settings.rotation) * uniform(-1, 1)
        scale = 1 / (1 + settings.scale * uniform(-1, 1))
        along = scale / (1 + settings.stretch * uniform(-1, 1))
        across = scale if uniform(-1, 1) < 0 else -scale
        if settings.spread > 0:  # recipes without it draw what they drew before
            across /= 1 + settings.spread * uniform(-1, 1)

        # The slope of this displacement is at most `warp`: the order of the bands cannot change.
        phase, waves = uniform(0, 2 * math.pi), uniform(0.5, 1.5) * math.pi / half
        warped = rows + settings.warp * uniform(-1, 1) / waves * np.sin(waves * rows + phase)
        relative = rows / half
        bend = settings.bend * (uniform(-1, 1) * (relative**2 - 0.3) + 0.5 * uniform(-1, 1) * np.sin(3 * relative))

        # Every term depends on the row or on the column alone.
        x_of_row = across * (math.sin(angle) * rows + bend) + (width - 1) / 2 + 0.5 * settings.shift * uniform(-1, 1)
        y_of_row = along * math.cos(angle) * warped + half + settings.shift * uniform(-1, 1)
        return {
            "map_x": np.add.outer(x_of_row, across * math.cos(angle) * columns),
            "map_y": np.add.outer(y_of_row, -along * math.sin(angle) * columns),
        }


class Neighbour(A.ImageOnlyTransform):  # type: ignore[misc]
    """Adds a piece of another strip at one side, as imperfect separation does: densities of an overlap add up.

    Args:
        p: probability.
    """

    @property
    def targets_as_params(self) -> list[str]:
        return ["neighbour"]

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        height, width = params["shape"][:2]
        uniform = self.py_random.uniform
        middle, extent, edge = uniform(0.1, 0.9), uniform(0.02, 0.12), round(width * uniform(0.2, 0.8))
        rows = slice(max(round(height * (middle - extent)), 0), round(height * (middle + extent)))
        columns = slice(0, edge) if uniform(-1, 1) < 0 else slice(edge, width)
        return {"part": (rows, columns), "piece": data["neighbour"][rows, columns]}

    def apply(self, img: FloatArray, part: tuple[slice, slice], piece: FloatArray, **_: Any) -> FloatArray:
        img = img.copy()
        img[part] += piece
        return img


class Staining(A.ImageOnlyTransform):  # type: ignore[misc]
    """Depth of the stain, contrast of its bands, and a gradient from end to end. The mean density is the fixed point.

    For use within :class:`WhereStained`: the background comes out with a density.

    Args:
        gain, gamma, fade: as in :class:`Augmentation`.
        p: probability.
    """

    def __init__(self, gain: float, gamma: float, fade: float, p: float = 1.0) -> None:
        super().__init__(p=p)
        self.gain, self.gamma, self.fade = gain, gamma, fade

    def get_params(self) -> dict[str, Any]:
        uniform = self.py_random.uniform
        return {
            "exponent": 1 + self.gamma * uniform(-1, 1),
            "factor": 1 + self.gain * uniform(-1, 1),
            "slope": self.fade * uniform(-1, 1),
        }

    def apply(self, img: FloatArray, exponent: float, factor: float, slope: float, **_: Any) -> FloatArray:
        gradient = 1 + slope * (2 * np.arange(len(img), dtype=np.float32) / (len(img) - 1) - 1)
        gain = factor * WHITE ** (exponent - 1) * gradient
        # The power of 0 takes many times as long as that of other numbers.
        stained: FloatArray = np.maximum(img, BACKGROUND) ** exponent * gain[:, None]
        return stained


class WhereStained(A.Sequential):  # type: ignore[misc]
    """Applies transforms to the stain and leaves the background as it was.

    Args:
        transforms: what is applied, in this order.
        p: probability.
    """

    def __init__(self, transforms: list[Any], p: float = 1.0) -> None:
        super().__init__(transforms, p=p)

    def __call__(self, *args: Any, **data: Any) -> dict[str, Any]:
        before = data["image"]
        data = super().__call__(*args, **data)
        data["image"] = np.where(before > BACKGROUND, data["image"], before)
        return data
