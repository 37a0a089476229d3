"""Trains the learned band level on simulated metaphases, and adapts it to real ones."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from karyonet.device import autocast
from karyonet.training.batches import moved
from karyonet.training.loop import Trainer
from karyonet.training.model_card import describe, recipe_on_card, write_weights
from karyonet.training.packing import Packed, pack_once, pack_strips_folder
from karyonet.training.recipe import WeightsRecipe, read_recipe
from karyonet.training.run import start_from
from karyonet.training.strip_pack import StripPack
from karyonet.weights import Metric, ModelCard, TrainingData, WeightFile

from .estimator import CLASSES
from .figures import across_cases, level_figures, spread_within
from .learned import said_of
from .metaphases import PackedMetaphase, cases_of, metaphases_of
from .model import Architecture, LevelNetwork, RibbonBatch, Said, collate, expected_levels, level_loss, levels_at
from .pack import Straighten, simulated_pack
from .ribbon import Preprocessing
from .variation import Variation

logger = logging.getLogger(__name__)
TEMPERATURES = np.arange(0.4, 3.01, 0.05)
"""Of which the least under which the 95 % interval covers so much of the validation metaphases is kept."""


class Adaptation(BaseModel):
    """How real metaphases, whose level nobody knows, take part.

    Attributes:
        cases: of a batch. metaphases: of each of them.
        consistency: weight of the variance of the answers within a case, as a share of that over all of them.
        agreement: weight of one minus the correlation of the cases' answers with their chromosomes' slenderness.
        train_split, validation_split: of the data that are used.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cases: int = Field(default=6, ge=2)
    metaphases: int = Field(default=2, ge=2)
    consistency: float = Field(default=0.05, ge=0)
    agreement: float = Field(default=0.1, ge=0)
    train_split: str = "train"
    validation_split: str = "validation"


class BandLevelRecipe(WeightsRecipe):
    """The recipe of a learned band level.

    Attributes:
        data: strip packs (``.npz``) or data set folders of format strips or metaphases, for the adaptation.
        architecture, preprocessing: of the network and its input.
        variation: of the training metaphases.
        first_seed, metaphases: of the simulated training metaphases.
        first_upright_seed, upright: of further ones whose chromosomes are drawn side by side, which is quicker
            (:mod:`karyonet.simulate.upright`).
        first_validation_seed, validation_metaphases: of those that are validated on.
        alone: weight of the loss of every chromosome by itself.
        pipeline: configuration that finds and straightens the chromosomes of metaphase images.
        adaptation: to real metaphases; None trains on simulated ones alone.
    """

    architecture: Architecture = Architecture()
    preprocessing: Preprocessing = Preprocessing()
    variation: Variation = Variation()
    first_seed: int = Field(default=40_000, ge=0)
    metaphases: int = Field(default=1000, ge=1)
    first_upright_seed: int = Field(default=50_000, ge=0)
    upright: int = Field(default=1500, ge=0)
    first_validation_seed: int = Field(default=20_000, ge=0)
    validation_metaphases: int = Field(default=250, ge=10)
    alone: float = Field(default=0.5, ge=0)
    pipeline: str = "strips"
    adaptation: Adaptation | None = Adaptation()


class LevelBatch(NamedTuple):
    """Simulated metaphases, and real ones behind them.

    Attributes:
        inputs: of all.
        levels: float32, shape (simulated,), bphs.
        slenderness: float32, shape (real,), logarithm: case after case, as many metaphases of each.
    """

    inputs: RibbonBatch
    levels: Tensor
    slenderness: Tensor


