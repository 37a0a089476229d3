"""The network that places a centromere: a small one-dimensional convolutional network along the chromosome."""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from karyonet.case import LABELS

from .profiles import CHANNELS

UNNAMED = len(LABELS)
"""Stands for the name of a chromosome that has none."""


class Architecture(BaseModel):
    """What the network is built from; stored in the model card of the weights.

    Attributes:
        channels: of its layers. kernel: samples that a convolution sees. dilations: of its blocks, one each; together
            they see the chromosome from end to end. dropout: in training, of whole channels.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: int = Field(default=32, ge=8, multiple_of=8)
    kernel: int = Field(default=5, ge=3)
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16)
    dropout: float = Field(default=0.05, ge=0, lt=1)


class _Block(nn.Module):
    """Two convolutions that are added to their input."""

    def __init__(self, channels: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(8, channels),
            nn.GELU(),
            nn.Conv1d(channels, channels, kernel, padding="same", dilation=dilation),
            nn.GroupNorm(8, channels),
            nn.GELU(),
            nn.Dropout1d(dropout),
            nn.Conv1d(channels, channels, kernel, padding="same"),
        )

    def forward(self, values: Tensor) -> Tensor:
        read: Tensor = values + self.layers(values)
        return read


class CentromereNetwork(nn.Module):
    """Profiles in, one logit a sample out: "the centromere is here".

    Args:
        architecture: what to build.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        channels, kernel = architecture.channels, architecture.kernel
        self.stem = nn.Conv1d(len(CHANNELS) + 3, channels, kernel, padding="same")
        self.name = nn.Embedding(len(LABELS) + 1, channels)
        self.blocks = nn.ModuleList(
            _Block(channels, kernel, dilation, architecture.dropout) for dilation in architecture.dilations
        )
        self.norm = nn.GroupNorm(8, channels)
        self.head = nn.Conv1d(channels, 1, 1)

    def forward(self, profiles: Tensor, names: Tensor) -> Tensor:
        """Place centromeres.

        Args:
            profiles: float32, shape (n, 8, samples), of
                :meth:`~karyonet.stages.centromere.profiles.Preprocessing.place`.
            names: int64, shape (n,): index in :data:`karyonet.case.LABELS`, or :data:`UNNAMED`.

        Returns:
            logits, shape (n, samples).
        """
        place = torch.linspace(-1.0, 1.0, profiles.shape[2], device=profiles.device, dtype=profiles.dtype)
        values: Tensor = self.stem(torch.cat([profiles, place.expand(len(profiles), 1, -1)], dim=1))
        values = values + self.name(names)[:, :, None]
        for block in self.blocks:
            values = block(values)
        logits: Tensor = self.head(nn.functional.gelu(self.norm(values)))[:, 0]
        return logits
