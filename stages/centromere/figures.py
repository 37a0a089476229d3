"""How good positions and confidences are, where the centromere is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from .inference import mean_distribution
from .placing import TOLERANCE, place

FloatArray = NDArray[np.floating]


def found(positions: FloatArray, truth: FloatArray) -> NDArray[np.bool_]:
    """Which positions lie within :data:`~karyonet.stages.centromere.placing.TOLERANCE` of the true one; shape (n,)."""
    return np.asarray(np.abs(np.asarray(positions) - truth) <= TOLERANCE)


def calibration_error(confidences: FloatArray, right: NDArray[np.bool_], bins: int = 15) -> float:
    """Expected calibration error over bins of equal numbers: mean distance of confidence and share found."""
    order = np.argsort(confidences, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    gaps = [len(part) * abs(float(confidences[part].mean() - right[part].mean())) for part in parts]
    return sum(gaps) / max(len(order), 1)


def fit_confidence(logits: NDArray[np.float64], truth: FloatArray) -> float:
    """The temperature under which confidences foretell best which positions are found (least log loss).

    Args:
        logits: shape (n, 2, samples), of :func:`~karyonet.stages.centromere.inference.view_logits`.
        truth: shape (n,).

    Returns:
        0.1–10.
    """

    def surprise(log_temperature: float) -> float:
        placed = place(mean_distribution(logits, float(np.exp(log_temperature))))
        right = found(placed.positions, truth)
        likely = np.clip(np.where(right, placed.confidences, 1 - placed.confidences), 1e-4, 1.0)
        return -float(np.log(likely).mean())

    bounds = np.log(0.1), np.log(10.0)
    return float(np.exp(minimize_scalar(surprise, bounds=bounds, method="bounded", options={"maxiter": 20}).x))
