"""Image networks of the HomNet paper's comparison over one dimension: small, with the building blocks of each.

Every class takes float32, shape (n, channels, samples), and gives features of shape (n, ``width``). Kernels (k, k)
became k, patches stretches of the series; numbers of channels and layers are smaller than the papers', so that all
are of HomNet's order of size. ``width`` is the number of features.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class MLPMixer(nn.Module):
    """MLP-Mixer (Tolstikhin et al., NeurIPS 2021): stretches are mixed over places, then over channels."""

    def __init__(self, channels: int, samples: int, width: int = 64, stretch: int = 16, layers: int = 4) -> None:
        super().__init__()
        self.width = width
        self.stretches = _Stretches(channels, samples, width, stretch)
        self.layers = nn.Sequential(*(_MixerLayer(self.stretches.count, width) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)

    def forward(self, series: Tensor) -> Tensor:
        features: Tensor = self.norm(self.layers(self.stretches(series))).mean(dim=1)
        return features


class ViT(nn.Module):
    """Vision transformer (Dosovitskiy et al., ICLR 2021): stretches, a class token, learned positions, pre-norm."""

    def __init__(self, channels: int, samples: int, width: int = 64, stretch: int = 16, layers: int = 4) -> None:
        super().__init__()
        self.width = width
        self.stretches = _Stretches(channels, samples, width, stretch)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(0.02 * torch.randn(1, self.stretches.count + 1, width))
        layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)

    def forward(self, series: Tensor) -> Tensor:
        found = self.stretches(series)
        found = torch.cat([self.token.expand(len(found), -1, -1), found], dim=1) + self.position
        features: Tensor = self.layers(found)[:, 0]
        return features


class ResNet(nn.Module):
    """ResNet-18 (He et al., CVPR 2016): four stages of two basic blocks."""

    def __init__(self, channels: int, samples: int, widths: Sequence[int] = (16, 32, 64, 128)) -> None:
        super().__init__()
        self.width = widths[-1]
        layers: list[nn.Module] = [_conv(channels, widths[0], 7, 2), nn.MaxPool1d(3, 2, padding=1)]
        inputs = widths[0]
        for number, outputs in enumerate(widths):
            layers += [_BasicBlock(inputs, outputs, 1 if number == 0 else 2), _BasicBlock(outputs, outputs, 1)]
            inputs = outputs
        self.layers = nn.Sequential(*layers)

    def forward(self, series: Tensor) -> Tensor:
        features: Tensor = self.layers(series).mean(dim=2)
        return features


class Xception(nn.Module):
    """Xception (Chollet, CVPR 2017): separable convolutions with short cuts, in an entry, a middle and an exit flow."""

    def __init__(self, channels: int, samples: int, widths: Sequence[int] = (16, 32, 64, 96), middle: int = 4) -> None:
        super().__init__()
        first, *entry = widths
        self.width = 2 * entry[-1]
        layers: list[nn.Module] = [_conv(channels, first, 3, 2), _conv(first, entry[0], 3)]
        for inputs, outputs in zip(entry, (*entry[1:], entry[-1]), strict=True):
            layers.append(_SeparableBlock([inputs, outputs, outputs], stride=2))
        layers += [_SeparableBlock([entry[-1]] * 4, stride=1) for _ in range(middle)]
        layers += [_separable(entry[-1], self.width), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, series: Tensor) -> Tensor:
        features: Tensor = self.layers(series).mean(dim=2)
        return features


class DenseNet(nn.Module):
    """DenseNet-BC (Huang et al., CVPR 2017): every layer sees all before it; transitions halve channels and length."""

    def __init__(self, channels: int, samples: int, growth: int = 12, blocks: Sequence[int] = (4, 4, 4)) -> None:
        super().__init__()
        count = 2 * growth
        layers: list[nn.Module] = [nn.Conv1d(channels, count, 7, 2, padding=3, bias=False)]
        for number, length in enumerate(blocks):
            for _ in range(length):
                layers.append(_DenseLayer(count, growth))
                count += growth
            if number < len(blocks) - 1:
                layers += [*_pre_activated(count, count // 2, 1), nn.AvgPool1d(2)]
                count //= 2
        self.width = count
        self.layers = nn.Sequential(*layers, nn.BatchNorm1d(count), nn.ReLU())

    def forward(self, series: Tensor) -> Tensor:
        features: Tensor = self.layers(series).mean(dim=2)
        return features


class MobileNet(nn.Module):
    """MobileNet (Howard et al., 2017): depthwise and pointwise convolutions, with a width multiplier of a quarter."""

    STEPS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
    """Channels and stride of every depthwise separable convolution, as in the paper's Table 1."""

    def __init__(self, channels: int, samples: int, multiplier: float = 0.25) -> None:
        super().__init__()
        count = int(32 * multiplier)
        layers: list[nn.Module] = [_conv(channels, count, 3, 2)]
        for outputs, stride in ((int(wide * multiplier), stride) for wide, stride in self.STEPS):
            layers += [_conv(count, count, 3, stride, groups=count), _conv(count, outputs, 1)]
            count = outputs
        self.width = count
        self.layers = nn.Sequential(*layers)

    def forward(self, series: Tensor) -> Tensor:
        features: Tensor = self.layers(series).mean(dim=2)
        return features


