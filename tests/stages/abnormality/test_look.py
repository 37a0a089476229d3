"""What the look of homologs adds to their comparison."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from karyonet.case import LABELS, Chromosome
from karyonet.geometry.region import Region
from karyonet.stages.abnormality.bags import Bag, LabelledProfile, make_bag
from karyonet.stages.abnormality.comparison import BagComparison
from karyonet.stages.abnormality.look import doubt, with_look

DOT = Region((0, 0, 4, 4), np.ones((4, 4), bool))


def named(label: str, probability: float) -> Chromosome:
    rest = np.full(24, (1 - probability) / 23, np.float32)
    rest[LABELS.index(label)] = probability
    return Chromosome("c1", DOT, label=label, probabilities=rest)


def bag(*doubts: tuple[float, float]) -> Bag:
    """One pair a metaphase, whose two homologs are so doubted."""
    return make_bag(
        [
            LabelledProfile(np.ones((2, 8), np.float32), np.ones(8, bool), "9", f"m{number}", doubt=one)
            for number, pair in enumerate(doubts)
            for one in pair
        ]
    )


def said(probability: float) -> BagComparison:
    nothing = np.zeros(1, np.float32)
    return BagComparison("9", probability, ("m0",), (0,), np.zeros((1, 2), np.float32), nothing, nothing, (0.0, 0.1))


def test_a_sure_name_is_not_doubted_and_a_contradicted_one_is_most() -> None:
    assert doubt(named("9", 0.9999)) == 0.0
    assert doubt(named("9", 0.5)) == pytest.approx(7.0)
    assert doubt(named("9", 0.0)) == 14.0
    assert doubt(replace(named("9", 0.2), probabilities=None)) == 0.0
    assert doubt(replace(named("9", 0.2), label=None)) == 0.0


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_less_probable_a_name_the_more_it_is_doubted(first: float, second: float) -> None:
    low, high = sorted((first, second))
    assert doubt(named("9", low)) >= doubt(named("9", high)) - 1e-3


def test_one_homolog_has_to_be_doubted_in_every_metaphase() -> None:
    assert bag((0.0, 6.0)).doubt == bag((6.0, 0.0)).doubt == 6.0
    assert bag((0.0, 6.0), (9.0, 1.0)).doubt == 6.0
    assert bag((0.0, 6.0), (0.0, 0.0)).doubt == 0.0


def test_doubt_raises_the_log_odds_by_its_weight() -> None:
    first, second = with_look([said(0.5), said(0.5)], [bag((10.0, 0.0)), bag((0.0, 0.0))], 0.3)
    assert first.probability == pytest.approx(1 / (1 + np.exp(-3.0)))
    assert second.probability == 0.5 and second.homologs == first.homologs
    (unmoved,) = with_look([said(0.2)], [bag((10.0, 0.0))], 0.0)
    assert unmoved.probability == 0.2


def test_doubt_in_more_metaphases_raises_them_more() -> None:
    one, four = with_look([said(0.5), said(0.5)], [bag((5.0, 0.0)), bag(*[(5.0, 0.0)] * 4)], 0.2)
    assert four.probability == pytest.approx(1 / (1 + np.exp(-2.0))) and one.probability < four.probability


@given(st.floats(0, 1), st.floats(0, 14), st.floats(0, 14))
def test_it_only_ever_raises_them_and_more_doubt_raises_them_more(probability: float, one: float, other: float) -> None:
    less, more = (
        with_look([said(probability)], [bag((nats, 0.0))], 0.3)[0].probability for nats in sorted((one, other))
    )
    assert probability <= less + 1e-9 and less <= more + 1e-9 and more <= 1
