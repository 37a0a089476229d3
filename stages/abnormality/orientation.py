"""Which way up two homologs lie, where what is said of each alone is not sure enough to compare them."""

from __future__ import annotations

from math import log

import cv2
import numpy as np
from numpy.typing import NDArray

SURE = 0.95
"""Probability of an orientation from which it is believed: a chromosome that lies upside down looks abnormal."""
_SAMPLES = 64
_AGREEMENT = 5.0
"""Log odds of lying alike that a correlation of 1 more as they lie than with one turned is worth (0.6 and 3.6 for the
two are the logistic regression on 526 unsure pairs of the training cases of pki3)."""
_LEAST = 1e-3


def orient_pair(
    densities: tuple[NDArray[np.number], NDArray[np.number]], up: tuple[float, float], certainty: float = SURE
) -> tuple[bool, bool] | None:
    """Which way up the two chromosomes of a pair lie.

    Where both are sure, as it was said. Otherwise what is said of them and how well their bands agree decide whether
    they lie alike, and then both together at which end the short arm is. So an abnormal chromosome, of whose
    orientation a classifier is seldom sure, is compared as well.

    Args:
        densities: strips, shape (length, width) each, 0 being background.
        up: probability of the short arm being at row 0; 0.5 where nothing is said.
        certainty: from which it is believed.

    Returns:
        Whether the short arm is at row 0; None where nothing is said of either. Swapping the two swaps the answer.
    """
    if all(max(one, 1 - one) >= certainty for one in up):
        return up[0] >= 0.5, up[1] >= 0.5
    first, second = (_rows(density) for density in densities)
    agreement = float(first @ second - first @ second[::-1])
    alike = _log_odds(up[0] * up[1] + (1 - up[0]) * (1 - up[1])) + _AGREEMENT * agreement >= 0
    odds = _log_odds(up[0]) + (_log_odds(up[1]) if alike else -_log_odds(up[1]))
    return None if odds == 0 else (odds > 0, (odds > 0) == alike)


def _rows(density: NDArray[np.number]) -> NDArray[np.float64]:
    """Mean density along the chromosome at fixed places, standardised: the product of two correlates them."""
    covered = np.maximum((density > 0).sum(axis=1), 1)
    rows = (density.sum(axis=1) / covered).astype(np.float32)
    resized = cv2.resize(rows[:, None], (1, _SAMPLES), interpolation=cv2.INTER_LINEAR)[:, 0].astype(np.float64)
    centred = resized - resized.mean()
    standardised: NDArray[np.float64] = centred / max(float(np.linalg.norm(centred)), 1e-9)
    return standardised


def _log_odds(probability: float) -> float:
    clipped = min(max(probability, _LEAST), 1 - _LEAST)
    return log(clipped / (1 - clipped))
