from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from karyonet.errors import ArrayError
from karyonet.report import rle

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40))


def plain_string(mask: np.ndarray) -> str:
    """COCO's published algorithm, one number after the other."""
    runs, value = [0], False
    for pixel in mask.ravel(order="F").tolist():
        if pixel != value:
            runs.append(0)
            value = pixel
        runs[-1] += 1
    text = ""
    for place, run in enumerate(runs):
        number = run - runs[place - 2] if place > 2 else run
        more = True
        while more:
            group = number & 0x1F
            number >>= 5
            more = number != -1 if group & 0x10 else number != 0
            text += chr((group | 0x20 if more else group) + 48)
    return text


@settings(max_examples=30, deadline=None)
@given(masks)
def test_a_mask_comes_back(mask: np.ndarray) -> None:
    assert np.array_equal(rle.decode(rle.encode(mask), mask.shape), mask)


@settings(max_examples=30, deadline=None)
@given(masks)
def test_the_string_is_the_one_of_coco(mask: np.ndarray) -> None:
    assert rle.encode(mask) == plain_string(mask)


def test_long_runs_need_several_characters() -> None:
    mask = np.zeros((3000, 2000), dtype=bool)
    mask[10:2990, 400:402] = True
    text = rle.encode(mask)
    assert text == plain_string(mask)
    assert np.array_equal(rle.decode(text, mask.shape), mask)


def test_columns_come_first() -> None:
    # Two rows, three columns; down the columns: 0 1, 0 1, 0 0 -> runs 1 1 1 1 2, differences 1 1 1 0 1.
    assert rle.encode(np.array([[0, 0, 0], [1, 1, 0]], dtype=bool)) == "11101"


def test_a_full_mask_starts_with_an_empty_run() -> None:
    assert rle.encode(np.ones((2, 2), dtype=bool)) == "04"


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=30))
def test_a_damaged_string_is_an_error_and_nothing_worse(text: str) -> None:
    try:
        mask = rle.decode(text, (7, 9))
    except ArrayError as error:
        assert error.code == "K501"
    else:
        assert mask.shape == (7, 9)


def test_runs_that_do_not_fill_the_size_are_an_error() -> None:
    with pytest.raises(ArrayError, match="K501"):
        rle.decode(rle.encode(np.ones((4, 4), dtype=bool)), (4, 5))


def test_only_a_plane_can_be_encoded() -> None:
    with pytest.raises(ArrayError, match="K501"):
        rle.encode(np.zeros((2, 2, 2), dtype=bool))
