from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.errors import ArrayError
from karyonet.geometry.profiles import left_right_profiles


def test_halves_of_even_and_odd_strips():
    assert left_right_profiles(np.array([[1, 3, 5, 7]], np.float32))[:, 0] == pytest.approx([2, 6])
    # The middle column counts half to either side: (1 + 3/2) / 1.5 and (3/2 + 5) / 1.5.
    assert left_right_profiles(np.array([[1, 3, 5]], np.float32))[:, 0] == pytest.approx([5 / 3, 13 / 3])
    assert left_right_profiles(np.array([[4]], np.float32))[:, 0] == pytest.approx([4, 4])


def test_native_pitch_and_zeros_beyond():
    strip = np.random.default_rng(0).random((100, 21)).astype(np.float32) + 0.1
    profiles = left_right_profiles(strip)
    assert profiles.shape == (2, 512)
    assert profiles.dtype == np.float32
    assert (profiles[:, :100] > 0).all()
    assert not profiles[:, 100:].any()


def test_only_covered_pixels_count():
    strip = np.full((10, 9), 2.0, np.float32)
    strip[:, :2] = 0
    coverage = strip > 0
    coverage[5] = False
    profiles = left_right_profiles(strip, coverage)
    expected = np.full(10, 2.0)
    expected[5] = 0
    assert profiles[:, :10] == pytest.approx(np.stack([expected, expected]))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 1500), st.integers(1, 40), st.integers(1, 700), st.integers(0, 99))
def test_long_strips_keep_their_mean_and_mirrored_ones_swap_sides(length, width, samples, seed):
    strip = np.random.default_rng(seed).random((length, width)).astype(np.float32)
    profiles = left_right_profiles(strip, samples=samples)
    kept = min(length, samples)
    assert profiles[:, :kept].mean() == pytest.approx(left_right_profiles(strip, samples=length).mean(), rel=1e-4)
    assert left_right_profiles(strip[:, ::-1], samples=samples) == pytest.approx(profiles[::-1], abs=1e-5)
    assert left_right_profiles(strip[::-1], samples=samples)[:, :kept] == pytest.approx(
        profiles[:, :kept][:, ::-1], abs=1e-5
    )


def test_errors():
    with pytest.raises(ArrayError, match="K501"):
        left_right_profiles(np.zeros(5, np.float32))
    with pytest.raises(ArrayError, match="K501"):
        left_right_profiles(np.zeros((5, 3), np.float32), np.zeros((5, 4), bool))
