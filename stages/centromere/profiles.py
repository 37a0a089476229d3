"""What the stage reads of a straightened chromosome: widths and densities along it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from karyonet.case import FloatArray
from karyonet.geometry.profiles import left_right_profiles

CHANNELS = ("extent", "waist", "spread", "left", "right", "middle")
"""Widths relative to the median extent: of the strip's stained pixels, of its stain where that is dense, and of a flat
row of the same second moment. Densities relative to the chromosome's mean: of the left and right half, and of the
middle third, where open chromatids leave a slit."""
_FAINTEST = np.float32(1e-6)
"""Optical density below which there is no stain; no image has as fine a step."""
_DENSE = 0.6
"""Share of the mean density at which a pixel counts in full for the waist."""


@dataclass(frozen=True, eq=False)
class WidthProfile:
    """Widths and densities of every row of a strip; nothing in it depends on magnification or stain.

    Attributes:
        values: float32, shape (rows, 6), in the order of :data:`CHANNELS`; 0 in hidden rows.
        visible: bool, shape (rows,): rows that show the chromosome alone.
        slenderness: length over median width.
    """

    values: FloatArray
    visible: NDArray[np.bool_]
    slenderness: float

    @property
    def rows(self) -> int:
        return len(self.values)

    def turned(self) -> WidthProfile:
        """Of the strip turned end over end."""
        return WidthProfile(_left_for_right(self.values)[::-1], self.visible[::-1], self.slenderness)

    def mirrored(self) -> WidthProfile:
        """Of the strip with left and right exchanged."""
        return WidthProfile(_left_for_right(self.values), self.visible, self.slenderness)


def measure(density: FloatArray, valid: NDArray[np.bool_] | None = None) -> WidthProfile | None:
    """Widths and densities along a strip.

    Args:
        density: shape (rows, width), optical density, 0 outside the chromosome. What is not finite counts as 0.
        valid: bool, shape (rows,), rows that no other chromosome hides; None takes all.

    Returns:
        None where no row shows any stain, or the strip is no picture at all.
    """
    density = np.asarray(density, dtype=np.float32)
    if density.ndim != 2 or density.size == 0:
        return None
    density = np.clip(np.nan_to_num(density, nan=0.0, posinf=0.0, neginf=0.0), 0.0, None)
    density[density < _FAINTEST] = 0.0
    stained = density > 0
    visible: NDArray[np.bool_] = np.asarray(stained.any(axis=1))
    if valid is not None and len(valid) == len(visible):
        visible &= np.asarray(valid, dtype=bool)
    if not visible.any():
        return None
    rows, width = density.shape
    extent = stained.sum(axis=1).astype(np.float32)
    typical = float(np.median(extent[visible]))
    mean = float(density[visible][stained[visible]].mean())
    mass = np.maximum(density.sum(axis=1), 1e-9)
    offsets = np.arange(width, dtype=np.float32) - np.float32((width - 1) / 2)
    centre = density @ offsets / mass
    spread = np.sqrt(np.clip(density @ offsets**2 / mass - centre**2, 0.0, None) * 12)
    waist = np.minimum(density * np.float32(1 / (_DENSE * mean)), 1.0).sum(axis=1)
    left, right = left_right_profiles(density, stained, rows)
    inner = np.abs(offsets) <= max(typical / 6, 0.5)
    middle = density[:, inner].mean(axis=1)
    values = np.stack([extent / typical, waist / typical, spread / typical, left / mean, right / mean, middle / mean])
    return WidthProfile((values.T * visible[:, None]).astype(np.float32), visible, rows / typical)


class Preprocessing(BaseModel):
    """How profiles become input; stored in the model card of the weights.

    Attributes:
        samples: of a profile, from one end of the chromosome to the other, however long it is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    samples: int = Field(default=96, ge=16)

    def place(self, profile: WidthProfile) -> FloatArray:
        """A profile as the network takes it.

        Returns:
            float32, shape (8, samples): the six of :data:`CHANNELS`, 1 where the chromosome is visible, and the
            logarithm of its length over its width.
        """
        columns = np.column_stack([profile.values, profile.visible]).astype(np.float32)
        method = cv2.INTER_AREA if profile.rows > self.samples else cv2.INTER_LINEAR
        resized = cv2.resize(columns, (columns.shape[1], self.samples), interpolation=method).T
        placed = np.empty((len(CHANNELS) + 2, self.samples), dtype=np.float32)
        shown = resized[-1]
        # Averages over visible rows alone: a hidden row next door is no narrow one.
        placed[:-2] = np.where(shown > 1e-3, resized[:-1] / np.maximum(shown, 1e-3), 0.0)
        placed[-2] = shown
        placed[-1] = np.log(profile.slenderness)
        return placed


def _left_for_right(values: FloatArray) -> FloatArray:
    return values[:, [0, 1, 2, 4, 3, 5]]
