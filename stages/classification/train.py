"""Trains the chromosome classifier: recipe, losses, validation and the weights that come out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from pytorch_metric_learning.losses import NormalizedSoftmaxLoss
from torch import Tensor, nn
from torch.nn import functional as F

from karyonet.case import LABELS
from karyonet.device import autocast
from karyonet.errors import DataError
from karyonet.evaluation.classification import CellResult, summarise
from karyonet.training.calibration import fit_temperature
from karyonet.training.loop import Trainer
from karyonet.training.model_card import describe_packs, recipe_on_card, write_weights
from karyonet.training.packing import Packed, pack_once, pack_strips_folder
from karyonet.training.recipe import WeightsRecipe
from karyonet.training.run import start_from, train_by_recipe
from karyonet.training.strip_pack import StripPack, concatenate
from karyonet.weights import Metric, ModelCard, WeightFile, find

from .augmentation import Augmentation
from .conformal import fit_label_sets
from .dataset import SampleOrder, Sampling, StripBatch, StripSet, split_pack, thinned
from .inference import Network
from .model import Architecture, Prediction, ProxyHead, ProxyResNeXtCBAM
from .preprocessing import Preprocessing
from .self_labelling import polarity_once

logger = logging.getLogger(__name__)


class ClassificationRecipe(WeightsRecipe):
    """The recipe of a classifier.

    Attributes:
        data: strip packs (``.npz``) or data set folders of format strips, metaphases or mfish.
        architecture, preprocessing, augmentation: of the network, its input and the training examples.
        sampling, per_class: see :class:`~karyonet.stages.classification.dataset.SampleOrder`.
        repeats: how often the strips of a data set are drawn for every time that others are, by its name.
        fewest: examples that every type needs in the training part.
        label_smoothing: of the class loss.
        polarity_weight: of the polarity loss beside the class loss.
        train_splits, validation_splits: which splits are used; strips without a split are training material.
        validation_strips: most strips that a validation during training looks at.
        polarity_from: weights that say which end of a training strip is the short arm where that is not known.
        polarity_certainty: probability from which they are believed; the rest stays unknown.
        upright: folders of format strips whose chromosomes all lie short arm up, by name.
        pipeline: configuration that finds and straightens the chromosomes of metaphase images.
    """

    architecture: Architecture = Architecture()
    preprocessing: Preprocessing = Preprocessing()
    augmentation: Augmentation = Augmentation()
    sampling: Sampling = "square_root"
    per_class: int = Field(default=4, ge=1)
    repeats: dict[str, int] = Field(default_factory=dict)
    fewest: int = Field(default=4, ge=0)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    polarity_weight: float = Field(default=0.3, ge=0)
    polarity_from: str | None = None
    polarity_certainty: float = Field(default=0.95, gt=0.5, lt=1)
    train_splits: tuple[str, ...] = ("train",)
    validation_splits: tuple[str, ...] = ("validation",)
    validation_strips: int | None = Field(default=6000, ge=1)
    upright: tuple[str, ...] = ("pki3", "bioimlab")
    pipeline: str = "strips"


class ClassificationTask:
    """What the training loop needs: batches, loss and validation.

    Args:
        recipe: losses, sampling and augmentation.
        training, validation: prepared strips.
    """

    def __init__(self, recipe: ClassificationRecipe, training: StripSet, validation: StripSet) -> None:
        self.recipe, self.training, self.validation = recipe, training, validation
        torch.manual_seed(recipe.seed)
        self.model: nn.Module = ProxyResNeXtCBAM(recipe.architecture)
        start_from(self.model, "classification", recipe.initial, recipe.architecture)
        often = np.array([recipe.repeats.get(source, 1) for source in training.pack.sources.tolist()])
        self._rows = np.repeat(np.arange(len(training)), often)
        labels = training.pack.labels[self._rows]
        self.order = SampleOrder(labels, recipe.batch_size, recipe.sampling, recipe.per_class, recipe.seed)
        self._classes = class_loss(self.model.head, recipe.architecture, recipe.label_smoothing)

    def rows(self, step: int) -> NDArray[np.int64]:
        """Which training strips a step sees."""
        return self._rows[self.order(step)]

    def batch(self, step: int, device: torch.device) -> StripBatch:
        """The augmented strips of a step."""
        seed = self.recipe.seed * 1_000_003 + step
        return self.training.augmented(self.rows(step), self.recipe.augmentation, seed, device)

    def loss(self, model: nn.Module, batch: StripBatch) -> Tensor:
        """Class loss plus weighted polarity loss, the latter over the strips whose polarity is known."""
        prediction: Prediction = model(batch.strips)
        with torch.autocast(batch.strips.device.type, enabled=False):
            proxies = self.recipe.architecture.head == "proxy"
            loss: Tensor = self._classes(prediction.embeddings if proxies else prediction.logits, batch.labels)
            return loss + self.recipe.polarity_weight * polarity_loss(prediction.polarity, batch.polarity)

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Accuracy, of all strips and by source, polarity accuracy and loss. Every second strip is turned."""
        logits, polarity = predict(model, self.validation, device, turn_every=2)
        labels = torch.from_numpy(self.validation.pack.labels.astype(np.int64))
        right = (logits.argmax(dim=1) == labels).numpy()
        figures = {"score": float(right.mean()), "loss": float(F.cross_entropy(logits, labels))}
        sources = self.validation.pack.sources
        if len(np.unique(sources)) > 1:
            figures |= {f"accuracy_{source}": float(right[sources == source].mean()) for source in np.unique(sources)}
        known = self.validation.pack.polarity >= 0
        if known.any():
            truth = self.validation.pack.polarity ^ (np.arange(len(known)) % 2)
            figures["polarity_accuracy"] = float(((polarity.numpy() > 0) == (truth == 1))[known].mean())
        return figures


