"""Summaries over regions and metaphases that leave out what is not there."""

from __future__ import annotations

import torch
from torch import Tensor


def relative_places(visible: Tensor) -> Tensor:
    """Sines and cosines of where regions lie as a share of the chromosome: bool (n, regions) to (n, regions, 6)."""
    index = torch.arange(1, visible.shape[1] + 1, device=visible.device)
    last = (index * visible).amax(dim=1, keepdim=True)
    share = (index - 0.5) / last
    angles = torch.pi * share[..., None] * share.new_tensor([1.0, 2.0, 4.0])
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def mean_and_maximum(regions: Tensor, visible: Tensor) -> Tensor:
    """Over the visible regions: (n, 2, regions, c) to (n, 2, 2 c)."""
    shown = visible[..., None]
    mean = (regions * shown).sum(dim=2) / shown.sum(dim=2)
    return torch.cat([mean, regions.masked_fill(~shown, -torch.inf).amax(dim=2)], dim=-1)


def strongest(values: Tensor, there: Tensor, count: int) -> Tensor:
    """Mean of the largest values that are there, along the last dimension; 0 where none is."""
    best = values.masked_fill(~there, -torch.inf).topk(min(count, values.shape[-1]), dim=-1).values
    finite = best.isfinite()
    return torch.where(finite, best, 0.0).sum(dim=-1) / finite.sum(dim=-1).clamp(min=1)


def average(values: Tensor, there: Tensor) -> Tensor:
    """Mean over dimension 1 of what is there."""
    return (values * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)


def agreed(evidence: Tensor, visible: Tensor, count: int) -> Tensor:
    """Strongest evidence that the metaphases share, shape (b,): in each the more suspect homolog, region by region.

    Args:
        evidence, visible: shape (b, m, 2, regions).
        count: of regions that count.
    """
    suspect = evidence.masked_fill(~visible, -torch.inf).amax(dim=2)
    there = visible.any(dim=2)
    return strongest(average(torch.where(there, suspect, 0.0), there), there.any(dim=1), count)
