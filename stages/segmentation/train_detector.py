"""Trains the detector on annotated metaphases: recipe, crops, validation and the weights that come out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from karyonet.case import LABELS
from karyonet.evaluation.matching import match_boxes
from karyonet.training.loop import Trainer
from karyonet.training.metaphase_pack import MetaphasePack
from karyonet.training.model_card import describe_split, recipe_on_card, write_weights
from karyonet.training.recipe import WeightsRecipe
from karyonet.training.run import start_from, train_by_recipe, two_parts
from karyonet.training.strip_pack import LEVELS
from karyonet.weights import Metric, ModelCard, WeightFile

from .detection import peaks, suppressed
from .detector_crops import MARGIN, DetectorAugmentation, cut_crop, lay_in, varied
from .detector_model import Detector, DetectorArchitecture
from .detector_targets import Targets, batched, detection_loss, draw_targets
from .metaphases import load_metaphases

GRID = 32
"""Sides of the input are multiples of this many pixels."""


class DetectorRecipe(WeightsRecipe):
    """The recipe of a detector.

    Attributes:
        data: metaphase packs (``.npz``) or data set folders of format metaphases.
        architecture: of the network.
        size: what the median of the longer sides of a metaphase's boxes is brought to, in pixels of the input; stored
            in the model card.
        repeats: how often the images of a data set are drawn for every time that those of another are, by its name.
        crop: side of the training crops in pixels.
        augmentation: of the crops.
        validation_images: how many whole images a validation looks at.
        threshold: probability from which a centre counts, in validation.
    """

    architecture: DetectorArchitecture = DetectorArchitecture()
    size: float = Field(default=48.0, gt=0)
    repeats: dict[str, int] = Field(default_factory=dict)
    crop: int = Field(default=256, ge=GRID, multiple_of=GRID)
    augmentation: DetectorAugmentation = DetectorAugmentation()
    train_split: str = "train"
    validation_split: str = "validation"
    validation_images: int = Field(default=60, ge=1)
    threshold: float = Field(default=0.35, gt=0, lt=1)


class DetectorBatch(NamedTuple):
    """Crops, float32 (n, 1, crop, crop), and what should be said of them."""

    images: Tensor
    targets: Targets


class DetectorTask:
    """What the training loop needs.

    Args:
        recipe: how.
        pack: metaphases of the training and of the validation split.
        often: int, shape (n,): how often each of its images is drawn, relative to the others; None draws all alike.
    """

    def __init__(self, recipe: DetectorRecipe, pack: MetaphasePack, often: NDArray[np.integer] | None = None) -> None:
        self.recipe, self.pack = recipe, pack
        torch.manual_seed(recipe.seed)
        self.model: nn.Module = Detector(recipe.architecture)
        start_from(self.model, "segmentation", recipe.initial)
        self.training, held_out = two_parts(pack, recipe.train_split, recipe.validation_split)
        self.lone = pack.lone_of_split(recipe.train_split)
        if often is not None:
            self.training = np.repeat(self.training, often[self.training])
        chosen = np.linspace(0, len(held_out) - 1, min(recipe.validation_images, len(held_out))).astype(int)
        self.held_out = held_out[chosen]

    def batch(self, step: int, device: torch.device) -> DetectorBatch:
        """Crops of a step: turned by quarters, mirrored, scaled, and their grey values varied."""
        drawn = [self._crop(step * self.recipe.batch_size + number) for number in range(self.recipe.batch_size)]
        images = torch.from_numpy(np.stack([image for image, _ in drawn]))[:, None]
        return DetectorBatch(images.to(device), batched([targets for _, targets in drawn]).to(device))

    def loss(self, model: nn.Module, batch: DetectorBatch) -> Tensor:
        """See :func:`~karyonet.stages.segmentation.detector_targets.detection_loss`."""
        said = model(batch.images.contiguous(memory_format=torch.channels_last))
        with torch.autocast(batch.images.device.type, enabled=False):
            return detection_loss(said, batch.targets)

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Detection F1 at IoU 0.5 on whole images (score), precision, recall, and the share of exact counts."""
        right = said = true = exact = named = known = 0
        for index in self.held_out:
            rows, scale = self.pack.chromosomes(int(index)), self._scale(int(index))
            image = whole_image(self.pack.image(index), scale).to(device)
            found = suppressed(peaks(model(image), 0, self.recipe.threshold))
            pairs = match_boxes(found.boxes, self.pack.boxes[rows] * scale, 0.5).pairs
            right, said, true = right + len(pairs), said + len(found.boxes), true + len(rows)
            exact += len(found.boxes) == len(rows)
            if len(pairs):
                labels = self.pack.labels[rows][pairs[:, 1]]
                named += int((found.names[pairs[:, 0]].argmax(axis=1) == labels).sum())
                known += int((labels >= 0).sum())
        precision, recall = right / max(said, 1), right / max(true, 1)
        return {
            "score": 2 * right / max(said + true, 1),
            "precision": precision,
            "recall": recall,
            "exact_count_share": exact / max(len(self.held_out), 1),
            "named_right": named / max(known, 1),
        }

    def _scale(self, index: int) -> float:
        """From pixels of the pack to those of the input."""
        boxes = self.pack.boxes[self.pack.chromosomes(index)]
        sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
        return self.recipe.size / float(np.median(sides)) if len(sides) else 1.0

    def _crop(self, number: int) -> tuple[NDArray[np.float32], Targets]:
        generator = np.random.default_rng((self.recipe.seed, number))
        side, settings = self.recipe.crop, self.recipe.augmentation
        index = int(generator.choice(self.training))
        scale = self._scale(index) * float(np.exp(generator.uniform(-1, 1) * np.log1p(settings.scale)))
        crop = cut_crop(self.pack, index, side, scale, settings.anywhere, generator)
        count = int(generator.integers(settings.laid_in + 1)) if len(self.lone) else 0
        for row in generator.choice(self.lone, count):
            own = scale * float(generator.uniform(0.9, 1.1))
            crop = lay_in(crop, self.pack, int(row), own, settings, MARGIN * self.recipe.size, generator)
        targets = draw_targets(
            (side, side), crop.boxes, crop.angles, crop.elongation, crop.labels, self.recipe.architecture.directions
        )
        return varied(crop.density, settings, generator), targets


