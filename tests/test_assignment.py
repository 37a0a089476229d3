from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.assignment import CopyNumberPrior, assign, chromosomes_among
from karyonet.case import LABELS
from karyonet.errors import ArrayError

FEMALE = [*(label for label in LABELS[:22] for _ in range(2)), "X", "X"]
MALE = [*FEMALE[:44], "X", "Y"]


def evidence(labels: list[str], certainty: float = 0.9, seed: int = 0) -> np.ndarray:
    """Probabilities that favour the given labels with the given certainty."""
    random = np.random.default_rng(seed)
    noise = random.dirichlet(np.ones(len(LABELS)), size=len(labels)) * (1 - certainty)
    noise[np.arange(len(labels)), [LABELS.index(label) for label in labels]] += certainty
    return noise


@pytest.mark.parametrize(
    "labels",
    [FEMALE, MALE, [*MALE, "21"], [*FEMALE, "18"], FEMALE[:-1], [*FEMALE, "X"], [*MALE, "Y"], [*MALE, "X"], MALE[2:]],
    ids=["46,XX", "46,XY", "+21", "+18", "45,X", "47,XXX", "47,XYY", "47,XXY", "nullisomy 1"],
)
def test_clear_evidence_is_followed(labels: list[str]) -> None:
    assert list(assign(evidence(labels)).labels) == labels


def test_the_prior_repairs_one_wrong_name() -> None:
    probabilities = evidence(MALE)
    wrong, right = LABELS.index("5"), LABELS.index("4")
    probabilities[6] = 0.01
    probabilities[6, [wrong, right]] = 0.55, 0.40  # alone it would be a third 5 beside a single 4
    assert assign(probabilities).labels[6] == "4"


def test_a_third_copy_is_not_forced_away() -> None:
    labels = [*MALE, "21"]
    plain = assign(evidence(labels, certainty=0.6)).labels
    assert Counter(plain)["21"] == 3


def test_margin_is_thin_where_two_names_fit() -> None:
    probabilities = evidence(MALE, certainty=0.99)
    four, five = LABELS.index("4"), LABELS.index("5")
    for index in (6, 8):  # one 4 and one 5 that cannot be told apart
        probabilities[index] = 0.001
        probabilities[index, [four, five]] = 0.49
    margins = assign(probabilities).margins
    assert max(margins[6], margins[8]) < 0.1
    assert min(margins[index] for index in range(46) if index not in (6, 8)) > 1


def test_homologs_point_at_each_other() -> None:
    result = assign(evidence(MALE))
    for index, partner in enumerate(result.homologs):
        if partner is not None:
            assert result.homologs[partner] == index
            assert result.labels[partner] == result.labels[index]
    assert sum(partner is None for partner in result.homologs) == 2  # the X and the Y


@given(st.permutations(range(46)), st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_order_of_chromosomes_does_not_matter(order: list[int], seed: int) -> None:
    probabilities = evidence(MALE, certainty=0.5, seed=seed)
    plain, shuffled = assign(probabilities), assign(probabilities[order])
    assert [plain.labels[index] for index in order] == list(shuffled.labels)
    np.testing.assert_allclose(plain.margins[order], shuffled.margins, atol=1e-9)


@given(st.integers(0, 160), st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_any_number_of_chromosomes_is_named(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    result = assign(random.dirichlet(np.full(24, 0.1), size=count))
    assert len(result.labels) == len(result.margins) == len(result.homologs) == count
    assert (result.margins >= -1e-9).all()


def test_dearer_gains_make_fewer_gains() -> None:
    probabilities = evidence([*MALE, "21"], certainty=0.3)
    cheap = assign(probabilities, CopyNumberPrior(gain=0.5, loss=0.5)).labels
    dear = assign(probabilities, CopyNumberPrior(gain=50.0, loss=50.0)).labels
    gains = [sum(max(0, n - 2) for n in Counter(labels).values()) for labels in (cheap, dear)]
    assert gains[1] <= gains[0]


@pytest.mark.parametrize("wrong", [np.ones((3, 23)), np.ones(24), np.full((2, 24), np.nan), np.full((2, 24), -1.0)])
def test_wrong_arrays_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ArrayError, match="K501"):
        assign(wrong)


def test_a_doubtful_object_is_a_chromosome_where_its_type_is_incomplete() -> None:
    complete, incomplete = evidence([*FEMALE, "7"]), evidence([label for label in FEMALE if label != "7"] + ["7"])
    doubtful = -1.0
    for probabilities, expected in ((complete, False), (incomplete, True)):
        existence = np.full(len(probabilities), np.inf)
        existence[-1] = doubtful
        assert chromosomes_among(probabilities, existence)[-1] == expected
        assert chromosomes_among(probabilities, existence)[:-1].all()


@pytest.mark.parametrize(("odds", "expected"), [(30.0, True), (np.inf, True), (-30.0, False)])
def test_what_is_certain_is_not_questioned(odds: float, expected: bool) -> None:
    existence = np.full(47, np.inf)
    existence[-1] = odds
    assert chromosomes_among(evidence([*MALE, "21"]), existence)[-1] == expected


@given(st.lists(st.floats(-8, 8), max_size=50), st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_surer_objects_are_never_fewer(odds: list[float], seed: int) -> None:
    probabilities = np.random.default_rng(seed).dirichlet(np.full(24, 0.1), size=len(odds))
    fewer = chromosomes_among(probabilities, np.array(odds))
    more = chromosomes_among(probabilities, np.array(odds) + 2)
    assert fewer.sum() <= more.sum()


def test_odds_that_are_none_are_refused() -> None:
    with pytest.raises(ArrayError, match=r"K501.*existence"):
        chromosomes_among(evidence(MALE), np.full(46, np.nan))
    with pytest.raises(ArrayError, match=r"K501.*existence"):
        chromosomes_among(evidence(MALE), np.zeros(3))
    assert chromosomes_among(np.zeros((0, 24)), np.zeros(0)).shape == (0,)
