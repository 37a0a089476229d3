"""Trains the network of cluster types: contrastive pre-training, fine-tuning and the weights that come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from karyonet.device import autocast
from karyonet.errors import DataError
from karyonet.evaluation import metrics
from karyonet.stage import BoxSegmenter, load
from karyonet.training.calibration import fit_temperature
from karyonet.training.lone import density_in_boxes
from karyonet.training.loop import Trainer
from karyonet.training.metaphase_pack import MetaphasePack
from karyonet.training.model_card import describe_split, recipe_on_card, write_weights
from karyonet.training.packing import Packed, pack_once, pack_whole_metaphases
from karyonet.training.run import start_from, train_by_recipe
from karyonet.weights import Metric, ModelCard, WeightFile

from .compositions import compose
from .contrastive import ContrastiveModel
from .crops import CHANNELS
from .inference import decide, predict
from .kinds import KINDS, TYPES
from .model import ClusterNetwork, ClusterPrediction
from .recipe import ClusterTypeRecipe, ComposedRecipe, ContrastiveRecipe
from .sources import Sources
from .views import PACKED_SIZE, view

NEIGHBOURS = 15
"""That vote on the kind of an example in the validations of the first step."""
KEPT = 0.99
"""Share of the chromosomes that the threshold of rejection keeps."""
_HELD_OUT = 7
_SEGMENTER = "threshold_segmenter"
"""Registered name of the stage that finds the lone chromosomes of a folder's images."""


class Examples(NamedTuple):
    """n examples.

    Attributes:
        views: float32, shape (n, views, 2, side, side).
        kinds: int64, shape (n,). counts: int64, shape (n,), 0 for nuclei and debris.
    """

    views: Tensor
    kinds: Tensor
    counts: Tensor


@dataclass(frozen=True, eq=False)
class Material:
    """What both steps learn from.

    Attributes:
        training: sources of the training split.
        held_out: compositions of the validation split.
    """

    training: Sources
    held_out: Examples

    @classmethod
    def of(cls, recipe: ComposedRecipe, pack: MetaphasePack) -> Material:
        """Look through a pack.

        Raises:
            DataError: K405 if no chromosome of one of the splits lies alone.
        """
        settings = recipe.compositions.sources
        validation = Sources.of(pack, recipe.validation_split, settings)
        numbers = [(_HELD_OUT, number) for number in range(recipe.validation_examples)]
        return cls(Sources.of(pack, recipe.train_split, settings), drawn(recipe, validation, numbers, 1, 0))


def drawn(
    recipe: ComposedRecipe, sources: Sources, examples: Sequence[tuple[int, int]], views: int, step: int
) -> Examples:
    """Compose examples and vary them.

    Args:
        recipe: how.
        sources: of what.
        examples: seeds of the compositions.
        views: of each.
        step: the views of an example differ from step to step.
    """
    side = recipe.crops.side
    crops = np.empty((len(examples), views, CHANNELS, side, side), dtype=np.float32)
    kinds, counts = np.empty(len(examples), dtype=np.int64), np.empty(len(examples), dtype=np.int64)
    for place, seed in enumerate(examples):
        composed = compose(sources, recipe.compositions, seed)
        kinds[place], counts[place] = composed.kind, composed.chromosomes
        for number in range(views):
            crops[place, number] = view(composed, recipe.crops, recipe.compositions, (*seed, step, number))
    return Examples(torch.from_numpy(crops), torch.from_numpy(kinds), torch.from_numpy(counts))


def examples_of_step(recipe: ComposedRecipe, step: int) -> list[tuple[int, int]]:
    """Seeds of the compositions of a step: new ones, or some of those that there are."""
    size, different = recipe.batch_size, recipe.compositions.different
    if different is None:
        return [(recipe.seed, number) for number in range(step * size, (step + 1) * size)]
    chosen = np.random.default_rng((recipe.seed, step)).integers(different, size=size)
    return [(recipe.seed, number) for number in chosen.tolist()]


