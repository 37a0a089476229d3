"""Trains the rescoring network of a detector on the candidates that the finished detector finds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from rich.progress import track
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torch.nn import functional as F

from karyonet.case import FloatArray
from karyonet.data.boxes import box_size
from karyonet.geometry.region import box_iou
from karyonet.training.loop import Trainer
from karyonet.training.metaphase_pack import MetaphasePack
from karyonet.training.model_card import recipe_on_card, write_weights
from karyonet.training.recipe import Recipe
from karyonet.training.run import start_from, train_by_recipe, two_parts
from karyonet.training.strip_pack import LEVELS
from karyonet.turns import Views
from karyonet.weights import Metric, WeightFile, card_section, find, load_matching

from .detector_model import Detector, DetectorArchitecture
from .finder import ChromosomeFinder
from .masks import BoxMasks
from .metaphases import load_metaphases
from .rescoring import candidates_in, evidence
from .rescoring_model import Evidence, RescoringArchitecture, RescoringNetwork, side_by_side, tensors
from .synthetic import Drawn, composed_metaphase, simulated_metaphase

RIGHT = 0.5
"""Intersection over union from which a candidate may be a chromosome."""
THRESHOLDS = np.arange(0.2, 0.81, 0.02)
"""Of which the best on the validation split becomes that of the model card."""


class RescoringRecipe(Recipe):
    """The recipe of a rescoring network.

    Attributes:
        data: metaphase packs (``.npz``) or data set folders, as for the detector.
        initial: the detector whose candidates are judged; it stays as it is. masks: the mask network behind it.
        initial_rescoring: weights whose rescoring network training starts from, such as those of the detector before
            it was trained on; None starts anew.
        images: of the training split that are looked at, at most, evenly spread; None looks at all.
        rescoring: what to build.
        candidate: how probable the detector must find something for it to be judged.
        views: ways round in which the detector looks at an image, here and in use.
        passes: how often each training image is looked at, turned another way. size_error, stain_error: standard
            deviations, relative, of the magnification and the stain that are assumed in these looks.
        composed, simulated: so many metaphases more, each looked at once: composed of lone chromosomes of the training
            split, and simulated ones (:mod:`.synthetic`).
        noise: standard deviation, relative, of the features in training.
        processes: how many images are looked at at a time.
    """

    initial: str = "detector"
    masks: str = "box_masks"
    initial_rescoring: str | None = None
    images: int | None = Field(default=None, ge=1)
    rescoring: RescoringArchitecture = RescoringArchitecture()
    candidate: float = Field(default=0.1, gt=0, lt=1)
    views: Views = 1
    passes: int = Field(default=1, ge=1)
    size_error: float = Field(default=0.05, ge=0)
    stain_error: float = Field(default=0.07, ge=0)
    composed: int = Field(default=0, ge=0)
    simulated: int = Field(default=0, ge=0)
    noise: float = Field(default=0.5, ge=0)
    train_split: str = "train"
    validation_split: str = "validation"
    processes: int = Field(default=1, ge=1)


@dataclass(frozen=True, eq=False)
class Judged:
    """The candidates of a metaphase and which of them are right.

    Attributes:
        evidence: of n candidates.
        right: bool, shape (n,): the best candidate of each chromosome.
        chromosomes: how many are annotated, found or not.
    """

    evidence: Evidence
    right: NDArray[np.bool_]
    chromosomes: int

    @classmethod
    def of(
        cls,
        finder: ChromosomeFinder,
        masks: BoxMasks,
        density: FloatArray,
        boxes: NDArray[np.floating],
        size: float,
        stain: float = 1.0,
    ) -> Self:
        """Find the candidates of an annotated metaphase and compare them with the annotation.

        Args:
            finder, masks: of the stage.
            density: float32, shape (height, width), 1.0 is the mean density of its chromosomes.
            boxes: shape (m, 4), annotated, in pixels.
            size: the median of their longer sides that is assumed. stain: the mean density that is assumed.
        """
        found, drawn = candidates_in(finder.look(density, size, stain), masks, density)
        overlap = box_iou(found.boxes, boxes)
        good = overlap >= RIGHT
        # As many pairs as possible, of them the nearest and surest.
        rows, columns = linear_sum_assignment(np.where(good, 10 + overlap + found.scores[:, None], 0), maximize=True)
        right = np.zeros(len(found.scores), dtype=bool)
        right[rows[good[rows, columns]]] = True
        return cls(evidence(found, drawn, density, size), right, len(boxes))


Source = Callable[[int], Drawn]
"""Metaphases by their numbers."""


class RescoringBatch(NamedTuple):
    """Metaphases side by side.

    Attributes:
        evidence: what the network takes, of n candidates.
        right: float32, shape (n,).
    """

    evidence: tuple[Tensor, ...]
    right: Tensor


class RescoringTask:
    """What the training loop needs.

    Args:
        recipe: how.
        training, validation: metaphases with candidates.
        channels, classes: of the detector.
        network: to start from; None starts anew.
    """

    def __init__(
        self,
        recipe: RescoringRecipe,
        training: Sequence[Judged],
        validation: Sequence[Judged],
        channels: int,
        classes: int,
        network: RescoringNetwork | None = None,
    ) -> None:
        self.recipe, self.training, self.validation = recipe, training, validation
        torch.manual_seed(recipe.seed)
        self.model: nn.Module = network or RescoringNetwork(recipe.rescoring, channels, classes)
        features = np.concatenate([one.evidence.features for one in training[:200]])
        self._deviation = recipe.noise * float(features.std())

    def batch(self, step: int, device: torch.device) -> RescoringBatch:
        """Metaphases, the features of their candidates varied."""
        generator = np.random.default_rng((self.recipe.seed, step))
        chosen = [self.training[int(i)] for i in generator.integers(len(self.training), size=self.recipe.batch_size)]
        batch = collate(chosen, device)
        measures, names, features, *related = batch.evidence
        noise = torch.from_numpy(generator.standard_normal(features.shape, dtype=np.float32)).to(device)
        return batch._replace(evidence=(measures, names, features + self._deviation * noise, *related))

    def loss(self, model: nn.Module, batch: RescoringBatch) -> Tensor:
        """Cross entropy over the candidates."""
        return F.binary_cross_entropy_with_logits(model(*batch.evidence).float(), batch.right)

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """F1 (score), precision, recall and share of exact counts at the best threshold, and that threshold."""
        said = torch.sigmoid(model(*collate(self.validation, device).evidence).float()).cpu().numpy()
        scores = np.split(said, np.cumsum([len(one.right) for one in self.validation])[:-1])
        true = sum(one.chromosomes for one in self.validation)
        best: dict[str, float] = {"score": -1.0}
        for threshold in THRESHOLDS:
            taken = [score >= threshold for score in scores]
            right = sum(int((t & one.right).sum()) for t, one in zip(taken, self.validation, strict=True))
            count = sum(int(t.sum()) for t in taken)
            score = 2 * right / max(count + true, 1)
            if score > best["score"]:
                exact = [int(t.sum()) == one.chromosomes for t, one in zip(taken, self.validation, strict=True)]
                best = {
                    "score": score,
                    "precision": right / max(count, 1),
                    "recall": right / max(true, 1),
                    "exact_count_share": float(np.mean(exact)),
                    "threshold": round(float(threshold), 2),
                }
        return best


def collate(metaphases: Sequence[Judged], device: torch.device) -> RescoringBatch:
    """Metaphases side by side."""
    right = np.concatenate([one.right for one in metaphases]).astype(np.float32)
    told = tensors(side_by_side([one.evidence for one in metaphases]), device)
    return RescoringBatch(told, torch.from_numpy(right).to(device))


def judge(
    recipe: RescoringRecipe, metaphase: Source, numbers: Sequence[int], detector: WeightFile, passes: int
) -> list[Judged]:
    """The candidates of metaphases.

    Args:
        recipe: how.
        metaphase: gives one by its number.
        numbers: of those that are looked at.
        detector: its weights.
        passes: how often each is looked at, turned, at a magnification and stain a little wrong; 0 looks once as it is.
    """
    finder = ChromosomeFinder(detector, recipe.device, recipe.precision, recipe.candidate, recipe.views)
    masks = BoxMasks(find("segmentation", recipe.masks), recipe.device, recipe.precision)
    looks = [(number, turn) for turn in range(max(passes, 1)) for number in numbers]
    work = partial(_look, recipe, metaphase, finder, masks, passes > 0)
    with ThreadPoolExecutor(recipe.processes) as pool:
        return list(track(pool.map(work, looks), "looking for candidates", total=len(looks)))


def _look(
    recipe: RescoringRecipe,
    metaphase: Source,
    finder: ChromosomeFinder,
    masks: BoxMasks,
    varied: bool,
    look: tuple[int, int],
) -> Judged:
    density, boxes = metaphase(look[0])
    size, stain = box_size(boxes.tolist()), 1.0
    if varied:
        generator = np.random.default_rng((recipe.seed, *look))
        density, boxes = turned(density, boxes, int(generator.integers(4)), bool(generator.random() < 0.5))
        size *= float(np.exp(generator.normal(0, recipe.size_error)))
        stain *= float(np.exp(generator.normal(0, recipe.stain_error)))
    return Judged.of(finder, masks, density, boxes, size, stain)


def _of_pack(pack: MetaphasePack, row: int) -> Drawn:
    boxes = pack.boxes[pack.chromosomes(row)].astype(np.float64)
    return Drawn(pack.image(row).astype(np.float32) / np.float32(LEVELS), boxes)


def _synthetic(recipe: RescoringRecipe, pack: MetaphasePack, lone: NDArray[np.int64], number: int) -> Drawn:
    """Composed ones first, then simulated ones."""
    seed = recipe.seed, number
    return composed_metaphase(pack, lone, seed) if number < recipe.composed else simulated_metaphase(seed)


def turned(
    density: FloatArray, boxes: NDArray[np.float64], quarters: int, mirrored: bool
) -> tuple[FloatArray, NDArray[np.float64]]:
    """An image and its boxes, turned anticlockwise by quarters and perhaps mirrored before."""
    if mirrored:
        width = density.shape[1]
        density, boxes = (
            density[:, ::-1],
            np.column_stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]]),
        )
    for _ in range(quarters):
        width = density.shape[1]
        density, boxes = (
            np.rot90(density),
            np.column_stack([boxes[:, 1], width - boxes[:, 2], boxes[:, 3], width - boxes[:, 0]]),
        )
    return np.ascontiguousarray(density), boxes


def keep(metaphases: Sequence[Judged], path: Path) -> None:
    """Write candidates to an ``.npz`` file: finding them takes longer than the training."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = zip(*(one.evidence for one in metaphases), strict=True)
    columns = {name: np.concatenate(arrays) for name, arrays in zip(Evidence._fields, told, strict=True)}
    half = {name: columns[name].astype(np.float16) for name in ("names", "features", "relations")}
    counts = {
        "counts": np.array([len(one.right) for one in metaphases]),
        "pair_counts": np.array([len(one.evidence.pairs) for one in metaphases]),
        "chromosomes": np.array([one.chromosomes for one in metaphases]),
        "right": np.concatenate([one.right for one in metaphases]),
    }
    with path.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **(columns | half | counts))


