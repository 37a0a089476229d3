"""Features of homolog pairs as the HomNet paper's logistic regression has them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

from karyonet.case import FloatArray

from ..bags import BagBatch
from .dtw import warping_cost

_PROMINENCE = 0.1
"""How far a band stands out from its surroundings, 1.0 is the mean density."""

_OF_ONE = ("mean", "variance", "peaks", "mean_peak", "highest_peak", "length")
_OF_BOTH = ("warping", "correlation", "covariance")
NAMES = (*_OF_ONE, *(f"{name}_difference" for name in _OF_ONE), *_OF_BOTH)
"""Of the features, in order."""


def bag_features(batch: BagBatch) -> NDArray[np.float64]:
    """The mean over a bag's pairs of the features of each pair, shape (b, len(NAMES)).

    Of each homolog mean, variance, number and height of the peaks of its profiles (mean of both halves) and its
    length; of the pair the mean of these and how far the homologs differ in them, the cost of dynamic time warping a
    sample, correlation and covariance. Which homolog comes first does not matter. How the paper counts peaks, and how
    a bag gets from pairs to features, is not stated; both are our choice, as is the length, which profiles filled up
    to 512 samples have in their means.
    """
    bags = batch.present.nonzero()[:, 0].numpy()
    features = pair_features(batch.profiles[batch.present].numpy(), batch.valid[batch.present].numpy())
    sums = np.zeros((len(batch.present), features.shape[1]))
    np.add.at(sums, bags, features)
    means: NDArray[np.float64] = sums / batch.present.sum(dim=1, keepdim=True).numpy()
    return means


def pair_features(profiles: FloatArray, valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Features of pairs, shape (n, len(NAMES)).

    Args:
        profiles: float32, shape (n, 2, 2, samples): pair, homolog, half, sample.
        valid: bool, shape (n, 2, samples), at least one sample of each homolog.
    """
    n, samples = len(profiles), profiles.shape[-1]
    shown = np.zeros((2, n, 2, samples), dtype=np.float32)  # visible samples only, moved together
    lengths = valid.sum(axis=2).T
    alone = np.zeros((2, n, len(_OF_ONE)))
    together = np.zeros((n, 2))
    for pair in range(n):
        visible = [profiles[pair, homolog][:, valid[pair, homolog]] for homolog in range(2)]
        for homolog, profile in enumerate(visible):
            shown[homolog, pair, :, : profile.shape[1]] = profile
            alone[homolog, pair] = _of_one(profile)
        together[pair] = _correlation(*visible)
    warping = warping_cost(shown[0], shown[1], lengths[0], lengths[1]) / lengths.sum(axis=0)
    return np.column_stack([alone.mean(axis=0), np.abs(alone[0] - alone[1]), warping, together])


def _of_one(profile: FloatArray) -> list[float]:
    heights = [half[find_peaks(half, prominence=_PROMINENCE)[0]] for half in profile]
    return [
        float(profile.mean()),
        float(profile.var(axis=1).mean()),
        float(np.mean([len(found) for found in heights])),
        float(np.mean([found.mean() if len(found) else 0.0 for found in heights])),
        float(np.mean([found.max() if len(found) else 0.0 for found in heights])),
        float(profile.shape[1]),
    ]


def _correlation(first: FloatArray, second: FloatArray) -> tuple[float, float]:
    """Correlation and covariance of the mean profiles, both brought to the length of the longer one."""
    count = max(first.shape[1], second.shape[1])
    places = (np.arange(count) + 0.5) / count
    one, other = (
        np.interp(places, (np.arange(p.shape[1]) + 0.5) / p.shape[1], p.mean(axis=0)) for p in (first, second)
    )
    covariance = float(np.mean((one - one.mean()) * (other - other.mean())))
    spread = float(one.std() * other.std())
    return (covariance / spread if spread > 1e-9 else 0.0), covariance
