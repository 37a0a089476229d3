"""How well scores put what is sought before the rest: ROC and precision-recall figures, with intervals over cases.

All examples of equal score count as one point of a curve, so that their order means nothing. Weights say how often an
example counts, with any leading dimensions, so that the same function gives a figure and all its resamples. Without
both kinds of examples a figure is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from karyonet.evaluation.bootstrap import draws, percentile_interval

FloatArray = NDArray[np.float64]
_AT_ONCE = 4_000_000
"""Weights of all resamples that are looked at together, for the sake of memory."""


class RankingCurve(NamedTuple):
    """What is found at every distinct score, the highest first.

    Attributes:
        found: float64, shape (..., k): weight of the positives at this score or above.
        false: likewise of the negatives.
    """

    found: FloatArray
    false: FloatArray


def ranking_curve(scores: ArrayLike, positive: ArrayLike, weights: ArrayLike | None = None) -> RankingCurve:
    """The curve from which all figures follow.

    Args:
        scores: shape (n,), larger for positives.
        positive: bool, shape (n,).
        weights: shape (..., n); by default every example counts once.
    """
    scores, positive = np.asarray(scores, dtype=float), np.asarray(positive, dtype=bool)
    weights = np.ones(scores.shape) if weights is None else np.asarray(weights, dtype=float)
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True)) if len(scores) else np.zeros(0, dtype=np.intp)
    weights, positive = weights[..., order], positive[order]
    return RankingCurve(
        np.cumsum(weights * positive, axis=-1)[..., last], np.cumsum(weights * ~positive, axis=-1)[..., last]
    )


def area(curve: RankingCurve) -> FloatArray:
    """Area under the ROC curve, shape (...)."""
    found, false = _from_zero(curve.found), _from_zero(curve.false)
    under = (np.diff(false, axis=-1) * (found[..., 1:] + found[..., :-1]) / 2).sum(axis=-1)
    return _share(under, found[..., -1] * false[..., -1])


def average_precision(curve: RankingCurve) -> FloatArray:
    """Mean of the precisions at every score, weighted by the recall that is gained there, shape (...)."""
    gained = np.diff(_from_zero(curve.found), axis=-1)
    precision = curve.found / np.maximum(curve.found + curve.false, 1e-12)
    positives = _from_zero(curve.found)[..., -1]
    return np.where(_from_zero(curve.false)[..., -1] > 0, _share((gained * precision).sum(axis=-1), positives), np.nan)


def sensitivity_at(curve: RankingCurve, specificity: float) -> FloatArray:
    """Largest share of the positives found while at most ``1 - specificity`` of the negatives are, shape (...)."""
    found, false = _from_zero(curve.found), _from_zero(curve.false)
    allowed = false <= (1 - specificity) * false[..., -1:] + 1e-9
    best = np.where(allowed, found, 0.0).max(axis=-1)
    return np.where(false[..., -1] > 0, _share(best, found[..., -1]), np.nan)


FIGURES: Mapping[str, Callable[[RankingCurve], FloatArray]] = MappingProxyType(
    {
        "auc": area,
        "average_precision": average_precision,
        "sensitivity_at_95": partial(sensitivity_at, specificity=0.95),
        "sensitivity_at_99": partial(sensitivity_at, specificity=0.99),
    }
)


def ranking_figures(
    scores: ArrayLike, positive: ArrayLike, cases: ArrayLike, n: int = 1000, seed: int = 0
) -> dict[str, tuple[float, tuple[float, float]]]:
    """All of :data:`FIGURES`, each with its 95 % interval by resampling cases.

    Args:
        scores, positive: shape (m,).
        cases: shape (m,): whose every example is.
        n: resamples; those that lack one kind of examples are left out.
        seed: of the random generator.

    Raises:
        ValueError: if all examples are positive, or none is.
    """
    positive = np.asarray(positive, dtype=bool)
    if positive.all() or not positive.any():
        raise ValueError("there must be positive and negative examples")
    whole = ranking_curve(scores, positive)
    names, members = np.unique(np.asarray(cases), return_inverse=True)
    drawn = draws(len(names), n, seed)
    step = max(_AT_ONCE // len(positive), 1)
    resampled: dict[str, list[FloatArray]] = {name: [] for name in FIGURES}
    for start in range(0, n, step):
        curve = ranking_curve(scores, positive, drawn[start : start + step, members])
        for name, figure in FIGURES.items():
            resampled[name].append(figure(curve))
    said = {}
    for name, figure in FIGURES.items():
        value, values = float(figure(whole)), np.concatenate(resampled[name])
        known = values[np.isfinite(values)]
        said[name] = value, percentile_interval(known) if len(known) else (value, value)
    return said


def _from_zero(sums: FloatArray) -> FloatArray:
    return np.concatenate([np.zeros((*sums.shape[:-1], 1)), sums], axis=-1)


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    share = np.full(np.shape(part), np.nan)
    np.divide(part, whole, out=share, where=np.asarray(whole) > 0)
    return share
