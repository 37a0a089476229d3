from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from karyonet.case import Instance
from karyonet.geometry.region import Region
from karyonet.stages.segmentation.instance_segmenter import convincing, in_box, shared_pixels

SHAPE = (40, 50)
boxes = st.tuples(st.integers(0, 38), st.integers(0, 28), st.integers(1, 12), st.integers(1, 12)).map(
    lambda v: (v[0], v[1], v[0] + v[2], v[1] + v[3])
)


def region(box: tuple[int, int, int, int], seed: int) -> Region:
    mask = np.random.default_rng(seed).random((box[3] - box[1], box[2] - box[0])) < 0.6
    mask[0, 0] = True
    return Region(box, mask)


@given(first=boxes, second=boxes, seed=st.integers(0, 99))
def test_what_regions_share_is_what_their_masks_share(first: tuple, second: tuple, seed: int) -> None:
    one, two = region(first, seed), region(second, seed + 1)
    expected = one.to_mask(SHAPE) & two.to_mask(SHAPE)
    assert (shared_pixels(one, two) == expected[one.slices]).all()
    assert shared_pixels(one, two).sum() == shared_pixels(two, one).sum()
    assert (shared_pixels(one, one) == one.mask).all()


@given(first=boxes, second=boxes, seed=st.integers(0, 99))
def test_a_wider_box_keeps_the_pixels(first: tuple, second: tuple, seed: int) -> None:
    one = region(first, seed)
    wide = in_box(one, second)
    assert (wide.to_mask(SHAPE) == one.to_mask(SHAPE)).all()
    assert wide.bbox[0] <= min(first[0], second[0]) and wide.bbox[3] >= max(first[3], second[3])


def solid(box: tuple[int, int, int, int]) -> Region:
    return Region(box, np.ones((box[3] - box[1], box[2] - box[0]), bool))


def test_of_repeats_the_surest_stays() -> None:
    full, most, apart = solid((0, 0, 10, 10)), solid((1, 0, 11, 10)), solid((20, 20, 30, 30))
    instances = [Instance(full, 0.9), Instance(most, 0.8), Instance(apart, 0.7)]
    assert [instance.score for instance in convincing(instances, 0.3, 0.0, 0.6)] == [0.9, 0.7]
    assert convincing([], 0.3, 0.2, 0.6) == []


def test_what_others_explain_must_be_surer_and_crossings_stay() -> None:
    across = [Instance(solid((0, 14, 40, 20)), 0.9), Instance(solid((14, 0, 20, 38)), 0.35)]
    assert len(convincing(across, 0.3, 0.2, 0.6)) == 2  # a sixth of it is shared
    part = [Instance(solid((0, 0, 40, 10)), 0.9), Instance(solid((0, 0, 15, 10)), 0.35)]
    assert len(convincing(part, 0.3, 0.2, 0.6)) == 1
    assert len(convincing(part, 0.3, 0.0, 0.6)) == 2