class _Stretches(nn.Module):
    """A series cut into stretches, each embedded: (n, channels, samples) to (n, count, width)."""

    def __init__(self, channels: int, samples: int, width: int, stretch: int) -> None:
        super().__init__()
        self.count = -(-samples // stretch)
        self.surplus = self.count * stretch - samples
        self.embed = nn.Conv1d(channels, width, stretch, stretch)

    def forward(self, series: Tensor) -> Tensor:
        embedded: Tensor = self.embed(nn.functional.pad(series, (0, self.surplus))).transpose(1, 2)
        return embedded


class _MixerLayer(nn.Module):
    """An MLP over places, then one over channels, each after layer normalisation and with a short cut."""

    def __init__(self, places: int, width: int) -> None:
        super().__init__()
        self.norm, self.other_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.over_places, self.over_channels = _mlp(places, 2 * places), _mlp(width, 2 * width)

    def forward(self, found: Tensor) -> Tensor:
        found = found + self.over_places(self.norm(found).transpose(1, 2)).transpose(1, 2)
        mixed: Tensor = found + self.over_channels(self.other_norm(found))
        return mixed


class _BasicBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(_conv(inputs, outputs, 3, stride), _linear_conv(outputs, outputs, 3))
        same = inputs == outputs and stride == 1
        self.short = nn.Identity() if same else _linear_conv(inputs, outputs, 1, stride)

    def forward(self, series: Tensor) -> Tensor:
        return torch.relu(self.layers(series) + self.short(series))


class _SeparableBlock(nn.Module):
    """ReLU and separable convolution, several times, with a short cut; a stride is taken by maximum pooling."""

    def __init__(self, counts: Sequence[int], stride: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(counts):
            layers += [nn.ReLU(), _separable(inputs, outputs)]
        if stride > 1:
            layers.append(nn.MaxPool1d(3, stride, padding=1))
        self.layers = nn.Sequential(*layers)
        same = counts[0] == counts[-1] and stride == 1
        self.short = nn.Identity() if same else _linear_conv(counts[0], counts[-1], 1, stride)

    def forward(self, series: Tensor) -> Tensor:
        found: Tensor = self.layers(series) + self.short(series)
        return found


class _DenseLayer(nn.Module):
    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_pre_activated(inputs, 4 * growth, 1), *_pre_activated(4 * growth, growth, 3)
        )  # fmt: skip

    def forward(self, series: Tensor) -> Tensor:
        return torch.cat([series, self.layers(series)], dim=1)


def _mlp(size: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(size, hidden), nn.GELU(), nn.Linear(hidden, size))


def _linear_conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution and batch normalisation."""
    conv = nn.Conv1d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm1d(outputs))


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation and ReLU."""
    return nn.Sequential(*_linear_conv(inputs, outputs, kernel, stride, groups), nn.ReLU())


def _separable(inputs: int, outputs: int) -> nn.Sequential:
    """Depthwise, then pointwise convolution, and batch normalisation."""
    depthwise = nn.Conv1d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
    return nn.Sequential(depthwise, *_linear_conv(inputs, outputs, 1))


def _pre_activated(inputs: int, outputs: int, kernel: int) -> tuple[nn.Module, ...]:
    """Batch normalisation, ReLU and convolution."""
    return (
        nn.BatchNorm1d(inputs),
        nn.ReLU(),
        nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
    )