def class_loss(head: nn.Module, architecture: Architecture, label_smoothing: float) -> nn.Module:
    """The loss of a head: normalised softmax over its proxies (Zhai & Wu, BMVC 2019), or cross entropy.

    The proxies of the loss *are* those of the head, so that they are trained, averaged and saved with the model.
    """
    if not isinstance(head, ProxyHead):
        return nn.CrossEntropyLoss(label_smoothing=label_smoothing)
    loss = NormalizedSoftmaxLoss(architecture.classes, architecture.embedding_dim, temperature=architecture.temperature)
    loss.W = head.proxies
    loss.cross_entropy = nn.CrossEntropyLoss(reduction="none", label_smoothing=label_smoothing)
    return loss  # type: ignore[no-any-return]


def polarity_loss(logits: Tensor, polarity: Tensor) -> Tensor:
    """Binary cross entropy over the strips whose polarity is known (0 or 1, not -1); 0 if there is none."""
    known = polarity >= 0
    losses = F.binary_cross_entropy_with_logits(logits, polarity.clamp(min=0).float(), reduction="none")
    return (losses * known).sum() / known.sum().clamp(min=1)


def predict(
    model: nn.Module, strips: StripSet, device: torch.device, batch_size: int = 256, turn_every: int | None = None
) -> tuple[Tensor, Tensor]:
    """Logits of classes, shape (n, classes), and of polarity, shape (n,), on the CPU.

    Args:
        turn_every: 2 turns strips 1, 3, 5 … end over end, so that both polarities are seen.
    """
    logits, polarity = [], []
    for start in range(0, len(strips), batch_size):
        indices = np.arange(start, min(start + batch_size, len(strips)))
        images = strips.batch(indices, device).strips
        if turn_every is not None:
            turned = torch.from_numpy(indices % turn_every == turn_every - 1).to(device)
            images = torch.where(turned[:, None, None, None], images.flip(2), images)
        prediction: Prediction = model(images)
        logits.append(prediction.logits.float().cpu())
        polarity.append(prediction.polarity.float().cpu())
    return torch.cat(logits), torch.cat(polarity)


def train_classification(
    recipe: ClassificationRecipe, data: Sequence[Path] = (), run: Path | None = None, resume: bool = True
) -> WeightFile | None:
    """Train, or go on training, and write the weights with their card to ``<run>/weights``.

    Args:
        recipe: how.
        data: strip packs or data set folders; empty takes those of the recipe.
        run: folder of the run; None takes that of the recipe, else ``karyonet-run/<name>``.
        resume: go on from the checkpoint of the run, if there is one.

    Returns:
        The weight file, or None if the run was asked to stop before its end.

    Raises:
        DataError: K4xx for data that cannot be used, K406 for the checkpoint of another recipe.
    """
    run = recipe.folder(run)
    pack = concatenate([load_pack(path, recipe, run / "packs") for path in data or recipe.data])
    training, validation = split_pack(pack, recipe.train_splits, recipe.validation_splits)
    del pack
    logger.info("%d strips for training, %d for validation", len(training), len(validation))
    _refuse_rare_types(training, recipe.fewest)
    watched = StripSet.from_pack(thinned(validation, recipe.validation_strips), recipe.preprocessing)
    if recipe.polarity_from is not None:
        weight, certainty = find("classification", recipe.polarity_from), recipe.polarity_certainty
        cache = run / "packs" / f"polarity_{weight.sha256[:8]}_{certainty:g}.npy"
        training = polarity_once(training, Network(weight, recipe.device, recipe.precision), certainty, cache)
    prepared = StripSet.from_pack(training, recipe.preprocessing)
    trainer = Trainer(recipe, ClassificationTask(recipe, prepared, watched), run)
    if not trainer.fit(resume).finished:
        return None
    return export(trainer, recipe, training, validation, run)


