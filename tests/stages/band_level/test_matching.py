"""Shares of the expected patterns in a profile."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from karyonet.stages.band_level.matching import BLURS, SHARES, matched

RATE = 10.0
LENGTHS = (90, 60, 140)
FIRSTS = np.cumsum([0, *(length + 12 for length in LENGTHS[:-1])])
TOTAL = int(FIRSTS[-1]) + LENGTHS[-1] + 12


def chromosomes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Patterns, place and what is shown of three chromosomes."""
    generator = np.random.default_rng(0)
    pattern, place = np.zeros((3, TOTAL), dtype=np.float32), np.zeros(TOTAL, dtype=np.float32)
    shown = np.zeros(TOTAL, dtype=bool)
    for first, length in zip(FIRSTS.tolist(), LENGTHS, strict=True):
        here = slice(first, first + length)
        pattern[:, here] = gaussian_filter1d(generator.standard_normal((3, length)), 2.0, axis=1) * 3
        place[here], shown[here] = np.linspace(-1, 1, length), True
    return pattern, place, shown


PATTERN, PLACE, SHOWN = chromosomes()


def shares_of(profile: np.ndarray, shown: np.ndarray = SHOWN) -> np.ndarray:
    found = matched(profile.astype(np.float32), PATTERN, FIRSTS, PLACE, shown, RATE)
    assert found.shape == (3, SHARES)
    return found.reshape(3, len(BLURS), 3)


def made_of(second: float, third: float, blur: float) -> np.ndarray:
    seen = gaussian_filter1d(PATTERN.astype(np.float64), blur * RATE, axis=1, mode="constant")
    profile = 1 + 0.4 * (seen[0] + second * seen[1] + third * seen[2]) + 0.2 * PLACE
    return np.where(SHOWN, profile, 0)


@settings(max_examples=20, deadline=None)
@given(st.floats(-1, 1), st.floats(-1, 1), st.integers(0, len(BLURS) - 1))
def test_the_shares_that_a_profile_was_made_of_are_found(second: float, third: float, number: int) -> None:
    found = shares_of(made_of(second, third, BLURS[number]))[:, number]
    assert found[:, 0] == pytest.approx([second] * 3, abs=0.08)
    assert found[:, 1] == pytest.approx([third] * 3, abs=0.08)
    assert (found[:, 2] > 0.97).all()


@given(st.floats(0.5, 5), st.floats(0, 1))
def test_contrast_and_base_stain_do_not_matter(contrast: float, base: float) -> None:
    profile = made_of(-0.3, 0.2, 0.12)
    other = np.where(SHOWN, contrast * profile + base, 0)
    assert np.allclose(shares_of(other), shares_of(profile), atol=0.05)


def test_what_is_not_shown_takes_no_part() -> None:
    profile, shown = made_of(-0.3, 0.2, 0.12), SHOWN.copy()
    shown[10:40] = False
    spoilt = profile.copy()
    spoilt[10:40] = 50
    assert np.allclose(shares_of(spoilt, shown), shares_of(profile, shown))
    assert np.allclose(shares_of(spoilt, shown)[1:], shares_of(profile)[1:], atol=1e-4)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_flat_profile_is_finite(value: float) -> None:
    assert np.isfinite(shares_of(np.where(SHOWN, value, 0))).all()
    assert np.isfinite(shares_of(made_of(0, 0, 0.1), np.zeros(TOTAL, dtype=bool))).all()
