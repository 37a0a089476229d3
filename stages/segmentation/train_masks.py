"""Trains the mask network on composed clusters: recipe, examples, validation and the weights that come out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from karyonet.errors import DataError
from karyonet.training.loop import Trainer
from karyonet.training.metaphase_pack import MetaphasePack
from karyonet.training.model_card import describe_split, recipe_on_card, write_weights
from karyonet.training.recipe import WeightsRecipe
from karyonet.training.run import start_from, train_by_recipe
from karyonet.weights import Metric, ModelCard, WeightFile

from .crops import CropSettings
from .mask_model import MaskArchitecture, MaskNetwork, mask_loss
from .metaphases import load_metaphases
from .scenes import Scenes, draw_scene


class MaskRecipe(WeightsRecipe):
    """The recipe of a mask network.

    Attributes:
        data: metaphase packs (``.npz``) or data set folders of format metaphases.
        architecture, crops, scenes: of the network, its input and the training examples.
        repeats: how often the chromosomes of a data set are drawn for every time that others are, by its name.
        train_split, validation_split: of the packs.
        validation_scenes: how many composed crops a validation looks at.
    """

    architecture: MaskArchitecture = MaskArchitecture()
    crops: CropSettings = CropSettings()
    scenes: Scenes = Scenes()
    repeats: dict[str, int] = Field(default_factory=dict)
    train_split: str = "train"
    validation_split: str = "validation"
    validation_scenes: int = Field(default=512, ge=1)


class MaskBatch(NamedTuple):
    """Crops, float32 (n, inputs, side, side), with the masks of their chromosomes, bool (n, side, side)."""

    crops: Tensor
    masks: Tensor


class MaskTask:
    """What the training loop needs.

    Args:
        recipe: how.
        pack: metaphases of the training and of the validation split.
        often: int, shape (n,): how often the chromosomes of each of its images are drawn; None draws all alike.

    Raises:
        DataError: K405 if no chromosome of one of them lies alone.
    """

    def __init__(self, recipe: MaskRecipe, pack: MetaphasePack, often: NDArray[np.integer] | None = None) -> None:
        self.recipe, self.pack = recipe, pack
        torch.manual_seed(recipe.seed)
        self.model: nn.Module = MaskNetwork(recipe.architecture)
        start_from(self.model, "segmentation", recipe.initial)
        self.training, held_out = (pack.lone_of_split(split) for split in (recipe.train_split, recipe.validation_split))
        for split, rows in ((recipe.train_split, self.training), (recipe.validation_split, held_out)):
            if not len(rows):
                raise DataError("K405", path="the training data", reason=f"no chromosome of split {split} lies alone")
        if often is not None:
            self.training = np.repeat(self.training, often[pack.owner[self.training]])
        self._held_out = self._drawn(held_out, range(recipe.validation_scenes), 7)

    def batch(self, step: int, device: torch.device) -> MaskBatch:
        """The scenes of a step."""
        size = self.recipe.batch_size
        drawn = self._drawn(self.training, range(step * size, (step + 1) * size), self.recipe.seed)
        return MaskBatch(drawn.crops.to(device), drawn.masks.to(device))

    def loss(self, model: nn.Module, batch: MaskBatch) -> Tensor:
        """See :func:`~karyonet.stages.segmentation.mask_model.mask_loss`."""
        logits = model(batch.crops.contiguous(memory_format=torch.channels_last))
        with torch.autocast(batch.crops.device.type, enabled=False):
            return mask_loss(logits, batch.masks)

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Mean overlap of masks (score), and the share of masks with at least 0.8."""
        overlaps = []
        for start in range(0, len(self._held_out.crops), 64):
            part = slice(start, start + 64)
            said = model(self._held_out.crops[part].to(device)).float().cpu() > 0
            true = self._held_out.masks[part]
            overlaps.append((said & true).sum(dim=(1, 2)) / (said | true).sum(dim=(1, 2)).clamp(min=1))
        overlap = torch.cat(overlaps)
        return {"score": float(overlap.mean()), "share_above_0.8": float((overlap > 0.8).float().mean())}

    def _drawn(self, chosen: NDArray[np.int64], numbers: range, seed: int) -> MaskBatch:
        recipe = self.recipe
        scenes = [
            draw_scene(self.pack, chosen, recipe.crops, recipe.scenes, seed * 1_000_000_007 + number)
            for number in numbers
        ]
        crops = np.stack([scene.crop[: recipe.architecture.inputs] for scene in scenes])
        masks = np.stack([scene.composed.masks[0] for scene in scenes])
        return MaskBatch(torch.from_numpy(crops), torch.from_numpy(masks))


def train_masks(
    recipe: MaskRecipe, data: Sequence[Path] = (), run: Path | None = None, resume: bool = True
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
    task = MaskTask(recipe, MetaphasePack.concatenate(list(packs.values())), np.concatenate(often))
    del packs
    trainer = Trainer(recipe, task, run)
    if not trainer.fit(resume).finished:
        return None
    model = trainer.best_model()
    with torch.inference_mode():
        figures = task.validate(model, trainer.device)
    card = ModelCard(
        name=recipe.name,
        stage="segmentation",
        architecture=recipe.architecture.model_dump(mode="json"),
        input=recipe.crops.model_dump(mode="json"),
        classes=("background", "chromosome"),
        training_data=used,
        metrics={"mask_iou": Metric(value=figures["score"], data="composed of validation cut-outs")},
        licence=recipe.licence,
        recipe=recipe_on_card(recipe, trainer.progression),
    )
    return write_weights(model.state_dict(), card, run / "weights")


def main(
    config: Path | None, data: Sequence[Path], run: Path | None, resume: bool = True, initial: str | None = None
) -> None:
    """``karyonet train segmentation-masks``; see :func:`karyonet.training.run.train_by_recipe`."""
    train_by_recipe(train_masks, MaskRecipe, "segmentation_masks", config, data, run, resume, initial=initial)
