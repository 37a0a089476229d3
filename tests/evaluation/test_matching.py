from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.evaluation.matching import count_splits_and_merges, match_boxes
from karyonet.geometry.region import box_iou

box = st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(1, 12), st.integers(1, 12)).map(
    lambda v: (v[0], v[1], v[0] + v[2], v[1] + v[3])
)
boxes = st.lists(box, max_size=6)
thresholds = st.sampled_from([0.1, 0.3, 0.5, 0.75])


@settings(max_examples=30, deadline=None)
@given(boxes, boxes, thresholds)
def test_pairs_are_one_to_one_and_above_the_threshold(predicted: list, truth: list, threshold: float) -> None:
    result = match_boxes(predicted, truth, threshold)
    first, second = result.pairs[:, 0], result.pairs[:, 1]
    assert len(set(first)) == len(set(second)) == len(result.pairs) <= min(len(predicted), len(truth))
    assert (result.iou >= threshold).all()
    iou = box_iou(np.array(predicted), np.array(truth))
    assert np.allclose(result.iou, iou[first, second])
    assert sorted([*first, *result.unmatched_predicted]) == list(range(len(predicted)))
    assert sorted([*second, *result.unmatched_truth]) == list(range(len(truth)))
    left = iou[np.ix_(result.unmatched_predicted, result.unmatched_truth)]
    assert not (left >= threshold).any()


@settings(max_examples=30, deadline=None)
@given(boxes, boxes, thresholds)
def test_matching_is_symmetric(predicted: list, truth: list, threshold: float) -> None:
    one, other = match_boxes(predicted, truth, threshold), match_boxes(truth, predicted, threshold)
    assert len(one.pairs) == len(other.pairs)
    assert one.iou.sum() == pytest.approx(other.iou.sum())


@settings(max_examples=30, deadline=None)
@given(st.lists(box, max_size=4), st.lists(box, max_size=4), thresholds)
def test_no_other_matching_is_better(predicted: list, truth: list, threshold: float) -> None:
    iou = box_iou(np.array(predicted), np.array(truth))
    small, large = sorted([len(predicted), len(truth)])
    table = iou if len(predicted) <= len(truth) else iou.T
    scores = [
        (sum(v >= threshold for v in picked), sum(v for v in picked if v >= threshold))
        for order in itertools.permutations(range(large), small)
        for picked in [[table[i, j] for i, j in enumerate(order)]]
    ]
    number, total = max(scores, default=(0, 0))
    result = match_boxes(predicted, truth, threshold)
    assert (len(result.pairs), result.iou.sum()) == (number, pytest.approx(total))


def test_more_matches_go_before_a_better_one() -> None:
    truth = [(0, 0, 10, 10), (4, 0, 14, 10)]
    predicted = [(0, 0, 10, 10), (-4, 0, 6, 10)]  # the first is the first truth, and the second fits that alone
    result = match_boxes(predicted, truth, 0.4)
    assert result.pairs.tolist() == [[0, 1], [1, 0]]


def test_boxes_that_only_touch_never_match() -> None:
    assert len(match_boxes([(0, 0, 5, 5)], [(5, 0, 9, 5)], threshold=0.0).pairs) == 0


@pytest.mark.parametrize(
    ("predicted", "truth", "splits", "merges"),
    [
        ([(0, 0, 10, 40)], [(0, 0, 10, 40)], 0, 0),
        ([(0, 0, 22, 40)], [(0, 0, 10, 40), (12, 0, 22, 40)], 0, 1),  # two chromosomes in one box
        ([(0, 0, 10, 18), (0, 20, 10, 40)], [(0, 0, 10, 40)], 1, 0),  # one in two
        ([(0, 0, 10, 26), (0, 28, 10, 40)], [(0, 0, 10, 40)], 1, 0),  # though the larger piece matches
        ([(0, 0, 40, 40), (15, 15, 25, 25)], [(0, 0, 40, 40), (15, 15, 25, 25)], 0, 0),  # one inside another's box
        ([], [(0, 0, 10, 40)], 0, 0),
        ([(0, 0, 10, 40)], [], 0, 0),
    ],
)
def test_splits_and_merges(predicted: list, truth: list, splits: int, merges: int) -> None:
    assert count_splits_and_merges(predicted, truth, match_boxes(predicted, truth)) == (splits, merges)
    assert count_splits_and_merges(truth, predicted, match_boxes(truth, predicted)) == (merges, splits)
