"""Augmentation of a batch of prepared strips at once, in torch: on a CPU core as cheap as loading, on a GPU free.

Everything happens after the optics, on strips that were straightened and scaled: what varies between laboratories,
between metaphases, and between a good straightening and a poor one.
"""

from __future__ import annotations

import math

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional as F


class Augmentation(BaseModel):
    """How much is varied; 0 switches a part off.

    Attributes:
        flip: probability of turning the strip end over end, which turns its polarity; mirroring is always 1 in 2.
        scale: relative, of both axes, as when the metaphase's median is misjudged.
        stretch: relative, of the length alone.
        warp: relative, how much condensation varies along the strip.
        rotation: degrees. bend: pixels at the ends. shift: pixels along the strip, half of it across.
        gain: relative, of the density. gamma: exponent, relative. fade: density gradient from end to end.
        blur: share of smoothing, or of sharpening, at most. noise: standard deviation, in mean densities, at most.
        occlusion: probability that a piece is lost. neighbour: probability that a piece of another strip is added.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    flip: float = Field(default=0.5, ge=0, le=1)
    scale: float = Field(default=0.10, ge=0, lt=0.5)
    stretch: float = Field(default=0.08, ge=0, lt=0.5)
    warp: float = Field(default=0.10, ge=0, lt=0.5)
    rotation: float = Field(default=5.0, ge=0)
    bend: float = Field(default=2.5, ge=0)
    shift: float = Field(default=4.0, ge=0)
    gain: float = Field(default=0.20, ge=0, lt=1)
    gamma: float = Field(default=0.25, ge=0, lt=1)
    fade: float = Field(default=0.15, ge=0, lt=1)
    blur: float = Field(default=0.8, ge=0, le=1)
    noise: float = Field(default=0.08, ge=0)
    occlusion: float = Field(default=0.10, ge=0, le=1)
    neighbour: float = Field(default=0.10, ge=0, le=1)


def augment(strips: Tensor, polarity: Tensor, settings: Augmentation, seed: int) -> tuple[Tensor, Tensor]:
    """Vary a batch.

    Args:
        strips: float32, shape (n, 1, height, width), as the network takes them.
        polarity: int64, shape (n,): 1 short arm at row 0, 0 at the last row, -1 unknown.
        settings: how much.
        seed: the same seed varies the same batch in the same way.

    Returns:
        strips and polarity of the same shapes.
    """
    draw = _Draw(len(strips), strips.device, seed)
    flipped = draw.chance(settings.flip)
    grid = _sampling_grid(draw, strips.shape[2], strips.shape[3], flipped, settings)
    moved = F.grid_sample(strips, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
    moved = _pieces(draw, moved, settings)
    turned = torch.where(flipped & (polarity >= 0), 1 - polarity, polarity)
    return _photometry(draw, moved, settings), turned


class _Draw:
    """Random numbers for n strips, from one seed, in the order in which they are asked for."""

    def __init__(self, count: int, device: torch.device, seed: int) -> None:
        self.count, self.device = count, device
        self.generator = torch.Generator().manual_seed(seed)
        self.on_device = torch.Generator(device).manual_seed(seed)

    def uniform(self, low: float = -1.0, high: float = 1.0) -> Tensor:
        values = torch.rand(self.count, 1, 1, generator=self.generator)
        return (low + (high - low) * values).to(self.device)

    def chance(self, probability: float) -> Tensor:
        return (torch.rand(self.count, generator=self.generator) < probability).to(self.device)

    def normal_like(self, tensor: Tensor) -> Tensor:
        return torch.empty_like(tensor).normal_(generator=self.on_device)


def _sampling_grid(draw: _Draw, height: int, width: int, flipped: Tensor, settings: Augmentation) -> Tensor:
    """Where every pixel of the result is taken from, shape (n, height, width, 2), in the coordinates of grid_sample."""
    half = (height - 1) / 2
    rows = torch.linspace(-half, half, height, device=draw.device)[None, :, None]
    columns = torch.linspace(-(width - 1) / 2, (width - 1) / 2, width, device=draw.device)[None, None, :]
    angle = draw.uniform() * math.radians(settings.rotation)
    scale = 1 / (1 + settings.scale * draw.uniform())
    length_scale = scale / (1 + settings.stretch * draw.uniform())
    ends = torch.where(flipped, -1.0, 1.0)[:, None, None] * length_scale
    sides = torch.where(draw.chance(0.5), -1.0, 1.0)[:, None, None] * scale

    phase, waves = draw.uniform(0, 2 * math.pi), draw.uniform(0.5, 1.5) * math.pi / half
    # The slope of this displacement is at most `warp`: the order of the bands cannot change.
    warped = rows + settings.warp * draw.uniform() / waves * torch.sin(waves * rows + phase)
    relative = rows / half
    bend = settings.bend * (draw.uniform() * (relative.square() - 0.3) + 0.5 * draw.uniform() * torch.sin(3 * relative))

    x = sides * (columns * angle.cos() + rows * angle.sin() + bend) + 0.5 * settings.shift * draw.uniform()
    y = ends * (warped * angle.cos() - columns * angle.sin()) + settings.shift * draw.uniform()
    return torch.stack([x / ((width - 1) / 2), y / half], dim=3)


def _pieces(draw: _Draw, strips: Tensor, settings: Augmentation) -> Tensor:
    """Lose a piece of some strips and add a piece of another strip to some: what imperfect separation does."""
    height, width = strips.shape[2:]
    rows = torch.arange(height, device=draw.device)[None, :, None] / height
    columns = torch.arange(width, device=draw.device)[None, None, :] / width

    def piece(probability: float) -> Tensor:
        middle, extent = draw.uniform(0.1, 0.9), draw.uniform(0.02, 0.12)
        edge, side = draw.uniform(0.2, 0.8), draw.chance(0.5)[:, None, None]
        inside = ((rows - middle).abs() < extent) & torch.where(side, columns < edge, columns > edge)
        return (inside & draw.chance(probability)[:, None, None])[:, None]

    lost, added = piece(settings.occlusion), piece(settings.neighbour)
    return torch.where(lost, 0.0, strips) + torch.where(added, strips.roll(1, dims=0), 0.0)


def _photometry(draw: _Draw, strips: Tensor, settings: Augmentation) -> Tensor:
    height = strips.shape[2]
    stained = strips > 0.02
    exponent = 1 + settings.gamma * draw.uniform()
    values = strips.clamp(min=1e-3).pow(exponent[:, None])
    ramp = torch.linspace(-1, 1, height, device=draw.device)[None, :, None]
    gain = (1 + settings.gain * draw.uniform()) * (1 + settings.fade * draw.uniform() * ramp)
    values = values * gain[:, None]
    smooth = F.avg_pool2d(values, 3, stride=1, padding=1, count_include_pad=False)
    # Towards the mean of the neighbours: blur. Away from it, by a third as much: sharpening.
    values = values + (settings.blur * draw.uniform(-0.33, 1.0))[:, None] * (smooth - values)
    values = values + (settings.noise * draw.uniform(0, 1))[:, None] * draw.normal_like(values)
    return torch.where(stained, values.clamp(min=0.0), 0.0)
