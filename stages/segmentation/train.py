"""Trains the mask network on composed clusters: recipe, examples, validation and the weights that come out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from karyonet.case import FloatArray
from karyonet.errors import DataError
from karyonet.training.compose import Composition, Contact, Cutout, compose_cluster
from karyonet.training.cutouts import CutoutPack, concatenate_cutouts
from karyonet.training.loop import Trainer
from karyonet.training.model_card import write_weights
from karyonet.training.packing import pack_cutouts_dataset
from karyonet.training.recipe import Recipe, read_recipe
from karyonet.weights import Metric, ModelCard, TrainingData, WeightFile

from .crops import MOST_DENSE, CropSettings
from .mask_model import MaskArchitecture, MaskNetwork, mask_loss

logger = logging.getLogger(__name__)
CONTACTS: tuple[Contact, ...] = ("apart", "touching", "overlapping")


class Scenes(BaseModel):
    """What the composed crops look like; lengths in pixels of the crops.

    Attributes:
        most_neighbours: beside the chromosome in question.
        contacts: weights of neighbours apart, touching and overlapping.
        breadth: width of a chromosome.
        box_margin, box_jitter: pixels between the chromosome and its box, and their standard deviation.
        scale: relative, of a whole scene. density: relative, of one chromosome.
        noise: standard deviation at most, in mean densities. haze: density of an uneven background at most.
        unknown: share of the neighbours whose boxes are not given.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    most_neighbours: int = Field(default=5, ge=0)
    contacts: tuple[float, float, float] = (0.3, 0.4, 0.3)
    breadth: float = Field(default=8.0, gt=0)
    box_margin: float = Field(default=2.5, ge=0)
    box_jitter: float = Field(default=1.2, ge=0)
    scale: float = Field(default=0.15, ge=0, lt=1)
    density: float = Field(default=0.15, ge=0, lt=1)
    noise: float = Field(default=0.06, ge=0)
    haze: float = Field(default=0.08, ge=0)
    unknown: float = Field(default=0.1, ge=0, le=1)


class MaskRecipe(Recipe):
    """The recipe of a mask network.

    Attributes:
        data: cut-out packs (``.npz``).
        architecture, crops, scenes: of the network, its input and the training examples.
        train_split, validation_split: of the packs.
        validation_scenes: how many composed crops a validation looks at.
        licence, terms: for the model card.
    """

    data: tuple[Path, ...] = ()
    architecture: MaskArchitecture = MaskArchitecture()
    crops: CropSettings = CropSettings()
    scenes: Scenes = Scenes()
    train_split: str = "train"
    validation_split: str = "validation"
    validation_scenes: int = Field(default=512, ge=1)
    licence: str = "Apache-2.0"
    terms: dict[str, str] = Field(default_factory=dict)


class MaskBatch(NamedTuple):
    """Crops, float32 (n, 3, side, side), with the masks of their chromosomes, bool (n, side, side)."""

    crops: Tensor
    masks: Tensor


def draw_scene(
    pack: CutoutPack, chosen: NDArray[np.int64], recipe: MaskRecipe, seed: int
) -> tuple[FloatArray, Composition]:
    """One crop as the network takes it, float32 (3, side, side), and what it was composed of, the first in question.

    Args:
        pack: cut-outs scaled to the recipe's ``crops.size``.
        chosen: indices that may be used.
        recipe: how.
        seed: the same seed draws the same scene.
    """
    generator = np.random.default_rng(seed)
    scenes, side = recipe.scenes, recipe.crops.side
    count = 1 + int(generator.integers(scenes.most_neighbours + 1))
    scale = 1 + float(generator.uniform(-scenes.scale, scenes.scale))
    parts = [_posed(pack.cutout(int(generator.choice(chosen))), scenes, scale, generator) for _ in range(count)]
    weights = np.array(scenes.contacts) / sum(scenes.contacts)
    contacts = [CONTACTS[int(generator.choice(3, p=weights))] for _ in range(count - 1)]
    composed = compose_cluster(parts, contacts, (side, side), generator, scenes.breadth * scale)
    crop = np.zeros((3, side, side), dtype=np.float32)
    crop[0] = _recorded(composed.optical_density, scenes, generator)
    for number, mask in enumerate(composed.masks):
        if mask.any() and (number == 0 or generator.random() >= scenes.unknown):
            rows, columns = _box(mask, scenes, generator)
            crop[1 if number == 0 else 2, rows, columns] += 1.0 if number == 0 else 1 / 3
    np.minimum(crop[2], 1.0, out=crop[2])
    return crop, composed


class MaskTask:
    """What the training loop needs.

    Args:
        recipe: how.
        pack: cut-outs of the training and of the validation split.
    """

    def __init__(self, recipe: MaskRecipe, pack: CutoutPack) -> None:
        self.recipe, self.pack = recipe, pack
        torch.manual_seed(recipe.seed)
        self.model: nn.Module = MaskNetwork(recipe.architecture)
        self.training = pack.of_split(recipe.train_split)
        self._held_out = self._drawn(pack.of_split(recipe.validation_split), range(recipe.validation_scenes), 7)

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
        scenes = [draw_scene(self.pack, chosen, self.recipe, seed * 1_000_000_007 + number) for number in numbers]
        crops = torch.from_numpy(np.stack([crop for crop, _ in scenes]))
        return MaskBatch(crops, torch.from_numpy(np.stack([composed.masks[0] for _, composed in scenes])))