class LevelTask:
    """What the training loop needs.

    Args:
        recipe: how.
        training, validation: simulated metaphases.
        real, real_validation: real ones by case, each with several; empty without adaptation.
    """

    def __init__(
        self,
        recipe: BandLevelRecipe,
        training: Sequence[PackedMetaphase],
        validation: Sequence[PackedMetaphase],
        real: Sequence[Sequence[PackedMetaphase]] = (),
        real_validation: Sequence[Sequence[PackedMetaphase]] = (),
    ) -> None:
        self.recipe, self.training, self.validation = recipe, training, validation
        self.real, self.real_validation = real, real_validation
        torch.manual_seed(recipe.seed)
        self.model: nn.Module = LevelNetwork(recipe.architecture)
        start_from(self.model, "band_level", recipe.initial)

    def batch(self, step: int, device: torch.device) -> LevelBatch:
        """Metaphases, varied."""
        recipe = self.recipe
        generator = np.random.default_rng((recipe.seed, step))
        chosen = [self.training[int(i)] for i in generator.integers(len(self.training), size=recipe.batch_size)]
        levels = [one.level for one in chosen]
        if self.real and recipe.adaptation is not None:
            for case in generator.choice(len(self.real), recipe.adaptation.cases, replace=False):
                members = self.real[int(case)]
                few = generator.choice(len(members), recipe.adaptation.metaphases, replace=False)
                chosen += [members[int(i)] for i in few]
        ribbons = [recipe.variation.lay(*one.read(), recipe.preprocessing, generator) for one in chosen]
        slenderness = np.log([ribbon.slenderness for ribbon in ribbons[len(levels) :]])
        batch: LevelBatch = moved(
            LevelBatch(
                collate(ribbons),
                torch.tensor(levels, dtype=torch.float32),
                torch.tensor(slenderness, dtype=torch.float32),
            ),
            device,
        )
        return batch

    def loss(self, model: nn.Module, batch: LevelBatch) -> Tensor:
        """Cross entropy of metaphases and of chromosomes; spread within cases; disagreement with slenderness."""
        said: Said = model(batch.inputs)
        count, adaptation = len(batch.levels), self.recipe.adaptation
        own = batch.inputs.metaphase < count
        loss = level_loss(said.logits[:count], batch.levels)
        loss = loss + self.recipe.alone * level_loss(said.alone[own], batch.levels[batch.inputs.metaphase[own]])
        if adaptation is not None and len(batch.slenderness):
            answers = expected_levels(said.logits[count:]).view(adaptation.cases, -1) / 100
            slenderness = batch.slenderness.view(adaptation.cases, -1)
            together = correlation(answers.mean(dim=1), slenderness.mean(dim=1))
            # A share of all spread: less of it everywhere, one answer for every image, gains nothing.
            within = answers.var(dim=1).mean() / answers.var().clamp(min=0.01)
            loss = loss + adaptation.consistency * within + adaptation.agreement * (1 - together)
        return loss

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Figures of simulated metaphases, with adaptation of real ones too; the score is -error / 100 bphs."""
        said = said_of(model, [one.lay(self.recipe.preprocessing) for one in self.validation], device)
        found = levels_at(said, 0.5)
        figures = level_figures(found, np.array([one.level for one in self.validation]))
        return {"score": -figures["mae_bphs"] / 100, **figures, **self._real_figures(model, device)}

    def _real_figures(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        if not self.real_validation:
            return {}
        ribbons = [one.lay(self.recipe.preprocessing) for case in self.real_validation for one in case]
        found = levels_at(said_of(model, ribbons, device), 0.5)
        names = [str(number) for number, case in enumerate(self.real_validation) for _ in case]
        slenderness = np.log([ribbon.slenderness for ribbon in ribbons])
        return {
            "real_sd_bphs": float(found.std()),
            "real_sd_within_case_bphs": spread_within(names, found)[1],
            "real_correlation_with_slenderness": across_cases(names, found, slenderness),
        }


def correlation(first: Tensor, second: Tensor) -> Tensor:
    """Of two vectors; 0 where one of them does not vary."""
    first, second = first - first.mean(), second - second.mean()
    together: Tensor = (first * second).sum() / (first.norm() * second.norm()).clamp(min=1e-6)
    return together


def calibrated_temperature(logits: NDArray[np.floating], levels: NDArray[np.floating]) -> float:
    """What logits, shape (n, thresholds), must be divided by for the 95 % interval to hold 95 % of the levels."""
    for temperature in TEMPERATURES:
        low, high = (levels_at(logits / temperature, share) for share in (0.025, 0.975))
        if float(np.mean((low <= levels) & (levels <= high))) >= 0.95:
            return round(float(temperature), 2)
    return float(TEMPERATURES[-1])


def train_band_level(
    recipe: BandLevelRecipe, data: Sequence[Path] = (), run: Path | None = None, resume: bool = True
) -> WeightFile | None:
    """Draw metaphases, train, or go on, and write the weights with their card to ``<run>/weights``.

    Returns:
        The weight file, or None if the run was asked to stop before its end.

    Raises:
        DataError: K4xx for data that cannot be used, K406 for the checkpoint of another recipe.
    """
    run = recipe.folder(run)
    training, validation = _simulated(recipe, run / "packs")
    packs = _real_packs(recipe, [Path(path) for path in data or recipe.data], run / "packs")
    adaptation = recipe.adaptation
    real, real_validation = (
        [case for pack in packs.values() for case in cases_of(pack, split, adaptation.metaphases)] if adaptation else []
        for split in (("", "") if adaptation is None else (adaptation.train_split, adaptation.validation_split))
    )
    task = LevelTask(recipe, training, validation, real, real_validation)
    trainer = Trainer(recipe, task, run)
    if not trainer.fit(resume).finished:
        return None
    return _export(trainer, task, packs, run)


def _simulated(recipe: BandLevelRecipe, cache: Path) -> tuple[list[PackedMetaphase], list[PackedMetaphase]]:
    """Training and validation metaphases."""
    from karyonet.pipeline import Pipeline

    stage: Any = Pipeline.from_config(recipe.pipeline).stages["straightening"]
    straighten: Straighten = stage.straighten_regions
    series: tuple[tuple[int, int, Straighten | None], ...] = (
        (recipe.first_seed, recipe.metaphases, straighten),
        (recipe.first_upright_seed, recipe.upright, None),
        (recipe.first_validation_seed, recipe.validation_metaphases, straighten),
    )
    whole, upright, validation = (
        metaphases_of(simulated_pack(range(first, first + number), cache, way)) if number else []
        for first, number, way in series
    )
    return whole + upright, validation


def _real_packs(recipe: BandLevelRecipe, paths: Sequence[Path], cache: Path) -> dict[str, StripPack]:
    if recipe.adaptation is None:
        return {}

    def make(folder: Path) -> Packed[StripPack]:
        return pack_strips_folder(folder, (), recipe.pipeline, recipe.processes)

    return {path.stem: pack_once(StripPack, path, cache, make) for path in paths}


def _export(trainer: Trainer, task: LevelTask, packs: dict[str, StripPack], run: Path) -> WeightFile:
    recipe, model = task.recipe, trainer.best_model()
    with torch.inference_mode(), autocast(trainer.device, recipe.precision):
        ribbons = [one.lay(recipe.preprocessing) for one in task.validation]
        logits = said_of(model, ribbons, trainer.device)
        figures = task.validate(model, trainer.device)
    levels = np.array([one.level for one in task.validation])
    simulated, count = f"{len(levels)} simulated validation metaphases", len(task.training)
    whole, upright = recipe.first_seed, recipe.first_upright_seed
    seeds = f"seeds {whole}-{whole + recipe.metaphases - 1}"
    if recipe.upright:
        seeds += f", side by side {upright}-{upright + recipe.upright - 1}"
    used = TrainingData(
        name="karyonet.simulate", terms="drawn by this project", split=seeds, examples=count, cases=count
    )
    adapted = [
        describe(name, pack, pack.of_split(recipe.adaptation.train_split), recipe.terms)
        for name, pack in packs.items()
        if recipe.adaptation is not None
    ]
    card = ModelCard(
        name=recipe.name,
        stage="band_level",
        architecture=recipe.architecture.model_dump(mode="json"),
        input=recipe.preprocessing.model_dump(mode="json"),
        classes=tuple(str(level) for level in CLASSES),
        temperature=calibrated_temperature(logits, levels),
        training_data=(used, *adapted),
        metrics={
            name: Metric(value=round(value, 4), data="real validation metaphases" if "real" in name else simulated)
            for name, value in figures.items()
            if name != "score"
        },
        licence=recipe.licence,
        recipe=recipe_on_card(recipe, trainer.progression),
    )
    return write_weights(model.state_dict(), card, run / "weights")


def main(
    config: Path | None, data: Sequence[Path], run: Path | None, resume: bool = True, initial: str | None = None
) -> None:
    """``karyonet train band-level``: read the recipe, train and say where the weights are.

    Without data it trains on simulated metaphases alone.

    Raises:
        ConfigError: K2xx for the recipe. DataError: K4xx for the data. WeightsError: K3xx for ``initial``.
        SystemExit: 143 if the run was asked to stop before its end.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    weight = train_band_level(read_recipe(BandLevelRecipe, config, "band_level", initial=initial), data, run, resume)
    if weight is None:
        raise SystemExit(143)
    figures = ", ".join(f"{name} {metric.value:.4f}" for name, metric in weight.card.metrics.items())
    logger.info("wrote %s (%s)", weight.path, figures)
