"""Counting the transitions of one profile."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from karyonet.stages.band_level.persistence import band_profile, count_transitions

from .drawn import as_strip, banded

profiles = arrays(np.float64, st.integers(3, 80), elements=st.floats(0.125, 2.0, width=32))


@pytest.mark.parametrize("waves", [1, 2, 5, 9])
def test_waves_are_counted(waves: int) -> None:
    profile = 1 + np.cos(np.linspace(0, 2 * np.pi * waves, 400))
    assert count_transitions(profile, 1.0, 0.2) == 2 * waves


def test_ripple_below_the_least_swing_is_not_counted() -> None:
    place = np.linspace(0, 2 * np.pi, 400)
    profile = 1 + np.cos(2 * place) + 0.03 * np.cos(60 * place)
    assert count_transitions(profile, 0.5, 0.2) == 4
    assert (count_transitions(profile, 0.5, 0.01) or 0) > 20


@given(profiles, st.floats(0.05, 0.5), st.floats(0.1, 4.0))
def test_turned_round_or_stained_otherwise_it_counts_the_same(
    profile: np.ndarray, swing: float, smoothing: float
) -> None:
    number = count_transitions(profile, smoothing, swing)
    assert count_transitions(4 * profile, smoothing, swing) == number  # by a power of two: no rounding
    turned = count_transitions(profile[::-1], smoothing, swing)
    assert (turned is None) == (number is None)
    if number is not None and turned is not None:
        assert abs(turned - number) <= 1  # a swing of just the least size may fall to either side by rounding


@given(profiles, st.floats(0.05, 0.4))
def test_a_larger_least_swing_never_counts_more(profile: np.ndarray, swing: float) -> None:
    fine, coarse = count_transitions(profile, 0.5, swing), count_transitions(profile, 0.5, 1.5 * swing)
    assert (fine is None) == (coarse is None)
    assert coarse is None or fine is None or coarse <= fine


@pytest.mark.parametrize("profile", [np.zeros(0), np.ones(2), np.zeros(50), np.full(50, 0.7)])
def test_without_bands_nothing_is_counted(profile: np.ndarray) -> None:
    assert count_transitions(profile, 1.0, 0.2) is None


def test_hidden_rows_add_no_transition() -> None:
    strip = banded("1")
    width = 17.0
    whole = count_transitions(band_profile(strip, width), 0.05 * width, 0.1)
    density, valid = strip.optical_density.copy(), strip.valid.copy()
    density[60:75] = np.tile([[0.0], [9.0], [0.0], [9.0], [0.0]], (3, 1))
    valid[60:75] = False
    hidden = count_transitions(band_profile(replace(strip, optical_density=density, valid=valid), width), 0.85, 0.1)
    assert whole is not None and hidden is not None and hidden <= whole


def test_a_profile_is_finite_whatever_the_strip_holds() -> None:
    strip = as_strip(np.linspace(0.1, 1, 60), 11)
    density = strip.optical_density.copy()
    density[5:9] = np.nan
    density[20] = np.inf
    assert np.isfinite(band_profile(replace(strip, optical_density=density), 11.0)).all()


@pytest.mark.parametrize("rows", [0, 1, 2, 10])
def test_a_chromosome_shorter_than_its_tips_has_no_profile(rows: int) -> None:
    assert band_profile(as_strip(np.ones(rows), 21), 21.0).size == 0
