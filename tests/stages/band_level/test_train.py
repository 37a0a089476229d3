"""From packs to weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from typer.testing import CliRunner

from karyonet.cli.train import app
from karyonet.errors import DataError
from karyonet.simulate.layout import LOWEST_LEVEL
from karyonet.stages.band_level import Estimate, LearnedEstimator
from karyonet.stages.band_level.figures import across_cases, judge, level_figures, spread_within
from karyonet.stages.band_level.metaphases import cases_of, metaphases_of
from karyonet.stages.band_level.model import THRESHOLDS
from karyonet.stages.band_level.pack import Drawn, LevelPack, draw, level_of, pack_drawn, simulated_pack
from karyonet.stages.band_level.train import (
    BandLevelRecipe,
    LevelTask,
    calibrated_temperature,
    correlation,
    train_band_level,
)
from karyonet.stages.straightening import MedialAxisStraightener
from karyonet.training.strip_pack import StripPack, concatenate
from karyonet.weights import find

from .drawn import NAMES, metaphase_strips

CPU = torch.device("cpu")


def drawn(level: float) -> Drawn:
    return Drawn(metaphase_strips(max(level, 400), width=9), NAMES, level)


def settings(**changes: Any) -> dict[str, Any]:
    return {
        "name": "drawn", "steps": 2, "batch_size": 3, "device": "cpu", "precision": "fp32", "ema": 0.0,
        "validation_steps": 2, "architecture": {"channels": [8, 8], "blocks": 1, "dim": 16, "layers": 1},
        "metaphases": 4, "upright": 0, "first_validation_seed": 90, "validation_metaphases": 10, "first_seed": 50,
        "adaptation": None, "terms": {"real": "made for a test"},
    } | changes  # fmt: skip


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run whose metaphases are drawn already, from the ideogram; beside it a pack of real strips."""
    run = tmp_path_factory.mktemp("run")
    for seeds in (range(50, 54), range(90, 100)):
        parts = [pack_drawn(drawn(level_of(seed)), f"s{seed}") for seed in seeds]
        LevelPack.concatenate(parts).write(run / "packs" / f"simulated-{seeds.start}-{seeds.stop}.npz")
    cells = []
    for number in range(8):
        pack = pack_drawn(drawn(420 + 40 * (number // 2)), f"m{number}")
        plain = StripPack(**{name: getattr(pack, name) for name in StripPack.names()})
        count, split = len(plain), "train" if number < 4 else "validation"
        cells.append(
            replace(
                plain,
                cases=np.full(count, f"p{number // 2}"),
                splits=np.full(count, split),
                sources=np.full(count, "real"),
            )
        )
    concatenate(cells).write(run / "real.npz")
    return run


@pytest.fixture(scope="module")
def trained(packs: Path) -> Path:
    adaptation = {"cases": 2, "metaphases": 2}
    weight = train_band_level(
        BandLevelRecipe.model_validate(settings(adaptation=adaptation)), [packs / "real.npz"], packs
    )
    assert weight is not None
    return weight.path


def test_weights_come_out_with_their_card(trained: Path) -> None:
    card = find("band_level", trained).card
    assert {"mae_bphs", "within_one_class", "correlation", "real_sd_within_case_bphs"} <= set(card.metrics)
    assert [one.name for one in card.training_data] == ["karyonet.simulate", "real"]
    assert card.training_data[0].examples == 4 and card.training_data[1].cases == 2
    assert card.training_data[1].terms == "made for a test"
    found = LearnedEstimator.from_pretrained(trained, "cpu").estimate(metaphase_strips(), NAMES)
    assert isinstance(found, Estimate)


def test_a_run_goes_on_where_it_was(packs: Path, tmp_path: Path) -> None:
    (tmp_path / "packs").symlink_to(packs / "packs")
    weights = []
    for steps in (1, 3):
        recipe = BandLevelRecipe.model_validate(settings(steps=steps))
        weight = train_band_level(recipe, (), tmp_path)
        assert weight is not None
        weights.append(weight)
    assert weights[1].card.recipe["steps_done"] == 3
    whole = train_band_level(BandLevelRecipe.model_validate(settings(steps=3)), (), tmp_path, resume=False)
    assert whole is not None and whole.card.training_data[0].name == "karyonet.simulate"
    assert whole.sha256 == weights[1].sha256


def test_a_batch_depends_on_its_step_alone(packs: Path) -> None:
    recipe = BandLevelRecipe.model_validate(settings(adaptation={"cases": 2}))
    simulated = metaphases_of(LevelPack.read(packs / "packs" / "simulated-50-54.npz"))
    real = cases_of(StripPack.read(packs / "real.npz"), "train", 2)
    task = LevelTask(recipe, simulated, simulated, real)
    first, again, other = task.batch(3, CPU), task.batch(3, CPU), task.batch(4, CPU)
    assert torch.equal(first.inputs.picture, again.inputs.picture)
    assert first.inputs.picture.shape != other.inputs.picture.shape or not torch.equal(
        first.inputs.picture, other.inputs.picture
    )
    assert len(first.levels) == 3 and len(first.slenderness) == 4 and len(first.inputs.picture) == 7


def test_the_loss_falls_on_what_is_seen_again(packs: Path) -> None:
    recipe = BandLevelRecipe.model_validate(settings(variation={"dropped": 0, "renamed": 0, "noise": 0}))
    simulated = metaphases_of(LevelPack.read(packs / "packs" / "simulated-50-54.npz"))
    task = LevelTask(recipe, simulated, simulated)
    optimiser = torch.optim.AdamW(task.model.parameters(), 0.01)
    batch, losses = task.batch(0, CPU), []
    for _ in range(12):
        loss = task.loss(task.model, batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_agreement_and_spread_are_part_of_the_loss(packs: Path) -> None:
    simulated = metaphases_of(LevelPack.read(packs / "packs" / "simulated-50-54.npz"))
    real = cases_of(StripPack.read(packs / "real.npz"), "train", 2)
    losses = []
    for weight in (0.0, 1.0):
        adaptation = {"cases": 2, "consistency": weight, "agreement": weight}
        task = LevelTask(BandLevelRecipe.model_validate(settings(adaptation=adaptation)), simulated, simulated, real)
        task.model.eval()
        losses.append(task.loss(task.model, task.batch(0, CPU)).item())
    assert losses[1] > losses[0]


def test_correlation_of_vectors() -> None:
    first = torch.tensor([1.0, 2.0, 4.0])
    assert correlation(first, 3 * first + 1).item() == pytest.approx(1, abs=1e-5)
    assert correlation(first, -first).item() == pytest.approx(-1, abs=1e-5)
    assert correlation(first, torch.ones(3)).item() == 0


def test_the_temperature_makes_the_interval_hold_its_share() -> None:
    generator = np.random.default_rng(0)
    levels = generator.uniform(320, 830, 400)
    answers = levels + generator.normal(0, 60, 400)
    logits = (answers[:, None] - THRESHOLDS) / 10  # far too sure
    assert calibrated_temperature(logits, levels) > 1.5
    assert calibrated_temperature(logits / 20, levels) < 1


def test_levels_of_seeds_are_spread_evenly() -> None:
    for first in (0, 30_000, 41_237):
        levels = np.array([level_of(seed) for seed in range(first, first + 55)])
        counts = np.histogram(levels, bins=5, range=(300, 850))[0]
        assert counts.min() >= 9 and counts.sum() == 55


def test_drawn_metaphases_survive_the_pack(tmp_path: Path) -> None:
    straighten = MedialAxisStraightener().straighten_regions
    seeds = range(70_001, 70_002)
    (one,) = draw(seeds, straighten)
    (packed,) = metaphases_of(simulated_pack(seeds, tmp_path, straighten))
    again = packed.drawn()
    assert again.level == pytest.approx(one.level) and again.level >= LOWEST_LEVEL
    assert list(again.labels) == list(one.labels)
    for strip, other in zip(one.strips, again.strips, strict=True):
        assert np.array_equal(strip.valid, other.valid)
        assert strip.confidence == pytest.approx(other.confidence)
        scale = packed.pack.density[0]
        expected = np.clip(strip.optical_density, 0, 255 / 64 * scale)
        assert np.allclose(expected, other.optical_density * scale, atol=scale / 100)
    (upright,) = metaphases_of(simulated_pack(seeds, tmp_path, None))
    assert len(upright.rows) == 46 and upright.level == packed.level


def test_cases_need_enough_metaphases_of_enough_chromosomes(packs: Path) -> None:
    pack = StripPack.read(packs / "real.npz")
    assert [len(case) for case in cases_of(pack, "train", 2)] == [2, 2]
    assert cases_of(pack, "train", 3) == []
    few = pack.take(np.arange(19))
    assert cases_of(few, "train", 1) == []


def test_figures_of_estimates() -> None:
    found, truth = np.array([310.0, 560.0, 700.0]), np.array([300.0, 700.0, 300.0])
    figures = level_figures(found, truth)
    assert figures["mae_bphs"] == pytest.approx(550 / 3)
    assert figures["within_one_class"] == pytest.approx(2 / 3)
    assert spread_within(["a", "a", "b"], np.array([1.0, 3.0, 9.0])) == (1, pytest.approx(2**0.5))
    assert across_cases(["a", "a", "b", "c"], np.array([0.0, 2, 2, 3]), np.array([1.0, 1, 2, 3])) == pytest.approx(1)


def test_nothing_estimable_is_an_error() -> None:
    class Silent:
        version = "silent"

        def estimate(self, strips: object, labels: object) -> object:
            return None

    with pytest.raises(DataError, match="K405"):
        judge(Silent(), [drawn(500)] * 3)  # type: ignore[arg-type]


def test_the_command_trains_without_real_data(packs: Path, tmp_path: Path) -> None:
    (tmp_path / "packs").symlink_to(packs / "packs")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(settings()))
    result = CliRunner().invoke(app, ["band-level", "--config", str(recipe), "--run", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert find("band_level", tmp_path / "weights" / "drawn.safetensors").card.stage == "band_level"
