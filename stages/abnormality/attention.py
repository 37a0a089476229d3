"""HomBlock: what each homolog looks like in the other (HomNet paper, eq. 4)."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

Alignment = Literal["softmax", "ratio", "mlp", "cnn", "none"]
"""How what a region of a homolog is set against is found in the other one."""

_LEAST = 1e-2
"""Sum of scores that the ratio is divided by at least, either side of zero."""


class Compared(NamedTuple):
    """Two homologs after they looked at each other.

    Attributes:
        own, other: shape (n, regions, channels).
        alignment, other_alignment: shape (n, regions, regions), float32: weights of the last layer, mean over heads;
            rows are the regions of the homolog that looks. Without attention each looks at the same place, without
            comparison at none.
    """

    own: Tensor
    other: Tensor
    alignment: Tensor
    other_alignment: Tensor


class FixedAlignment(nn.Module):
    """What a homolog is set against without attention: weights over places that are the same for every pair.

    Args:
        kind: ``mlp`` over all places, or ``cnn`` over neighbouring ones (the paper's Table 4; layers are our choice).
        channels, width: of regions, and of what is found.
        regions: of a profile.
    """

    def __init__(self, kind: Literal["mlp", "cnn"], channels: int, width: int, regions: int) -> None:
        super().__init__()
        self.value = nn.Linear(channels, width, bias=False)
        self.over = (
            nn.Sequential(nn.Linear(regions, regions), nn.GELU(), nn.Linear(regions, regions))
            if kind == "mlp"
            else nn.Sequential(nn.Conv1d(width, width, 5, padding=2), nn.GELU(), nn.Conv1d(width, width, 5, padding=2))
        )

    def forward(self, seen: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """What is found, shape (n, regions, width), and the alignment, each region beside the one at its place."""
        value = self.value(seen) * visible[..., None]
        found = self.over(value.transpose(1, 2)).transpose(1, 2)
        same = torch.eye(visible.shape[1], device=seen.device).expand(len(seen), -1, -1)
        return found, same


class HomLayer(nn.Module):
    """r̂ = W_diff(r + W_head(concatenated heads)), each head Σ a W_v r₂ with a from (W_q r₁)·(W_k r₂)/√d.

    Args:
        channels, heads, head_dim: sizes.
        attention: ``softmax`` of the scores, or the paper's ``ratio``, scores over their sum; or ``mlp`` or ``cnn``
            in its place.
        normalise: layer normalisation before, and r + GELU(r̂) instead of r̂.
        dropout: in training, on what was looked up.
        regions: of a profile.
        near: scores fall with the distance between two places, in each head by a slope of its own that is learned
            (after ALiBi, Press et al., ICLR 2022): normal homologs have the same at the same place.
    """

    def __init__(
        self, channels: int, heads: int, head_dim: int, attention: Literal["softmax", "ratio", "mlp", "cnn"],
        normalise: bool, dropout: float, regions: int, near: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.heads, self.attention, self.normalise = heads, attention, normalise
        self.scale = head_dim**-0.5
        self.slope = nn.Parameter(torch.linspace(0.0, 1.0, heads)) if near else None
        self.norm = nn.LayerNorm(channels) if normalise else nn.Identity()
        self.fixed: FixedAlignment | None = None
        if attention == "mlp" or attention == "cnn":
            self.fixed = FixedAlignment(attention, channels, heads * head_dim, regions)
        else:
            self.query = nn.Linear(channels, heads * head_dim, bias=False)
            self.key = nn.Linear(channels, heads * head_dim, bias=False)
            self.value = nn.Linear(channels, heads * head_dim, bias=False)
        self.joined = nn.Linear(heads * head_dim, channels)
        self.difference = nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, own: Tensor, other: Tensor, other_visible: Tensor) -> tuple[Tensor, Tensor]:
        """The updated regions of ``own`` and the weights, shape (n, regions, regions)."""
        looking, seen = self.norm(own), self.norm(other)
        if self.fixed is not None:
            found, alignment = self.fixed(seen, other_visible)
        else:
            found, alignment = self._attended(looking, seen, other_visible)
        updated: Tensor = self.difference(looking + self.dropout(self.joined(found)))
        if self.normalise:
            updated = own + nn.functional.gelu(updated)
        return updated, alignment

    def _attended(self, looking: Tensor, seen: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        query, key, value = self._split(self.query(looking)), self._split(self.key(seen)), self._split(self.value(seen))
        scores = (query @ key.transpose(-1, -2)).float() * self.scale
        if self.slope is not None:
            scores = scores - self.slope[:, None, None] * _distances(visible.shape[1], scores)
        weights = self._weights(scores, visible[:, None, None])
        return (weights.to(value.dtype) @ value).transpose(1, 2).flatten(2), weights.mean(dim=1)

    def _split(self, projected: Tensor) -> Tensor:
        return projected.view(*projected.shape[:2], self.heads, -1).transpose(1, 2)

    def _weights(self, scores: Tensor, visible: Tensor) -> Tensor:
        if self.attention == "softmax":
            return torch.softmax(scores.masked_fill(~visible, -torch.inf), dim=-1)
        scores = scores * visible
        total = scores.sum(dim=-1, keepdim=True)
        return scores / torch.where(total < 0, total.clamp(max=-_LEAST), total.clamp(min=_LEAST))


class HomBlock(nn.Module):
    """Layers of cross attention between homologs, with the same weights in both directions.

    Args:
        channels, layers, heads, head_dim, attention, normalise, dropout, regions, near: of the layers; with the
            attention ``none`` there are none, and nothing is compared.
        update: ``parallel`` or ``sequential``: whether the second homolog looks at the first one as it was or as it is.
    """

    def __init__(
        self, channels: int, layers: int, heads: int, head_dim: int, attention: Alignment,
        update: Literal["parallel", "sequential"], normalise: bool, dropout: float, regions: int, near: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.parallel = update == "parallel"
        self.layers = nn.ModuleList()
        if attention != "none":
            self.layers.extend(
                HomLayer(channels, heads, head_dim, attention, normalise, dropout, regions, near) for _ in range(layers)
            )

    def forward(self, own: Tensor, other: Tensor, visible: Tensor, other_visible: Tensor) -> Compared:
        """Compare homologs.

        Args:
            own, other: shape (n, regions, channels). visible, other_visible: bool, shape (n, regions), at least one
                region of each.
        """
        alignment = other_alignment = own.new_zeros(len(own), own.shape[1], own.shape[1])
        for layer in self.layers:
            updated, alignment = layer(own, other, other_visible)
            other, other_alignment = layer(other, own if self.parallel else updated, visible)
            own = updated
        return Compared(own, other, alignment, other_alignment)


def _distances(regions: int, like: Tensor) -> Tensor:
    """How many regions lie between two places, shape (regions, regions)."""
    place = torch.arange(regions, dtype=like.dtype, device=like.device)
    return (place[:, None] - place).abs()
