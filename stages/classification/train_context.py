"""Trains the context network of a classifier on the answers of its finished network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional as F

from karyonet.device import autocast, choose_device
from karyonet.evaluation.classification import summarise
from karyonet.training.calibration import fit_temperature
from karyonet.training.loop import Trainer
from karyonet.training.model_card import recipe_on_card, write_weights
from karyonet.training.recipe import Recipe
from karyonet.training.run import train_by_recipe
from karyonet.training.strip_pack import StripPack, concatenate
from karyonet.weights import Metric, WeightFile, card_section, find, load_matching

from .augmentation import Augmentation
from .conformal import fit_label_sets
from .context import ContextArchitecture, ContextNetwork, measure
from .dataset import StripSet, split_pack
from .model import Architecture, Prediction, ProxyResNeXtCBAM
from .preprocessing import Preprocessing
from .train import ClassificationRecipe, cell_results, load_pack


class ContextRecipe(Recipe):
    """The recipe of a context network.

    Attributes:
        initial: the classifier whose answers are read; it stays as it is.
        data: strip packs (``.npz``) or data set folders, as for the classifier itself.
        context: what to build.
        augmentation: of the training strips. passes: how often each is varied and answered.
        lost: mean number of chromosomes that are left out of a metaphase.
        strangers: probability that chromosomes of another metaphase are added, which makes gains.
        most_strangers: how many at most.
        sharpness: relative, of the logits; guards against a classifier that is surer on what it was trained on.
        noise: standard deviation, relative, added to embeddings.
        train_splits, validation_splits, upright: as for the classifier.
    """

    initial: str
    context: ContextArchitecture = ContextArchitecture()
    augmentation: Augmentation = Augmentation()
    passes: int = Field(default=1, ge=1)
    lost: float = Field(default=2.0, ge=0)
    strangers: float = Field(default=0.3, ge=0, le=1)
    most_strangers: int = Field(default=3, ge=1)
    sharpness: float = Field(default=0.3, ge=0, lt=1)
    noise: float = Field(default=0.3, ge=0)
    train_splits: tuple[str, ...] = ("train",)
    validation_splits: tuple[str, ...] = ("validation",)
    upright: tuple[str, ...] = ("pki3", "bioimlab")


class ContextBatch(NamedTuple):
    """Metaphases side by side, filled up to the largest.

    Attributes:
        embeddings: float32, shape (b, n, d). logits: float32, shape (b, n, classes). measures: float32, (b, n, 3).
        absent: bool, shape (b, n). labels: int64, shape (b, n), -100 where absent.
    """

    embeddings: Tensor
    logits: Tensor
    measures: Tensor
    absent: Tensor
    labels: Tensor


@dataclass(frozen=True, eq=False)
class Answers:
    """What a classifier said of many strips.

    Attributes:
        embeddings: float16, shape (n, d). logits: float32, shape (n, classes), calibrated.
        polarity: float32, shape (n,). measures: float32, shape (n, 3): logarithms of length, area and mass.
        turns: int16, shape (n,): in which pass over the strips it was answered.
        pack: what is known of each.
    """

    embeddings: NDArray[np.float16]
    logits: NDArray[np.float32]
    polarity: NDArray[np.float32]
    measures: NDArray[np.float64]
    turns: NDArray[np.int16]
    pack: StripPack

    @classmethod
    def of(
        cls,
        model: ProxyResNeXtCBAM,
        pack: StripPack,
        preprocessing: Preprocessing,
        recipe: ContextRecipe,
        temperature: float,
        augmentation: Augmentation | None = None,
    ) -> Answers:
        """Let a classifier answer; with ``augmentation`` every strip is varied ``passes`` times."""
        device = choose_device(recipe.device)
        model = model.eval().to(device).to(memory_format=torch.channels_last)
        strips = StripSet.from_pack(pack, preprocessing)
        passes = 1 if augmentation is None else recipe.passes
        order = np.tile(np.arange(len(pack)), passes)
        embeddings, logits, polarity = [], [], []
        parts = np.array_split(order, max(len(order) // 192, 1))
        with torch.inference_mode(), autocast(device, recipe.precision):
            for number, rows in enumerate(track(parts, "reading strips")):
                if augmentation is None:
                    images = strips.batch(rows, device).strips
                else:
                    images = strips.augmented(rows, augmentation, recipe.seed * 1_000_003 + number, device).strips
                said: Prediction = model(images)
                embeddings.append(said.embeddings.half().cpu().numpy())
                logits.append(said.logits.float().cpu().numpy() / temperature)
                polarity.append(said.polarity.float().cpu().numpy())
        measures = np.array([_raw_measures(pack.strip(index)) for index in range(len(pack))])
        return cls(
            np.concatenate(embeddings),
            np.concatenate(logits).astype(np.float32),
            np.concatenate(polarity),
            measures[order],
            np.repeat(np.arange(passes, dtype=np.int16), len(pack)),
            pack if augmentation is None else pack.take(order),
        )

    def metaphases(self) -> list[NDArray[np.int64]]:
        """Rows of every metaphase; one that was answered several times is there as often."""
        _, members = np.unique(np.char.add(self.pack.metaphases, self.turns.astype("U4")), return_inverse=True)
        order = np.argsort(members, kind="stable")
        return np.split(order, np.flatnonzero(np.diff(members[order])) + 1)


class ContextTask:
    """What the training loop needs.

    Args:
        recipe: how.
        training, validation: answers of the classifier.
    """

    def __init__(self, recipe: ContextRecipe, training: Answers, validation: Answers) -> None:
        self.recipe, self.training, self.validation = recipe, training, validation
        torch.manual_seed(recipe.seed)
        classes = training.logits.shape[1]
        self.model: nn.Module = ContextNetwork(recipe.context, training.embeddings.shape[1], classes)
        self._cells = training.metaphases()
        self._held_out = validation.metaphases()

    def batch(self, step: int, device: torch.device) -> ContextBatch:
        """Metaphases with chromosomes lost and strangers added."""
        recipe = self.recipe
        generator = np.random.default_rng((recipe.seed, step))
        chosen = []
        for cell in generator.choice(len(self._cells), recipe.batch_size):
            rows = generator.permutation(self._cells[cell])
            kept = max(len(rows) - int(generator.poisson(recipe.lost)), 1)
            strangers = np.zeros(0, dtype=np.int64)
            if generator.random() < recipe.strangers:
                other = self._cells[int(generator.integers(len(self._cells)))]
                count = min(1 + int(generator.integers(recipe.most_strangers)), len(other))
                strangers = generator.choice(other, count, replace=False)
            chosen.append(np.concatenate([rows[:kept], strangers]))
        batch = collate(self.training, chosen)
        sharper = torch.from_numpy(np.exp(generator.uniform(-1, 1, (len(chosen), 1, 1)) * recipe.sharpness)).float()
        deviation = recipe.noise / batch.embeddings.shape[2] ** 0.5
        noise = torch.from_numpy(generator.standard_normal(batch.embeddings.shape, dtype=np.float32))
        varied = batch._replace(
            logits=batch.logits * sharper, embeddings=F.normalize(batch.embeddings + deviation * noise, dim=2)
        )
        return ContextBatch(*(tensor.to(device) for tensor in varied))

    def loss(self, model: nn.Module, batch: ContextBatch) -> Tensor:
        """Cross entropy over the chromosomes that are there."""
        logits = model(batch.embeddings, batch.logits, batch.measures, batch.absent)
        return F.cross_entropy(logits.flatten(0, 1), batch.labels.flatten(), ignore_index=-100)

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Accuracy in context, overall (score) and by source, and the loss."""
        logits = torch.from_numpy(in_context(model, self.validation, self._held_out, device))
        labels = torch.from_numpy(self.validation.pack.labels.astype(np.int64))
        right = (logits.argmax(dim=1) == labels).numpy()
        sources = self.validation.pack.sources
        figures = {"score": float(right.mean()), "loss": float(F.cross_entropy(logits, labels))}
        return figures | {f"accuracy_{s}": float(right[sources == s].mean()) for s in np.unique(sources)}


