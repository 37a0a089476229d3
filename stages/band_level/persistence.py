"""Band transitions of one chromosome: its profile along the axis, and how often that goes from light to dark or back.

Lengths are in chromosome widths (w) and swings relative to the chromosome's own contrast, so that neither the
magnification nor the strength of the stain matters. Turning a strip round changes nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from karyonet.geometry.strip import Strip

FloatArray = NDArray[np.float64]

CENTRAL = 0.6
"""Share of the width that a profile is the mean over; the edges of a chromosome carry the optics, not the bands."""
TIP = 0.3
"""Either end that is left out (w): it is rounded, and lighter for that."""
LEAST_CONTRAST = 0.03
"""Contrast of a profile relative to its mean below which there are no bands, but rounding and noise."""


def strip_width(strip: Strip) -> float:
    """Median width of a chromosome in pixels, 0 for a strip without any stain."""
    body = (strip.optical_density > 0).sum(axis=1)
    return float(np.median(body)) if body.size else 0.0


def band_profile(strip: Strip, width: float) -> FloatArray:
    """Mean optical density of the middle of every row, the tips left out.

    Rows hidden under another chromosome are joined by a straight line, which adds no transition.

    Args:
        strip: the straightened chromosome.
        width: of the metaphase's chromosomes, in pixels; more than 0.

    Returns:
        float64, shape (n,), finite; empty where the chromosome is too short, or not measured.
    """
    density = np.nan_to_num(strip.optical_density.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    rows, columns = density.shape
    tip = round(TIP * width)
    valid = np.flatnonzero(strip.valid)
    if rows <= 2 * tip + 2 or columns == 0 or valid.size < 2:
        return np.zeros(0)
    central = np.abs(np.arange(columns) - (columns - 1) / 2) <= max(CENTRAL * width / 2, 0.5)
    means: FloatArray = density[:, central].mean(axis=1)
    joined: FloatArray = np.interp(np.arange(rows), valid, means[valid])
    return joined[tip : rows - tip]


def count_transitions(profile: FloatArray, smoothing: float, least_swing: float) -> int | None:
    """How often a profile goes from light to dark or back.

    The number of alternations that are left when every pair of a maximum and a minimum whose persistence (Edelsbrunner,
    Letscher & Zomorodian 2002) is below the least swing has been cancelled. In one dimension this is what a scan with
    hysteresis finds.

    Args:
        profile: float64, shape (n,).
        smoothing: standard deviation of a Gaussian, in samples.
        least_swing: share of the profile's contrast (10th to 90th percentile) that counts as a transition.

    Returns:
        The number, or None where the profile has fewer than three samples or no contrast.
    """
    if profile.size < 3:
        return None
    smooth = gaussian_filter1d(profile, smoothing, mode="nearest")
    low, high = np.percentile(smooth, [10, 90])
    contrast = float(high - low)
    if not contrast > LEAST_CONTRAST * float(np.abs(smooth).mean()):
        return None
    return _alternations(smooth.tolist(), least_swing * contrast)


def _alternations(values: list[float], swing: float) -> int:
    number = direction = 0
    lowest = highest = values[0]
    for value in values:
        lowest, highest = min(lowest, value), max(highest, value)
        if direction <= 0 and value - lowest >= swing:
            number, direction, highest = number + 1, 1, value
        elif direction >= 0 and highest - value >= swing:
            number, direction, lowest = number + 1, -1, value
    return number
