"""Fine-tunes a pre-trained HomNet on real abnormal cases."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from karyonet.errors import ConfigError, DataError
from karyonet.training.batches import moved
from karyonet.training.loop import Trainer
from karyonet.training.run import train_by_recipe
from karyonet.training.strip_pack import StripPack, concatenate
from karyonet.weights import WeightFile, card_section, find, load_into

from .artificial_bags import Example, TrainingBatch, collate_examples
from .bags import Bag
from .figures import both_kinds, diagnosis_loss, judge
from .labels import BagLabel, read_labels
from .model import Architecture, HomNet, freeze
from .profiles import Preprocessing, ProfileSet
from .train import BagRecipe, export, load_pack, parts
from .variation import Variation, input_pair

logger = logging.getLogger(__name__)


class FinetuningRecipe(BagRecipe):
    """The recipe of a fine-tuning.

    Attributes:
        initial: pre-trained weights, which bring architecture and preprocessing with them.
        frozen: parts of the network that stay as they are, by name; the paper's: the CMSBlock and the first attention
            layer.
        fewest, most: metaphases of a bag in training; the validation takes ``most``, or as many as there are.
        abnormal: share of the bags of a batch.
    """

    initial: str
    frozen: tuple[str, ...] = ("cms", "hom.layers.0")
    fewest: int = Field(default=1, ge=1)
    most: int = Field(default=5, ge=1)
    abnormal: float = Field(default=0.5, gt=0, lt=1)


class LabelledBags:
    """Real bags, of which any metaphases can be drawn.

    Args:
        profiles: of the chromosomes.
        preprocessing: of the network.
        labels: what is known; cells are named as in ``profiles.metaphases``. Cells without a pair are left out, and
            bags without cells.
    """

    def __init__(self, profiles: ProfileSet, preprocessing: Preprocessing, labels: Sequence[BagLabel]) -> None:
        self.profiles, self.preprocessing = profiles, preprocessing
        self.known: list[tuple[BagLabel, list[str]]] = []
        for label in labels:
            paired = [cell for cell in label.cells if (cell, label.chromosome) in profiles.pairs]
            if paired:
                self.known.append((label, paired))

    def __len__(self) -> int:
        return len(self.known)

    def of(self, abnormal: bool) -> list[int]:
        """Numbers of the bags that are abnormal, or of those that are not."""
        return [number for number, (label, _) in enumerate(self.known) if label.abnormal == abnormal]

    def example(
        self,
        number: int,
        count: int,
        generator: np.random.Generator | None = None,
        variation: Variation | None = None,
    ) -> Example:
        """A bag with at most ``count`` of its metaphases: the first, or, with a generator, any of them, varied."""
        label, cells = self.known[number]
        chosen = cells if generator is None else [cells[i] for i in generator.permutation(len(cells))]
        pairs = []
        for cell in chosen[:count]:
            rows = self.profiles.pairs[cell, label.chromosome]
            scale = self.preprocessing.scale(float(self.profiles.median_length[rows[0]]))
            homologs = [self.profiles.profiles[row] for row in rows]
            pairs.append(input_pair(homologs, cell, scale, self.preprocessing, generator, variation))
        case = str(self.profiles.patients[self.profiles.pairs[cells[0], label.chromosome][0]])
        return Example(Bag(label.chromosome, tuple(pairs), case), label.abnormal, (-1,) * len(pairs))


class FinetuningTask:
    """What the training loop needs.

    Args:
        recipe: how.
        weight: of the pre-training.
        training, validation: labelled bags.

    Raises:
        ConfigError: K203 for a frozen part that the network does not have.
        DataError: K405 unless both parts have normal and abnormal bags.
    """

    def __init__(
        self, recipe: FinetuningRecipe, weight: WeightFile, training: LabelledBags, validation: LabelledBags
    ) -> None:
        self.recipe, self.training = recipe, training
        self._abnormal, self._normal = training.of(True), training.of(False)
        self.validation = [validation.example(number, recipe.most) for number in range(len(validation))]
        if not (self._abnormal and self._normal and both_kinds(self.validation)):
            reason = "training and validation part need normal and abnormal bags each"
            raise DataError("K405", path="the training data", reason=reason)
        model = HomNet(card_section(weight, "architecture", Architecture))
        load_into(model, weight)
        try:
            freeze(model, recipe.frozen)
        except KeyError as fault:
            known = ", ".join(name for name, _ in model.named_children())
            reason = f"the network has no part {fault.args[0]}; it has {known}, and parts of these"
            raise ConfigError("K203", source="the recipe", key="frozen", reason=reason) from fault
        self.model: nn.Module = model

    def batch(self, step: int, device: torch.device) -> TrainingBatch:
        """Abnormal and normal bags in the share of the recipe, their metaphases drawn and varied."""
        recipe = self.recipe
        generator = np.random.default_rng((recipe.seed, step))
        examples = []
        for _ in range(recipe.batch_size):
            known = self._abnormal if generator.random() < recipe.abnormal else self._normal
            number = known[int(generator.integers(len(known)))]
            count = int(generator.integers(recipe.fewest, recipe.most + 1))
            examples.append(self.training.example(number, count, generator, recipe.variation))
        batch: TrainingBatch = moved(collate_examples(examples), device)
        return batch

    def loss(self, model: nn.Module, batch: TrainingBatch) -> Tensor:
        """Cross entropy of the bags; of real ones neither homolog nor place is known."""
        return diagnosis_loss(model(batch.inputs), batch, self.recipe.homolog_weight, self.recipe.evidence_weight)

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Figures on the real bags of the validation part; the score is the AUC."""
        return judge(model, self.validation, device).figures()


