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
from .decision import decide
from .inference import predict
from .kinds import CLUSTER, KINDS, TYPES
from .model import ClusterNetwork, ClusterPrediction
from .network_stage import ClusterTypes
from .places import PLACES, STRIDE, places_in_crop
from .recipe import ClusterTypeRecipe, ComposedRecipe, ContrastiveRecipe
from .sources import Sources
from .views import PACKED_SIZE, view

NEIGHBOURS = 15
"""That vote on the kind of an example in the validations of the first step."""
KEPT = 0.999
"""Share of the chromosomes that the threshold of rejection keeps."""
SURE = 0.5
"""That threshold at most: what is rather no chromosome is rejected."""
HELD_OUT = 7
"""First number of the seeds of validation compositions."""
_COMPOSED, _FOUND = "composed of validation cut-outs", "components of validation metaphases"
_SEGMENTER = "threshold_segmenter"
"""Registered name of the stage that finds the lone chromosomes of a folder's images."""


class Examples(NamedTuple):
    """n examples.

    Attributes:
        views: float32, shape (n, views, 2, side, side).
        kinds: int64, shape (n,), :data:`~karyonet.stages.cluster_type.kinds.CLUSTER` where no more is known.
        counts: int64, shape (n,), 0 for nuclei and debris.
        places: float32, shape (n, views, 3, side / 4, side / 4), nan where they are not known; None where nobody asked.
    """

    views: Tensor
    kinds: Tensor
    counts: Tensor
    places: Tensor | None = None

    def to(self, device: torch.device) -> Examples:
        """On a device."""
        views, kinds, counts = (tensor.to(device) for tensor in (self.views, self.kinds, self.counts))
        return Examples(views, kinds, counts, None if self.places is None else self.places.to(device))


@dataclass(frozen=True, eq=False)
class Material:
    """What both steps learn from.

    Attributes:
        training: sources of the training split.
        composed: compositions of the validation split.
        found: components of its metaphases as they lie.
    """

    training: Sources
    composed: Examples
    found: Examples

    @classmethod
    def of(cls, recipe: ComposedRecipe, pack: MetaphasePack) -> Material:
        """Look through a pack.

        Raises:
            DataError: K405 if no chromosome of one of the splits lies alone.
        """
        settings = recipe.compositions.sources
        validation = Sources.of(pack, recipe.validation_split, settings)
        numbers = [(HELD_OUT, number) for number in range(recipe.validation_examples)]
        held_out = []
        for found in (0.0, 1.0):
            compositions = recipe.compositions.model_copy(update={"found": found})
            shown = recipe.model_copy(update={"compositions": compositions})
            held_out.append(drawn(shown, validation, numbers, 1, 0))
        return cls(Sources.of(pack, recipe.train_split, settings), *held_out)


