"""Dynamic time warping of many pairs of series at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from karyonet.case import FloatArray
from karyonet.errors import ArrayError

_AT_ONCE = 256
"""Pairs that are warped together; more of them no longer fit into a processor's cache."""


def warping_cost(first: FloatArray, second: FloatArray, lengths: ArrayLike, others: ArrayLike) -> NDArray[np.float64]:
    """Cost of the cheapest monotone alignment of two series (Sakoe & Chiba, IEEE Trans. ASSP 26, 1978).

    A step advances one series or both, and costs the Euclidean distance of the two samples that it arrives at; both
    ends are aligned, the first samples count as a step. D(i, j) = d(i, j) + min(D(i-1, j), D(i, j-1), D(i-1, j-1)).

    Args:
        first: float32, shape (n, channels, samples). second: shape (n, channels, other samples).
        lengths, others: int, shape (n,): how many samples of each series there are, at least one; the rest is ignored.

    Returns:
        Shape (n,), sums of distances; 0 for equal series.

    Raises:
        ArrayError: K501 for shapes that do not go together, or a length outside of the series.
    """
    first, second = np.asarray(first, dtype=np.float32), np.asarray(second, dtype=np.float32)
    counts, other_counts = np.asarray(lengths, dtype=np.intp), np.asarray(others, dtype=np.intp)
    if first.ndim != 3 or second.ndim != 3 or first.shape[:2] != second.shape[:2]:
        actual = f"of shapes {first.shape} and {second.shape}"
        raise ArrayError("K501", what="series", expected="of shape (n, channels, samples) each", actual=actual)
    for given, series in ((counts, first), (other_counts, second)):
        if given.shape != (len(series),) or (len(given) and not 1 <= given.min() <= given.max() <= series.shape[2]):
            expected = f"one from 1 to {series.shape[2]} for every series"
            raise ArrayError("K501", what="lengths", expected=expected, actual=given.tolist()[:8])
    parts = [slice(start, start + _AT_ONCE) for start in range(0, len(first), _AT_ONCE)]
    return np.concatenate(
        [np.zeros(0), *(_warp(first[p], second[p], counts[p], other_counts[p]) for p in parts)], dtype=np.float64
    )


def _warp(
    first: FloatArray, second: FloatArray, lengths: NDArray[np.intp], others: NDArray[np.intp]
) -> NDArray[np.float64]:
    """The table along its anti-diagonals, whose cells need only those of the two diagonals before."""
    rows, columns = int(lengths.max()), int(others.max())
    turned = second[:, :, :columns][:, :, ::-1]
    cost = np.zeros(len(first))
    # One place more on the left, so that the row above the first one is there and infinite.
    before, last = (np.full((len(first), rows + 1), np.inf) for _ in range(2))
    last_diagonal = lengths + others - 2
    for diagonal in range(rows + columns - 1):
        low, high = max(diagonal - columns + 1, 0), min(diagonal, rows - 1) + 1
        # Cell (i, diagonal - i): the other series is read backwards, from its sample diagonal - low.
        start = columns - 1 - (diagonal - low)
        apart = first[:, :, low:high] - turned[:, :, start : start + high - low]
        step = np.sqrt(np.square(apart).sum(axis=1), dtype=np.float64)
        now = np.full_like(last, np.inf)
        if diagonal == 0:
            now[:, 1] = step[:, 0]
        else:
            cheapest = np.minimum(last[:, low + 1 : high + 1], last[:, low:high])
            now[:, low + 1 : high + 1] = step + np.minimum(cheapest, before[:, low:high])
        ended = last_diagonal == diagonal
        cost[ended] = now[ended, lengths[ended]]
        before, last = last, now
    return cost
