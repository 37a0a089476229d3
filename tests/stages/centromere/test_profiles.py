"""What is measured along a strip, what is made of it, and centromeres without learning."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from karyonet.ideogram.queries import centromeric_index
from karyonet.stages.centromere import expected_position, measure, narrowest, narrowest_near
from karyonet.stages.centromere.profiles import CHANNELS, Preprocessing, WidthProfile

from .drawn import strip


def profile(**drawing: float) -> WidthProfile:
    found = measure(strip(**drawing))  # type: ignore[arg-type]
    assert found is not None
    return found


def test_magnification_and_stain_change_little() -> None:
    small, large = profile(length=70, half_width=7), profile(length=140, half_width=14)
    darker = measure(3 * strip(length=70, half_width=7))
    placed = [Preprocessing().place(one) for one in (small, large)]
    inner = slice(8, -8)
    assert np.abs(placed[0] - placed[1])[:, inner].max() < 0.35
    assert np.abs(placed[0] - placed[1])[:, inner].mean() < 0.05
    assert darker is not None
    np.testing.assert_allclose(darker.values, small.values, rtol=1e-4, atol=1e-5)


def test_a_turned_strip_has_the_turned_profile() -> None:
    image = strip()
    image[:, :9] *= 0.5  # so that left and right differ
    upright, turned = measure(image), measure(image[::-1, ::-1])
    assert upright is not None and turned is not None
    np.testing.assert_allclose(turned.values, upright.turned().values, atol=1e-5)
    np.testing.assert_allclose(upright.turned().turned().values, upright.values)
    mirrored = measure(image[:, ::-1])
    assert mirrored is not None
    np.testing.assert_allclose(mirrored.values, upright.mirrored().values, atol=1e-5)
    left, right = CHANNELS.index("left"), CHANNELS.index("right")
    assert upright.values[:, left].mean() < 0.8 * upright.values[:, right].mean()


def test_hidden_rows_are_told_and_do_not_look_narrow() -> None:
    image, valid = strip(length=80), np.ones(80, dtype=bool)
    valid[40:60] = False
    hidden = measure(image, valid)
    assert hidden is not None
    placed = Preprocessing(samples=40).place(hidden)
    shown = placed[-2]
    assert (shown[20:30] == 0).all() and (placed[: len(CHANNELS), 20:30] == 0).all()
    assert (shown[:19] == 1).all()
    whole = Preprocessing(samples=40).place(profile(length=80))
    beside = [19, 30]
    np.testing.assert_allclose(placed[0, beside], whole[0, beside], rtol=0.1)


@pytest.mark.parametrize(
    "image",
    [np.zeros((20, 7)), np.zeros((0, 7)), np.zeros((5, 0)), np.full((4, 4), np.nan), np.ones(5), -np.ones((3, 3))],
)
def test_what_shows_nothing_has_no_profile(image: np.ndarray) -> None:
    assert measure(image.astype(np.float32)) is None


def test_a_strip_of_which_all_is_hidden_has_no_profile() -> None:
    assert measure(strip(length=30), np.zeros(30, dtype=bool)) is None


@settings(max_examples=60, deadline=None)
@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 40), st.integers(1, 12)),
        elements=st.floats(-1, 5, width=32) | st.sampled_from([np.nan, np.inf]),
    ),
    st.integers(16, 60),
)
@example(np.array([[8.9418e-41]], dtype=np.float32), 16)  # its inverse is no float32
def test_no_picture_makes_an_input_that_is_not_finite(image: np.ndarray, samples: int) -> None:
    found = measure(image)
    if found is not None:
        placed = Preprocessing(samples=samples).place(found)
        assert placed.shape == (len(CHANNELS) + 2, samples)
        assert np.isfinite(placed).all()
        assert 0 <= narrowest(found) <= 1


@settings(max_examples=25, deadline=None)
@given(st.floats(0.2, 0.8), st.integers(60, 140), st.integers(5, 10))
def test_a_deep_constriction_is_the_narrowest_place(place: float, length: int, half_width: int) -> None:
    found = profile(length=length, centromere=place, half_width=half_width, depth=0.5)
    assert narrowest(found) == pytest.approx(place, abs=0.04)
    assert narrowest_near(found, place + 0.05) == pytest.approx(place, abs=0.04)


def test_the_ideogram_says_where_it_expects_a_centromere() -> None:
    assert expected_position("1", True) == centromeric_index("1")
    assert expected_position("13", False) == 1 - centromeric_index("13")
