"""Synthetic chromosomes: bent rods of known arc length, width and banding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree


@dataclass(frozen=True)
class Rod:
    """A drawn rod: its mask, its optical density, and the profile along its axis, one value per pixel of length."""

    mask: NDArray[np.bool_]
    optical_density: NDArray[np.float32]
    profile: NDArray[np.float64]


def _draw(
    length: float,
    width: float,
    turn: float = 0.0,
    reverse: bool = False,
    heading: float = 0.0,
    shift: tuple[float, float] = (0.0, 0.0),
    seed: int = 0,
) -> Rod:
    """Draw a rod with flat ends.

    Args:
        length: arc length in pixels.
        width: in pixels.
        turn: total turning of the axis in radians.
        reverse: an S instead of a C: the turning changes its sign half way.
        heading: direction at the middle in radians; 0 is upright.
        shift: of the rod against the pixel grid.
        seed: of the banding.
    """
    step = 0.05
    arc = np.arange(0.0, length + step / 2, step)
    angle = turn * (np.abs(arc / length - 0.5) if reverse else arc / length - 0.5) + heading
    tangents = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    centreline = np.cumsum(tangents * step, axis=0)
    centreline -= centreline.min(axis=0) - width - 6.5 - np.array(shift)
    height, breadth = (int(size) for size in np.ceil(centreline.max(axis=0) + width + 7))
    pixels = np.stack(np.mgrid[:height, :breadth], axis=-1).reshape(-1, 2).astype(float)
    distance, nearest = cKDTree(centreline).query(pixels)
    along = ((pixels - centreline[nearest]) * tangents[nearest]).sum(axis=1)
    beyond = ((nearest == 0) & (along < -step)) | ((nearest == len(arc) - 1) & (along > step))
    mask = ((distance <= width / 2) & ~beyond).reshape(height, breadth)
    bands = gaussian_filter(np.random.default_rng(seed).random(int(length) + 41), 3.0)[20:-20]
    bands = 0.2 + 0.8 * (bands - bands.min()) / np.ptp(bands)
    density = np.interp(arc[nearest], np.arange(len(bands)), bands).reshape(height, breadth)
    optical_density = gaussian_filter(np.where(mask, density, 0.0), 0.7).astype(np.float32)
    return Rod(mask, optical_density, np.interp(np.arange(int(length)) + 0.5, np.arange(len(bands)), bands))


@pytest.fixture(scope="session")
def draw_rod() -> Callable[..., Rod]:
    return _draw
