"""Variable bands of unequal length are told from abnormalities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from karyonet.ideogram import variable_stretch
from karyonet.stages.abnormality.bags import Bag, ProfilePair
from karyonet.stages.abnormality.heteromorphism import MOST, evened, lengthened

SAMPLES, ROWS = 256, 100


def homolog(chromosome: str, longer: int = 0, seed: int = 0) -> NDArray[np.float32]:
    """Profiles of random bands, the variable ones flat, with so many rows more of those: float32, (2, rows)."""
    bands = np.random.default_rng(seed).uniform(0.5, 1.5, (2, ROWS)).astype(np.float32)
    stretch = variable_stretch(chromosome)
    first, last = (round(share * ROWS) for share in stretch or (0.4, 0.5))
    bands[:, first:last] = 0.7
    return np.concatenate([bands[:, :last], np.full((2, longer), 0.7, np.float32), bands[:, last:]], axis=1)


def pair(first: NDArray[np.float32], second: NDArray[np.float32], name: str = "m1") -> ProfilePair:
    profiles, valid = np.zeros((2, 2, SAMPLES), np.float32), np.zeros((2, SAMPLES), bool)
    for number, one in enumerate((first, second)):
        profiles[number, :, : one.shape[1]], valid[number, : one.shape[1]] = one, True
    return ProfilePair(profiles, valid, name)


def usual(chromosome: str) -> int:
    stretch = variable_stretch(chromosome)
    assert stretch is not None
    return round((stretch[1] - stretch[0]) * ROWS)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["1", "9", "16", "13", "21"]), st.floats(0.1, MOST - 1.01), st.booleans(), st.integers(0, 99))
def test_a_longer_variable_band_is_undone_whichever_homolog_has_it(
    chromosome: str, share: float, turned: bool, seed: int
) -> None:
    longer = max(int(share * usual(chromosome)), 1)
    both = homolog(chromosome, 0, seed), homolog(chromosome, longer, seed)
    bag = evened(Bag(chromosome, (pair(*both[:: -1 if turned else 1]),)))
    assert bag is not None
    (one,) = bag.pairs
    assert (one.valid[0] == one.valid[1]).all()
    assert one.profiles[0] == pytest.approx(one.profiles[1], abs=1e-5)
    assert one.profiles[0, :, :ROWS] == pytest.approx(homolog(chromosome, 0, seed), abs=1e-5)


def test_equal_homologs_and_types_without_variable_bands_have_nothing_to_even() -> None:
    assert evened(Bag("9", (pair(homolog("9"), homolog("9")),))) is None
    assert evened(Bag("5", (pair(homolog("5"), homolog("5", 8)),))) is None


def test_a_deletion_elsewhere_stays_a_difference() -> None:
    whole = homolog("9")
    short = np.concatenate([whole[:, :70], whole[:, 85:]], axis=1)
    bag = evened(Bag("9", (pair(whole, short),)))
    assert bag is not None
    one = bag.pairs[0]
    assert np.abs(one.profiles[0] - one.profiles[1]).max() > 0.3


def test_what_is_longer_than_a_variable_band_can_be_is_not_undone_wholly() -> None:
    longer = 4 * usual("9")
    bag = evened(Bag("9", (pair(homolog("9"), homolog("9", longer)),)))
    assert bag is not None
    left = bag.pairs[0].valid.sum(axis=1)
    assert left[0] == ROWS and left[1] == ROWS + longer - round(MOST * usual("9")) + usual("9")


def test_rows_that_are_hidden_stay_hidden() -> None:
    one = pair(homolog("9"), homolog("9", 6))
    valid = one.valid.copy()
    valid[1, 80:90] = False
    bag = evened(Bag("9", (replace(one, valid=valid, profiles=one.profiles * valid[:, None]),)))
    assert bag is not None
    shown = bag.pairs[0].valid[1]
    assert not shown[74:84].any() and shown[:74].all() and shown[84:ROWS].all()
    assert not bag.pairs[0].profiles[1, :, 74:84].any()


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["1", "9", "16", "13", "21"]), st.floats(0.4, 2.5), st.integers(0, 99))
def test_variable_bands_are_lengthened_and_the_arms_beside_them_kept(chromosome: str, factor: float, seed: int) -> None:
    stretch = variable_stretch(chromosome)
    assert stretch is not None
    first, last = (round(share * ROWS) for share in stretch)
    before = np.ascontiguousarray(homolog(chromosome, 0, seed).T)
    after = lengthened(before, stretch, factor)
    assert len(after) - len(before) == round(factor * (last - first)) - (last - first)
    assert np.array_equal(after[:first], before[:first])
    assert np.array_equal(after[len(after) - (ROWS - last) :], before[last:])
    assert lengthened(before, stretch, 1.0) == pytest.approx(before, abs=1e-6)
