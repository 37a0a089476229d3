from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from karyonet.data.boxes import box_size, components_of, drawn_boxes, region_in_box, solid_region
from karyonet.geometry.region import Region


def test_the_neighbour_that_reaches_into_the_box_is_left_out() -> None:
    foreground = np.zeros((40, 40), dtype=bool)
    foreground[10:30, 18:22] = True  # the chromosome
    foreground[5:40, 11:15] = True  # a larger neighbour on the edge
    region = region_in_box(foreground, (10, 8, 30, 32))
    assert region is not None
    assert region.bbox == (18, 10, 22, 30)


def test_a_bent_chromosome_has_nothing_in_the_middle() -> None:
    foreground = np.zeros((40, 40), dtype=bool)
    foreground[4:36, 4:8] = foreground[32:36, 4:36] = True
    foreground[4:7, 30:34] = True
    region = region_in_box(foreground, (4, 4, 36, 36))
    assert region is not None
    assert region.bbox == (4, 4, 36, 36)
    assert region.area == 32 * 4 + 28 * 4


def test_an_empty_box_gives_nothing() -> None:
    assert region_in_box(np.zeros((9, 9), dtype=bool), (0, 0, 5, 5)) is None
    assert region_in_box(np.ones((9, 9), dtype=bool), (12, 0, 15, 5)) is None
    assert solid_region(np.zeros((9, 9), dtype=bool), (1, 2, 5, 7)).area == 20


@settings(max_examples=30, deadline=None)
@given(arrays(bool, (12, 14)), st.tuples(*[st.integers(-3, 16)] * 2), st.tuples(*[st.integers(1, 10)] * 2))
def test_a_region_is_foreground_inside_the_box(
    foreground: np.ndarray, corner: tuple[int, int], size: tuple[int, int]
) -> None:
    box = (*corner, corner[0] + size[0], corner[1] + size[1])
    region = region_in_box(foreground, box)
    inside = np.zeros_like(foreground)
    inside[max(box[1], 0) : max(box[3], 0), max(box[0], 0) : max(box[2], 0)] = True
    if region is None:
        assert not (foreground & inside).any()
    else:
        assert not (region.to_mask(foreground.shape) & ~(foreground & inside)).any()
        assert len(components_of(region.to_mask(foreground.shape))) == 1


@settings(max_examples=20, deadline=None)
@given(arrays(bool, (12, 14)))
def test_components_make_up_the_mask(mask: np.ndarray) -> None:
    total = np.zeros(mask.shape, dtype=int)
    for region in components_of(mask):
        total += region.to_mask(mask.shape)
    assert (total == mask).all()


@pytest.mark.parametrize("smallest", [1, 5])
def test_small_components_are_left_out(smallest: int) -> None:
    mask = np.zeros((10, 10), dtype=bool)
    mask[0, 0] = True
    mask[4:7, 4:7] = True
    assert [region.area for region in components_of(mask, smallest)] == ([1, 9] if smallest == 1 else [9])


def test_magnification_is_told_by_the_boxes() -> None:
    assert box_size([(5, 5, 25, 55), (45, 5, 65, 55), (55, 35, 95, 55)]) == 50 and box_size([]) == 1


def test_drawn_boxes_leave_a_margin_inside_the_image() -> None:
    long, short = (Region((x, 2, x + 20, 102), np.ones((100, 20), dtype=bool)) for x in (30, 60))
    assert drawn_boxes([long, short], (104, 200)) == [(26, 0, 54, 104), (56, 0, 84, 104)]
    assert drawn_boxes([], (10, 10)) == []
