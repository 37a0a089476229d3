"""Grey profiles of normal and rearranged chromosomes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.errors import ArrayError
from karyonet.ideogram import CHROMOSOMES, Segment, bands, centromere_of, grey_profile, length_of

chromosomes = st.sampled_from(CHROMOSOMES)
levels = st.sampled_from([400, 480, 550, 700, 850])


@given(chromosomes, st.sampled_from([400, 550, 850]), st.integers(1, 900))
@settings(max_examples=30, deadline=None)
def test_a_profile_keeps_the_stain_of_its_bands(chromosome: str, level: int, samples: int) -> None:
    profile = grey_profile(chromosome, level, samples)
    stain = sum((b.iscn_stop - b.iscn_start) * b.density for b in bands(chromosome, level))
    assert profile.shape == (samples,)
    assert profile.min() >= -1e-9 and profile.max() <= 1 + 1e-9
    assert profile.mean() * length_of(chromosome) == pytest.approx(stain)


def test_a_sample_shows_the_band_it_lies_in() -> None:
    for level in (400, 550, 850):
        profile = grey_profile("6", level, 10100)
        for band in bands("6", level):
            assert np.allclose(profile[band.iscn_start : band.iscn_stop], band.density)


@given(chromosomes, levels, st.floats(0.05, 0.95))
@settings(max_examples=30, deadline=None)
def test_segments_put_together_are_the_chromosome(chromosome: str, level: int, share: float) -> None:
    cut, end = share * length_of(chromosome), length_of(chromosome)
    whole = grey_profile([(chromosome, 0, cut, False), (chromosome, cut, end, False)], level, 200)
    assert np.allclose(whole, grey_profile(chromosome, level, 200))
    turned = grey_profile([Segment(chromosome, cut, end, True), Segment(chromosome, 0, cut, True)], level, 200)
    assert np.allclose(turned[::-1], whole)


def test_a_level_between_two_tables_lies_between_them() -> None:
    low, between, high = (grey_profile("11", level, 40) for level in (400, 480, 550))
    apart = np.abs(high - low).mean()
    assert 0.01 < np.abs(between - low).mean() < apart
    assert 0.01 < np.abs(between - high).mean() < apart


def test_detail_grows_with_the_level() -> None:
    def detail(level: float) -> float:
        return float(sum(np.abs(np.diff(grey_profile(name, level, 2000))).sum() for name in CHROMOSOMES))

    assert detail(400) < detail(550) < detail(850)


def test_a_deletion_takes_its_bands_away() -> None:
    middle = centromere_of("5")
    short = grey_profile([("5", middle, length_of("5"), False)], 850, length_of("5") - middle)
    assert np.allclose(short, grey_profile("5", 850, length_of("5"))[middle:])


@pytest.mark.parametrize(
    "call",
    [
        lambda: grey_profile("Z"),
        lambda: grey_profile("1", 300),
        lambda: grey_profile("1", 900),
        lambda: grey_profile("1", 550, 0),
        lambda: grey_profile([]),
        lambda: grey_profile([("1", 5, 5, False)]),
        lambda: grey_profile([("21", 0, 3201, False)]),
    ],
)
def test_faults_are_named(call: object) -> None:
    with pytest.raises(ArrayError, match="K501"):
        call()  # type: ignore[operator]
