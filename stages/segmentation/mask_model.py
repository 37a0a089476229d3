"""A small U-Net that answers one question: which pixels belong to the chromosome in this box?"""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F


class MaskArchitecture(BaseModel):
    """What a mask network is built from; stored in the model card of its weights.

    Attributes:
        channels: of the levels, from half the resolution of the input downwards.
        inputs: channels of the crops that it looks at: 3, or 5 with directions.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: tuple[int, ...] = (32, 64, 128, 192)
    inputs: int = Field(default=5, ge=1)


class Block(nn.Module):
    """Two 3×3 convolutions with batch normalisation and a shortcut."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels_in, channels, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels)
        self.shortcut = nn.Identity() if channels_in == channels else nn.Conv2d(channels_in, channels, 1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        inner = F.relu(self.first_norm(self.first(maps)), inplace=True)
        return F.relu(self.second_norm(self.second(inner)) + self.shortcut(maps), inplace=True)


class MaskNetwork(nn.Module):
    """Box crops in, one logit a pixel out.

    Works at half the resolution of its input and returns to the whole one by rearranging channels (Shi et al., CVPR
    2016), which leaves most of the work at coarse levels: 0.3 billion multiply-adds a crop of 96×96.
    """

    def __init__(self, architecture: MaskArchitecture | None = None) -> None:
        super().__init__()
        self.architecture = architecture = architecture or MaskArchitecture()
        widths = architecture.channels
        self.stem = nn.Sequential(nn.Conv2d(4 * architecture.inputs, widths[0], 3, padding=1, bias=False),
                                  nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True))  # fmt: skip
        self.down = nn.ModuleList(
            [Block(inner, outer) for inner, outer in zip((widths[0], *widths[:-1]), widths, strict=True)]
        )
        self.lateral = nn.ModuleList([nn.Conv2d(w, widths[i], 1, bias=False) for i, w in enumerate(widths[1:])])
        self.up = nn.ModuleList([Block(w, w) for w in widths[:-1]])
        self.head = nn.Conv2d(widths[0], 4, 3, padding=1)

    def forward(self, crops: Tensor) -> Tensor:
        """Logits, shape (n, height, width), of crops of shape (n, inputs, height, width); sides divisible by 16."""
        maps = self.stem(F.pixel_unshuffle(crops, 2))
        levels: list[Tensor] = []
        for number, block in enumerate(self.down):
            maps = block(maps if number == 0 else F.max_pool2d(maps, 2))
            levels.append(maps)
        for number in reversed(range(len(self.up))):
            raised = F.interpolate(self.lateral[number](maps), scale_factor=2.0, mode="nearest")
            maps = self.up[number](raised + levels[number])
        logits: Tensor = F.pixel_shuffle(self.head(maps), 2)[:, 0]
        return logits


def mask_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Cross entropy a pixel plus one minus the soft Dice coefficient (Milletari et al., 3DV 2016, eq. 3).

    Args:
        logits: float, shape (n, height, width).
        masks: bool or float, same shape.
    """
    logits, masks = logits.float(), masks.float()
    entropy = F.binary_cross_entropy_with_logits(logits, masks)
    said = torch.sigmoid(logits)
    overlap = (said * masks).sum(dim=(1, 2))
    dice = (2 * overlap + 1) / (said.square().sum(dim=(1, 2)) + masks.sum(dim=(1, 2)) + 1)
    return entropy + (1 - dice).mean()
