"""Centromeres without learning: where a chromosome is narrowest, and where the ideogram has it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from karyonet.ideogram.queries import centromeric_index

from .profiles import WidthProfile

_SMOOTHING = 0.12
"""Standard deviation in chromosome widths."""
_TIP = 0.45
"""Chromosome widths at either end that are narrow by themselves, because an end is round."""
_NEAR = 0.1
"""Share of the length within which the narrowest place is looked for where the ideogram says about where."""


def expected_position(label: str, p_arm_up: bool) -> float:
    """Where the ideogram has the centromere, from row 0 of the strip, as a share of the length.

    Args:
        label: one of :data:`karyonet.case.LABELS`.
        p_arm_up: whether the short arm is at row 0.
    """
    index = centromeric_index(label)
    return index if p_arm_up else 1.0 - index


def narrowest(profile: WidthProfile) -> float:
    """Where the stained part of a chromosome is narrowest, as a share of the length; its rounded ends are left out."""
    tip = min(_TIP / profile.slenderness, 0.3)
    return _narrowest_between(profile, tip, 1.0 - tip)


def narrowest_near(profile: WidthProfile, expected: float) -> float:
    """Where a chromosome is narrowest within a tenth of its length of an expected position."""
    return _narrowest_between(profile, expected - _NEAR, expected + _NEAR)


def _narrowest_between(profile: WidthProfile, start: float, stop: float) -> float:
    places: NDArray[np.float64] = (np.arange(profile.rows) + 0.5) / profile.rows
    sigma = max(_SMOOTHING * profile.rows / profile.slenderness, 0.5)
    weight = gaussian_filter1d(profile.visible.astype(np.float64), sigma, mode="nearest")
    # The waist counts dense stain alone and follows a constriction further in than the outline does.
    width = gaussian_filter1d(profile.values[:, 1].astype(np.float64), sigma, mode="nearest") / np.maximum(weight, 1e-6)
    allowed = (places >= start) & (places <= stop) & profile.visible
    if not allowed.any():
        return (start + stop) / 2
    return float(places[allowed][np.argmin(width[allowed])])
