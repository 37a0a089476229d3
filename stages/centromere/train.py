"""Trains the network that places centromeres, on simulated chromosomes and on real ones that lie short arm up."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from karyonet.case import LABELS
from karyonet.evaluation.bootstrap import bootstrap_interval
from karyonet.ideogram.queries import centromeric_index
from karyonet.training.loop import Trainer
from karyonet.training.model_card import describe, recipe_on_card, write_weights
from karyonet.training.packing import pack_once, pack_strips_folder
from karyonet.training.recipe import WeightsRecipe
from karyonet.training.run import start_from, train_by_recipe
from karyonet.training.strip_pack import StripPack, concatenate
from karyonet.weights import Metric, ModelCard, WeightFile

from .drawn import SOURCE, CentromerePack, Drawing, draw_pack
from .figures import fit_confidence, found
from .inference import mean_distribution, view_logits, views_of
from .model import UNNAMED, Architecture, CentromereNetwork
from .placing import place
from .profiles import Preprocessing, WidthProfile, measure
from .variation import Variation, vary

INDICES = np.array([centromeric_index(label) for label in LABELS])
"""Of the ideogram, in the order of :data:`karyonet.case.LABELS`."""


class CentromereRecipe(WeightsRecipe):
    """The recipe of the centromere network.

    Attributes:
        data: strip packs (``.npz``) or folders of format strips or metaphases: real chromosomes, of which only those
            are used whose short arm is known to be up.
        architecture, preprocessing: of the network and its input.
        variation: of the training examples.
        drawing, validation_drawing: the simulated metaphases of the training and of the validation.
        named: share of the examples whose name is told. misnamed: share of the names that are wrong.
        sharpness: standard deviation of the target round a known centromere, as a share of the length.
        real: share of real chromosomes in a batch. tolerance: standard deviation, as a share of the length, with which
            the centromere of a real one is expected where the ideogram has it.
        upright: folders of format strips whose chromosomes all lie short arm up, by name.
        pipeline: configuration whose straightening is used.
        train_split, validation_split: of the real chromosomes.
    """

    architecture: Architecture = Architecture()
    preprocessing: Preprocessing = Preprocessing()
    variation: Variation = Variation()
    drawing: Drawing = Drawing()
    validation_drawing: Drawing = Drawing(metaphases=100, first_seed=49_000)
    named: float = Field(default=0.5, ge=0, le=1)
    misnamed: float = Field(default=0.02, ge=0, le=1)
    sharpness: float = Field(default=0.012, gt=0)
    real: float = Field(default=0.25, ge=0, lt=1)
    tolerance: float = Field(default=0.08, gt=0)
    upright: tuple[str, ...] = ("pki3",)
    pipeline: str = "strips"
    train_split: str = "train"
    validation_split: str = "validation"


@dataclass(frozen=True, eq=False)
class Examples:
    """Profiles of n chromosomes.

    Attributes:
        profiles: n of them.
        labels: int64, shape (n,), index in :data:`karyonet.case.LABELS`.
        centromeres: float64, shape (n,), from row 0, as a share of the length; of real ones where the ideogram has it.
        cases: str, shape (n,).
        changed: bool, shape (n,): rearranged.
    """

    profiles: tuple[WidthProfile, ...]
    labels: NDArray[np.int64]
    centromeres: NDArray[np.float64]
    cases: NDArray[np.str_]
    changed: NDArray[np.bool_]

    @classmethod
    def of(cls, pack: CentromerePack) -> Examples:
        """The chromosomes of a pack that show something and whose centromere or short arm is known."""
        measured = [measure(pack.optical_density(index)) for index in range(len(pack))]
        labels = pack.labels.astype(np.int64)
        expected = np.where(pack.polarity == 1, INDICES[labels], 1 - INDICES[labels])
        places = np.where(np.isfinite(pack.centromere), pack.centromere, expected).astype(np.float64)
        known = np.isfinite(pack.centromere) | (pack.polarity >= 0)
        rows = np.array([row for row, one in enumerate(measured) if one is not None and known[row]], dtype=np.intp)
        profiles = tuple(one for row in rows.tolist() if (one := measured[row]) is not None)
        return cls(profiles, labels[rows], places[rows], pack.patients[rows], pack.changed[rows])


class CentromereBatch(NamedTuple):
    """Profiles with what is known of their centromeres.

    Attributes:
        profiles: float32, shape (n, 8, samples).
        names: int64, shape (n,).
        target: float32, shape (n, samples): of simulated ones a distribution over the positions; of real ones how
            plausible each position is, at most 1.
        real: bool, shape (n,).
    """

    profiles: Tensor
    names: Tensor
    target: Tensor
    real: Tensor


class CentromereTask:
    """What the training loop needs.

    Args:
        recipe: how.
        simulated, real: examples of the training; ``real`` may hold none.
        validation: simulated examples.
    """

    def __init__(self, recipe: CentromereRecipe, simulated: Examples, real: Examples, validation: Examples) -> None:
        self.recipe, self.simulated, self.real, self.validation = recipe, simulated, real, validation
        self.real_count = round(recipe.real * recipe.batch_size) if len(real.profiles) else 0
        self._views = views_of(validation.profiles, recipe.preprocessing)
        self._unchanged = recipe.variation.model_copy(update={"rearranged": 0.0})
        torch.manual_seed(recipe.seed)
        self.model: nn.Module = CentromereNetwork(recipe.architecture)
        start_from(self.model, "centromere", recipe.initial)

    def batch(self, step: int, device: torch.device) -> CentromereBatch:
        """Chromosomes, varied."""
        recipe = self.recipe
        generator = np.random.default_rng((recipe.seed, step))
        samples = recipe.preprocessing.samples
        profiles = np.empty((recipe.batch_size, 8, samples), dtype=np.float32)
        places, names = np.empty(recipe.batch_size), np.empty(recipe.batch_size, dtype=np.int64)
        real = np.arange(recipe.batch_size) < self.real_count
        for number in range(recipe.batch_size):
            examples, settings = (self.real, self._unchanged) if real[number] else (self.simulated, recipe.variation)
            chosen = int(generator.integers(len(examples.profiles)))
            profile, places[number] = vary(
                examples.profiles[chosen], float(examples.centromeres[chosen]), settings, generator
            )
            profiles[number] = recipe.preprocessing.place(profile)
            told, wrong = generator.random(2) < (recipe.named, recipe.misnamed)
            name = int(generator.integers(len(LABELS))) if wrong else int(examples.labels[chosen])
            names[number] = name if told else UNNAMED
        centres = (np.arange(samples) + 0.5) / samples
        spread = np.where(real, recipe.tolerance, recipe.sharpness)[:, None]
        target = np.exp(-0.5 * ((centres - places[:, None]) / spread) ** 2)
        target[~real] /= target[~real].sum(axis=1, keepdims=True)
        return CentromereBatch(
            torch.from_numpy(profiles).to(device),
            torch.from_numpy(names).to(device),
            torch.from_numpy(target.astype(np.float32)).to(device),
            torch.from_numpy(real).to(device),
        )

    def loss(self, model: nn.Module, batch: CentromereBatch) -> Tensor:
        """Cross entropy for simulated chromosomes; for real ones how unlikely a plausible position is, whichever."""
        likely = torch.log_softmax(model(batch.profiles, batch.names).float(), dim=1)
        known = -(batch.target * likely).sum(dim=1)
        plausible = -torch.logsumexp(likely + batch.target.clamp_min(1e-6).log(), dim=1)
        return torch.where(batch.real, plausible, known).mean()

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Shares of simulated chromosomes found, with their names and without; the score is their mean."""
        shares = {}
        for key, told in (("named", True), ("unnamed", False)):
            right = found(place(self.distribution(model, device, told)).positions, self.validation.centromeres)
            shares[key] = float(right.mean())
            if self.validation.changed.any():
                shares[f"{key}_changed"] = float(right[self.validation.changed].mean())
        return {"score": (shares["named"] + shares["unnamed"]) / 2} | shares

    def logits(self, model: nn.Module, device: torch.device, told: bool) -> NDArray[np.float64]:
        """Of the validation's chromosomes, float64, shape (n, 2, samples)."""
        labels = self.validation.labels
        return view_logits(model, self._views, labels if told else np.full_like(labels, UNNAMED), device)

    def distribution(
        self, model: nn.Module, device: torch.device, told: bool, temperature: float = 1.0
    ) -> NDArray[np.float64]:
        """Of the validation's chromosomes, float64, shape (n, samples)."""
        return mean_distribution(self.logits(model, device, told), temperature)


