"""Intervals of 95 % by resampling cases.

Chromosomes and metaphases of one patient resemble each other, so a case is what is drawn, with replacement
(cluster bootstrap; Field & Welsh, J. R. Statist. Soc. B 69, 2007).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
Statistic = Callable[[FloatArray], ArrayLike]
"""From sums of sufficient statistics, shape (..., k), to the statistic, shape (...)."""

_PERCENTILES = (2.5, 97.5)


def bootstrap_interval(statistic: Statistic, per_case: ArrayLike, n: int = 1000, seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile interval of a statistic that depends on sums over cases, such as a ratio.

    Args:
        statistic: called once with float64 of shape (n, k), the sums of every resample.
        per_case: shape (cases, k) or (cases,): what every case adds to the sums.
        n: number of resamples.
        seed: of the random generator; the same seed draws the same cases.

    Returns:
        Lower and upper end; both are the statistic itself where there is a single case.

    Example:
        >>> right_and_all = [[9, 10], [8, 10], [10, 10]]
        >>> bootstrap_interval(lambda sums: sums[..., 0] / sums[..., 1], right_and_all)
        (0.8, 1.0)
    """
    values = np.asarray(per_case, dtype=float)
    values = values[:, None] if values.ndim == 1 else values
    return percentile_interval(statistic(draws(len(values), n, seed) @ values))


def bootstrap_median(values: ArrayLike, cases: ArrayLike, n: int = 1000, seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile interval of the median of values that belong to cases.

    Args:
        values: shape (m,).
        cases: shape (m,): the case of every value, any names.
        n: number of resamples.
        seed: of the random generator.
    """
    values = np.asarray(values, dtype=float)
    names, members = np.unique(np.asarray(cases), return_inverse=True)
    order = np.argsort(values, kind="stable")
    drawn = np.cumsum(draws(len(names), n, seed)[:, members[order]], axis=1)
    total = drawn[:, -1:]
    # The lower and the upper middle value of every resample; they are one where the number of values is odd.
    lower = (drawn >= np.ceil(total / 2)).argmax(axis=1)
    upper = (drawn >= np.floor(total / 2) + 1).argmax(axis=1)
    return percentile_interval((values[order][lower] + values[order][upper]) / 2)


def draws(cases: int, n: int = 1000, seed: int = 0) -> FloatArray:
    """How often every case is drawn in every resample: float64, shape (n, cases).

    For statistics that are not made of sums over cases; those go to :func:`percentile_interval` afterwards.
    """
    return np.random.default_rng(seed).multinomial(cases, np.full(cases, 1 / cases), size=n).astype(float)


def percentile_interval(values: ArrayLike) -> tuple[float, float]:
    """The 95 % percentile interval of a statistic's values over the resamples, shape (n,)."""
    low, high = np.percentile(np.asarray(values, dtype=float), _PERCENTILES)
    return float(low), float(high)
