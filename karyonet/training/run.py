"""A training command from its recipe to its weights: what those of all stages share."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import nn

from karyonet.errors import DataError
from karyonet.training.pack import Pack
from karyonet.training.recipe import Recipe, read_recipe
from karyonet.weights import WeightFile, find, load_matching

logger = logging.getLogger(__name__)
AnyRecipe = TypeVar("AnyRecipe", bound=Recipe)
AnyRecipe_contra = TypeVar("AnyRecipe_contra", bound=Recipe, contravariant=True)


class Train(Protocol[AnyRecipe_contra]):
    """How a stage trains, such as :func:`karyonet.stages.classification.train.train_classification`."""

    def __call__(
        self, recipe: AnyRecipe_contra, data: Sequence[Path], run: Path | None, resume: bool, /
    ) -> WeightFile | None:
        """The weight file, or None if the run was asked to stop before its end."""


def train_by_recipe(
    train: Train[AnyRecipe],
    kind: type[AnyRecipe],
    shipped: str,
    config: Path | None,
    data: Sequence[Path],
    run: Path | None,
    resume: bool = True,
    initial: str | None = None,
) -> None:
    """Read a recipe, train and say where the weights are.

    Args:
        train: of the stage.
        kind: of its recipe.
        shipped: name of its shipped recipe.
        config: recipe; None takes the shipped one.
        data: packs or data set folders; empty takes those of the recipe.
        run: folder of the run; None leaves it to the recipe.
        resume: go on from the checkpoint of the run.
        initial: weights to start from; None leaves it to the recipe.

    Raises:
        ConfigError: K2xx for the recipe. DataError: K4xx for the data. WeightsError: K3xx for ``initial``.
        SystemExit: 143 if the run was asked to stop before its end.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    recipe = read_recipe(kind, config, shipped, initial=initial)
    if not data and not recipe.data:
        raise DataError("K405", path="the recipe", reason="it names no data; give --data or the key data")
    weight = train(recipe, data, run, resume)
    if weight is None:
        raise SystemExit(143)
    figures = ", ".join(f"{name} {metric.value:.4f}" for name, metric in weight.card.metrics.items())
    logger.info("wrote %s (%s)", weight.path, figures)


def start_from(model: nn.Module, stage: str, initial: str | None, architecture: BaseModel | None = None) -> None:
    """Give a network what fits of other weights, and say what starts anew.

    Args:
        initial: a shipped name or a ``.safetensors`` file; None leaves the network as it is.
        architecture: of the network. Where that of the weights is another, a warning says so: tensors of the same
            shape fit, and mean something else.

    Raises:
        WeightsError: K3xx.
    """
    if initial is None:
        return
    weight = find(stage, initial)
    fresh = load_matching(model, weight)
    logger.info("started from %s; anew: %s", initial, ", ".join(fresh) or "nothing")
    here = architecture.model_dump(mode="json") if architecture is not None else {}
    there = weight.card.architecture
    other = [f"{key} {there[key]} there, {value} here" for key, value in here.items() if there.get(key, value) != value]
    if other:
        logger.warning("the network of %s is another one: %s", initial, "; ".join(other))


def two_parts(pack: Pack, training: str, validation: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of a pack's training and validation split.

    Raises:
        DataError: K405 if one of them is empty.
    """
    parts = {split: pack.of_split(split) for split in (training, validation)}
    for split, rows in parts.items():
        if not len(rows):
            raise DataError("K405", path="the training data", reason=f"nothing in it is of the split {split}")
    return parts[training], parts[validation]