def train_centromere(
    recipe: CentromereRecipe, data: Sequence[Path] = (), run: Path | None = None, resume: bool = True
) -> WeightFile | None:
    """Draw metaphases, train on them and on real chromosomes, and write the weights to ``<run>/weights``.

    Returns:
        The weight file, or None if the run was asked to stop before its end.

    Raises:
        DataError: K4xx for data that cannot be used, K406 for the checkpoint of another recipe.
    """
    run = recipe.folder(run)
    drawn = [_drawn(drawing, recipe, run) for drawing in (recipe.drawing, recipe.validation_drawing)]
    packs = {path: _upright(path, recipe, run / "packs") for path in (Path(given) for given in data or recipe.data)}
    real = concatenate(list(packs.values()))
    simulated, validation = (Examples.of(pack) for pack in drawn)
    training = CentromerePack.of(real.take(real.of_split(recipe.train_split)))
    task = CentromereTask(recipe, simulated, Examples.of(training), validation)
    trainer = Trainer(recipe, task, run)
    if not trainer.fit(resume).finished:
        return None
    model = trainer.best_model()
    logits = np.concatenate([task.logits(model, trainer.device, told) for told in (True, False)])
    temperature = fit_confidence(logits, np.tile(validation.centromeres, 2))
    used = [describe(SOURCE, drawn[0], np.arange(len(drawn[0])), recipe.terms)]
    used += [describe(path.stem, pack, pack.of_split(recipe.train_split), recipe.terms) for path, pack in packs.items()]
    card = ModelCard(
        name=recipe.name,
        stage="centromere",
        architecture=recipe.architecture.model_dump(mode="json"),
        input=recipe.preprocessing.model_dump(mode="json"),
        classes=(),
        temperature=temperature,
        training_data=tuple(used if recipe.real else used[:1]),
        metrics=_metrics(task, model, trainer.device, temperature),
        licence=recipe.licence,
        recipe=recipe_on_card(recipe, trainer.progression),
    )
    return write_weights(model.state_dict(), card, run / "weights")


