"""A centre-based detector with one map a direction, so that crossing chromosomes with a common centre stay two."""

from __future__ import annotations

from typing import Any, NamedTuple

import timm
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from .rescoring_model import RescoringArchitecture, RescoringNetwork

STRIDE = 4
"""Pixels of the input that a cell of the detector's maps covers along each axis."""


class DetectorArchitecture(BaseModel):
    """What a detector is built from; stored in the model card of its weights.

    Attributes:
        backbone: any convolutional network of timm that gives maps at strides 4, 8, 16 and 32.
        channels: of the feature pyramid.
        directions: maps, one for every π / directions of the long axis.
        classes: chromosome types; naming them helps the features.
        rescoring: of the network that judges candidates beside their neighbours; None leaves the detector's own scores.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    backbone: str = "resnet18"
    channels: int = Field(default=96, ge=8)
    directions: int = Field(default=6, ge=1)
    classes: int = Field(default=24, ge=0)
    rescoring: RescoringArchitecture | None = None


class Detections(NamedTuple):
    """What the detector says of n images, a cell every four pixels.

    Attributes:
        centres: shape (n, directions, height, width): logit of "a chromosome of this direction has its middle here".
        distances: shape (n, directions, 4, height, width): from the middle of the cell to the left, top, right and
            bottom edge of its box, in pixels of the input, positive.
        names: shape (n, classes, height, width): logits.
        features: shape (n, channels, height, width): what all this is read from.
    """

    centres: Tensor
    distances: Tensor
    names: Tensor
    features: Tensor


class Detector(nn.Module):
    """Images in, :class:`Detections` out.

    After CenterNet (Zhou et al., 2019) and FCOS (Tian et al., ICCV 2019), with a feature pyramid down to stride 4 (Lin
    et al., CVPR 2017). The maps by direction are our own: two chromosomes that cross have the same middle and nearly
    the same box, but never the same direction.
    """

    def __init__(self, architecture: DetectorArchitecture | None = None) -> None:
        super().__init__()
        self.architecture = a = architecture or DetectorArchitecture()
        trunk: Any = timm.create_model(
            a.backbone, pretrained=False, in_chans=1, features_only=True, out_indices=(1, 2, 3, 4)
        )
        widths: list[int] = trunk.feature_info.channels()
        self.backbone: nn.Module = trunk
        self.lateral = nn.ModuleList([nn.Conv2d(width, a.channels, 1) for width in widths])
        self.smooth = nn.ModuleList([_convolution(a.channels) for _ in widths[:-1]])
        self.tower = nn.Sequential(_convolution(a.channels), _convolution(a.channels))
        self.centres = nn.Conv2d(a.channels, a.directions, 1)
        self.distances = nn.Conv2d(a.channels, 4 * a.directions, 1)
        self.names = nn.Conv2d(a.channels, a.classes, 1)
        self.rescoring = None if a.rescoring is None else RescoringNetwork(a.rescoring, a.channels, a.classes)
        # Centres are rare: the focal loss starts from a probability of one in a hundred (Lin et al., ICCV 2017).
        nn.init.constant_(self.centres.bias, -4.6)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Detections:
        """Detect.

        Args:
            images: shape (n, 1, height, width), density relative to the metaphase; sides divisible by 32.
        """
        levels = self.backbone(images)
        maps = self.lateral[-1](levels[-1])
        for number in reversed(range(len(levels) - 1)):
            raised = F.interpolate(maps, scale_factor=2.0, mode="nearest")
            maps = self.smooth[number](self.lateral[number](levels[number]) + raised)
        maps = self.tower(maps)
        with torch.autocast(maps.device.type, enabled=False):
            maps = maps.float()
            raw = self.distances(maps).unflatten(1, (self.architecture.directions, 4))
            # Distances are a few cells; the exponential keeps them positive and their errors relative.
            distances = STRIDE * torch.exp(raw.clamp(-4, 4)) * 4
            return Detections(self.centres(maps), distances, self.names(maps), maps)


def _convolution(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
    )
