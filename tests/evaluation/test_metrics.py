from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from karyonet.evaluation import metrics

CLASSES = 6
answers = st.lists(st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=60)


@settings(max_examples=30, deadline=None)
@given(answers)
def test_against_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = np.array(pairs).T
    matrix = metrics.confusion_matrix(truth, predicted, CLASSES)
    assert (matrix == reference.confusion_matrix(truth, predicted, labels=range(CLASSES))).all()
    assert metrics.accuracy(matrix) == pytest.approx(reference.accuracy_score(truth, predicted))
    counts = metrics.class_counts(matrix)
    expected = reference.precision_recall_fscore_support(truth, predicted, labels=range(CLASSES), zero_division=0)
    assert np.allclose(metrics.precision_recall_f1(counts), expected[:3])
    assert counts[2].tolist() == expected[3].tolist()
    expected_macro = reference.f1_score(truth, predicted, average="macro", zero_division=0)
    assert metrics.macro_f1(counts) == pytest.approx(expected_macro)


def test_calibration_by_hand() -> None:
    counts = metrics.calibration_counts([0.95, 0.85, 0.15, 0.15], [True, False, False, True], bins=10)
    # bins of 0.95, of 0.85, and of two times 0.15 with half right
    expected = (abs(0.95 - 1) + abs(0.85 - 0) + 2 * abs(0.15 - 0.5)) / 4
    assert metrics.expected_calibration_error(counts) == pytest.approx(expected)


def test_low_confidences_are_not_thrown_together() -> None:
    counts = metrics.calibration_counts([0.05, 0.15], [True, False], bins=10)
    assert metrics.expected_calibration_error(counts) == pytest.approx((0.95 + 0.15) / 2)


def test_confidences_on_the_edge_have_a_bin() -> None:
    counts = metrics.calibration_counts([0.0, 1.0, 0.5], [False, True, True], bins=2)
    assert counts[0].tolist() == [2, 1]


def test_calibrated_confidences_have_little_error() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(20_000)
    right = rng.random(20_000) < confidence
    assert metrics.expected_calibration_error(metrics.calibration_counts(confidence, right)) < 0.02
    assert metrics.expected_calibration_error(metrics.calibration_counts(confidence**3, right)) > 0.1


def test_f1_is_the_harmonic_mean() -> None:
    precision, recall = 6 / 8, 6 / 10
    assert metrics.f1(6, 8, 10) == pytest.approx(2 * precision * recall / (precision + recall))
    assert metrics.f1(0, 0, 0) == 0


def test_many_at_once_is_one_at_a_time() -> None:
    rng = np.random.default_rng(0)
    many = rng.integers(0, 9, (7, 3, CLASSES)).astype(float)
    assert np.allclose(metrics.macro_f1(many), [metrics.macro_f1(one) for one in many])
    assert np.allclose(
        metrics.expected_calibration_error(many), [metrics.expected_calibration_error(one) for one in many]
    )
