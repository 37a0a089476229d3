"""The learned estimate: the network's properties, and the estimator with the shipped weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.case import Strip
from karyonet.errors import WeightsError
from karyonet.stages.band_level import CLASSES, Estimate, LearnedEstimator, NotEstimable
from karyonet.stages.band_level.model import (
    HIGHEST,
    LOWEST,
    THRESHOLDS,
    Architecture,
    LevelNetwork,
    Said,
    collate,
    expected_levels,
    level_loss,
    levels_at,
)
from karyonet.stages.band_level.ribbon import Preprocessing, Ribbon, lay_ribbon
from karyonet.weights import find

from .drawn import NAMES, metaphase_strips
from .test_counting import KINDS, hostile

SETTINGS = Preprocessing()


@pytest.fixture(scope="module")
def estimator() -> LearnedEstimator:
    return LearnedEstimator(find("band_level", "gband"), "cpu", "fp32")


@pytest.fixture(scope="module")
def strips() -> list[Strip]:
    return metaphase_strips()


@pytest.fixture(scope="module")
def network() -> LevelNetwork:
    torch.manual_seed(0)
    return LevelNetwork(Architecture(channels=(8, 8), dim=16)).eval()


def judged(network: LevelNetwork, *ribbons: Ribbon) -> Said:
    with torch.inference_mode():
        said: Said = network(collate(ribbons))
    return said


def ribbon_of(strips: Sequence[Strip | None], names: Sequence[str] = NAMES) -> Ribbon:
    return lay_ribbon(strips, names, SETTINGS)


def test_cumulative_logits_never_rise(network: LevelNetwork, strips: list[Strip]) -> None:
    said = judged(network, ribbon_of(strips))
    assert said.logits.shape == (1, len(THRESHOLDS)) and said.alone.shape == (46, len(THRESHOLDS))
    assert (said.logits.diff(dim=1) <= 0).all() and (said.alone.diff(dim=1) <= 0).all()
    assert said.attention.sum().item() == pytest.approx(1, abs=1e-5)


@settings(max_examples=8, deadline=None)
@given(st.permutations(range(46)))
def test_the_order_of_the_chromosomes_changes_nothing(network: LevelNetwork, order: list[int]) -> None:
    strips = metaphase_strips(width=9)
    first = judged(network, ribbon_of(strips))
    second = judged(network, ribbon_of([strips[n] for n in order], [NAMES[n] for n in order]))
    assert torch.allclose(first.logits, second.logits, atol=1e-4)
    assert torch.allclose(first.attention[order], second.attention, atol=1e-4)


def test_padding_and_neighbours_in_a_batch_change_nothing(network: LevelNetwork, strips: list[Strip]) -> None:
    short, long = ribbon_of(strips[:30], NAMES[:30]), ribbon_of(metaphase_strips(850))
    alone, together = judged(network, short), judged(network, long, short)
    assert torch.allclose(alone.logits[0], together.logits[1], atol=1e-4)
    assert torch.allclose(alone.attention, together.attention[46:], atol=1e-5)


def test_a_chromosome_alone_does_not_hear_its_neighbours_pictures(strips: list[Strip]) -> None:
    torch.manual_seed(0)
    deaf = LevelNetwork(Architecture(channels=(8, 8), dim=16, layers=0)).eval()
    base = ribbon_of(strips)
    base.density[:, base.owner == 1] *= 0.3
    changed, same = judged(deaf, base), judged(deaf, ribbon_of(strips))
    assert not torch.allclose(changed.alone[1], same.alone[1], atol=1e-5)
    others = [n for n in range(46) if n != 1]
    assert torch.allclose(changed.alone[others], same.alone[others], atol=1e-6)


@given(st.floats(LOWEST, HIGHEST), st.floats(0.5, 30))
def test_levels_are_read_off_sharp_answers(level: float, sharpness: float) -> None:
    logits = ((level - THRESHOLDS) * sharpness)[None]
    found = levels_at(logits, 0.5)[0]
    assert LOWEST <= found <= HIGHEST and abs(found - level) <= 11
    low, high = levels_at(logits, 0.025)[0], levels_at(logits, 0.975)[0]
    assert low <= found <= high
    mean = expected_levels(torch.from_numpy(logits)).item()
    assert mean == pytest.approx(level, abs=11)


def test_the_loss_is_least_at_the_truth() -> None:
    levels = torch.tensor([420.0])
    losses = [
        float(level_loss(torch.from_numpy((level - THRESHOLDS) / 15)[None], levels))
        for level in (330, 400, 420, 440, 700)
    ]
    assert min(losses) == losses[2] and losses[0] > losses[1] and losses[4] > losses[3]


def test_an_estimate_lies_in_its_interval_and_class(estimator: LearnedEstimator, strips: list[Strip]) -> None:
    found = estimator.estimate(strips, NAMES)
    assert isinstance(found, Estimate)
    assert LOWEST <= found.interval[0] <= found.bphs <= found.interval[1] <= HIGHEST
    assert found.level in CLASSES and estimator.version.startswith("learned gband ")
    assert 0 < len(set(found.deciding)) == len(found.deciding) <= 23 + 1


def test_finer_bands_are_a_higher_level(estimator: LearnedEstimator) -> None:
    levels = [estimator.estimate(metaphase_strips(level), NAMES).bphs for level in (400, 550, 850)]
    assert levels == sorted(levels) and levels[-1] - levels[0] > 100


@pytest.mark.parametrize("width", [13, 25, 35])
def test_magnification_changes_little(estimator: LearnedEstimator, width: int) -> None:
    first, second = (estimator.estimate(metaphase_strips(550, pixels), NAMES) for pixels in (17, width))
    assert isinstance(first, Estimate) and isinstance(second, Estimate)
    assert second.bphs == pytest.approx(first.bphs, abs=60)


@pytest.mark.parametrize("stain", [0.05, 2.0])
def test_the_strength_of_the_stain_does_not_matter(estimator: LearnedEstimator, stain: float) -> None:
    first, second = (estimator.estimate(metaphase_strips(stain=s), NAMES) for s in (0.5, stain))
    assert second.bphs == pytest.approx(first.bphs, abs=2)


def test_a_few_wrong_names_do_not_carry_the_result(estimator: LearnedEstimator, strips: list[Strip]) -> None:
    names = list(NAMES)
    names[0], names[40] = names[40], names[0]
    first, second = (estimator.estimate(strips, given) for given in (NAMES, names))
    assert second.bphs == pytest.approx(first.bphs, abs=60)


@pytest.mark.parametrize(("usable", "said"), [(19, False), (20, True)])
def test_too_few_chromosomes_are_no_estimate(
    estimator: LearnedEstimator, strips: list[Strip], usable: int, said: bool
) -> None:
    names = [name if number < usable else None for number, name in enumerate(NAMES)]
    found = estimator.estimate(strips, names)
    assert isinstance(found, Estimate) is said
    if isinstance(found, NotEstimable):
        assert found.reason.startswith("19 of 46 chromosomes") and "20" in found.reason
    else:
        assert set(found.deciding) <= set(range(20))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "constant"])
def test_bad_strips_are_not_estimable(estimator: LearnedEstimator, kind: str) -> None:
    assert isinstance(estimator.estimate([hostile(kind)] * 46, NAMES), NotEstimable)
    assert isinstance(estimator.estimate([], []), NotEstimable)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(KINDS), min_size=8, max_size=8))
def test_bad_strips_among_good_ones_do_no_harm(estimator: LearnedEstimator, kinds: list[str]) -> None:
    found = estimator.estimate([hostile(kind) for kind in kinds] + metaphase_strips()[8:], NAMES)
    assert isinstance(found, Estimate)
    assert np.isfinite([found.bphs, *found.interval]).all()


def test_unknown_weights_are_an_error() -> None:
    with pytest.raises(WeightsError, match="K301"):
        LearnedEstimator.from_pretrained("none")


def test_the_shipped_weights_are_small_and_say_where_they_come_from() -> None:
    weight = find("band_level", "gband")
    assert weight.path.stat().st_size < 3_000_000
    assert weight.card.metrics["mae_bphs"].value < 100
    assert weight.card.training_data[0].name == "karyonet.simulate"
