"""From a distribution over positions to one position and how far it can be trusted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
TOLERANCE = 0.05
"""Share of a chromosome's length within which a centromere counts as found."""


class Placed(NamedTuple):
    """Centromeres of n chromosomes.

    Attributes:
        positions: shape (n,), from row 0, as a share of the length.
        confidences: shape (n,), probability that lies within :data:`TOLERANCE` of the true position.
        nearer_start: shape (n,), probability that the shorter arm is at row 0.
    """

    positions: FloatArray
    confidences: FloatArray
    nearer_start: FloatArray


def place(probabilities: FloatArray) -> Placed:
    """The positions that are most likely right within :data:`TOLERANCE`.

    Args:
        probabilities: shape (n, samples), of samples of equal length from one end to the other; rows sum to 1.
    """
    samples = probabilities.shape[1]
    within = _windows(samples)
    mass = probabilities @ within
    # Of a window that is likely, the middle of what is in it; of equally likely ones the middle one, so that a
    # chromosome that is turned end over end gets its mirror image.
    best = mass >= mass.max(axis=1, keepdims=True) * (1 - 1e-6)
    centres = (np.arange(samples) + 0.5) / samples
    chosen = (best @ centres) / best.sum(axis=1)
    weight = probabilities * _share_within(samples, chosen)
    positions = (weight @ centres) / np.maximum(weight.sum(axis=1), 1e-12)
    positions = np.where(weight.sum(axis=1) > 1e-9, positions, chosen)
    confidences = (probabilities * _share_within(samples, positions)).sum(axis=1)
    start = probabilities[:, : samples // 2].sum(axis=1)
    if samples % 2:
        start = start + 0.5 * probabilities[:, samples // 2]
    return Placed(positions, np.clip(confidences, 0.0, 1.0), np.clip(start, 0.0, 1.0))


def _windows(samples: int) -> FloatArray:
    """Share of every sample (rows) that lies within the tolerance of every sample's middle (columns)."""
    return _share_within(samples, (np.arange(samples) + 0.5) / samples).T


def _share_within(samples: int, positions: FloatArray) -> FloatArray:
    """Share of every sample (columns) that lies within the tolerance of every position (rows)."""
    start = np.arange(samples) / samples
    overlap = np.minimum(start + 1 / samples, positions[:, None] + TOLERANCE) - np.maximum(
        start, positions[:, None] - TOLERANCE
    )
    share: FloatArray = np.clip(overlap * samples, 0.0, 1.0)
    return share
