from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.evaluation.matching import (
    box_region,
    count_splits_and_merges,
    group_sizes,
    match_boxes,
    match_by_iou,
    region_iou,
)
from karyonet.geometry.region import Region, box_iou, shared_pixels

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


@settings(max_examples=30, deadline=None)
@given(boxes, boxes)
def test_pixels_agree_with_boxes(first: list, second: list) -> None:
    regions, others = [*map(box_region, first)], [*map(box_region, second)]
    assert np.allclose(region_iou(regions, others), box_iou(np.array(first), np.array(second)))
    assert (shared_pixels(regions, others) == shared_pixels(others, regions).T).all()


def test_only_pixels_count_not_boxes() -> None:
    first, second = Region((0, 0, 4, 4), np.eye(4, dtype=bool)), Region((1, 0, 5, 4), np.eye(4, dtype=bool))
    assert shared_pixels([first], [second]).tolist() == [[0]]
    assert shared_pixels([first], [Region((2, 2, 6, 6), np.eye(4, dtype=bool))]).tolist() == [[2]]
    assert region_iou([first, second], []).shape == (2, 0)


def splits_and_merges(predicted: list[Region], truth: list[Region]) -> tuple[int, int]:
    return count_splits_and_merges(predicted, truth, match_by_iou(region_iou(predicted, truth)))


@pytest.mark.parametrize(
    ("predicted", "truth", "splits", "merges"),
    [
        ([(0, 0, 10, 40)], [(0, 0, 10, 40)], 0, 0),
        ([(0, 0, 22, 40)], [(0, 0, 10, 40), (12, 0, 22, 40)], 0, 1),  # two chromosomes in one box
        ([(0, 0, 22, 40)], [(0, 0, 16, 40), (17, 0, 22, 40)], 0, 1),  # though the larger one matches
        ([(0, 0, 16, 40)], [(0, 0, 10, 40), (11, 0, 21, 40)], 0, 0),  # half of the second chromosome is not most of it
        ([(0, 0, 34, 40)], [(0, 0, 10, 40), (12, 0, 22, 40), (24, 0, 34, 40)], 0, 1),  # three are one merge
        ([(0, 0, 22, 40), (0, 0, 10, 40), (12, 0, 22, 40)], [(0, 0, 10, 40), (12, 0, 22, 40)], 0, 0),  # all found
        ([(0, 0, 10, 18), (0, 20, 10, 40)], [(0, 0, 10, 40)], 1, 0),  # one in two
        ([(0, 0, 10, 12), (0, 13, 10, 25), (0, 26, 10, 40)], [(0, 0, 10, 40)], 1, 0),  # in three is one split
        ([(0, 0, 10, 26), (0, 28, 10, 40)], [(0, 0, 10, 40)], 1, 0),  # though the larger piece matches
        ([(0, 0, 10, 8), (0, 30, 10, 40)], [(0, 0, 10, 40)], 0, 0),  # the pieces are less than half of it
        ([(0, 0, 10, 21), (0, 0, 10, 15)], [(0, 0, 10, 44)], 0, 0),  # pieces on top of each other cover it once
        ([(0, 0, 10, 26), (0, 28, 40, 40)], [(0, 0, 10, 40)], 0, 0),  # most of the second lies elsewhere
        ([(0, 0, 40, 40), (15, 15, 25, 25)], [(0, 0, 40, 40), (15, 15, 25, 25)], 0, 0),  # one inside another's box
        ([(0, 0, 40, 40)], [(0, 0, 40, 40), (15, 15, 25, 25)], 0, 1),  # the inner one was not found
        ([(0, 0, 40, 22), (15, 23, 25, 33)], [(0, 0, 40, 40), (15, 23, 25, 33)], 0, 0),  # a piece of another's own
        ([], [(0, 0, 10, 40)], 0, 0),
        ([(0, 0, 10, 40)], [], 0, 0),
    ],
)
def test_splits_and_merges_of_boxes(predicted: list, truth: list, splits: int, merges: int) -> None:
    assert splits_and_merges([*map(box_region, predicted)], [*map(box_region, truth)]) == (splits, merges)


def region(picture: str, letters: str) -> Region:
    """The pixels of a picture that hold one of the letters."""
    return Region.from_mask(np.array([[pixel in letters for pixel in row] for row in picture.split()]))


CROSS = """
....aa....
....aa....
bbbbxxbbbb
bbbbxxbbbb
....aa....
....aa....
"""


def test_splits_and_merges_of_masks() -> None:
    upright, lying = region(CROSS, "ax"), region(CROSS, "bx")
    truth = [upright, lying]
    assert splits_and_merges([upright, lying], truth) == (0, 0)
    assert splits_and_merges([region(CROSS, "abx")], truth) == (0, 1)
    upper = Region.from_mask(upright.to_mask((6, 10)) & (np.arange(6) < 2)[:, None])
    lower = Region.from_mask(upright.to_mask((6, 10)) & (np.arange(6) >= 2)[:, None])
    assert splits_and_merges([lying, upper, lower], truth) == (1, 0)
    arms = Region.from_mask(upright.to_mask((6, 10)) & (np.arange(6) > 3)[:, None])
    assert splits_and_merges([lying, upper, arms], truth) == (1, 0)  # torn apart by the other, without the crossing
    assert splits_and_merges([lying, upper], truth) == (0, 0)  # half of it was lost, nothing cut


def test_groups_are_chains_of_what_overlaps() -> None:
    chain = [(0, 0, 10, 10), (8, 0, 18, 10), (16, 0, 26, 10), (26, 0, 36, 10), (60, 60, 70, 70)]
    regions = [box_region(one) for one in chain]
    assert group_sizes(regions).tolist() == [3, 3, 3, 1, 1]
    assert group_sizes(regions, touching=True).tolist() == [4, 4, 4, 4, 1]
    assert group_sizes([]).tolist() == []


def test_masks_touch_by_their_pixels() -> None:
    """Boxes overlap in each case; the second pair meets at a corner."""
    apart = region("a..\na..\na.b", "a"), region("a..\na..\na.b", "b")
    corner = region("aa.\na.b\n..b", "a"), region("aa.\na.b\n..b", "b")
    assert group_sizes(apart, touching=True).tolist() == [1, 1]
    assert group_sizes(corner, touching=True).tolist() == [2, 2]
    assert group_sizes(corner).tolist() == [1, 1]
