"""Proxy-ResNeXt-CBAM: a convolutional trunk, CBAM attention and one proxy a class on the unit sphere."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import timm
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from .context import ContextArchitecture, ContextNetwork


class Architecture(BaseModel):
    """What a network is built from; stored in the model card of its weights.

    Attributes:
        backbone: any convolutional network of timm that can give a feature map.
        output_stride: stride of the map where the backbone can dilate instead of striding; None keeps its own.
        attention: CBAM on the map.
        pooling: global average and maximum side by side, or the average alone.
        head: ``proxy`` compares unit vectors with one proxy a class; ``cross_entropy`` is a linear layer on the
            pooled map, without normalisation.
        embedding_dim: of a proxy head; pooled features of another size are projected without bias.
        temperature: of a proxy head. Without one the largest probability that 24 unit proxies allow is 0.11.
        classes: number of chromosome types.
        context: attention over the chromosomes of a metaphase; None names each alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    backbone: str = "resnext50_32x4d"
    output_stride: Literal[8, 16, 32] | None = None
    attention: bool = True
    pooling: Literal["average_maximum", "average"] = "average_maximum"
    head: Literal["proxy", "cross_entropy"] = "proxy"
    embedding_dim: int = Field(default=512, ge=2)
    temperature: float = Field(default=0.05, gt=0)
    classes: int = Field(default=24, ge=2)
    context: ContextArchitecture | None = None


class Prediction(NamedTuple):
    """What the network says of n strips, all float32.

    Attributes:
        embeddings: shape (n, d), unit length.
        logits: shape (n, classes).
        polarity: shape (n,), logit of "the p arm is at row 0".
    """

    embeddings: Tensor
    logits: Tensor
    polarity: Tensor


def global_maximum(maps: Tensor) -> Tensor:
    """The largest value of every channel: (n, c, height, width) to (n, c)."""
    # The pooling kernel: the backward pass of amax is twenty times slower on a CPU.
    return F.adaptive_max_pool2d(maps, 1).flatten(1)


