"""Convolutions along the chromosome: what they may see, and what must not matter to them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from karyonet.stages.abnormality.convolutions import Neighbours, SideBySide


def pairs(samples: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Three pairs of homologs of different lengths."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(9, samples + 1, (3, 2, 1), generator=generator)
    return torch.rand(3, 2, 2, samples, generator=generator), torch.arange(samples) < lengths


def awake(module: nn.Module) -> nn.Module:
    """In use, with every block doing something: they begin as nothing beside their short cut."""
    torch.manual_seed(0)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.uniform_(part.bias, -0.5, 0.5)
    return module.eval()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), samples=st.sampled_from([40, 45, 64]))
def test_a_pair_is_the_same_whichever_homolog_comes_first(seed: int, samples: int) -> None:
    beside = awake(SideBySide(4, 8, blocks=1))
    profiles, valid = pairs(samples, seed)
    with torch.inference_mode():
        one, other = beside(profiles, valid), beside(profiles.flip(1), valid.flip(1))
    assert one.shape == (3, beside.size) and torch.allclose(one, other, atol=1e-5)


def test_hidden_samples_are_not_read_and_seen_ones_are() -> None:
    beside = awake(SideBySide(4, 8, blocks=1))
    profiles, valid = pairs(48)
    with torch.inference_mode():
        before = beside(profiles, valid)
        hidden = beside(torch.where(valid[:, :, None], profiles, 9.0), valid)
        changed = beside(profiles.index_fill(3, torch.tensor([3]), 5.0), valid)
    assert torch.equal(before, hidden)
    assert (before - changed).abs().amax(dim=1).min() > 1e-4


@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_new_blocks_are_nothing_beside_their_short_cut(blocks: int) -> None:
    regions, visible = torch.rand(2, 6, 8), torch.ones(2, 6, dtype=torch.bool)
    assert torch.equal(Neighbours(8, blocks).eval()(regions, visible), regions)


def test_neighbours_reach_as_far_as_their_kernels_and_leave_what_is_hidden() -> None:
    neighbours = awake(Neighbours(8, 1))
    regions, visible = torch.rand(1, 20, 8), torch.ones(1, 20, dtype=torch.bool)
    visible[0, 17:] = False
    other = regions.clone()
    other[0, 10] += 1
    with torch.inference_mode():
        before, after = neighbours(regions, visible), neighbours(other, visible)
    differs = ((before - after).abs().amax(dim=2)[0] > 1e-6).tolist()
    assert differs == [6 <= place <= 14 for place in range(20)]
    assert not before[0, 17:].any()
