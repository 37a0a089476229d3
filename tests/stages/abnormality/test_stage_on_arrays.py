"""The stage on arrays, without a case."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.errors import ArrayError
from karyonet.stages.abnormality import HomologComparer, make_bag
from karyonet.stages.abnormality.case_bags import compared_pairs, profiles_of
from karyonet.stages.abnormality.profiles import Preprocessing
from karyonet.weights import WeightFile

from .conftest import PREPROCESSING, case, comparer, metaphase


def arrays(count: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    valid = np.arange(128) < generator.integers(30, 60, (count, 2, 1))
    return generator.uniform(0.5, 1.5, (count, 2, 2, 128)).astype(np.float32) * valid[:, :, None], valid


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 999))
def test_arrays_whatever_order_and_padding(stage: HomologComparer, seed: int) -> None:
    profiles, valid = arrays(3, seed)
    said = stage.compare(profiles, valid, "7")
    order = np.random.default_rng(seed).permutation(3)
    dirty = np.where(valid[:, :, None], profiles, 50.0).astype(np.float32)
    other = stage.compare(dirty[order][:, ::-1], valid[order][:, ::-1], "7")
    assert other.probability == pytest.approx(said.probability, abs=1e-5)
    assert other.evidence == pytest.approx(said.evidence, abs=1e-5)
    assert [1 - h for h in other.homologs] == [said.homologs[i] for i in order]
    assert 0 <= said.region[0] < said.region[1] <= 1 and said.evidence.shape == (100,)
    assert said.bands and said.weights.sum() == pytest.approx(1, abs=1e-5)


def test_bags_do_not_depend_on_those_beside_them(stage: HomologComparer) -> None:
    bags = compared_pairs(case(3), PREPROCESSING).bags
    together = stage.compare_bags(bags)
    small = comparer(stage.weights[0], batch_size=1).compare_bags(bags)
    assert [one.probability for one in together] == pytest.approx([one.probability for one in small], abs=1e-6)
    assert stage.compare_bags([]) == ()


def test_probabilities_are_calibrated_by_the_card(stage: HomologComparer, weight: WeightFile) -> None:
    profiles, valid = arrays()
    sharp = comparer(weight)
    sharp._weight = replace(weight, card=weight.card.model_copy(update={"temperature": 1.0}))
    first, second = (s.compare(profiles, valid, "7").probability for s in (stage, sharp))
    assert np.log(second / (1 - second)) == pytest.approx(2 * np.log(first / (1 - first)), rel=1e-4)


def one_homolog() -> tuple[Any, Any]:
    profiles, valid = arrays()
    return [profiles[0], profiles[1][:1]], [valid[0], valid[1][:1]]


def wrong(**change: Any) -> tuple[Any, Any]:
    profiles, valid = arrays()
    for place, value in change.items():
        (profiles if place == "profile" else valid)[1, 0] = value
    return profiles, valid


@pytest.mark.parametrize(
    ("given", "chromosome", "code", "named"),
    [
        (one_homolog(), "7", "K503", "metaphase 2 has 1 of chromosome 7"),
        ((np.repeat(arrays()[0], 2, axis=1), np.repeat(arrays()[1], 2, axis=1)), "7", "K503", "has 4"),
        (tuple(a[..., :100] for a in arrays()), "7", "K501", r"\(2, 100\)"),
        ((arrays()[0], arrays()[1][..., :100]), "7", "K501", r"\(100,\)"),
        ((arrays()[0], arrays()[1][:1]), "7", "K501", "of 2 metaphases"),
        ((arrays()[0], arrays()[1][:, :1]), "7", "K501", "of 2 homologs"),
        (wrong(profile=np.nan), "7", "K501", "NaN"),
        (wrong(valid=False), "7", "K501", "hidden throughout"),
        (arrays(), "23", "K501", "'23'"),
        (arrays(0), "7", "K501", "empty"),
    ],
)
def test_wrong_arrays_are_named(
    stage: HomologComparer, given: tuple[Any, Any], chromosome: str, code: str, named: str
) -> None:
    with pytest.raises(ArrayError, match=named) as raised:
        stage.compare(*given, chromosome)
    assert raised.value.code == code


def test_bags_of_another_length_or_of_several_types_are_refused(stage: HomologComparer) -> None:
    other = profiles_of(metaphase(), Preprocessing(samples=64, reference_length=30))
    same = [one for one in other.values() if one.label == "1"]
    with pytest.raises(ArrayError, match=r"K501.*128 samples"):
        stage.compare_bags([make_bag(same)])
    with pytest.raises(ArrayError, match="K504"):
        make_bag(list(other.values()))