def train_masks(
    recipe: MaskRecipe, data: Sequence[Path] = (), run: Path | None = None, resume: bool = True
) -> WeightFile | None:
    """Train, or go on training, and write the weights with their card to ``<run>/weights``.

    Returns:
        The weight file, or None if the run was asked to stop before its end.

    Raises:
        DataError: K4xx for data that cannot be used, K406 for the checkpoint of another recipe.
    """
    run = run or recipe.run or Path("karyonet-run") / recipe.name
    pack = concatenate_cutouts([load_cutouts(path, recipe, run / "packs") for path in data or recipe.data])
    task = MaskTask(recipe, pack)
    trainer = Trainer(recipe, task, run)
    if not trainer.fit(resume).finished:
        return None
    model = trainer.best_model()
    with torch.inference_mode():
        figures = task.validate(model, trainer.device)
    used = task.training
    card = ModelCard(
        name=recipe.name,
        stage="segmentation",
        architecture=recipe.architecture.model_dump(mode="json"),
        input=recipe.crops.model_dump(mode="json"),
        classes=("background", "chromosome"),
        training_data=(
            TrainingData(
                name="gband_metaphases",
                terms=recipe.terms.get("gband_metaphases", ""),
                split=recipe.train_split,
                examples=len(used),
                cases=len(np.unique(pack.cases[used])),
            ),
        ),
        metrics={"mask_iou": Metric(value=figures["score"], data="composed of validation cut-outs")},
        licence=recipe.licence,
        recipe=recipe.model_dump(mode="json", exclude={"run", "data", "device", "threads", "workers"})
        | {"steps_done": trainer.progression.step, "minutes_spent": round(trainer.progression.minutes, 1)},
    )
    return write_weights(model.state_dict(), card, run / "weights")


def load_cutouts(path: Path, recipe: MaskRecipe, cache: Path) -> CutoutPack:
    """Read a cut-out pack, or make one of a data set of format metaphases and keep it in ``cache``.

    Raises:
        DataError: K4xx if the path is neither.
    """
    if path.suffix == ".npz":
        return CutoutPack.read(path)
    cached = cache / f"{path.name}.npz"
    if not cached.is_file():
        from .stage import ThresholdSegmenter

        pack_cutouts_dataset(path, ThresholdSegmenter(), recipe.crops.size).write(cached)
    return CutoutPack.read(cached)


def main(config: Path | None, data: Sequence[Path], run: Path | None, resume: bool = True) -> None:
    """``karyonet train segmentation``: read the recipe, train and say where the weights are.

    Args:
        config: recipe; None takes the shipped one.
        data: cut-out packs or data set folders; empty takes those of the recipe.
        run: folder of the run.
        resume: go on from the checkpoint of the run.

    Raises:
        ConfigError: K2xx for the recipe. DataError: K4xx for the data.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    recipe = read_recipe(MaskRecipe, config, "segmentation_masks")
    if not data and not recipe.data:
        raise DataError("K405", path="the recipe", reason="it names no data; give --data or the key data")
    weight = train_masks(recipe, data, run, resume)
    if weight is None:
        raise SystemExit(143)
    figures = ", ".join(f"{name} {metric.value:.4f}" for name, metric in weight.card.metrics.items())
    logger.info("wrote %s (%s)", weight.path, figures)


def _posed(cutout: Cutout, scenes: Scenes, scale: float, generator: np.random.Generator) -> Cutout:
    posed = cutout.posed(float(generator.uniform(0, 360)), scale, bool(generator.random() < 0.5))
    gain = 1 + float(generator.uniform(-scenes.density, scenes.density))
    return Cutout(posed.optical_density * np.float32(gain), posed.mask)


def _recorded(density: FloatArray, scenes: Scenes, generator: np.random.Generator) -> FloatArray:
    """With the haze and the noise of a camera image."""
    side = density.shape[0]
    slope = generator.uniform(-1, 1, 2)
    ramp = np.add.outer(np.linspace(-1, 1, side) * slope[0], np.linspace(-1, 1, side) * slope[1])
    haze = scenes.haze * generator.random() * (0.5 + 0.25 * ramp)
    noise = generator.standard_normal(density.shape, dtype=np.float32) * (scenes.noise * generator.random())
    recorded: FloatArray = np.clip(density + haze + noise, 0, MOST_DENSE).astype(np.float32)
    return recorded


def _box(mask: NDArray[np.bool_], scenes: Scenes, generator: np.random.Generator) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    edges = np.array([rows[0], rows[-1] + 1, columns[0], columns[-1] + 1])
    outward = np.maximum(generator.normal(scenes.box_margin, scenes.box_jitter, 4), -1.0)
    low, high, left, right = np.rint(edges + outward * [-1, 1, -1, 1]).astype(int)
    return slice(max(low, 0), max(high, 0)), slice(max(left, 0), max(right, 0))
