"""How good estimates of the band level are: against the truth, and within and across cases where there is none."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from karyonet.errors import DataError

from .estimator import CLASSES, BandLevelEstimator, Estimate, class_of
from .pack import Drawn

FloatArray = NDArray[np.float64]


def judge(estimator: BandLevelEstimator, drawn: Sequence[Drawn]) -> dict[str, Any]:
    """How far the estimates of metaphases are off whose band level is known.

    Returns:
        counts, error with its standard error, class, correlation, range of the estimates, how often the truth lies in
        the 95 % interval and how wide that is, processor time a metaphase.

    Raises:
        DataError: K405 if fewer than three can be estimated.
    """
    started = time.process_time()
    given = [estimator.estimate(one.strips, one.labels) for one in drawn]
    milliseconds = 1000 * (time.process_time() - started) / max(len(drawn), 1)
    pairs = [(e, one.level) for e, one in zip(given, drawn, strict=True) if isinstance(e, Estimate)]
    if len(pairs) < 3:
        reason = f"only {len(pairs)} of {len(drawn)} can be estimated"
        raise DataError("K405", path="the simulated metaphases", reason=reason)
    found, truth = np.array([e.bphs for e, _ in pairs]), np.array([level for _, level in pairs])
    inside = [e.interval[0] <= level <= e.interval[1] for e, level in pairs]
    figures = level_figures(found, truth)
    return {
        "metaphases": len(drawn),
        "estimated": len(pairs),
        "mae_bphs": round(figures["mae_bphs"], 1),
        "mae_bphs_standard_error": round(float(np.abs(found - truth).std(ddof=1) / np.sqrt(len(pairs))), 1),
        "within_one_class": round(figures["within_one_class"], 3),
        "correlation": round(figures["correlation"], 3),
        "estimates_from_to": [round(float(found.min())), round(float(found.max()))],
        "truth_in_interval": round(float(np.mean(inside)), 3),
        "mean_interval_width_bphs": round(float(np.mean([e.interval[1] - e.interval[0] for e, _ in pairs]))),
        "cpu_milliseconds": round(milliseconds, 1),
    }


def level_figures(found: NDArray[np.floating], truth: NDArray[np.floating]) -> dict[str, float]:
    """Mean absolute error in bphs, share within one class, correlation; of estimates and truths, shape (n,)."""
    return {
        "mae_bphs": float(np.abs(found - truth).mean()),
        "within_one_class": within_one_class(found, truth),
        "correlation": _correlation(found, truth),
    }


def within_one_class(found: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    """Share of the estimates whose class is the true one or a neighbour of it."""
    steps = [
        abs(CLASSES.index(class_of(a)) - CLASSES.index(class_of(b)))
        for a, b in zip(found.tolist(), truth.tolist(), strict=True)
    ]
    return float(np.mean(np.array(steps) <= 1))


def spread_within(cases: Sequence[str], values: NDArray[np.floating]) -> tuple[int, float]:
    """Cases with several metaphases, and the pooled standard deviation within them.

    Args:
        cases: name of the case of each value.
        values: shape (n,).
    """
    members = defaultdict(list)
    for case, value in zip(cases, values.tolist(), strict=True):
        members[case].append(value)
    several = [np.array(group) for group in members.values() if len(group) > 1]
    freedom = sum(len(group) - 1 for group in several)
    return len(several), float(np.sqrt(sum(((g - g.mean()) ** 2).sum() for g in several) / max(freedom, 1)))


def across_cases(cases: Sequence[str], first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Correlation of the cases' means; 0 where one of them does not vary."""
    names = np.array(cases)
    means = [[values[names == case].mean() for case in sorted(set(cases))] for values in (first, second)]
    return _correlation(np.array(means[0]), np.array(means[1]))


def _correlation(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    first, second = first - first.mean(), second - second.mean()
    return float((first * second).sum() / max(float(np.linalg.norm(first) * np.linalg.norm(second)), 1e-12))