def _metrics(task: CentromereTask, model: nn.Module, device: torch.device, temperature: float) -> dict[str, Metric]:
    """Shares found, with intervals over metaphases."""
    truth = task.validation
    _, members = np.unique(truth.cases, return_inverse=True)
    source = f"{len(truth.profiles)} simulated chromosomes of {members.max() + 1} validation metaphases"
    metrics = {}
    for key, told in (("found_named", True), ("found_unnamed", False)):
        right = found(place(task.distribution(model, device, told, temperature)).positions, truth.centromeres)
        per_case = np.column_stack([np.bincount(members, right), np.bincount(members)])
        interval = bootstrap_interval(lambda sums: sums[..., 0] / sums[..., 1], per_case)
        metrics[key] = Metric(value=float(right.mean()), interval=interval, data=source)
    return metrics


def _drawn(drawing: Drawing, recipe: CentromereRecipe, run: Path) -> CentromerePack:
    """Metaphases, drawn once and kept in the run's folder."""
    from karyonet.pipeline import Pipeline

    straightener: Any = Pipeline.from_config(recipe.pipeline).stages["straightening"]
    told = (drawing.model_dump_json() + repr(straightener.options)).encode()
    kept = run / "packs" / f"{SOURCE}-{hashlib.sha256(told).hexdigest()[:12]}.npz"
    if not kept.is_file():
        draw_pack(drawing, straightener, processes=recipe.processes).write(kept)
    return CentromerePack.read(kept)


def _upright(path: Path, recipe: CentromereRecipe, cache: Path) -> StripPack:
    """The strips of a data set whose short arm is known."""
    pack = pack_once(
        StripPack,
        path,
        cache,
        lambda folder: pack_strips_folder(folder, recipe.upright, recipe.pipeline, recipe.processes),
    )
    return pack.take(np.flatnonzero(pack.polarity >= 0))


def main(
    config: Path | None, data: Sequence[Path], run: Path | None, resume: bool = True, initial: str | None = None
) -> None:
    """``karyonet train centromere``; see :func:`karyonet.training.run.train_by_recipe`."""
    train_by_recipe(train_centromere, CentromereRecipe, "centromere", config, data, run, resume, initial=initial)
