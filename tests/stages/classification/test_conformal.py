from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapie.classification import SplitConformalClassifier
from sklearn.base import BaseEstimator, ClassifierMixin

from karyonet.label_sets import label_sets, least_probabilities
from karyonet.stages.classification.conformal import fit_label_sets, least_probability, weighted_rank

CLASSES = 6


def drawn(cases: int, per_case: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities that overstate, the more the harder a case is; their labels; the cases."""
    generator = np.random.default_rng(seed)
    hard = np.repeat(generator.uniform(0.5, 3.0, cases), per_case)
    logits = generator.normal(0, 3, (cases * per_case, CLASSES))
    softened = np.exp(logits / hard[:, None])
    softened /= softened.sum(axis=1, keepdims=True)
    labels = (softened.cumsum(axis=1) > generator.uniform(size=(len(logits), 1))).argmax(axis=1)
    stated = np.exp(logits)
    names = np.repeat([f"p{n}" for n in range(cases)], per_case)
    return stated / stated.sum(axis=1, keepdims=True), labels, names


class Stated(ClassifierMixin, BaseEstimator):
    """A fitted classifier whose probabilities are its input."""

    def __init__(self) -> None:
        self.classes_ = np.arange(CLASSES)
        self.is_fitted_ = True

    def fit(self, X: np.ndarray, y: np.ndarray) -> Stated:
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return X

    def predict(self, X: np.ndarray) -> np.ndarray:
        return X.argmax(axis=1)


@pytest.mark.parametrize("coverage", [0.9, 0.95])
def test_one_chromosome_a_case_is_split_conformal_prediction(coverage: float) -> None:
    probabilities, labels, cases = drawn(300, 1)
    reference = SplitConformalClassifier(Stated(), confidence_level=coverage, conformity_score="lac", prefit=True)
    reference.conformalize(probabilities, labels)
    others = drawn(200, 1, seed=1)[0]
    expected = reference.predict_set(others)[1][:, :, 0]
    least = least_probability(probabilities, labels, cases, coverage)
    assert least is not None
    found = label_sets(others, least)
    expected[np.arange(200), others.argmax(axis=1)] = True  # never empty
    assert 0.3 < expected.mean() < 0.9
    assert np.array_equal(found, expected)


def test_new_cases_are_covered() -> None:
    shares = []
    for seed in range(60):
        probabilities, labels, cases = drawn(60, 20, seed)
        least = least_probability(probabilities, labels, cases, 0.9)
        assert least is not None
        others, truth, _ = drawn(40, 20, 1000 + seed)
        shares.append(label_sets(others, least)[np.arange(len(truth)), truth].mean())
    assert 0.9 <= np.mean(shares) < 0.95


def test_a_case_counts_once_however_many_chromosomes_it_has() -> None:
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    cases = np.array([*"abcdefghi"])
    assert weighted_rank(scores, cases, 0.5) == 4
    many = np.concatenate([scores, np.full(50, 0.95)])
    assert weighted_rank(many, np.concatenate([cases, np.full(50, "i")]), 0.5) == 4


def test_too_few_cases_for_a_level_are_said(caplog: pytest.LogCaptureFixture) -> None:
    probabilities, labels, cases = drawn(30, 10)
    with caplog.at_level(logging.WARNING):
        assert set(fit_label_sets(probabilities, labels, cases)) == {"label_set_95"}
    assert "label_set_99" in caplog.text and "30 validation cases" in caplog.text
    assert least_probability(*drawn(18, 50), 0.95) is None
    assert least_probability(*drawn(19, 50), 0.95) is not None
    assert least_probability(*drawn(99, 5), 0.99) is not None


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.floats(0, 1), st.floats(0, 1))
def test_sets_are_never_empty_and_grow(seed: int, first: float, second: float) -> None:
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(24), 5).astype(np.float32)
    small, large = label_sets(probabilities, max(first, second)), label_sets(probabilities, min(first, second))
    assert small[np.arange(5), probabilities.argmax(axis=1)].all()
    assert (large >= small).all()


def test_what_was_not_classified_has_no_set() -> None:
    assert label_sets(np.full((2, 24), np.nan), 0.0).sum() == 0
    assert label_sets(np.zeros((0, 24)), 0.5).shape == (0, 24)


def test_thresholds_by_level() -> None:
    thresholds = {"label_set_95": 0.3, "label_set_99": 0.1, "reject": 0.5, "label_set_size": 2.0}
    assert least_probabilities(thresholds) == {95: 0.3, 99: 0.1}