def kept(path: Path) -> list[Judged]:
    """Read what :func:`keep` wrote."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    single, pairs = np.cumsum(arrays["counts"])[:-1], np.cumsum(arrays["pair_counts"])[:-1]
    columns = []
    for name in Evidence._fields:
        whole = arrays[name] if name == "pairs" else arrays[name].astype(np.float32)
        columns.append(np.split(whole, pairs if name in ("pairs", "relations") else single))
    told = [Evidence(*parts) for parts in zip(*columns, strict=True)]
    right = np.split(arrays["right"], single)
    return [Judged(one, r, count) for one, r, count in zip(told, right, arrays["chromosomes"].tolist(), strict=True)]


def train_rescoring(
    recipe: RescoringRecipe, data: Sequence[Path] = (), run: Path | None = None, resume: bool = True
) -> WeightFile | None:
    """Train the rescoring network and write the detector with it to ``<run>/weights``.

    Returns:
        The weight file, or None if the run was asked to stop before its end.

    Raises:
        DataError: K4xx for data that cannot be used. WeightsError: K3xx for the detector or the mask network.
    """
    run = recipe.folder(run)
    weight = find("segmentation", recipe.initial)
    alone = card_section(weight, "architecture", DetectorArchitecture).model_copy(update={"rescoring": None})
    judged = _candidates(recipe, [Path(path) for path in data or recipe.data], run, weight)
    architecture = alone.model_copy(update={"rescoring": recipe.rescoring})
    before = Detector(architecture)
    start_from(before, "segmentation", recipe.initial_rescoring)
    network = before.rescoring if recipe.initial_rescoring else None
    task = RescoringTask(recipe, *judged, alone.channels, alone.classes, network)
    trainer = Trainer(recipe, task, run)
    if not trainer.fit(resume).finished:
        return None
    best = trainer.best_model()
    with torch.inference_mode():
        figures = task.validate(best, trainer.device)
    whole = Detector(architecture)
    load_matching(whole, weight)
    assert whole.rescoring is not None
    whole.rescoring.load_state_dict(best.state_dict())
    source = f"{len(judged[1])} validation images, rescored"
    names = {"score": "f1", "precision": "precision", "recall": "recall", "exact_count_share": "exact_count_share"}
    metrics = {f"rescored_{new}": Metric(value=figures[name], data=source) for name, new in names.items()}
    card = weight.card
    described = card.model_copy(
        update={
            "name": recipe.name,
            "architecture": whole.architecture.model_dump(mode="json"),
            "input": card.input | {"views": recipe.views},
            "thresholds": card.thresholds | {"candidate": recipe.candidate, "chromosome": figures["threshold"]},
            "metrics": card.metrics | metrics,
            "recipe": card.recipe | {"rescoring": recipe_on_card(recipe, trainer.progression)},
        }
    )
    return write_weights(whole.state_dict(), described, run / "weights")


def _candidates(
    recipe: RescoringRecipe, paths: Sequence[Path], run: Path, weight: WeightFile
) -> tuple[list[Judged], list[Judged]]:
    """Of the training and of the validation split; found once and kept in the run's folder."""
    looks = recipe.model_dump(
        include={"seed", "candidate", "views", "passes", "size_error", "stain_error", "train_split", "images"}
    )
    synthetic = recipe.model_dump(include={"composed", "simulated"})
    networks = weight.card.sha256, find("segmentation", recipe.masks).card.sha256
    key, of_synthetic = (
        hashlib.sha256(repr((which, networks, [path.stem for path in paths])).encode()).hexdigest()[:12]
        for which in (looks, looks | synthetic)
    )
    folder = run / "candidates"
    files = [folder / f"training-{key}.npz", folder / f"validation-{key}.npz"]
    if any(synthetic.values()):
        files.append(folder / f"synthetic-{of_synthetic}.npz")
    if not all(file.is_file() for file in files):
        packs = [load_metaphases(path, run / "packs", recipe.processes) for path in paths]
        pack = MetaphasePack.concatenate(packs)
        training, validation = two_parts(pack, recipe.train_split, recipe.validation_split)
        lone = pack.lone_of_split(recipe.train_split)
        if recipe.images is not None and recipe.images < len(training):
            training = training[np.linspace(0, len(training) - 1, recipe.images).astype(np.int64)]
        real = partial(_of_pack, pack)
        parts: list[tuple[Source, Sequence[int], int]] = [
            (real, training.tolist(), recipe.passes),
            (real, validation.tolist(), 0),
            (partial(_synthetic, recipe, pack, lone), range(recipe.composed + recipe.simulated), 1),
        ]
        for file, (source, numbers, passes) in zip(files, parts, strict=False):
            if not file.is_file():
                keep(judge(recipe, source, numbers, weight, passes), file)
    known, held_out, *drawn = (kept(file) for file in files)
    return [*known, *(one for part in drawn for one in part)], held_out


def main(
    config: Path | None, data: Sequence[Path], run: Path | None, resume: bool = True, initial: str | None = None
) -> None:
    """``karyonet train segmentation-rescoring``; see :func:`karyonet.training.run.train_by_recipe`."""
    train_by_recipe(
        train_rescoring, RescoringRecipe, "segmentation_rescoring", config, data, run, resume, initial=initial
    )
