"""The network that says what a component is and how many chromosomes it holds; the projection of its first training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, cast

import timm
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from .crops import CHANNELS
from .kinds import KINDS
from .places import PLACES, STRIDE


class ClusterArchitecture(BaseModel):
    """What a network is built from; stored in the model card of its weights.

    Attributes:
        backbone: any convolutional network of timm; ``resnext50_32x4d`` is nearest to the paper's predecessor.
        head: ``cosine`` compares unit vectors with one of each kind, ``linear`` is a linear layer.
        temperature: of a cosine head.
        dropout: before the heads, in training.
        most: chromosomes that are counted; the last class means so many or more.
        projection: dimension of the unit vectors of the contrastive training.
        place_channels: of the maps in which it also looks for the places where chromosomes overlap and touch and where
            their middles are, which then decide with the rest; 0 goes without.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    backbone: str = "resnet18"
    head: Literal["cosine", "linear"] = "cosine"
    temperature: float = Field(default=0.05, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    most: int = Field(default=6, ge=2)
    projection: int = Field(default=128, ge=2)
    place_channels: int = Field(default=0, ge=0)


class ClusterPrediction(NamedTuple):
    """What the network says of n components, all float32.

    Attributes:
        kinds: logits, shape (n, 6), in the order of :data:`~karyonet.stages.cluster_type.kinds.KINDS`.
        counts: logits, shape (n, most), of 1, 2, … chromosomes; without meaning for nuclei and debris.
        places: logits, shape (n, 3, side / 4, side / 4), of :data:`~karyonet.stages.cluster_type.places.PLACES`; None
            from a network that does not look for them.
    """

    kinds: Tensor
    counts: Tensor
    places: Tensor | None = None


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
        self.places = PlaceHead(self.backbone, architecture.place_channels) if architecture.place_channels else None
        told = self.features + (0 if self.places is None else self.places.summary)
        self.kinds: nn.Module = (
            CosineHead(told, len(KINDS), architecture.temperature)
            if architecture.head == "cosine"
            else nn.Linear(told, len(KINDS))
        )
        self.counts = nn.Linear(told, architecture.most)

    def forward(self, crops: Tensor) -> ClusterPrediction:
        """Judge crops, shape (n, 2, side, side), as :mod:`karyonet.stages.cluster_type.crops` makes them."""
        places: Tensor | None = None
        if self.places is None:
            features = self.backbone(crops)
        else:
            trunk: Any = self.backbone
            last, levels = trunk.forward_intermediates(crops)
            places, summary = self.places(levels)
            features = torch.cat([trunk.forward_head(last).float(), summary], dim=1)
        # Unit vectors over a small temperature need more than the 8 bits of a bfloat16 mantissa.
        with torch.autocast(features.device.type, enabled=False):
            features = self.dropout(features.float())
            return ClusterPrediction(self.kinds(features), self.counts(features), places)


class PlaceHead(nn.Module):
    """Looks for places at a fourth of the crop's resolution, by a feature pyramid (Lin et al., CVPR 2017).

    Args:
        backbone: whose maps at strides 4 and more it takes.
        channels: of the pyramid.

    Attributes:
        summary: length of what it says of a whole crop.
    """

    def __init__(self, backbone: nn.Module, channels: int) -> None:
        super().__init__()
        described = cast("list[dict[str, Any]]", backbone.feature_info)
        self.taken = [number for number, level in enumerate(described) if level["reduction"] >= STRIDE]
        widths = [described[number]["num_chs"] for number in self.taken]
        self.lateral = nn.ModuleList([nn.Conv2d(width, channels, 1) for width in widths])
        self.smooth = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
        )
        self.places = nn.Conv2d(channels, len(PLACES), 1)
        # Most cells are none of these.
        nn.init.constant_(self.places.bias, -3.0)  # type: ignore[arg-type]
        self.summary = 2 * channels + 2 * len(PLACES)

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Logits of the cells, shape (n, 3, height, width), and a summary, shape (n, summary), float32."""
        taken = [levels[number] for number in self.taken]
        maps = self.lateral[-1](taken[-1])
        for number in reversed(range(len(taken) - 1)):
            own = self.lateral[number](taken[number])
            maps = own + F.interpolate(maps, size=own.shape[2:], mode="nearest")
        maps = self.smooth(maps)
        logits = self.places(maps).float()
        maps, probable = maps.float(), torch.sigmoid(logits)
        whole = (2, 3)
        # The sums are about as large as the numbers of places.
        summary = [maps.mean(whole), maps.amax(whole), probable.amax(whole), probable.sum(whole) / 4]
        return logits, torch.cat(summary, dim=1)


class ProjectionHead(nn.Sequential):
    """The MLP behind the backbone in the contrastive training, left out afterwards (Khosla et al., NeurIPS 2020)."""

    def __init__(self, features: int, dim: int) -> None:
        super().__init__(nn.Linear(features, features), nn.ReLU(inplace=True), nn.Linear(features, dim))


@torch.no_grad()
def _feature_count(backbone: nn.Module) -> int:
    # Measured: `num_features` of some backbones counts the channels of a head that is left out here.
    return int(backbone.eval()(torch.zeros(1, CHANNELS, 64, 64)).shape[1])
