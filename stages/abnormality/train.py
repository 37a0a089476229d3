"""Pre-trains HomNet on artificial abnormalities of normal metaphases."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor, nn

from karyonet.device import autocast
from karyonet.errors import DataError
from karyonet.training.batches import moved
from karyonet.training.loop import Trainer
from karyonet.training.model_card import describe_split, recipe_on_card, write_weights
from karyonet.training.packing import Packed, pack_once, pack_strips_folder
from karyonet.training.recipe import WeightsRecipe
from karyonet.training.run import start_from, train_by_recipe, two_parts
from karyonet.training.strip_pack import StripPack, concatenate
from karyonet.weights import ModelCard, WeightFile

from .artificial_bags import ArtificialBags, BagSettings, Example, TrainingBatch, collate_examples
from .figures import both_kinds, diagnosis_loss, judge
from .labels import read_labels
from .model import Architecture, HomNet
from .orientation import SURE
from .profiles import Preprocessing, ProfileSet, with_polarity
from .variation import Variation

logger = logging.getLogger(__name__)
CLASSES = ("normal", "abnormal")


class BagRecipe(WeightsRecipe):
    """What both trainings are told.

    Attributes:
        data: strip packs (``.npz``) or data set folders of format strips or metaphases.
        variation: of the training examples.
        homolog_weight, evidence_weight: of the losses for which homolog it is, and where, beside that of the bag.
        train_split, validation_split: which splits are used.
        upright: folders of format strips whose chromosomes all lie short arm up, by name.
        pipeline: configuration that finds and straightens the chromosomes of metaphase images.
        polarity: configuration whose classification says where the short arm of a strip is, if nobody does.
        polarity_certainty: from which probability that is believed; below it two of a type are turned to each other.
    """

    variation: Variation = Variation()
    homolog_weight: float = Field(default=0.5, ge=0)
    evidence_weight: float = Field(default=0.5, ge=0)
    train_split: str = "train"
    validation_split: str = "validation"
    upright: tuple[str, ...] = ("pki3",)
    pipeline: str = "strips"
    polarity: str = "default"
    polarity_certainty: float = Field(default=SURE, ge=0.5, lt=1)


class PretrainingRecipe(BagRecipe):
    """The recipe of a pre-training.

    Attributes:
        architecture, preprocessing: of the network and its input.
        bags: how artificial bags are drawn.
        validation_bags: artificial bags of the validation split, always the same.
    """

    architecture: Architecture = Architecture()
    preprocessing: Preprocessing = Preprocessing()
    bags: BagSettings = BagSettings()
    validation_bags: int = Field(default=1024, ge=2)

    @model_validator(mode="after")
    def _one_length(self) -> PretrainingRecipe:
        if self.architecture.samples != self.preprocessing.samples:
            raise ValueError("architecture.samples and preprocessing.samples must be the same")
        return self


class PretrainingTask:
    """What the training loop needs.

    Args:
        recipe: how.
        training, validation: profiles of normal chromosomes.
    """

    def __init__(self, recipe: PretrainingRecipe, training: ProfileSet, validation: ProfileSet) -> None:
        self.recipe = recipe
        self.bags = ArtificialBags(training, recipe.preprocessing, recipe.bags)
        self.validation = drawn_bags(
            ArtificialBags(validation, recipe.preprocessing, recipe.bags), recipe.validation_bags, recipe.seed
        )
        if not both_kinds(self.validation):
            raise DataError("K405", path="the validation part", reason="its bags are all normal or all abnormal")
        torch.manual_seed(recipe.seed)
        self.model: nn.Module = HomNet(recipe.architecture)
        start_from(self.model, "abnormality", recipe.initial)

    def batch(self, step: int, device: torch.device) -> TrainingBatch:
        """Artificial bags, varied."""
        generator = np.random.default_rng((self.recipe.seed, 0, step))
        drawn = [self.bags.draw(generator, self.recipe.variation)[0] for _ in range(self.recipe.batch_size)]
        batch: TrainingBatch = moved(collate_examples(drawn), device)
        return batch

    def loss(self, model: nn.Module, batch: TrainingBatch) -> Tensor:
        """See :func:`~karyonet.stages.abnormality.figures.diagnosis_loss`."""
        return diagnosis_loss(model(batch.inputs), batch, self.recipe.homolog_weight, self.recipe.evidence_weight)

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Figures on the artificial bags of the validation part; the score is the AUC."""
        return judge(model, self.validation, device).figures()


def drawn_bags(bags: ArtificialBags, count: int, seed: int) -> list[Example]:
    """Artificial bags that are always the same, not varied; each depends on its number alone."""
    return [bags.draw(np.random.default_rng((seed, 1, number)))[0] for number in range(count)]