def collate(answers: Answers, cells: Sequence[NDArray[np.int64]]) -> ContextBatch:
    """Metaphases, given by their rows, side by side."""
    longest = max(len(rows) for rows in cells)
    shape = len(cells), longest
    embeddings = np.zeros((*shape, answers.embeddings.shape[1]), dtype=np.float32)
    logits = np.zeros((*shape, answers.logits.shape[1]), dtype=np.float32)
    measures = np.zeros((*shape, answers.measures.shape[1]), dtype=np.float32)
    absent, labels = np.ones(shape, dtype=bool), np.full(shape, -100, dtype=np.int64)
    for number, rows in enumerate(cells):
        count = len(rows)
        embeddings[number, :count], logits[number, :count] = answers.embeddings[rows], answers.logits[rows]
        raw = answers.measures[rows]
        measures[number, :count] = measure(*np.exp(raw).T)
        absent[number, :count], labels[number, :count] = False, answers.pack.labels[rows]
    return ContextBatch(*(torch.from_numpy(array) for array in (embeddings, logits, measures, absent, labels)))


def in_context(
    model: nn.Module, answers: Answers, cells: Sequence[NDArray[np.int64]], device: torch.device
) -> NDArray[np.float32]:
    """Logits in context of all answers, float32, shape (n, classes)."""
    found = answers.logits.copy()
    for start in range(0, len(cells), 32):
        part = cells[start : start + 32]
        batch = ContextBatch(*(tensor.to(device) for tensor in collate(answers, part)))
        said = model(batch.embeddings, batch.logits, batch.measures, batch.absent).float().cpu().numpy()
        for number, rows in enumerate(part):
            found[rows] = said[number, : len(rows)]
    return found


