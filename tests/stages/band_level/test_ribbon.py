"""Chromosomes on a ribbon."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from karyonet.case import LABELS, Strip
from karyonet.stages.band_level.ribbon import (
    GAP,
    MEASURES,
    PATTERNS,
    STEP,
    Preprocessing,
    Ribbon,
    equivalent_width,
    lay_ribbon,
    sampled,
)
from karyonet.stages.band_level.variation import Variation

from .drawn import NAMES, as_strip, metaphase_strips

SETTINGS = Preprocessing()


@pytest.fixture(scope="module")
def strips() -> list[Strip]:
    return metaphase_strips()


@pytest.fixture(scope="module")
def normal(strips: list[Strip]) -> Ribbon:
    return lay_ribbon(strips, NAMES, SETTINGS)


def test_chromosomes_lie_apart_in_order(normal: Ribbon) -> None:
    assert normal.places.tolist() == list(range(46))
    assert [LABELS[label] for label in normal.labels] == list(NAMES)
    assert normal.density.shape == (SETTINGS.columns, normal.owner.size)
    assert normal.pattern.shape == (PATTERNS, normal.owner.size) and normal.measures.shape == (46, MEASURES)
    ends = [np.flatnonzero(normal.owner == number)[[0, -1]] for number in range(46)]
    for (_, last), (first, _) in pairwise(ends):
        assert first - last > GAP and first % STEP == 0
    assert not normal.density[:, normal.owner < 0].any() and not normal.shown[normal.owner < 0].any()


def test_density_is_relative_to_the_metaphase(strips: list[Strip], normal: Ribbon) -> None:
    other = lay_ribbon(metaphase_strips(stain=0.1), NAMES, SETTINGS)
    assert np.allclose(other.density, normal.density, atol=1e-4)
    assert np.allclose(other.measures, normal.measures, atol=1e-4)


@pytest.mark.parametrize("scale", [0.7, 1.5, 2.0])
def test_magnification_hardly_matters(strips: list[Strip], normal: Ribbon, scale: float) -> None:
    def enlarged(strip: Strip) -> Strip:
        size = round(strip.optical_density.shape[1] * scale), round(strip.length * scale)
        density = cv2.resize(strip.optical_density, size, interpolation=cv2.INTER_LINEAR)
        return as_strip_of(density)

    other = lay_ribbon([enlarged(strip) for strip in strips], NAMES, SETTINGS)
    assert other.slenderness == pytest.approx(normal.slenderness, rel=0.06)
    assert np.abs(other.measures - normal.measures).mean() < 0.1


def as_strip_of(density: np.ndarray) -> Strip:
    return replace(as_strip(np.ones(len(density)), 3), optical_density=density.astype(np.float32))


def test_a_chromosome_upside_down_is_turned(strips: list[Strip], normal: Ribbon) -> None:
    turned = [
        replace(s, optical_density=s.optical_density[::-1, ::-1].copy(), valid=s.valid[::-1].copy()) for s in strips
    ]
    assert np.allclose(lay_ribbon(turned, NAMES, SETTINGS).density, normal.density, atol=1e-5)


def test_hidden_rows_are_not_shown(strips: list[Strip]) -> None:
    valid = strips[0].valid.copy()
    valid[: len(valid) // 4] = False
    density = strips[0].optical_density.copy()
    density[: len(valid) // 4] = 7.0
    ribbon = lay_ribbon([replace(strips[0], optical_density=density, valid=valid), *strips[1:]], NAMES, SETTINGS)
    first = ribbon.owner == 0
    assert ribbon.shown[first].mean() == pytest.approx(0.75, abs=0.03)
    assert not ribbon.density[:, first & ~ribbon.shown].any()
    mostly = replace(strips[0], valid=np.arange(len(valid)) < 0.3 * len(valid))
    assert 0 not in lay_ribbon([mostly, *strips[1:]], NAMES, SETTINGS).places


@settings(max_examples=30, deadline=None)
@given(
    arrays(np.float32, st.tuples(st.integers(2, 40), st.integers(1, 15)), elements=st.floats(0, 2, width=32)),
    st.integers(1, 60),
    st.integers(1, 9),
)
def test_sampling_keeps_the_mean_across_the_strip(density: np.ndarray, samples: int, columns: int) -> None:
    across = float(density.shape[1])
    means = sampled(density, samples, columns, across)
    assert means.shape == (columns, samples) and np.isfinite(means).all()
    assert means.min() >= density.min() - 1e-4 and means.max() <= density.max() + 1e-4
    if samples <= len(density):
        assert means.mean() == pytest.approx(density.mean(), abs=1e-3)


@given(st.integers(3, 30), st.integers(0, 6), st.floats(0.1, 3))
def test_the_width_does_not_depend_on_the_margin(width: int, margin: int, stain: float) -> None:
    density = np.zeros((20, width + 2 * margin), dtype=np.float32)
    density[:, margin : margin + width] = stain
    assert equivalent_width(density) == pytest.approx(width, rel=1e-4)
    assert equivalent_width(0 * density) == 0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.9), st.floats(0, 1))
def test_variation_keeps_a_readable_metaphase(seed: int, dropped: float, renamed: float) -> None:
    variation = Variation(dropped=dropped, renamed=renamed, blur=2.0, noise=0.3, stain=0.4)
    strips = metaphase_strips(width=9)
    ribbon = variation.lay(strips, NAMES, SETTINGS, np.random.default_rng(seed))
    assert 1 <= len(ribbon) <= 46
    assert np.isfinite(ribbon.density).all() and np.isfinite(ribbon.measures).all()
    again = variation.lay(strips, NAMES, SETTINGS, np.random.default_rng(seed))
    assert np.array_equal(ribbon.density, again.density) and np.array_equal(ribbon.labels, again.labels)


def test_no_variation_changes_nothing(strips: list[Strip], normal: Ribbon) -> None:
    none = Variation(width=0, length=0, single_length=0, blur=0, noise=0, stain=0, dropped=0, renamed=0)
    ribbon = none.lay(strips, NAMES, SETTINGS, np.random.default_rng(0))
    assert np.allclose(ribbon.density, normal.density, atol=1e-4)
    assert np.array_equal(ribbon.labels, normal.labels)
