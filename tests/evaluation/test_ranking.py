from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from karyonet.evaluation.ranking import (
    FIGURES,
    area,
    average_precision,
    ranking_curve,
    ranking_figures,
    sensitivity_at,
)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 9999), levels=st.sampled_from([3, 10, 10**6]))
def test_figures_are_those_of_scikit_learn_with_ties_and_weights(seed: int, levels: int) -> None:
    generator = np.random.default_rng(seed)
    count = int(generator.integers(4, 60))
    positive = np.append([True, False], generator.random(count - 2) < 0.4)
    scores = np.floor(generator.random(count) * levels) / levels
    weights = np.append([1, 1], generator.integers(0, 4, count - 2))
    curve = ranking_curve(scores, positive, weights)
    assert area(curve) == pytest.approx(roc_auc_score(positive, scores, sample_weight=weights))
    assert average_precision(curve) == pytest.approx(average_precision_score(positive, scores, sample_weight=weights))
    false, true, _ = roc_curve(positive, scores, sample_weight=weights, drop_intermediate=False)
    for specificity in (0.5, 0.95):
        assert sensitivity_at(curve, specificity) == pytest.approx(true[false <= 1 - specificity + 1e-9].max())


def test_many_resamples_at_once_are_those_one_by_one() -> None:
    generator = np.random.default_rng(0)
    scores, positive = generator.random(50).round(1), generator.random(50) < 0.5
    weights = generator.integers(0, 3, (7, 50))
    for figure in FIGURES.values():
        together = figure(ranking_curve(scores, positive, weights))
        assert together.shape == (7,)
        assert together == pytest.approx([float(figure(ranking_curve(scores, positive, row))) for row in weights])


def test_without_both_kinds_there_is_no_figure() -> None:
    for positive in ([True, True], [False, False]):
        assert all(np.isnan(figure(ranking_curve([0.1, 0.9], positive))) for figure in FIGURES.values())
        with pytest.raises(ValueError, match="positive and negative"):
            ranking_figures([0.1, 0.9], positive, ["a", "b"])


def test_intervals_are_over_cases() -> None:
    generator = np.random.default_rng(0)
    positive = generator.random(400) < 0.5
    shift = generator.normal(size=10)
    few = np.repeat(np.arange(10), 40)
    scores = generator.normal(size=400) + positive + shift[few] * positive
    own, shared = (ranking_figures(scores, positive, cases)["auc"] for cases in (np.arange(400), few))
    assert own[0] == shared[0] and own[1][0] < own[0] < own[1][1]
    assert np.ptp(shared[1]) > 1.5 * np.ptp(own[1])
    assert ranking_figures(positive, positive, few)["auc"] == (1.0, (1.0, 1.0))
