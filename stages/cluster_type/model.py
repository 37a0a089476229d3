"""The network that says what a component is and how many chromosomes it holds; the projection of its first training."""

from __future__ import annotations

from typing import Literal, NamedTuple

import timm
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from .crops import CHANNELS
from .kinds import KINDS


class ClusterArchitecture(BaseModel):
    """What a network is built from; stored in the model card of its weights.

    Attributes:
        backbone: any convolutional network of timm; ``resnext50_32x4d`` is nearest to the paper's predecessor.
        head: ``cosine`` compares unit vectors with one of each kind, ``linear`` is a linear layer.
        temperature: of a cosine head.
        dropout: before the heads, in training.
        most: chromosomes that are counted; the last class means so many or more.
        projection: dimension of the unit vectors of the contrastive training.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    backbone: str = "resnet18"
    head: Literal["cosine", "linear"] = "cosine"
    temperature: float = Field(default=0.05, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    most: int = Field(default=6, ge=2)
    projection: int = Field(default=128, ge=2)


class ClusterPrediction(NamedTuple):
    """What the network says of n components, all float32.

    Attributes:
        kinds: logits, shape (n, 6), in the order of :data:`~karyonet.stages.cluster_type.kinds.KINDS`.
        counts: logits, shape (n, most), of 1, 2, … chromosomes; without meaning for nuclei and debris.
    """

    kinds: Tensor
    counts: Tensor


class CosineHead(nn.Module):
    """Cosine similarity to one vector a class, over a temperature."""

    def __init__(self, features: int, classes: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.classes = nn.Parameter(torch.empty(classes, features).uniform_(-1, 1) * features**-0.5)

    def forward(self, features: Tensor) -> Tensor:
        return F.linear(F.normalize(features, dim=1), F.normalize(self.classes, dim=1)) / self.temperature


class ClusterNetwork(nn.Module):
    """Crops in, kinds and counts out.

    Args:
        architecture: what to build.
    """

    def __init__(self, architecture: ClusterArchitecture | None = None) -> None:
        super().__init__()
        self.architecture = architecture = architecture or ClusterArchitecture()
        self.backbone = timm.create_model(
            architecture.backbone, pretrained=False, in_chans=CHANNELS, num_classes=0, global_pool="avg"
        )
        self.features = _feature_count(self.backbone)
        self.dropout = nn.Dropout(architecture.dropout)
        self.kinds: nn.Module = (
            CosineHead(self.features, len(KINDS), architecture.temperature)
            if architecture.head == "cosine"
            else nn.Linear(self.features, len(KINDS))
        )
        self.counts = nn.Linear(self.features, architecture.most)

    def forward(self, crops: Tensor) -> ClusterPrediction:
        """Judge crops, shape (n, 2, side, side), as :mod:`karyonet.stages.cluster_type.crops` makes them."""
        features = self.backbone(crops)
        # Unit vectors over a small temperature need more than the 8 bits of a bfloat16 mantissa.
        with torch.autocast(features.device.type, enabled=False):
            features = self.dropout(features.float())
            return ClusterPrediction(self.kinds(features), self.counts(features))


class ProjectionHead(nn.Sequential):
    """The MLP behind the backbone in the contrastive training, left out afterwards (Khosla et al., NeurIPS 2020)."""

    def __init__(self, features: int, dim: int) -> None:
        super().__init__(nn.Linear(features, features), nn.ReLU(inplace=True), nn.Linear(features, dim))


@torch.no_grad()
def _feature_count(backbone: nn.Module) -> int:
    # Measured: `num_features` of some backbones counts the channels of a head that is left out here.
    return int(backbone.eval()(torch.zeros(1, CHANNELS, 64, 64)).shape[1])