def drawn(
    recipe: ComposedRecipe,
    sources: Sources,
    examples: Sequence[tuple[int, int]],
    views: int,
    step: int,
    with_places: bool = False,
) -> Examples:
    """Compose examples and vary them.

    Args:
        recipe: how.
        sources: of what.
        examples: seeds of the compositions.
        views: of each.
        step: the views of an example differ from step to step.
        with_places: whether their places are wanted.
    """
    side = recipe.crops.side
    cells = side // STRIDE
    places = np.full((len(examples), views, len(PLACES), cells, cells), np.nan, dtype=np.float32)
    crops = np.empty((len(examples), views, CHANNELS, side, side), dtype=np.float32)
    kinds, counts = np.empty(len(examples), dtype=np.int64), np.empty(len(examples), dtype=np.int64)
    for place, seed in enumerate(examples):
        composed = compose(sources, recipe.compositions, seed)
        kinds[place], counts[place] = composed.kind, composed.chromosomes
        for number in range(views):
            seen = view(composed, recipe.crops, recipe.compositions, (*seed, step, number))
            crops[place, number] = seen.crop
            if with_places and len(composed.masks) == composed.chromosomes:
                places[place, number] = places_in_crop(composed, seen.matrix, recipe.crops, recipe.compositions)
    known = torch.from_numpy(places) if with_places else None
    return Examples(torch.from_numpy(crops), torch.from_numpy(kinds), torch.from_numpy(counts), known)


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
        return drawn(self.recipe, self.material.training, examples_of_step(self.recipe, step), 2, step).to(device)

    def loss(self, model: nn.Module, batch: Examples) -> Tensor:
        """See :meth:`~karyonet.stages.cluster_type.contrastive.ContrastiveModel.contrast`."""
        assert isinstance(model, ContrastiveModel)
        first, second = (v.contiguous(memory_format=torch.channels_last) for v in batch.views.unbind(1))
        return model.contrast(first, second, batch.kinds)

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Share of examples whose kind most of their nearest neighbours have (score)."""
        crops, kinds = self.material.composed.views[:, 0], self.material.composed.kinds
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
        seeds, asked = examples_of_step(self.recipe, step), self.recipe.architecture.place_channels > 0
        return drawn(self.recipe, self.material.training, seeds, 1, step, asked).to(device)

    def loss(self, model: nn.Module, batch: Examples) -> Tensor:
        """Cross entropy of the kinds, of the numbers where there are chromosomes, and of the places where known."""
        said: ClusterPrediction = model(batch.views[:, 0].contiguous(memory_format=torch.channels_last))
        loss = kind_loss(said.kinds, batch.kinds, self.recipe.label_smoothing)
        counted = batch.counts > 0
        targets = torch.where(counted, batch.counts.clamp(max=self.recipe.architecture.most) - 1, -100)
        counting = F.cross_entropy(said.counts, targets, reduction="sum") / counted.sum().clamp(min=1)
        loss = loss + self.recipe.count_weight * counting
        if said.places is None or batch.places is None:
            return loss
        return loss + self.recipe.place_weight * place_loss(said.places, batch.places[:, 0])

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """See :func:`figures`; the macro F1 of the types of compositions is the score."""
        said = [predict(model, part.views[:, 0], device) for part in (self.material.composed, self.material.found)]
        return figures(said, (self.material.composed, self.material.found))


def place_loss(logits: Tensor, places: Tensor) -> Tensor:
    """Binary cross entropy of the cells, those that hold something weighed as much as those that do not.

    Args:
        logits, places: float32, shape (n, 3, height, width); nan where the places are not known.
    """
    known = ~places.isnan()
    losses = F.binary_cross_entropy_with_logits(logits, places.nan_to_num(), reduction="none")
    held, empty = known & (places > 0.5), known & (places <= 0.5)
    return sum((losses * part).sum() / part.sum().clamp(min=1) for part in (held, empty)) / 2  # type: ignore[return-value]


def kind_loss(logits: Tensor, kinds: Tensor, label_smoothing: float) -> Tensor:
    """Mean cross entropy; of a cluster of unknown kind, that of the sum of its possible kinds.

    Args:
        logits: float32, shape (n, 6). kinds: int64, shape (n,), as of :class:`Examples`.
        label_smoothing: of the known kinds.
    """
    known = F.cross_entropy(logits, kinds, ignore_index=CLUSTER, label_smoothing=label_smoothing, reduction="sum")
    unknown = logits[kinds == CLUSTER]
    partly = torch.logsumexp(unknown, dim=1) - torch.logsumexp(unknown[:, 1:TYPES], dim=1)
    return (known + partly.sum()) / len(kinds)


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


def reject_threshold(rejections: NDArray[np.floating], kinds: NDArray[np.integer], kept: float = KEPT) -> float:
    """Sum of the probabilities of the rejections that so many of the chromosomes do not reach.

    Args:
        rejections: shape (n,). kinds: int, shape (n,), as of :class:`Examples`.
        kept: share of the chromosomes.
    """
    chromosomes = rejections[kinds < TYPES]
    threshold = float(np.quantile(chromosomes, kept, method="higher")) if chromosomes.size else 0.5
    # Just above it, so that the example on it is kept.
    return min(max(float(np.nextafter(np.float32(threshold), np.float32(1))), 0.01), SURE)


def figures(said: Sequence[ClusterPrediction], truth: Sequence[Examples], temperature: float = 1.0) -> dict[str, float]:
    """What a network is worth on compositions and, the names ending in ``_found``, on components as they lie.

    Args:
        said, truth: of both.
        temperature: of the kinds.

    Returns:
        macro F1 (score) and accuracy of the four types, which only compositions know; share of right answers to whether
        it is one chromosome or several; of exact numbers; of chromosomes that are kept; of nuclei and debris that are
        rejected, by one threshold for both; and that threshold.
    """
    probabilities = [torch.softmax(one.kinds / temperature, dim=1).numpy() for one in said]
    rejections = np.concatenate([p[:, TYPES:].sum(axis=1) for p in probabilities])
    threshold = reject_threshold(rejections, np.concatenate([one.kinds.numpy() for one in truth]))
    composed, found = (
        decide(p, torch.softmax(one.counts, dim=1).numpy(), threshold)
        for p, one in zip(probabilities, said, strict=True)
    )
    most = said[0].counts.shape[1]
    shares = _shares(composed, truth[0], most)
    shares |= {f"{name}_found": value for name, value in _shares(found, truth[1], most).items()}
    return _type_figures(composed, truth[0].kinds.numpy()) | shares | {"reject": threshold}


def _type_figures(decided: ClusterTypes, kinds: NDArray[np.int64]) -> dict[str, float]:
    """Macro F1 and accuracy of the four types; a chromosome that is rejected has none and is wrong."""
    types = kinds < TYPES
    answers = [KINDS.index(kind) for kind in np.array(decided.kinds)[types]]
    matrix = metrics.confusion_matrix(kinds[types], answers, len(KINDS))
    f1 = metrics.precision_recall_f1(metrics.class_counts(matrix))[2][:TYPES]
    return {"score": float(f1.mean()), "accuracy": metrics.accuracy(matrix)}


def _shares(decided: ClusterTypes, truth: Examples, most: int) -> dict[str, float]:
    """Of right answers; a chromosome that is rejected is wrong."""
    counts = truth.counts.numpy()
    chromosomes = counts > 0
    found = {}
    if chromosomes.any():
        right = decided.counts[chromosomes]
        true = np.minimum(counts[chromosomes], most)
        found["single_or_cluster"] = float(((right > 0) & ((right > 1) == (true > 1))).mean())
        found["count_accuracy"] = float((right == true).mean())
        found["kept"] = float(1 - decided.rejected[chromosomes].mean())
    if not chromosomes.all():
        found["rejected"] = float(decided.rejected[~chromosomes].mean())
    return found


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
    best, held_out = trainer.best_model(), (material.composed, material.found)
    with torch.inference_mode(), autocast(trainer.device, recipe.precision):
        said = [predict(best, part.views[:, 0], trainer.device, ways=recipe.crops.views) for part in held_out]
    temperature = fit_temperature(said[0].kinds.numpy(), material.composed.kinds.numpy())
    measured = figures(said, held_out, temperature)
    threshold = measured.pop("reject")
    names = {"score": "macro_f1"}
    card = ModelCard(
        name=recipe.name,
        stage="cluster_type",
        architecture=recipe.architecture.model_dump(mode="json"),
        input=recipe.crops.model_dump(mode="json"),
        classes=KINDS,
        temperature=temperature,
        thresholds={"reject": threshold},
        training_data=used,
        metrics={
            names.get(name, name): Metric(value=value, data=_FOUND if name.endswith("_found") else _COMPOSED)
            for name, value in measured.items()
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
