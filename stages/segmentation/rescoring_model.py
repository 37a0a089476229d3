"""Candidates judged together: a network that reads each beside its neighbours and says which are chromosomes.

A detector scores what it sees in one place. Whether that is a chromosome, a part of one or two that touch is told by
what lies beside it: how much of its stain belongs to others, how sure they are, how they lie. After GossipNet (Hosang
et al., Learning non-maximum suppression, CVPR 2017); inputs and network are our own. Only neighbours are read, never
how many chromosomes a metaphase has, so that a surplus or missing one is judged by its looks alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from karyonet.case import FloatArray

MEASURES = 17
"""What is measured of each candidate, besides what the detector's features and names say."""
RELATIONS = 8
"""What is measured of each pair of candidates."""


class RescoringArchitecture(BaseModel):
    """What a rescoring network is built from; part of the architecture in the model card.

    Attributes:
        dim: of a candidate's token. layers: in each, candidates read their neighbours once. dropout: in training.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dim: int = Field(default=96, ge=8)
    layers: int = Field(default=4, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)


class Evidence(NamedTuple):
    """What is known of the n candidates of one metaphase.

    Attributes:
        measures: float32, shape (n, MEASURES).
        names: float32, shape (n, classes): probabilities.
        features: float32, shape (n, channels): of the detector.
        relations: float32, shape (n, n, RELATIONS): of the first candidate to the second.
        near: bool, shape (n, n): neighbours; none is its own.
    """

    measures: FloatArray
    names: FloatArray
    features: FloatArray
    relations: FloatArray
    near: NDArray[np.bool_]


class _Layer(nn.Module):
    """Every candidate hears what is said about it and each neighbour, and keeps the strongest of it."""

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        half = dim // 2
        self.norm = nn.LayerNorm(dim)
        self.own, self.other = nn.Linear(dim, half), nn.Linear(dim, half)
        self.relation = nn.Linear(RELATIONS, half)
        self.pair = nn.Sequential(nn.GELU(), nn.Linear(half, half), nn.GELU())
        self.heard = nn.Linear(2 * half, dim)
        self.forward_norm = nn.LayerNorm(dim)
        self.forward_part = nn.Sequential(
            nn.Linear(dim, 2 * dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * dim, dim), nn.Dropout(dropout)
        )

    def forward(self, tokens: Tensor, relations: Tensor, near: Tensor) -> Tensor:
        calm = self.norm(tokens)
        pairs = self.pair(
            self.own(calm)[:, :, None] + self.other(calm)[:, None] + self.relation(relations)
        )  # (b, n, n, half)
        pairs = pairs * near[..., None]
        # GELU is hardly ever below 0, so that what is not near does not win.
        strongest, mean = pairs.amax(dim=2), pairs.sum(dim=2) / near.sum(dim=2, keepdim=True).clamp(min=1)
        tokens = tokens + self.heard(torch.cat([strongest, mean], dim=2))
        read: Tensor = tokens + self.forward_part(self.forward_norm(tokens))
        return read


class RescoringNetwork(nn.Module):
    """Evidence in, one logit a candidate out: "this is a chromosome, and no other candidate shows it better".

    The order of the candidates changes nothing.

    Args:
        architecture: what to build.
        channels, classes: of the detector.
    """

    def __init__(self, architecture: RescoringArchitecture, channels: int, classes: int) -> None:
        super().__init__()
        dim = architecture.dim
        self.measured, self.named = nn.Linear(MEASURES, dim), nn.Linear(classes, dim)
        self.seen = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, dim), nn.Dropout(architecture.dropout))
        self.layers = nn.ModuleList([_Layer(dim, architecture.dropout) for _ in range(architecture.layers)])
        self.norm = nn.LayerNorm(dim)
        self.verdict = nn.Linear(dim, 1)

    def forward(self, measures: Tensor, names: Tensor, features: Tensor, relations: Tensor, near: Tensor) -> Tensor:
        """Logits, shape (b, n), of b metaphases side by side; see :class:`Evidence`, each with a leading b."""
        tokens = self.measured(measures) + self.named(names) + self.seen(features)
        for layer in self.layers:
            tokens = layer(tokens, relations, near)
        verdict: Tensor = self.verdict(self.norm(tokens))[..., 0]
        return verdict


def side_by_side(metaphases: Sequence[Evidence]) -> tuple[Tensor, ...]:
    """What the network takes of several metaphases, filled up to the one with most candidates."""
    most = max(len(one.measures) for one in metaphases)
    columns = []
    for number in range(len(Evidence._fields)):
        filled = []
        for one in metaphases:
            array = one[number]
            missing = most - len(one.measures)
            both = 2 if number >= 3 else 1  # relations are of pairs
            widths = [(0, missing)] * both + [(0, 0)] * (array.ndim - both)
            filled.append(torch.from_numpy(np.pad(array, widths)))
        columns.append(torch.stack(filled))
    return tuple(columns)
