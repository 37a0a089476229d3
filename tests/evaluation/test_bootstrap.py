from __future__ import annotations

import numpy as np
import pytest

from karyonet.evaluation.bootstrap import bootstrap_interval, bootstrap_median


def share(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


def test_one_resample_at_a_time_gives_the_same() -> None:
    rng = np.random.default_rng(3)
    per_case = np.stack([rng.integers(0, 40, 30), np.full(30, 46)], axis=1)
    low, high = bootstrap_interval(share, per_case, n=4000)
    draws = rng.integers(0, 30, (4000, 30))
    slow = [share(per_case[draw].sum(axis=0)) for draw in draws]
    assert (low, high) == pytest.approx(tuple(np.percentile(slow, [2.5, 97.5])), abs=0.01)


def test_an_interval_covers_the_truth_19_times_in_20() -> None:
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(200):
        right = rng.binomial(46, rng.beta(18, 2, 60))  # cases differ: the truth is 0.9
        low, high = bootstrap_interval(share, np.stack([right, np.full(60, 46)], axis=1), n=400)
        covered.append(low <= 0.9 <= high)
    assert 0.88 <= np.mean(covered) <= 0.99


def test_cases_are_drawn_not_chromosomes() -> None:
    whole = np.array([[46, 46]] * 5 + [[0, 46]] * 5)  # right or wrong as a whole
    single = np.array([[1, 1]] * 230 + [[0, 1]] * 230)
    (low, high), (inner_low, inner_high) = bootstrap_interval(share, whole), bootstrap_interval(share, single)
    assert high - low > 4 * (inner_high - inner_low)


def test_the_seed_decides() -> None:
    values = np.random.default_rng(1).random((20, 1))
    one, again, other = (bootstrap_interval(lambda s: s[..., 0], values, seed=seed) for seed in (0, 0, 1))
    assert one == again != other
    assert bootstrap_interval(lambda s: s[..., 0], values[:, 0]) == one


def test_a_single_case_has_no_spread() -> None:
    assert bootstrap_interval(share, [[9, 10]]) == (0.9, 0.9)
    assert bootstrap_median([1, 2, 4], ["a"] * 3) == (2, 2)
    assert bootstrap_median([1, 2, 4, 5], ["a"] * 4) == (3, 3)


def test_the_median_of_resamples() -> None:
    rng = np.random.default_rng(5)
    values, cases = rng.exponential(size=120), np.repeat(np.arange(40), 3)
    low, high = bootstrap_median(values, cases, n=3000)
    grouped = values.reshape(40, 3)
    slow = [np.median(grouped[draw]) for draw in rng.integers(0, 40, (3000, 40))]
    assert (low, high) == pytest.approx(tuple(np.percentile(slow, [2.5, 97.5])), abs=0.05)
    assert low <= np.median(values) <= high
