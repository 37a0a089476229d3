"""The band level as a network reads it off the chromosomes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import nn

from karyonet.case import FloatArray
from karyonet.device import DeviceName, Precision, autocast, choose_device
from karyonet.geometry.strip import Strip
from karyonet.weights import WeightFile, card_section, find, load_into

from .estimator import Estimate, NotEstimable
from .model import Architecture, LevelNetwork, collate, levels_at
from .ribbon import Preprocessing, Ribbon, lay_ribbon

_TOGETHER = 8
"""Metaphases that are looked at at a time."""


class LearnedEstimator:
    """Reads the band level off the usable chromosomes of a metaphase; see :class:`~.model.LevelNetwork`.

    The estimate is the median of the network's answer, its interval the 2.5th to the 97.5th percentile; those
    chromosomes decided that together hold half of the network's attention.

    Args:
        weight: weights of this stage.
        device, precision: where and how to compute.
        least_chromosomes: with fewer usable ones nothing is said.

    Raises:
        WeightsError: K3xx if the weights do not fit.
    """

    def __init__(
        self,
        weight: WeightFile,
        device: DeviceName = "auto",
        precision: Precision = "auto",
        least_chromosomes: int = 20,
    ) -> None:
        self.weight, self.precision, self.least_chromosomes = weight, precision, max(least_chromosomes, 1)
        self.preprocessing = card_section(weight, "input", Preprocessing)
        network = LevelNetwork(card_section(weight, "architecture", Architecture))
        load_into(network, weight)
        self.device = choose_device(device)
        self.network = network.to(self.device).eval()

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path = "gband", device: DeviceName = "auto") -> Self:
        """The estimator of shipped weights, or of a ``.safetensors`` file.

        Raises:
            WeightsError: K3xx.
        """
        return cls(find("band_level", name_or_path), device)

    @property
    def version(self) -> str:
        return f"learned {self.weight.card.name} {self.weight.sha256[:8]}"

    def estimate(self, strips: Sequence[Strip | None], labels: Sequence[str | None]) -> Estimate | NotEstimable:
        ribbon = lay_ribbon(strips, labels, self.preprocessing)
        if len(ribbon) < self.least_chromosomes:
            return NotEstimable(
                f"{len(ribbon)} of {len(strips)} chromosomes can be read, at least {self.least_chromosomes} are needed"
            )
        with torch.inference_mode(), autocast(self.device, self.precision):
            said = self.network(collate([ribbon]).to(self.device))
        logits = said.logits.float().cpu().numpy() / self.weight.card.temperature
        low, middle, high = (float(levels_at(logits, share)[0]) for share in (0.025, 0.5, 0.975))
        attention = said.attention.float().cpu().numpy().astype(np.float64)
        order = np.lexsort((ribbon.places, -attention))
        half = min(int(np.searchsorted(np.cumsum(attention[order]), 0.5 * attention.sum())) + 1, len(order))
        return Estimate(middle, (low, high), tuple(ribbon.places[order[:half]].tolist()))


def said_of(model: nn.Module, ribbons: Sequence[Ribbon], device: torch.device) -> FloatArray:
    """Logits of many metaphases, each of one chromosome at least: float32, shape (n, thresholds)."""
    parts = [
        model(collate(ribbons[first : first + _TOGETHER]).to(device)).logits.float().cpu().numpy()
        for first in range(0, len(ribbons), _TOGETHER)
    ]
    return np.concatenate(parts)
