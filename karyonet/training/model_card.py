"""Weights and model card out of a training run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from karyonet import __version__
from karyonet.training.pack import Pack
from karyonet.training.recipe import Recipe
from karyonet.training.strip_pack import StripPack
from karyonet.weights import ModelCard, TrainingData, WeightFile, save

if TYPE_CHECKING:
    from torch import Tensor

    from karyonet.training.loop import Progression

logger = logging.getLogger(__name__)


def write_weights(tensors: Mapping[str, Tensor], card: ModelCard, folder: Path) -> WeightFile:
    """Write ``<folder>/<name>.safetensors`` in half precision and its card, stamped with version and time."""
    stamped = card.model_copy(
        update={"karyonet": __version__, "created": datetime.now(UTC).isoformat(timespec="seconds")}
    )
    return save(tensors, stamped, folder / f"{card.name}.safetensors")


def recipe_on_card(recipe: Recipe, progression: Progression) -> dict[str, Any]:
    """A recipe as a model card shows it, without what is of one machine alone, and how far the run came."""
    shown = recipe.model_dump(mode="json", exclude={"run", "data", "device", "threads", "workers", "processes"})
    for key, value in shown.items():
        if isinstance(value, str) and value.endswith(".safetensors"):
            shown[key] = Path(value).name
    return shown | {"steps_done": progression.step, "minutes_spent": round(progression.minutes, 1)}


def describe_packs(pack: StripPack, terms: Mapping[str, str]) -> tuple[TrainingData, ...]:
    """One entry a data set: how many strips of how many cases, from which splits, under which terms."""
    sources = np.unique(pack.sources)
    return tuple(describe(str(name), pack, np.flatnonzero(pack.sources == name), terms) for name in sources)


def describe_split(packs: Mapping[Path, Pack], split: str, terms: Mapping[str, str]) -> tuple[TrainingData, ...]:
    """One entry a data set: what a split of it holds, under which terms.

    Args:
        packs: by the folder that they were made of, or their own file: its name is the data set's.
        split: that was trained on.
        terms: of data sets, by name.
    """
    names = {path: path.stem if path.suffix == ".npz" else path.name for path in packs}
    return tuple(describe(names[path], pack, pack.of_split(split), terms) for path, pack in packs.items())


def describe(name: str, pack: Pack, used: NDArray[np.integer], terms: Mapping[str, str]) -> TrainingData:
    """What was used of a data set.

    Args:
        name: of the data set.
        pack: its examples.
        used: indices of those that were trained on.
        terms: of data sets, by name.
    """
    if name not in terms:
        logger.warning("the recipe gives no terms for the data set %s; its entry in the model card has none", name)
    splits = ", ".join(split for split in np.unique(pack.splits[used]) if split)
    cases = len(np.unique(pack.cases[used]))
    return TrainingData(name=name, terms=terms.get(name, ""), split=splits, examples=len(used), cases=cases)
