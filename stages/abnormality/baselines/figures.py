"""Figures of a comparison on the same bags, with intervals over cases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

from karyonet.evaluation.bootstrap import bootstrap_interval, draws, percentile_interval
from karyonet.evaluation.ranking import area, ranking_curve, ranking_figures

from ..figures import Judged

RESAMPLES = 300


@dataclass(frozen=True, eq=False)
class Outcome:
    """Scores of bags, larger for abnormal ones, and what is true.

    Attributes:
        scores: float64, shape (n,). abnormal: bool, shape (n,). cases: str, shape (n,).
    """

    scores: NDArray[np.float64]
    abnormal: NDArray[np.bool_]
    cases: NDArray[np.str_]

    def record(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return {name: values.tolist() for name, values in vars(self).items()}

    @classmethod
    def read(cls, record: dict[str, Any]) -> Outcome:
        """The outcome of a record."""
        return cls(**{name: np.asarray(values) for name, values in record.items()})


def figures(outcome: Outcome, threshold: float) -> dict[str, dict[str, Any]]:
    """F1 above a threshold, and the figures of :mod:`karyonet.evaluation.ranking`, which need none.

    Returns:
        ``value`` and ``interval`` (95 %, over cases) of each, by name.

    Raises:
        ValueError: if all bags are abnormal, or none is.
    """
    said = ranking_figures(outcome.scores, outcome.abnormal, outcome.cases, RESAMPLES)
    names, members = np.unique(outcome.cases, return_inverse=True)
    called = outcome.scores > threshold
    counted = (outcome.abnormal & called, called ^ outcome.abnormal)
    per_case = np.stack([np.bincount(members, column, len(names)) for column in counted], axis=1)
    said["f1"] = float(_f1(per_case.sum(axis=0))), bootstrap_interval(_f1, per_case, RESAMPLES)
    return {name: {"value": value, "interval": list(interval)} for name, (value, interval) in said.items()}


def difference(outcome: Outcome, other: Outcome) -> tuple[float, float]:
    """The 95 % interval of AUC − the other's AUC, both on the same resamples of the cases.

    Raises:
        ValueError: if the bags are not the same.
    """
    if not (np.array_equal(outcome.abnormal, other.abnormal) and np.array_equal(outcome.cases, other.cases)):
        raise ValueError("the two judged different bags")
    names, members = np.unique(outcome.cases, return_inverse=True)
    weights = draws(len(names), RESAMPLES)[:, members]
    first, second = (area(ranking_curve(one.scores, one.abnormal, weights)) for one in (outcome, other))
    apart = first - second
    return percentile_interval(apart[np.isfinite(apart)])


def best_threshold(judged: Judged) -> float:
    """The largest number such that calling abnormal what scores above it has the best F1."""
    precision, recall, cuts = precision_recall_curve(judged.abnormal, judged.logits)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(np.nextafter(cuts[f1[:-1].argmax()], -np.inf))


def _f1(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """From true positives, and false answers of both kinds, shape (..., 2)."""
    right, wrong = sums[..., 0], sums[..., 1]
    f1: NDArray[np.float64] = np.asarray(2 * right / np.maximum(2 * right + wrong, 1))
    return f1