def load_pack(path: Path, recipe: ClassificationRecipe, cache: Path) -> StripPack:
    """Read a strip pack, or make one of a data set folder and keep it in ``cache``.

    Raises:
        DataError: K401 if the path is neither.
    """

    def pack(folder: Path) -> Packed[StripPack]:
        return pack_strips_folder(folder, recipe.upright, recipe.pipeline, recipe.processes)

    return pack_once(StripPack, path, cache, pack)


def export(
    trainer: Trainer, recipe: ClassificationRecipe, training: StripPack, validation: StripPack, run: Path
) -> WeightFile:
    """Calibrate the best model on the validation part and write it with its card."""
    model = trainer.best_model()
    held_out = StripSet.from_pack(validation, recipe.preprocessing)
    with torch.inference_mode(), autocast(trainer.device, recipe.precision):
        logits, polarity = predict(model, held_out, trainer.device)
    temperature = fit_temperature(logits.numpy(), validation.labels.astype(np.int64))
    probabilities = torch.softmax(logits / temperature, dim=1).numpy()
    evaluation = summarise(cell_results(validation, probabilities, polarity.numpy() > 0))
    data = f"{', '.join(np.unique(validation.sources))}, validation"
    card = ModelCard(
        name=recipe.name,
        stage="classification",
        architecture=recipe.architecture.model_dump(mode="json"),
        input=recipe.preprocessing.model_dump(mode="json"),
        classes=LABELS,
        temperature=temperature,
        thresholds=fit_label_sets(probabilities, validation.labels, validation.patients),
        training_data=describe_packs(training, recipe.terms),
        metrics={
            name: Metric(value=metric.value, interval=metric.interval, data=data)
            for name, metric in evaluation.metrics.items()
        },
        licence=recipe.licence,
        recipe=recipe_on_card(recipe, trainer.progression),
    )
    return write_weights(model.state_dict(), card, run / "weights")


def cell_results(pack: StripPack, probabilities: NDArray[np.floating], p_arm_up: NDArray[np.bool_]) -> list[CellResult]:
    """What was predicted, cell by cell, with the names decided together as well."""
    from karyonet.assignment import assign
    from karyonet.case import label_indices

    results, metaphases, patients = [], pack.metaphases, pack.patients
    for cell in np.unique(metaphases):
        rows = np.flatnonzero(metaphases == cell)
        of_cell = probabilities[rows]
        known = bool((pack.polarity[rows] >= 0).all())
        results.append(
            CellResult(
                cell=str(cell),
                case=str(patients[rows[0]]),
                truth=pack.labels[rows].astype(np.int64),
                alone=of_cell.argmax(axis=1),
                joint=label_indices(assign(of_cell).labels),
                confidence=of_cell.max(axis=1).astype(np.float64),
                upright=p_arm_up[rows] == (pack.polarity[rows] == 1) if known else None,
            )
        )
    return results


def main(
    config: Path | None, data: Sequence[Path], run: Path | None, resume: bool = True, initial: str | None = None
) -> None:
    """``karyonet train classification``; see :func:`karyonet.training.run.train_by_recipe`."""
    train_by_recipe(
        train_classification, ClassificationRecipe, "classification", config, data, run, resume, initial=initial
    )


def _refuse_rare_types(training: StripPack, fewest: int) -> None:
    counts = np.bincount(training.labels, minlength=len(LABELS))
    rare = [f"{name}: {count}" for name, count in zip(LABELS, counts, strict=True) if count < fewest]
    if rare:
        raise DataError("K405", path="the training part", reason=f"{', '.join(rare)}; fewest is {fewest}")
