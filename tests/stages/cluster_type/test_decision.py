"""How kind and number of a component are made one answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from karyonet.case import FloatArray
from karyonet.stages.cluster_type.decision import Several, decide, log_odds_of_several
from karyonet.stages.cluster_type.kinds import KINDS, TYPES
from karyonet.stages.cluster_type.seen import Seen

BOTH = KINDS.index("touching_overlapping")


def drawn(seed: int, number: int = 60, most: int = 6) -> tuple[FloatArray, FloatArray]:
    """Probabilities of kinds and of numbers, some of them all but sure."""
    generator = np.random.default_rng(seed)
    kinds, counts = (generator.dirichlet(np.full(size, 0.3), number).astype(np.float32) for size in (6, most))
    return kinds, counts


@given(st.integers(0, 10_000), st.floats(-4, 4), st.floats(0.1, 3), st.floats(0.05, 0.95))
def test_probabilities_add_up_and_agree_with_the_answers(
    seed: int, intercept: float, slope: float, reject: float
) -> None:
    kinds, counts = drawn(seed)
    said = decide(kinds, counts, reject, Several(slope, intercept))
    assert said.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert said.count_probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    # One chromosome is an instance, as probable by its kind as by its number.
    chromosome = said.probabilities[:, :TYPES].sum(axis=1)
    assert said.probabilities[:, 0] == pytest.approx(said.count_probabilities[:, 0] * chromosome, abs=1e-5)
    for place, kind in enumerate(said.kinds):
        assert said.rejected[place] == (kind in KINDS[TYPES:]) == (said.counts[place] == 0)
        assert (kind == "instance") == (said.counts[place] == 1)
        assert kind != "touching_overlapping" or said.counts[place] > 2


@given(st.integers(0, 10_000))
def test_what_is_rejected_and_how_probably_is_not_touched(seed: int) -> None:
    kinds, counts = drawn(seed)
    said = decide(kinds, counts, 0.3, Several(0.7, -2.0))
    assert said.probabilities[:, TYPES:] == pytest.approx(kinds[:, TYPES:], abs=1e-6)
    assert said.rejected.tolist() == (kinds[:, TYPES:].sum(axis=1) >= 0.3).tolist()


@given(st.integers(0, 10_000), st.floats(-3, 3), st.floats(0.01, 3))
def test_a_lower_intercept_makes_fewer_clusters_and_no_new_ones(seed: int, intercept: float, less: float) -> None:
    kinds, counts = drawn(seed)
    more, fewer = (decide(kinds, counts, 0.5, Several(1.0, value)) for value in (intercept, intercept - less))
    assert set(np.flatnonzero(fewer.counts > 1)) <= set(np.flatnonzero(more.counts > 1))
    # Among several chromosomes the types keep their order.
    still = fewer.counts > 1
    assert np.array(fewer.kinds)[still].tolist() == np.array(more.kinds)[still].tolist()


def test_two_chromosomes_touch_or_overlap_but_not_both() -> None:
    kinds = np.array([[0.0, 0.3, 0.1, 0.6, 0.0, 0.0]], np.float32)
    two = decide(kinds, np.array([[0, 0.95, 0.05, 0, 0, 0]], np.float32), 0.5)
    three = decide(kinds, np.array([[0, 0.05, 0.95, 0, 0, 0]], np.float32), 0.5)
    assert (two.kinds, two.counts.tolist()) == (("touching",), [2])
    assert (three.kinds, three.counts.tolist()) == (("touching_overlapping",), [3])
    # A network that counts no further than "two or more" says nothing against it.
    assert decide(kinds, np.array([[0, 1]], np.float32), 0.5).kinds == ("touching_overlapping",)


def apart(numbers: NDArray[np.int64]) -> Seen:
    """So many chromosomes, none of which meets another."""
    return Seen(numbers, (np.zeros(0),) * len(numbers))


def real(seed: int, number: int = 3000) -> tuple[FloatArray, FloatArray, Seen, NDArray[np.int64]]:
    """What a network that has learned from as many clusters as lone chromosomes says of components one in five of which
    is a cluster, what a segmentation sees in them, which is right in four of five, and how many there are."""
    generator = np.random.default_rng(seed)
    true = np.where(generator.random(number) < 0.2, generator.integers(2, 5, number), 1)
    p = 1 / (1 + np.exp(-(np.where(true > 1, 2.0, -2.0) + generator.normal(0, 2.0, number))))
    kinds = np.column_stack([1 - p, 0.6 * p, 0.3 * p, 0.1 * p, 0 * p, 0 * p])
    counts = np.column_stack([1 - p, *(p[:, None] * np.where(generator.random((number, 1)) < 0.6, np.eye(3)[np.clip(
        true - 2, 0, 2)], 1 / 3)).T])  # fmt: skip
    seen = np.where(generator.random(number) < 0.8, true, generator.integers(0, 5, number))
    return kinds.astype(np.float32), counts.astype(np.float32), apart(seen), true


def test_the_regression_corrects_what_the_network_finds_too_often_and_weighs_what_was_seen() -> None:
    kinds, counts, seen, true = real(0)
    fit = Several.fitted(kinds, counts, seen, true)
    assert fit.intercept < -0.5 and fit.agreement > 0.5
    assert Several.of(fit.on_card()) == fit and Several.of({}) == Several(1.0, 0.0, 0.0)
    kinds, counts, seen, true = real(1)
    alone, corrected, both = (
        (decide(kinds, counts, 0.5, several, shown).counts == true).mean()
        for several, shown in ((None, None), (fit, None), (fit, seen))
    )
    assert alone < corrected < both


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_what_the_segmentation_sees_makes_that_number_likelier(seed: int, number: int) -> None:
    kinds, counts = drawn(seed)
    several = Several(0.8, -1.0, 1.5)
    before = decide(kinds, counts, 0.5, several).count_probabilities
    after = decide(kinds, counts, 0.5, several, apart(np.full(len(kinds), number))).count_probabilities
    if number == 0:
        assert after == pytest.approx(before, abs=1e-5)
    else:
        place = min(number, counts.shape[1]) - 1
        assert (after[:, place] >= before[:, place] - 1e-5).all()


def test_certainty_has_finite_odds() -> None:
    kinds = np.eye(6, dtype=np.float32)[:TYPES]
    counts = np.eye(6, dtype=np.float32)[[0, 1, 1, 2]]
    odds = log_odds_of_several(kinds, counts)
    assert np.isfinite(odds).all() and (odds > 0).tolist() == [False, True, True, True]
    assert decide(kinds, counts, 0.5).kinds == KINDS[:TYPES]
