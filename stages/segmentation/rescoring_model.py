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
    """What is known of the n candidates of one metaphase, or of several side by side, and of their k pairs.

    Attributes:
        measures: float32, shape (n, MEASURES).
        names: float32, shape (n, classes): probabilities.
        features: float32, shape (n, channels): of the detector.
        pairs: int64, shape (k, 2): candidates that lie near each other, every two of them both ways round.
        relations: float32, shape (k, RELATIONS): of the first of a pair to the second.
    """

    measures: FloatArray
    names: FloatArray
    features: FloatArray
    pairs: NDArray[np.int64]
    relations: FloatArray


class _Layer(nn.Module):
    """Every candidate hears what is said about it and each neighbour, and keeps the strongest and the mean of it."""

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        half = dim // 2
        self.norm = nn.LayerNorm(dim)
        self.own, self.other = nn.Linear(dim, half), nn.Linear(dim, half)
        self.relation = nn.Linear(RELATIONS, half)
        self.pair = nn.Sequential(nn.GELU(), nn.Linear(half, half), nn.ReLU())
        self.heard = nn.Linear(2 * half, dim)
        self.forward_norm = nn.LayerNorm(dim)
        self.forward_part = nn.Sequential(
            nn.Linear(dim, 2 * dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * dim, dim), nn.Dropout(dropout)
        )

    def forward(self, tokens: Tensor, pairs: Tensor, relations: Tensor) -> Tensor:
        calm = self.norm(tokens)
        first, second = pairs.T
        said = self.pair(self.own(calm)[first] + self.other(calm)[second] + self.relation(relations))
        silence = said.new_zeros(len(tokens), said.shape[1])
        place = first[:, None].expand_as(said)
        strongest = silence.scatter_reduce(0, place, said, "amax")
        mean = silence.scatter_reduce(0, place, said, "mean", include_self=False)
        tokens = tokens + self.heard(torch.cat([strongest, mean], dim=1))
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

    def forward(self, measures: Tensor, names: Tensor, features: Tensor, pairs: Tensor, relations: Tensor) -> Tensor:
        """Logits, shape (n,); see :class:`Evidence`."""
        tokens = self.measured(measures) + self.named(names) + self.seen(features)
        for layer in self.layers:
            tokens = layer(tokens, pairs, relations)
        verdict: Tensor = self.verdict(self.norm(tokens))[:, 0]
        return verdict


def side_by_side(metaphases: Sequence[Evidence]) -> Evidence:
    """The evidence of several metaphases as that of one: their candidates do not meet.

    Args:
        metaphases: at least one.
    """
    firsts = np.cumsum([0, *(len(one.measures) for one in metaphases[:-1])])
    moved = [one._replace(pairs=one.pairs + first) for one, first in zip(metaphases, firsts, strict=True)]
    return Evidence(*(np.concatenate(arrays) for arrays in zip(*moved, strict=True)))


def tensors(evidence: Evidence, device: torch.device) -> tuple[Tensor, ...]:
    """What the network takes."""
    return tuple(torch.from_numpy(array).to(device) for array in evidence)