class ContrastiveTask:
    """What the training loop needs for the first step.

    Args:
        recipe: how.
        material: what it learns from.
        network: whose backbone is trained in place.
    """

    def __init__(self, recipe: ContrastiveRecipe, material: Material, network: ClusterNetwork) -> None:
        self.recipe, self.material = recipe, material
        self.model: nn.Module = ContrastiveModel(network, recipe.contrast)

    def batch(self, step: int, device: torch.device) -> Examples:
        """Two views of every example of a step."""
        found = drawn(self.recipe, self.material.training, examples_of_step(self.recipe, step), 2, step)
        return Examples(*(tensor.to(device) for tensor in found))

    def loss(self, model: nn.Module, batch: Examples) -> Tensor:
        """See :meth:`~karyonet.stages.cluster_type.contrastive.ContrastiveModel.contrast`."""
        assert isinstance(model, ContrastiveModel)
        first, second = (v.contiguous(memory_format=torch.channels_last) for v in batch.views.unbind(1))
        return model.contrast(first, second, batch.kinds)

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Share of examples whose kind most of their nearest neighbours have (score)."""
        crops, kinds = self.material.held_out.views[:, 0], self.material.held_out.kinds
        parts = [model(crops[start : start + 64].to(device)).float().cpu() for start in range(0, len(crops), 64)]
        return {"score": neighbours_agree(torch.cat(parts), kinds)}


class FineTuningTask:
    """What the training loop needs for the second step.

    Args:
        recipe: how.
        material: what it learns from.
        network: that is trained in place.
    """

    def __init__(self, recipe: ClusterTypeRecipe, material: Material, network: ClusterNetwork) -> None:
        self.recipe, self.material = recipe, material
        self.model: nn.Module = network

    def batch(self, step: int, device: torch.device) -> Examples:
        """One view of every example of a step."""
        found = drawn(self.recipe, self.material.training, examples_of_step(self.recipe, step), 1, step)
        return Examples(*(tensor.to(device) for tensor in found))

    def loss(self, model: nn.Module, batch: Examples) -> Tensor:
        """Cross entropy of the kinds, and of the numbers where there are chromosomes."""
        said: ClusterPrediction = model(batch.views[:, 0].contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(said.kinds, batch.kinds, label_smoothing=self.recipe.label_smoothing)
        counted = batch.counts > 0
        targets = torch.where(counted, batch.counts.clamp(max=self.recipe.architecture.most) - 1, -100)
        counting = F.cross_entropy(said.counts, targets, reduction="sum") / counted.sum().clamp(min=1)
        return loss + self.recipe.count_weight * counting

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """See :func:`figures`; the macro F1 of the types is the score."""
        held_out = self.material.held_out
        return figures(predict(model, held_out.views[:, 0], device), held_out)


def neighbours_agree(features: Tensor, kinds: Tensor) -> float:
    """Share of examples whose kind wins the vote of their nearest neighbours by cosine, themselves left out.

    Args:
        features: float32, shape (n, d). kinds: int64, shape (n,).
    """
    unit = F.normalize(features.float(), dim=1)
    with torch.autocast(unit.device.type, enabled=False):
        cosines = (unit @ unit.T).fill_diagonal_(-torch.inf)
    nearest = cosines.topk(min(NEIGHBOURS, len(kinds) - 1), dim=1)
    votes = torch.zeros(len(kinds), len(KINDS)).scatter_add_(1, kinds[nearest.indices], nearest.values.exp())
    return float((votes.argmax(dim=1) == kinds).float().mean())


def reject_threshold(rejections: NDArray[np.floating], kinds: NDArray[np.integer]) -> float:
    """Sum of the probabilities of the rejections that :data:`KEPT` of the chromosomes do not reach.

    Args:
        rejections: shape (n,). kinds: int, shape (n,).
    """
    chromosomes = rejections[kinds < TYPES]
    threshold = float(np.quantile(chromosomes, KEPT, method="higher")) if chromosomes.size else 0.5
    # Just above it, so that the example on it is kept; never surer than a network can be.
    return min(max(float(np.nextafter(np.float32(threshold), np.float32(1))), 0.01), 0.99)


def figures(said: ClusterPrediction, truth: Examples, temperature: float = 1.0) -> dict[str, float]:
    """Macro F1 (score) and accuracy of the four types, exact numbers, and the share of nuclei and debris that is
    rejected where :data:`KEPT` of the chromosomes are not."""
    kinds = truth.kinds.numpy()
    probabilities = torch.softmax(said.kinds / temperature, dim=1).numpy()
    threshold = reject_threshold(probabilities[:, TYPES:].sum(axis=1), kinds)
    decided = decide(probabilities, torch.softmax(said.counts, dim=1).numpy(), threshold)
    types, others = kinds < TYPES, kinds >= TYPES
    # A chromosome that is rejected has no type and is wrong.
    matrix = metrics.confusion_matrix(
        kinds[types], [KINDS.index(k) for k in np.array(decided.kinds)[types]], len(KINDS)
    )
    f1 = metrics.precision_recall_f1(metrics.class_counts(matrix))[2][:TYPES]
    most = said.counts.shape[1]
    counts = np.minimum(truth.counts.numpy(), most)
    found = {
        "score": float(f1.mean()),
        "accuracy": metrics.accuracy(matrix),
        "count_accuracy": float((decided.counts == counts)[types].mean()) if types.any() else 0.0,
        "kept": float(1 - decided.rejected[types].mean()) if types.any() else 0.0,
    }
    return found | ({"rejected": float(decided.rejected[others].mean())} if others.any() else {})


def train_cluster_type(
    recipe: ClusterTypeRecipe, data: Sequence[Path] = (), run: Path | None = None, resume: bool = True
) -> WeightFile | None:
    """Train, or go on training, and write the weights with their card to ``<run>/weights``.

    The first step keeps its checkpoint in ``<run>/contrastive``; once it is over it is not done again.

    Returns:
        The weight file, or None if the run was asked to stop before its end.

    Raises:
        DataError: K4xx for data that cannot be used, K406 for the checkpoint of another recipe.
    """
    run = recipe.folder(run)
    packs = {path: load_metaphases(path, run / "packs", recipe.processes) for path in data or recipe.data}
    used = describe_split(packs, recipe.train_split, recipe.terms)
    material = Material.of(recipe, MetaphasePack.concatenate(list(packs.values())))
    del packs
    torch.manual_seed(recipe.seed)
    network = ClusterNetwork(recipe.architecture)
    start_from(network, "cluster_type", recipe.initial)
    first = recipe.first_step()
    if first is not None:
        pretraining = Trainer(first, ContrastiveTask(first, material, network), run / "contrastive")
        if not pretraining.fit(resume).finished:
            return None
        pretraining.best_model()  # which fills the backbone of the network
    trainer = Trainer(recipe, FineTuningTask(recipe, material, network), run)
    if not trainer.fit(resume).finished:
        return None
    with torch.inference_mode(), autocast(trainer.device, recipe.precision):
        said = predict(trainer.best_model(), material.held_out.views[:, 0], trainer.device)
    temperature = fit_temperature(said.kinds.numpy(), material.held_out.kinds.numpy())
    found = figures(said, material.held_out, temperature)
    rejections = torch.softmax(said.kinds / temperature, dim=1)[:, TYPES:].sum(dim=1).numpy()
    names = {"score": "macro_f1"}
    card = ModelCard(
        name=recipe.name,
        stage="cluster_type",
        architecture=recipe.architecture.model_dump(mode="json"),
        input=recipe.crops.model_dump(mode="json"),
        classes=KINDS,
        temperature=temperature,
        thresholds={"reject": reject_threshold(rejections, material.held_out.kinds.numpy())},
        training_data=used,
        metrics={
            names.get(name, name): Metric(value=value, data="composed of validation cut-outs")
            for name, value in found.items()
        },
        licence=recipe.licence,
        recipe=recipe_on_card(recipe, trainer.progression),
    )
    return write_weights(trainer.model.state_dict(), card, run / "weights")


def load_metaphases(path: Path, cache: Path, processes: int = 1) -> MetaphasePack:
    """Read a metaphase pack, or make one of a data set folder and keep it in ``cache``.

    Raises:
        DataError: K4xx if the path is neither.
    """
    return pack_once(MetaphasePack, path, cache, partial(_packed, processes))


def _packed(processes: int, folder: Path) -> Packed[MetaphasePack]:
    if not (folder / "images").is_dir():
        raise DataError("K401", path=folder, format="metaphases", missing="images/")
    # On the CPU: the processes could not share a GPU.
    segmentation = load(_SEGMENTER, "segmentation")(device="cpu")
    assert isinstance(segmentation, BoxSegmenter)
    return pack_whole_metaphases(folder, segmentation, density_in_boxes, PACKED_SIZE, processes=processes)


def main(
    config: Path | None, data: Sequence[Path], run: Path | None, resume: bool = True, initial: str | None = None
) -> None:
    """``karyonet train cluster-type``; see :func:`karyonet.training.run.train_by_recipe`."""
    train_by_recipe(train_cluster_type, ClusterTypeRecipe, "cluster_type", config, data, run, resume, initial=initial)
