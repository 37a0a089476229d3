"""How many band transitions of a chromosome type can be seen at a band level, from the ideogram."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from karyonet.ideogram import LEVELS, grey_profile, relative_length

from .persistence import TIP, count_transitions

FloatArray = NDArray[np.float64]

GRID: FloatArray = np.arange(LEVELS[0], LEVELS[-1] + 1, 50, dtype=np.float64)
"""Levels at which an ideogram is looked at; between two tables it is blended."""
EXTENDED: FloatArray = np.concatenate([[300.0], GRID])
"""The same with 300 bands, for which there is no ideogram: the counts go on as between 400 and 550."""
_SAMPLES_PER_WIDTH = 24


@cache
def visible_transitions(
    label: str, smoothing: float, least_swing: float, resolution: float, slenderness: float, stretching: float
) -> FloatArray:
    """Transitions that a photograph without noise shows of one chromosome type.

    The ideogram of every level is drawn as long as chromosomes of that level are, blurred and counted as an image is.

    Args:
        label: chromosome type.
        smoothing, least_swing, resolution, slenderness, stretching: of the
            :class:`~karyonet.stages.band_level.calibration.Calibration`.

    Returns:
        float64, shape (11,), at the levels of :data:`EXTENDED`; never falling.
    """
    blur = float(np.hypot(smoothing, resolution)) * _SAMPLES_PER_WIDTH
    tip = round(TIP * _SAMPLES_PER_WIDTH)
    counts = []
    for level in GRID:
        length = relative_length(label) * slenderness * (level / 550) ** stretching
        samples = max(round(length * _SAMPLES_PER_WIDTH), 2 * tip + 3)
        profile = grey_profile(label, float(level), samples)[tip : samples - tip]
        counts.append(count_transitions(profile, blur, least_swing) or 0)
    # Counts are whole numbers and may dip where bands of two tables mix: the nearest curve that never falls.
    rising = _never_falling(np.array(counts, dtype=np.float64))
    slope = max(float(np.polyfit(GRID[:4], rising[:4], 1)[0]), 0.0)
    return np.concatenate([[max(rising[0] - slope * (GRID[0] - EXTENDED[0]), 0.0)], rising])


def _never_falling(values: FloatArray) -> FloatArray:
    """Isotonic regression by pooling adjacent violators."""
    blocks: list[tuple[float, int]] = []
    for value in values.tolist():
        blocks.append((value, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (second, m), (first, n) = blocks.pop(), blocks.pop()
            blocks.append(((first * n + second * m) / (n + m), n + m))
    return np.concatenate([np.full(number, value) for value, number in blocks])