def pretrain(
    recipe: PretrainingRecipe, data: Sequence[Path] = (), run: Path | None = None, resume: bool = True
) -> WeightFile | None:
    """Train on artificial abnormalities, or go on, and write the weights with their card to ``<run>/weights``.

    Cases with a type that is labelled abnormal (:mod:`karyonet.stages.abnormality.labels`) are left out.

    Returns:
        The weight file, or None if the run was asked to stop before its end.

    Raises:
        DataError: K4xx for data that cannot be used, K406 for the checkpoint of another recipe.
    """
    run = recipe.folder(run)
    packs = {
        path: without_abnormal(load_pack(path, recipe, run / "packs"), path)
        for path in (Path(given) for given in data or recipe.data)
    }
    pack = concatenate(list(packs.values()))
    training, validation = (ProfileSet.from_pack(pack.take(rows)) for rows in parts(pack, recipe))
    task = PretrainingTask(recipe, training, validation)
    trainer = Trainer(recipe, task, run)
    if not trainer.fit(resume).finished:
        return None
    return export(
        trainer, recipe, recipe.architecture, recipe.preprocessing, task.validation, packs, run, "artificial bags"
    )


def export(
    trainer: Trainer,
    recipe: BagRecipe,
    architecture: Architecture,
    preprocessing: Preprocessing,
    validation: Sequence[Example],
    packs: Mapping[Path, StripPack],
    run: Path,
    what: str,
) -> WeightFile:
    """Calibrate the best model on the validation bags and write it with its card.

    Args:
        what: the bags are, for the card.
    """
    model = trainer.best_model()
    with torch.inference_mode(), autocast(trainer.device, recipe.precision):
        judged = judge(model, validation, trainer.device)
    temperature = judged.temperature()
    thresholds = {f"specificity_{p}": _probability(judged.cut(p / 100) / temperature) for p in (95, 99)}
    card = ModelCard(
        name=recipe.name,
        stage="abnormality",
        architecture=architecture.model_dump(mode="json"),
        input=preprocessing.model_dump(mode="json"),
        classes=CLASSES,
        temperature=temperature,
        thresholds=thresholds,
        training_data=describe_split(packs, recipe.train_split, recipe.terms),
        metrics=judged.metrics(f"{len(validation)} {what} of the split {recipe.validation_split}"),
        licence=recipe.licence,
        recipe=recipe_on_card(recipe, trainer.progression),
    )
    return write_weights(model.state_dict(), card, run / "weights")


def load_pack(path: Path, recipe: BagRecipe, cache: Path) -> StripPack:
    """Read a strip pack, or make one of a data set folder and keep it in ``cache``, with the polarities read.

    Raises:
        DataError: K401 if the path is neither.
    """
    kept = cache / f"{path.stem}-upright-{recipe.polarity_certainty:g}.npz"

    def make(folder: Path) -> Packed[StripPack]:
        return pack_strips_folder(folder, recipe.upright, recipe.pipeline, recipe.processes)

    pack = pack_once(StripPack, path, cache, make)
    if (pack.polarity >= 0).all():
        return pack
    if kept.is_file():
        upright = StripPack.read(kept)
        if np.array_equal(upright.metaphases, pack.metaphases) and np.array_equal(upright.heights, pack.heights):
            return upright
    from karyonet.pipeline import Pipeline

    classifier: Any = Pipeline.from_config(recipe.polarity).stages["classification"]
    upright = with_polarity(pack, classifier, recipe.polarity_certainty)
    upright.write(kept)
    return upright


def without_abnormal(pack: StripPack, path: Path) -> StripPack:
    """A pack without the cases of which the labels of its data set call a type abnormal.

    They are left out whole, so that the weights can be tried on them afterwards.
    """
    known = {cell for bag in read_labels(path) if bag.abnormal for cell in bag.cells}
    cases = np.unique(pack.patients[np.isin(pack.cells, sorted(known))])
    if not len(cases):
        return pack
    logger.info("%s: %d cases with an abnormal type are left out", path, len(cases))
    return pack.take(np.flatnonzero(~np.isin(pack.patients, cases)))


def parts(pack: StripPack, recipe: BagRecipe) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the training and the validation split.

    Raises:
        DataError: K405 if one of them is empty or a case is in both.
    """
    training, validation = two_parts(pack, recipe.train_split, recipe.validation_split)
    if shared := sorted(set(pack.patients[training]) & set(pack.patients[validation])):
        raise DataError("K405", path="the training data", reason=f"the case {shared[0]} is in both splits")
    return training, validation


def main(
    config: Path | None, data: Sequence[Path], run: Path | None, resume: bool = True, initial: str | None = None
) -> None:
    """``karyonet train abnormality-pretrain``; see :func:`karyonet.training.run.train_by_recipe`."""
    train_by_recipe(pretrain, PretrainingRecipe, "abnormality_pretrain", config, data, run, resume, initial=initial)


def _probability(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))