def finetune(
    recipe: FinetuningRecipe, data: Sequence[Path] = (), run: Path | None = None, resume: bool = True
) -> WeightFile | None:
    """Fine-tune pre-trained weights on labelled bags and write them with their card to ``<run>/weights``.

    Returns:
        The weight file, or None if the run was asked to stop before its end.

    Raises:
        DataError: K4xx for data that cannot be used, K406 for the checkpoint of another recipe.
        WeightsError: K3xx for the pre-trained weights. ConfigError: K203 for a frozen part that does not exist.
    """
    run = recipe.folder(run)
    weight = find("abnormality", recipe.initial)
    preprocessing = card_section(weight, "input", Preprocessing)
    packs = {path: load_pack(path, recipe, run / "packs") for path in (Path(p) for p in data or recipe.data)}
    labels = [label for path, pack in packs.items() for label in _labels(path, pack)]
    pack = concatenate(list(packs.values()))
    training, validation = (
        LabelledBags(ProfileSet.from_pack(pack.take(rows)), preprocessing, labels) for rows in parts(pack, recipe)
    )
    for name, bags in (("training", training), ("validation", validation)):
        logger.info("%d bags for %s, %d of them abnormal", len(bags), name, len(bags.of(True)))
    task = FinetuningTask(recipe, weight, training, validation)
    trainer = Trainer(recipe, task, run)
    if not trainer.fit(resume).finished:
        return None
    architecture = card_section(weight, "architecture", Architecture)
    return export(trainer, recipe, architecture, preprocessing, task.validation, packs, run, "labelled bags")


def main(
    config: Path | None, data: Sequence[Path], run: Path | None, resume: bool = True, initial: str | None = None
) -> None:
    """``karyonet train abnormality-finetune``; see :func:`karyonet.training.run.train_by_recipe`."""
    train_by_recipe(finetune, FinetuningRecipe, "abnormality_finetune", config, data, run, resume, initial=initial)


def _labels(path: Path, pack: StripPack) -> list[BagLabel]:
    """The labels of a data set, their cells named as in the pack's ``metaphases``; cells that it lacks are left out.

    Raises:
        DataError: K405 if there is none.
    """
    names = dict(zip(pack.cells.tolist(), pack.metaphases.tolist(), strict=True))
    labels = [
        replace(label, cells=tuple(names[cell] for cell in label.cells if cell in names)) for label in read_labels(path)
    ]
    if not labels:
        raise DataError("K405", path=path, reason="nothing says which of its bags are abnormal; add bags.csv")
    return labels