def whole_image(image: NDArray[np.uint8], scale: float = 1.0) -> Tensor:
    """An image of a pack as the detector takes it: float32, shape (1, 1, height, width), filled up to the grid.

    Args:
        image: density relative to the metaphase in 1/64, uint8, shape (height, width).
        scale: to resize it by.
    """
    size = max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1)
    resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    padded = np.pad(resized, ((0, -size[1] % GRID), (0, -size[0] % GRID)))
    return torch.from_numpy(padded.astype(np.float32) / LEVELS)[None, None]


def train_detector(
    recipe: DetectorRecipe, data: Sequence[Path] = (), run: Path | None = None, resume: bool = True
) -> WeightFile | None:
    """Train, or go on training, and write the weights with their card to ``<run>/weights``.

    Returns:
        The weight file, or None if the run was asked to stop before its end.

    Raises:
        DataError: K4xx for data that cannot be used, K406 for the checkpoint of another recipe.
    """
    run = recipe.folder(run)
    packs = {path: load_metaphases(path, run / "packs", recipe.processes) for path in data or recipe.data}
    used = describe_split(packs, recipe.train_split, recipe.terms)
    often = [np.full(len(pack), recipe.repeats.get(path.stem, 1)) for path, pack in packs.items()]
    task = DetectorTask(recipe, MetaphasePack.concatenate(list(packs.values())), np.concatenate(often))
    del packs
    trainer = Trainer(recipe, task, run)
    if not trainer.fit(resume).finished:
        return None
    model = trainer.best_model()
    with torch.inference_mode():
        figures = task.validate(model, trainer.device)
    sources = ", ".join(data_set.name for data_set in used)
    names = {"score": "detection_f1", "precision": "detection_precision", "recall": "detection_recall"}
    card = ModelCard(
        name=recipe.name,
        stage="segmentation",
        architecture=recipe.architecture.model_dump(mode="json"),
        input={"size": recipe.size},
        classes=LABELS,
        thresholds={"centre": recipe.threshold},
        training_data=used,
        metrics={
            names.get(name, name): Metric(value=value, data=f"{sources}, {len(task.held_out)} validation images")
            for name, value in figures.items()
        },
        licence=recipe.licence,
        recipe=recipe_on_card(recipe, trainer.progression),
    )
    return write_weights(model.state_dict(), card, run / "weights")


def main(
    config: Path | None, data: Sequence[Path], run: Path | None, resume: bool = True, initial: str | None = None
) -> None:
    """``karyonet train segmentation-detector``; see :func:`karyonet.training.run.train_by_recipe`."""
    train_by_recipe(train_detector, DetectorRecipe, "segmentation_detector", config, data, run, resume, initial=initial)