class ChannelAttention(nn.Module):
    """CBAM's channel attention (Woo et al., ECCV 2018, eq. 2): one MLP over average- and max-pooled channels."""

    def __init__(self, channels: int, ratio: int = 16) -> None:
        super().__init__()
        hidden = max(channels // ratio, 1)
        self.mlp = nn.Sequential(
            nn.Linear(channels, hidden, bias=False), nn.ReLU(inplace=True), nn.Linear(hidden, channels, bias=False)
        )

    def forward(self, maps: Tensor) -> Tensor:
        weights = self.mlp(maps.mean(dim=(2, 3))) + self.mlp(global_maximum(maps))
        return maps * torch.sigmoid(weights)[:, :, None, None]


class SpatialAttention(nn.Module):
    """CBAM's spatial attention (Woo et al., ECCV 2018, eq. 3): 7×7 over the channels' mean and maximum."""

    def __init__(self, kernel: int = 7) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        summary = torch.cat([maps.mean(dim=1, keepdim=True), maps.max(dim=1, keepdim=True).values], dim=1)
        return maps * torch.sigmoid(self.convolution(summary))


class ProxyHead(nn.Module):
    """Cosine similarity to one proxy a class, over a temperature (Zhai & Wu, BMVC 2019).

    ``proxies`` has the shape of the weights of pytorch-metric-learning's ``NormalizedSoftmaxLoss``, (d, classes), so
    that training can hand it to that loss, and inference does without the library.
    """

    def __init__(self, embedding_dim: int, classes: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        bound = embedding_dim**-0.5
        self.proxies = nn.Parameter(torch.empty(embedding_dim, classes).uniform_(-bound, bound))

    def forward(self, embeddings: Tensor) -> Tensor:
        return embeddings @ F.normalize(self.proxies, dim=0) / self.temperature


class ProxyResNeXtCBAM(nn.Module):
    """Straightened strips in, unit embeddings, class logits and polarity out.

    Trunk → CBAM → average ‖ maximum pooling → layer normalisation → projection → unit length → proxies. The paper's
    three networks are configurations: ``ResNeXt`` (``head="cross_entropy", attention=False, pooling="average"``),
    ``Proxy-ResNeXt`` (``attention=False``) and ``Proxy-ResNeXt-CBAM``.

    Args:
        architecture: what to build; by default the network that ships.
    """

    def __init__(self, architecture: Architecture | None = None) -> None:
        super().__init__()
        self.architecture = architecture = architecture or Architecture()
        options: dict[str, Any] = {"in_chans": 1, "num_classes": 0, "global_pool": ""}
        if architecture.output_stride is not None:
            options["output_stride"] = architecture.output_stride
        self.backbone = timm.create_model(architecture.backbone, pretrained=False, **options)
        channels = _map_channels(self.backbone)
        self.attention = (
            nn.Sequential(ChannelAttention(channels), SpatialAttention()) if architecture.attention else None
        )
        features = channels * (2 if architecture.pooling == "average_maximum" else 1)
        self.polarity = nn.Linear(features, 1)
        if architecture.head == "proxy":
            dim = architecture.embedding_dim
            self.normalisation: nn.Module = nn.LayerNorm(features, elementwise_affine=False)
            self.projection: nn.Module = nn.Identity() if dim == features else nn.Linear(features, dim, bias=False)
            self.head: nn.Module = ProxyHead(dim, architecture.classes, architecture.temperature)
        else:
            self.normalisation = self.projection = nn.Identity()
            self.head = nn.Linear(features, architecture.classes)
        self.embedding_dim = architecture.embedding_dim if architecture.head == "proxy" else features
        self.context = (
            ContextNetwork(architecture.context, self.embedding_dim, architecture.classes)
            if architecture.context is not None
            else None
        )

    def forward(self, strips: Tensor) -> Prediction:
        """Classify strips, each alone; ``context`` is called on all of a metaphase by whoever has them.

        Args:
            strips: shape (n, 1, height, width), as :func:`~karyonet.stages.classification.preprocessing.prepare`
                gives them.
        """
        maps = self.backbone(strips)
        if self.attention is not None:
            maps = self.attention(maps)
        pooled = maps.mean(dim=(2, 3))
        if self.architecture.pooling == "average_maximum":
            pooled = torch.cat([pooled, global_maximum(maps)], dim=1)
        # Layer normalisation, unit vectors and a temperature of 0.05 need more than the 8 bits of a bfloat16 mantissa.
        with torch.autocast(pooled.device.type, enabled=False):
            features = self.normalisation(pooled.float())
            projected = self.projection(features)
            embeddings = F.normalize(projected, dim=1)
            logits = self.head(embeddings if self.architecture.head == "proxy" else projected)
            polarity = self.polarity(features)[:, 0]
        return Prediction(embeddings, logits, polarity)

    def viewed(self, strips: Tensor, views: int = 1) -> Prediction:
        """What the network says on the average over views of the same strips.

        Args:
            strips: as for :meth:`forward`.
            views: 1; 2 adds the mirrored strip; 4 adds both of them end over end, whose polarity is turned back.
        """
        said = [self(strips)]
        if views >= 2:
            said.append(self(strips.flip(3)))
        if views >= 4:
            for turned in (strips.flip(2), strips.flip(2, 3)):
                prediction = self(turned)
                said.append(prediction._replace(polarity=-prediction.polarity))
        embeddings, logits, polarity = (torch.stack(parts).mean(dim=0) for parts in zip(*said, strict=True))
        return Prediction(F.normalize(embeddings, dim=1) if views > 1 else embeddings, logits, polarity)


@torch.no_grad()
def _map_channels(backbone: nn.Module) -> int:
    # Measured: `num_features` of some backbones counts the channels of a head that is left out here.
    training = backbone.training
    channels = int(backbone.eval()(torch.zeros(1, 1, 64, 64)).shape[1])
    backbone.train(training)
    return channels
