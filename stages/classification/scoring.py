"""How well a trained network names the strips of a pack that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.metrics import precision_recall_fscore_support

from karyonet.device import autocast
from karyonet.evaluation.classification import CellResult
from karyonet.training.strip_pack import StripPack

from .dataset import StripSet
from .inference import Network
from .train import cell_results, predict


@dataclass(frozen=True)
class Score:
    """What a network made of a pack.

    Attributes:
        figures: ``accuracy`` and macro ``precision``, ``recall`` and ``f1`` (over the types that occur) of chromosomes
            named alone, ``accuracy_joint`` of metaphases named together, ``polarity_accuracy`` where polarity is known.
        results: metaphase by metaphase, for :func:`karyonet.evaluation.classification.summarise`.
    """

    figures: dict[str, float]
    results: list[CellResult]


def score(network: Network, pack: StripPack, turn_every: int | None = None) -> Score:
    """Let a network name the strips of a pack.

    Args:
        network: with the weights to be measured.
        pack: at least one strip; every metaphase as complete as it is known.
        turn_every: 2 turns strips 1, 3, 5 … end over end, where a data set holds one polarity alone.
    """
    strips = StripSet.from_pack(pack, network.preprocessing)
    with torch.inference_mode(), autocast(network.device, network.precision):
        logits, polarity = predict(network.model, strips, network.device, turn_every=turn_every)
    turned = np.arange(len(pack)) % turn_every == turn_every - 1 if turn_every else np.zeros(len(pack), dtype=bool)
    up = (polarity.numpy() > 0) != turned
    probabilities = torch.softmax(logits / network.temperature, dim=1).numpy()
    results = cell_results(pack, probabilities, up)
    labels, named = pack.labels.astype(np.int64), probabilities.argmax(axis=1)
    precision, recall, f1, _ = precision_recall_fscore_support(labels, named, average="macro", zero_division=0)
    figures = {
        "accuracy": float((named == labels).mean()),
        "accuracy_joint": float(np.concatenate([result.joint == result.truth for result in results]).mean()),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
    }
    known = pack.polarity >= 0
    if known.any():
        figures["polarity_accuracy"] = float((up == (pack.polarity == 1))[known].mean())
    return Score(figures, results)