def train_context(
    recipe: ContextRecipe, data: Sequence[Path] = (), run: Path | None = None, resume: bool = True
) -> WeightFile | None:
    """Train the context network and write the classifier with it to ``<run>/weights``.

    Returns:
        The weight file, or None if the run was asked to stop before its end.

    Raises:
        DataError: K4xx for data that cannot be used. WeightsError: K3xx for the classifier.
    """
    run = recipe.folder(run)
    weight = find("classification", recipe.initial)
    card = weight.card
    preprocessing = card_section(weight, "input", Preprocessing)
    alone = card_section(weight, "architecture", Architecture).model_copy(update={"context": None})
    classifier = ProxyResNeXtCBAM(alone)
    load_matching(classifier, weight)
    reading = ClassificationRecipe(steps=1, upright=recipe.upright)
    pack = concatenate([load_pack(path, reading, run / "packs") for path in data or recipe.data])
    training, validation = split_pack(pack, recipe.train_splits, recipe.validation_splits)
    answered = [
        Answers.of(classifier, part, preprocessing, recipe, card.temperature, augmentation)
        for part, augmentation in ((training, recipe.augmentation), (validation, None))
    ]
    task = ContextTask(recipe, *answered)
    trainer = Trainer(recipe, task, run)
    if not trainer.fit(resume).finished:
        return None
    network = trainer.best_model()
    with torch.inference_mode():
        logits = in_context(network, answered[1], answered[1].metaphases(), trainer.device)
    labels = validation.labels.astype(np.int64)
    temperature = fit_temperature(logits, labels)
    probabilities = torch.softmax(torch.from_numpy(logits) / temperature, dim=1).numpy()
    evaluation = summarise(cell_results(validation, probabilities, answered[1].polarity > 0))
    source = f"{', '.join(np.unique(validation.sources))}, validation, in context"
    metrics = {
        f"{name}_in_context": Metric(value=m.value, interval=m.interval, data=source)
        for name, m in evaluation.metrics.items()
        if name != "polarity_accuracy"
    }
    whole = ProxyResNeXtCBAM(alone.model_copy(update={"context": recipe.context}))
    whole.load_state_dict(classifier.state_dict(), strict=False)
    assert whole.context is not None
    whole.context.load_state_dict(network.state_dict())
    described = card.model_copy(
        update={
            "name": recipe.name,
            "architecture": whole.architecture.model_dump(mode="json"),
            "thresholds": card.thresholds
            | {"context_temperature": temperature}
            | fit_label_sets(probabilities, validation.labels, validation.patients),
            "metrics": card.metrics | metrics,
            "recipe": card.recipe | {"context": recipe_on_card(recipe, trainer.progression)},
        }
    )
    return write_weights(whole.state_dict(), described, run / "weights")


def main(config: Path | None, data: Sequence[Path], run: Path | None, resume: bool = True) -> None:
    """``karyonet train classification-context``; see :func:`karyonet.training.run.train_by_recipe`."""
    train_by_recipe(train_context, ContextRecipe, "classification_context", config, data, run, resume)


def _raw_measures(strip: NDArray[np.uint8]) -> tuple[float, float, float]:
    stained = strip > 0
    return float(np.log(len(strip))), float(np.log(max(stained.sum(), 1))), float(np.log(max(strip.sum(), 1)))
