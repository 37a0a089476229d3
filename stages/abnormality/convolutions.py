"""Convolutions along the chromosome: between neighbouring regions, and over two homologs laid side by side.

Places are the columns of images of one row, channels last: in use on a CPU, depthwise convolutions over one dimension
are several times slower.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NARROWED = 8
"""Samples for one place of a pair that was laid side by side."""


class Neighbours(nn.Module):
    """Residual blocks of two separable convolutions over neighbouring regions, as in Xception (Chollet, CVPR 2017)."""

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(_separable(channels, channels, 5), _separable(channels, channels, 5, begins_as=0.0))
            for _ in range(blocks)
        )

    def forward(self, regions: Tensor, visible: Tensor) -> Tensor:
        """Shape (n, regions, channels), in and out; what is not visible takes no part."""
        if not len(self.blocks):
            return regions * visible[..., None]
        shown = visible[:, None, None]
        found = _as_images(regions) * shown
        for block in self.blocks:
            found = (found + block(found)) * shown
        return _as_places(found)


class SideBySide(nn.Module):
    """What two homologs are at the same places, before anything is aligned.

    The entry flow of Xception over the halves of both and over where they are seen, then :class:`Neighbours`, in both
    orders of the homologs.

    Args:
        first, channels: of the first convolution, and of the places that are left.
        blocks: of :class:`Neighbours`.
    """

    def __init__(self, first: int, channels: int, blocks: int) -> None:
        super().__init__()
        between = max(channels // 2, 1)
        self.size = 2 * channels
        self.entry = nn.Sequential(
            _conv(6, first, 3, 2), nn.BatchNorm2d(first), nn.GELU(), _conv(first, between, 3), nn.BatchNorm2d(between),
            _Narrowing(between, channels), _Narrowing(channels, channels),
        )  # fmt: skip
        self.neighbours = Neighbours(channels, blocks)

    def forward(self, profiles: Tensor, valid: Tensor) -> Tensor:
        """Features of n pairs, shape (n, ``size``): the same whichever homolog comes first.

        Args:
            profiles: shape (n, 2, 2, samples). valid: bool, shape (n, 2, samples).
        """
        surplus = -profiles.shape[-1] % NARROWED
        shown = F.pad(valid, (0, surplus)).to(profiles.dtype)[:, :, None]
        seen = torch.cat([F.pad(profiles, (0, surplus)) * shown, shown], dim=2)
        both_orders = torch.cat([seen.flatten(1, 2), seen.flip(1).flatten(1, 2)])
        places = _as_places(self.entry(_as_images(both_orders.transpose(1, 2))))
        visible = F.max_pool1d(shown.amax(dim=1), NARROWED)[:, 0].repeat(2, 1) > 0
        places = self.neighbours(places, visible)
        mean = places.sum(dim=1) / visible.sum(dim=1, keepdim=True)
        most = places.masked_fill(~visible[..., None], -torch.inf).amax(dim=1)
        one, other = torch.cat([mean, most], dim=1).chunk(2)
        features: Tensor = (one + other) / 2
        return features


class _Narrowing(nn.Module):
    """Half as many places: two separable convolutions and maximum pooling, with a short cut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _separable(inputs, outputs, 3), _separable(outputs, outputs, 3), nn.MaxPool2d((1, 3), (1, 2), (0, 1))
        )
        self.short = nn.Sequential(_conv(inputs, outputs, 1, 2), nn.BatchNorm2d(outputs))

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.layers(images) + self.short(images)
        return found


def _as_images(places: Tensor) -> Tensor:
    """Shape (n, places, channels) as (n, channels, 1, places), channels last."""
    return places.contiguous()[:, None].permute(0, 3, 1, 2)


def _as_places(images: Tensor) -> Tensor:
    return images[:, :, 0].transpose(1, 2)


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    padding = (0, kernel // 2)
    return nn.Conv2d(inputs, outputs, (1, kernel), (1, stride), padding, groups=groups, bias=False)


def _separable(inputs: int, outputs: int, kernel: int, begins_as: float = 1.0) -> nn.Sequential:
    """Activation, depthwise and pointwise convolution, batch normalisation.

    Args:
        begins_as: scale of the last at first; 0 makes a block nothing beside its short cut (Goyal et al., 2017, 5.1).
    """
    norm = nn.BatchNorm2d(outputs)
    nn.init.constant_(norm.weight, begins_as)
    return nn.Sequential(nn.GELU(), _conv(inputs, inputs, kernel, groups=inputs), _conv(inputs, outputs, 1), norm)
