from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.errors import ArrayError
from karyonet.geometry.region import Region, box_iou


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 30))
def test_a_mask_survives_the_way_through_a_region(seed, height, width):
    rng = np.random.default_rng(seed)
    mask = rng.random((height, width)) < 0.1
    mask[rng.integers(height), rng.integers(width)] = True
    region = Region.from_mask(mask)
    assert np.array_equal(region.to_mask(mask.shape), mask)
    assert region.area == mask.sum()
    assert region.mask.any(axis=0)[[0, -1]].all()
    assert region.mask.any(axis=1)[[0, -1]].all()


def test_offset_moves_the_box():
    assert Region.from_mask(np.ones((3, 2), bool), offset=(10, 20)).bbox == (10, 20, 12, 23)


def test_crop_shows_only_the_region():
    mask = np.eye(4, dtype=bool)
    image = np.arange(16, dtype=np.float32).reshape(4, 4)
    assert np.array_equal(Region.from_mask(mask).crop(image, outside=-1), np.where(mask, image, -1))


def test_errors():
    with pytest.raises(ArrayError, match="K502"):
        Region.from_mask(np.zeros((3, 3), bool))
    with pytest.raises(ArrayError, match="K501"):
        Region((0, 0, 2, 2), np.ones((3, 3), bool))


def test_box_iou():
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]])
    assert box_iou(boxes, boxes) == pytest.approx(np.array([[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 1]]))
    assert box_iou(np.zeros((0, 4)), boxes).shape == (0, 3)
