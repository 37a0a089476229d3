"""Weights and model card out of a training run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from karyonet import __version__
from karyonet.training.strip_pack import StripPack
from karyonet.weights import ModelCard, TrainingData, WeightFile, save

if TYPE_CHECKING:
    from torch import Tensor


def write_weights(tensors: Mapping[str, Tensor], card: ModelCard, folder: Path) -> WeightFile:
    """Write ``<folder>/<name>.safetensors`` in half precision and its card, stamped with version and time."""
    stamped = card.model_copy(
        update={"karyonet": __version__, "created": datetime.now(UTC).isoformat(timespec="seconds")}
    )
    return save(tensors, stamped, folder / f"{card.name}.safetensors")


def describe_packs(pack: StripPack, terms: Mapping[str, str]) -> tuple[TrainingData, ...]:
    """One entry a data set: how many strips of how many cases, from which splits, under which terms."""
    entries = []
    for source in np.unique(pack.sources):
        rows = pack.sources == source
        splits = ", ".join(split for split in np.unique(pack.splits[rows]) if split)
        entries.append(
            TrainingData(
                name=str(source),
                terms=terms.get(str(source), ""),
                split=splits,
                examples=int(rows.sum()),
                cases=len(np.unique(pack.cases[rows])),
            )
        )
    return tuple(entries)
