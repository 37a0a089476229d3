"""The stage: chromosomes in, centromeres out, whatever the chromosomes look like."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.case import LABELS, Case, Centromere, Chromosome, Metaphase, Strip
from karyonet.errors import ArrayError, WeightsError
from karyonet.geometry.region import Region
from karyonet.stages.centromere import LearnedCentromere
from karyonet.stages.centromere.model import Architecture, CentromereNetwork
from karyonet.stages.centromere.profiles import Preprocessing
from karyonet.stages.centromere.stage import point_of
from karyonet.weights import ModelCard, WeightFile, save

from .drawn import strip


@pytest.fixture(scope="module")
def shipped() -> LearnedCentromere:
    return LearnedCentromere(device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> WeightFile:
    architecture = Architecture(channels=8, dilations=(1, 2))
    torch.manual_seed(3)
    network = CentromereNetwork(architecture)
    with torch.no_grad():  # so that what it says is far from even
        network.head.weight *= 20
    card = ModelCard(
        name="tiny", stage="centromere", architecture=architecture.model_dump(mode="json"),
        input=Preprocessing(samples=48).model_dump(mode="json"), classes=(),
    )  # fmt: skip
    return save(network.state_dict(), card, tmp_path_factory.mktemp("weights") / "tiny.safetensors")


def straight(density: np.ndarray, valid: np.ndarray | None = None) -> Strip:
    rows = np.arange(len(density), dtype=np.float32)
    return Strip(
        optical_density=density,
        valid=np.ones(len(density), dtype=bool) if valid is None else valid,
        profiles=np.zeros((2, 512), np.float32),
        axis=np.column_stack([rows + 10, np.full(len(density), 7, np.float32)]),
        confidence=1.0,
    )


def metaphase(*chromosomes: Chromosome) -> Metaphase:
    blank = np.zeros((4, 4), np.float32)
    return Metaphase("m1", "m1.png", "0" * 64, blank, "absorption", blank, chromosomes=chromosomes)


def chromosome(density: np.ndarray, label: str | None = None, number: int = 1, **fields: object) -> Chromosome:
    region = Region((0, 0, 4, 4), np.ones((4, 4), bool))
    return replace(Chromosome(f"c{number}", region, strip=straight(density), label=label), **fields)  # type: ignore[arg-type]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.integers(12, 140), st.sampled_from([None, "1", "Y"]))
def test_turning_a_strip_end_over_end_mirrors_the_position(
    untrained: WeightFile, seed: int, length: int, label: str | None
) -> None:
    stage = LearnedCentromere(weights=str(untrained.path), device="cpu", precision="fp32")
    image = strip(length, 0.3, seed=seed)
    image *= np.random.default_rng(seed).uniform(0.5, 1.5, image.shape).astype(np.float32)
    there, back = stage.locate([image, image[::-1, ::-1]], [label, label])
    assert there is not None and back is not None
    assert back.position == pytest.approx(1 - there.position, abs=1e-4)
    assert back.index == pytest.approx(there.index, abs=1e-4)
    assert back.confidence == pytest.approx(there.confidence, abs=1e-4)
    assert back.short_arm_up == pytest.approx(1 - there.short_arm_up, abs=1e-4)


def test_a_clear_constriction_is_found_at_any_magnification(shipped: LearnedCentromere) -> None:
    for place in (0.25, 0.4):
        found = [shipped.locate([strip(round(8 * half), place, half, seed=5)])[0] for half in (6.0, 9.0, 13.0)]
        positions = [one.position for one in found if one is not None]
        assert np.ptp(positions) < 0.03
        assert positions[0] == pytest.approx(place, abs=0.05)


def test_hidden_rows_do_not_draw_the_centromere(shipped: LearnedCentromere) -> None:
    image, valid = strip(90, 0.3, seed=2), np.ones(90, dtype=bool)
    valid[55:75] = False
    image[55:75] *= 3.0  # what lies over it
    (found,) = shipped.locate([image], valid=[valid])
    assert found is not None
    assert found.position == pytest.approx(0.3, abs=0.05)


def test_a_hidden_centromere_is_less_sure(shipped: LearnedCentromere) -> None:
    image, valid = strip(90, 0.35, seed=2), np.ones(90, dtype=bool)
    valid[20:45] = False
    seen, hidden = shipped.locate([image, image], valid=[np.ones(90, dtype=bool), valid])
    assert seen is not None and hidden is not None
    assert hidden.confidence < seen.confidence


@pytest.mark.parametrize("rows", [1, 2, 3, 700])
def test_short_and_long_strips_have_finite_answers(shipped: LearnedCentromere, rows: int) -> None:
    (found,) = shipped.locate([np.full((rows, 5), 0.3, np.float32)])
    assert found is not None
    assert np.isfinite([found.position, found.confidence, found.short_arm_up]).all()
    assert 0 <= found.position <= 1 and 0 <= found.index <= 0.5 and 0 <= found.confidence <= 1


def test_no_strips_have_no_centromeres(shipped: LearnedCentromere) -> None:
    assert shipped.locate([]) == ()
    assert shipped.process(metaphase()).chromosomes == ()


def test_the_pipeline_goes_on_whatever_a_strip_holds(shipped: LearnedCentromere) -> None:
    generator = np.random.default_rng(0)
    bad = [
        np.zeros((0, 5), np.float32), np.zeros((30, 9), np.float32), np.full((20, 7), np.nan, np.float32),
        np.full((1, 1), 0.4, np.float32), generator.normal(size=(40, 9)).astype(np.float32),
    ]  # fmt: skip
    chromosomes = [chromosome(image, number=n) for n, image in enumerate(bad)]
    chromosomes.append(replace(chromosomes[0], id="c9", strip=None))
    case = shipped(Case("a", (metaphase(*chromosomes),)))
    assert not case.errors
    found = [one.centromere for one in case.metaphases[0].chromosomes]
    assert [one is None for one in found] == [True, True, True, False, False, True]


def test_a_case_is_filled(shipped: LearnedCentromere) -> None:
    image = strip(80, 0.25, seed=1)
    before = metaphase(chromosome(image, "6", 1), chromosome(image[::-1, ::-1], None, 2))
    one, two = shipped(Case("a", (before,))).metaphases[0].chromosomes
    assert one.centromere is not None and two.centromere is not None
    x, y = one.centromere.point or (0.0, 0.0)
    assert x == pytest.approx(7.0)
    assert y == pytest.approx(10 + 80 * one.centromere.position - 0.5, abs=1e-3)
    assert two.centromere.position > 0.5 > one.centromere.position


def test_names_are_read_where_they_are_known_and_wanted(untrained: WeightFile) -> None:
    image = strip(80, 0.3)
    reading, not_reading = (
        LearnedCentromere(weights=str(untrained.path), device="cpu", precision="fp32", names=names)
        for names in (True, False)
    )
    named, other, unnamed = (reading.locate([image], [label])[0] for label in ("1", "21", None))
    assert len({round(one.confidence, 9) for one in (named, other, unnamed) if one}) == 3
    assert not_reading.locate([image], ["1"]) == not_reading.locate([image]) == reading.locate([image])


def test_a_centromere_at_the_end_of_an_axis_is_a_point_of_it() -> None:
    one = straight(strip(50))
    assert point_of(one, 0.0) == (7.0, 10.0)
    assert point_of(one, 1.0) == (7.0, 59.0)


@pytest.mark.parametrize(
    ("up", "p_arm_up", "agree"),
    [
        (0.99, True, True),
        (0.99, False, False),
        (0.01, True, False),
        (0.01, False, True),
        (0.6, True, None),
        (0.99, None, None),
    ],
)
def test_whether_the_arms_agree(up: float, p_arm_up: bool | None, agree: bool | None) -> None:
    centromere = Centromere(0.3, 0.9, up)
    assert chromosome(strip(), p_arm_up=p_arm_up, centromere=centromere).arms_agree is agree
    assert chromosome(strip(), p_arm_up=p_arm_up).arms_agree is None


def test_wrong_arguments_are_refused(shipped: LearnedCentromere) -> None:
    image = strip()
    for arguments in ([["1", "2"]], [["23"]], [None, []]):
        with pytest.raises(ArrayError, match="K501"):
            shipped.locate([image], *arguments)  # type: ignore[arg-type]


def test_weights_of_another_stage_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="K301"):
        LearnedCentromere(weights="unheard_of")
    card = ModelCard(name="other", stage="quality", architecture={}, input={}, classes=())
    save({}, card, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="K304"):
        LearnedCentromere(weights=str(tmp_path / "other.safetensors"))


def test_the_shipped_weights_place_simulated_chromosomes(shipped: LearnedCentromere) -> None:
    """Far from the figures of the README, which rest on many more; this notices weights that do not fit the code."""
    from karyonet.stages.centromere.drawn import Drawing, draw_metaphase
    from karyonet.stages.straightening import MedialAxisStraightener

    pack = draw_metaphase(Drawing(first_seed=77_000, abnormal=0, mask_error=0), 0, MedialAxisStraightener())
    names = [LABELS[number] for number in pack.labels]
    found = shipped.locate([pack.optical_density(row) for row in range(len(pack))], names)
    positions = np.array([one.position for one in found if one is not None])
    assert (np.abs(positions - pack.centromere) <= 0.05).mean() >= 0.85
