"""The chromosomes of a metaphase read together: attention over what the network says of each of them.

A chromosome is easier to name beside its metaphase than alone: its homolog looks like it, its condensation and stain
are those of the others, and a name that two others bear with certainty is less likely. The idea is KaryoNet's (Xia et
al., IEEE TMI 2023, masked feature interaction); network and training are our own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from karyonet.case import FloatArray

MEASURES = 3
"""Relative length, area and mass of a strip."""


class ContextArchitecture(BaseModel):
    """What a context network is built from; part of the architecture in the model card.

    Attributes:
        dim: of a chromosome's token. layers, heads: of the transformer. dropout: in training.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dim: int = Field(default=192, ge=8)
    layers: int = Field(default=3, ge=1)
    heads: int = Field(default=6, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)


class ContextNetwork(nn.Module):
    """Corrects the logits of every chromosome by those of its metaphase.

    The order of the chromosomes changes nothing, and they may be any number. Where they lie is not an input: cut-out
    data sets are laid out by name, so that a position would give the name away.

    Args:
        architecture: what to build.
        embedding_dim, classes: of the classifier.
    """

    def __init__(self, architecture: ContextArchitecture, embedding_dim: int, classes: int) -> None:
        super().__init__()
        self.architecture = architecture
        dim = architecture.dim
        self.embedded = nn.Linear(embedding_dim, dim)
        self.named = nn.Linear(classes, dim)
        self.measured = nn.Linear(MEASURES, dim)
        layer = nn.TransformerEncoderLayer(
            dim, architecture.heads, 4 * dim, architecture.dropout, "gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, architecture.layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(dim)
        self.correction = nn.Linear(dim, classes)
        # At first every chromosome keeps the name that it has alone.
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def forward(self, embeddings: Tensor, logits: Tensor, measures: Tensor, absent: Tensor | None = None) -> Tensor:
        """Logits in context, float32, shape (b, n, classes).

        Args:
            embeddings: shape (b, n, d), unit length, of b metaphases.
            logits: shape (b, n, classes), calibrated.
            measures: shape (b, n, 3), see :func:`measure`.
            absent: bool, shape (b, n), places that hold no chromosome; None where all do.
        """
        log_probabilities = torch.log_softmax(logits.float(), dim=-1)
        scaled = embeddings.float() * embeddings.shape[-1] ** 0.5
        tokens = self.embedded(scaled) + self.named(log_probabilities.exp()) + self.measured(measures.float())
        read = self.norm(self.encoder(tokens, src_key_padding_mask=absent))
        corrected: Tensor = log_probabilities + self.correction(read)
        return corrected


def measure(lengths: Sequence[float], areas: Sequence[float], masses: Sequence[float]) -> FloatArray:
    """What the strips of one metaphase measure beside each other.

    Args:
        lengths: rows. areas: pixels that are stained. masses: sums of optical density.

    Returns:
        float32, shape (n, 3): natural logarithms relative to the metaphase's median, at most 2 either way.
    """
    columns = [np.asarray(values, dtype=np.float64) for values in (lengths, areas, masses)]
    if not len(columns[0]):
        return np.zeros((0, MEASURES), dtype=np.float32)
    relative = [np.log(np.maximum(c, 1e-6) / max(float(np.median(c)), 1e-6)) for c in columns]
    measures: FloatArray = np.clip(np.stack(relative, axis=1), -2, 2).astype(np.float32)
    return measures


def measure_strips(strips: Sequence[FloatArray]) -> FloatArray:
    """:func:`measure` of strips, float32, shape (length, width) each, 0 is background."""
    return measure(
        [len(strip) for strip in strips],
        [float((strip > 0).sum()) for strip in strips],
        [float(strip.sum()) for strip in strips],
    )
