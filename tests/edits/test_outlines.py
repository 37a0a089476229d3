"""Outlines that a line divides and that are joined again."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from karyonet.edits.outlines import divide, join
from karyonet.geometry.region import Region


@st.composite
def rods(draw_: Any) -> tuple[Region, list[tuple[float, float]]]:
    height, width = draw_(st.integers(12, 40)), draw_(st.integers(4, 9))
    x, y = draw_(st.integers(0, 30)), draw_(st.integers(0, 30))
    region = Region((x, y, x + width, y + height), np.ones((height, width), dtype=bool))
    ends = draw_(st.tuples(*[st.integers(y + 3, y + height - 4)] * 2))
    return region, [(x - 3, ends[0]), (x + width + 2, ends[1])]


@given(rods())
def test_parts_are_the_whole_and_joined_are_what_was_cut(cut: tuple[Region, list[tuple[float, float]]]) -> None:
    region, line = cut
    parts = divide(region, line)
    assert len(parts) == 2
    assert sum(part.area for part in parts) == region.area
    joined, gap = join(parts)
    assert gap == 0
    assert joined.bbox == region.bbox
    assert np.array_equal(joined.mask, region.mask)


@given(st.integers(2, 30))
def test_pieces_apart_are_bridged_and_a_line_between_them_parts_them(gap: int) -> None:
    first, second = (Region((0, y, 6, y + 10), np.ones((10, 6), dtype=bool)) for y in (0, 10 + gap))
    joined, length = join([first, second])
    assert length == gap + 1
    assert joined.area > first.area + second.area
    mask = first.to_mask((20 + gap, 6)) | second.to_mask((20 + gap, 6))
    halves = divide(Region((0, 0, 6, 20 + gap), mask), [(-2, 10 + gap // 2), (8, 10 + gap // 2)])
    assert [half.bbox for half in halves] == [first.bbox, second.bbox]


def test_a_line_that_ends_inside_or_passes_by_parts_nothing() -> None:
    region = Region((5, 5, 15, 45), np.ones((40, 10), dtype=bool))
    for line in ([(0, 20), (9, 20)], [(0, 0), (40, 2)], [(10, 0), (10, 30)]):
        assert divide(region, line) == [region]
