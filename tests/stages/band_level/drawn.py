"""Strips drawn from the ideogram, without a photograph's noise."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from karyonet.case import LABELS, Strip
from karyonet.ideogram import grey_profile, relative_length

NAMES: tuple[str, ...] = (*(label for label in LABELS[:22] for _ in range(2)), "X", "Y")


def as_strip(profile: np.ndarray, width: int, confidence: float = 1.0) -> Strip:
    """A strip whose rows all have one density, between margins of two pixels."""
    density = np.zeros((len(profile), width + 4), dtype=np.float32)
    density[:, 2:-2] = profile[:, None]
    axis = np.stack([np.arange(len(profile)), np.zeros(len(profile))], axis=1).astype(np.float32)
    profiles = np.zeros((2, 512), dtype=np.float32)
    return Strip(density, np.ones(len(profile), dtype=bool), profiles, axis, confidence)


def banded(label: str, level: float = 550, width: int = 17, stain: float = 0.5) -> Strip:
    """A chromosome as slender as simulated ones of that level, blurred by 0.06 widths."""
    length = max(round(relative_length(label) * 114 * (level / 550) ** 0.57 * width), 3)
    profile = gaussian_filter1d(0.3 + 0.7 * grey_profile(label, level, length), 0.06 * width, mode="nearest")
    return as_strip(stain * profile, width)


def metaphase_strips(level: float = 550, width: int = 17, stain: float = 0.5) -> list[Strip]:
    """The 46 of :data:`NAMES`."""
    return [banded(label, level, width, stain) for label in NAMES]
