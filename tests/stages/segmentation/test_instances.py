from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from karyonet.case import Instance
from karyonet.geometry.region import Region
from karyonet.stages.segmentation.instance_segmenter import in_box, mask_iou, without_repeats

SHAPE = (40, 50)
boxes = st.tuples(st.integers(0, 38), st.integers(0, 28), st.integers(1, 12), st.integers(1, 12)).map(
    lambda v: (v[0], v[1], v[0] + v[2], v[1] + v[3])
)


def region(box: tuple[int, int, int, int], seed: int) -> Region:
    mask = np.random.default_rng(seed).random((box[3] - box[1], box[2] - box[0])) < 0.6
    mask[0, 0] = True
    return Region(box, mask)


@given(first=boxes, second=boxes, seed=st.integers(0, 99))
def test_overlap_of_regions_is_that_of_their_masks(first: tuple, second: tuple, seed: int) -> None:
    one, two = region(first, seed), region(second, seed + 1)
    a, b = one.to_mask(SHAPE), two.to_mask(SHAPE)
    expected = (a & b).sum() / (a | b).sum()
    assert mask_iou(one, two) == pytest.approx(expected) == pytest.approx(mask_iou(two, one))
    assert mask_iou(one, one) == 1.0


@given(first=boxes, second=boxes, seed=st.integers(0, 99))
def test_a_wider_box_keeps_the_pixels(first: tuple, second: tuple, seed: int) -> None:
    one = region(first, seed)
    wide = in_box(one, second)
    assert (wide.to_mask(SHAPE) == one.to_mask(SHAPE)).all()
    assert wide.bbox[0] <= min(first[0], second[0]) and wide.bbox[3] >= max(first[3], second[3])


def test_of_repeats_the_surest_stays() -> None:
    full, most, apart = region((0, 0, 10, 10), 0), region((0, 0, 10, 10), 0), region((20, 20, 30, 30), 1)
    instances = [Instance(full, 0.9), Instance(most, 0.8), Instance(apart, 0.7)]
    assert [instance.score for instance in without_repeats(instances, 0.6)] == [0.9, 0.7]
    assert without_repeats([], 0.6) == []
