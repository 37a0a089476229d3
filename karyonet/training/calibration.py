"""Probabilities that mean what they say: what every stage's classifier is calibrated with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """The temperature that makes the labels most likely (Guo et al., ICML 2017, eq. 9).

    Args:
        logits: shape (n, classes).
        labels: int, shape (n,).

    Returns:
        0.1–10; divide logits by it.
    """
    logits = np.asarray(logits, dtype=np.float64)
    rows = np.arange(len(labels))

    def surprise(log_temperature: float) -> float:
        return -float(log_softmax(logits / np.exp(log_temperature), axis=1)[rows, labels].mean())

    return float(np.exp(minimize_scalar(surprise, bounds=(np.log(0.1), np.log(10.0)), method="bounded").x))
