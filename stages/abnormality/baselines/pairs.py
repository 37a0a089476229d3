"""Baseline networks as judges of bags: each pair by itself, the bag by the mean over its pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from karyonet.case import LABELS

from ..bags import BAND_LEVELS, BagBatch
from .networks import DenseNet, MLPMixer, MobileNet, ResNet, ViT, Xception

NetworkName = Literal[
    "mlp_mixer", "vit", "resnet", "xception", "densenet", "mobilenet", "siamese", "siamese_as_published"
]
NETWORKS: tuple[NetworkName, ...] = get_args(NetworkName)


class Verdict(NamedTuple):
    """What a baseline says of b bags of up to m metaphases.

    Attributes:
        logit: float32, shape (b,): above 0 means "abnormal".
        pairs: float32, shape (b, m): of each pair, a logit or a distance; 0 where there is none.
    """

    logit: Tensor
    pairs: Tensor


class PairNetwork(nn.Module):
    """A network over the four profiles of a pair: channels are left and right half of one homolog, then of the other.

    Chromosome type and band level join the features before two last layers, since HomNet knows them as well. What is
    not visible is 0, as background is. The bag's logit is the mean of its pairs'; the HomNet paper does not say how
    its baselines come from pairs to bags.

    Args:
        backbone: of :mod:`~karyonet.stages.abnormality.baselines.networks`, with four channels.
    """

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        width = _width(backbone)
        known = len(LABELS) + len(BAND_LEVELS)
        self.head = nn.Sequential(nn.Linear(width + known, width), nn.GELU(), nn.Linear(width, 1))

    def forward(self, batch: BagBatch) -> Verdict:
        """Judge bags; see :func:`~karyonet.stages.abnormality.bags.collate`."""
        features = self.backbone(_visible(batch).flatten(1, 2))
        kinds = F.one_hot(batch.chromosome, len(LABELS)).to(features.dtype)[batch.present.nonzero()[:, 0]]
        logits = self.head(torch.cat([features, kinds, batch.bands[batch.present].to(features.dtype)], dim=1))
        pairs, mean = _over_bags(logits[:, 0].float(), batch.present)
        return Verdict(mean, pairs)

    def loss(self, verdict: Verdict, batch: BagBatch, abnormal: Tensor) -> Tensor:
        """Cross entropy of the bags."""
        return F.binary_cross_entropy_with_logits(verdict.logit, abnormal)


class Siamese(nn.Module):
    """Distance of two homologs, embedded by a small convolutional network (after ChromosomeSiameseAD).

    d = |f(H₁) − f(H₂)|; loss (1 − y) d² + y max(margin − d, 0)² with y = 1 for abnormal pairs (Hadsell et al., CVPR
    2006), so that normal homologs come together. A pair is called abnormal from half of the margin on, a bag by the
    mean of its distances.

    Args:
        as_published: with the two faults of the published code: y stands for normal in the loss, though not in the
            decision, and each homolog has a network of its own. The answer then depends on which homolog comes first.
        margin: of the loss.
    """

    def __init__(self, as_published: bool = False, margin: float = 1.0) -> None:
        super().__init__()
        self.margin, self.as_published = margin, as_published
        self.embed = _embedder()
        self.embed_other = _embedder() if as_published else None

    def forward(self, batch: BagBatch) -> Verdict:
        """Judge bags; see :func:`~karyonet.stages.abnormality.bags.collate`."""
        first, second = _visible(batch).unbind(dim=1)
        embed_other = self.embed if self.embed_other is None else self.embed_other
        difference = (self.embed(first) - embed_other(second)).float()
        # The root of 0 has no gradient.
        distance = difference.square().sum(dim=1).add(1e-9).sqrt()
        pairs, mean = _over_bags(distance, batch.present)
        return Verdict(mean - self.margin / 2, pairs)

    def loss(self, verdict: Verdict, batch: BagBatch, abnormal: Tensor) -> Tensor:
        """Contrastive loss of the pairs, each with the answer of its bag."""
        apart = abnormal[:, None].expand_as(verdict.pairs)[batch.present]
        if self.as_published:
            apart = 1 - apart
        distance = verdict.pairs[batch.present]
        return ((1 - apart) * distance.square() + apart * (self.margin - distance).clamp(min=0).square()).mean()


def build(name: NetworkName, samples: int) -> nn.Module:
    """A baseline network with random weights.

    Args:
        name: one of :data:`NETWORKS`.
        samples: of a profile.
    """
    if name == "siamese" or name == "siamese_as_published":
        return Siamese(as_published=name == "siamese_as_published")
    return PairNetwork(_BACKBONES[name](4, samples))


_BACKBONES: dict[str, Callable[[int, int], nn.Module]] = {
    "mlp_mixer": MLPMixer,
    "vit": ViT,
    "resnet": ResNet,
    "xception": Xception,
    "densenet": DenseNet,
    "mobilenet": MobileNet,
}


def _width(backbone: nn.Module) -> int:
    width = backbone.width
    assert isinstance(width, int)
    return width


def _embedder() -> nn.Sequential:
    """Three convolutions with pooling, and a linear embedding without bias, which a difference would not show."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((2, 16), (16, 32), (32, 64)):
        layers += [nn.Conv1d(inputs, outputs, 5, padding=2), nn.BatchNorm1d(outputs), nn.ReLU(), nn.MaxPool1d(2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(8), nn.Flatten(), nn.Linear(64 * 8, 64, bias=False))


def _visible(batch: BagBatch) -> Tensor:
    """The pairs that are there, 0 where nothing is seen: shape (pairs, homolog, half, samples)."""
    return batch.profiles[batch.present] * batch.valid[batch.present][:, :, None]


def _over_bags(values: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Values of pairs in their places, shape (b, m), and their means, shape (b,)."""
    placed = values.new_zeros(present.shape).masked_scatter(present, values)
    return placed, placed.sum(dim=1) / present.sum(dim=1)
