from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from karyonet.stages.segmentation.tiles import tiles


@given(height=st.integers(1, 300), width=st.integers(1, 300), side=st.integers(40, 120), margin=st.integers(0, 15))
def test_cores_cover_the_image_once_and_see_what_is_around_them(
    height: int, width: int, side: int, margin: int
) -> None:
    covered = np.zeros((height, width), dtype=int)
    for tile in tiles((height, width), side, margin):
        covered[tile.core_rows, tile.core_columns] += 1
        for window, core, length in (
            (tile.rows, tile.core_rows, height),
            (tile.columns, tile.core_columns, width),
        ):
            assert window.stop - window.start <= side
            assert window.start == max(core.start - margin, 0) or length <= side
            assert window.stop == min(core.stop + margin, length)
    assert (covered == 1).all()


def test_a_small_image_is_one_tile() -> None:
    (tile,) = tiles((100, 80), 100, 20)
    assert tile.rows == tile.core_rows == slice(0, 100) and tile.columns == tile.core_columns == slice(0, 80)
