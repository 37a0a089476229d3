"""Supervised contrastive pre-training: momentum encoder, labelled queue, and a margin for one's own class.

After SupCAM (Luo, Wu & Zhao, Frontiers in Genetics 14:1109269, 2023), of which the abstract alone could be read: how
the parts are put together here is our reconstruction. SupCon is that of Khosla et al. (NeurIPS 2020, eq. 2), momentum
encoder and queue are those of MoCo (He et al., CVPR 2020, eq. 2), with normalisation statistics that follow as the
weights do (Cai et al., CVPR 2021), so that an encoder cannot tell its own batch by them.
"""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from pytorch_metric_learning.losses import CrossBatchMemory, SupConLoss
from pytorch_metric_learning.utils import loss_and_miner_utils as pairs
from torch import Tensor, nn

from .model import ClusterNetwork, ProjectionHead

_SMALLEST_SINE = 1e-4


class ContrastSettings(BaseModel):
    """The loss of the first step.

    Attributes:
        temperature: that cosines are divided by.
        queue: keys that are kept with their labels; 0 compares within a batch alone, both views by the network that
            learns (SupCon as published).
        momentum: share of the key encoder's weights that a step keeps.
        margin: in radians, added to the angle of positives; 0 is plain SupCon.
        margin_of: ``own`` adds it to the other view of the same example alone, ``every`` to every example of the
            same kind: the two readings of "self-margin".
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    temperature: float = Field(default=0.1, gt=0)
    queue: int = Field(default=4096, ge=0)
    momentum: float = Field(default=0.999, ge=0, lt=1)
    margin: float = Field(default=0.2, ge=0, le=math.pi / 2)
    margin_of: Literal["own", "every"] = "every"


def with_margin(cosines: Tensor, margin: float) -> Tensor:
    """cos(θ + margin) of cos θ, as long as θ + margin stays in [0, π].

    Beyond, where the cosine would rise again, the angle counts as clipped and cos θ falls on from there with a constant
    offset, so that the farthest positives are drawn closer too. Continuous and nowhere falling with cos θ.

    Args:
        cosines: of any shape.
        margin: radians, 0 to π.
    """
    if margin == 0:
        return cosines
    # At 0 and π the slope of the sine over the cosine has no bound.
    sines = (1 - cosines.square()).clamp(min=_SMALLEST_SINE**2).sqrt()
    within = cosines * math.cos(margin) - sines * math.sin(margin)
    beyond = cosines - (1 - math.cos(margin))
    return torch.where(cosines >= -math.cos(margin), within, beyond)


class SelfMarginLoss(SupConLoss):  # type: ignore[misc]
    """SupCon with an additive angular margin on positives (the form of ArcFace, Deng et al., CVPR 2019).

    The first rows of ``ref_emb`` must be the other views of ``embeddings``, in their order.

    Args:
        settings: temperature, margin and whose it is.
    """

    def __init__(self, settings: ContrastSettings) -> None:
        super().__init__(temperature=settings.temperature)
        self.margin, self.margin_of = settings.margin, settings.margin_of

    def _compute_loss(self, mat: Tensor, pos_mask: Tensor, neg_mask: Tensor) -> Any:
        widened = pos_mask.bool()
        if self.margin_of == "own":
            widened = widened & torch.eye(*mat.shape, dtype=torch.bool, device=mat.device)
        return super()._compute_loss(torch.where(widened, with_margin(mat, self.margin), mat), pos_mask, neg_mask)


class LabelledQueue(CrossBatchMemory):  # type: ignore[misc]
    """The queue of pytorch-metric-learning, whose place is part of its state, so that a run can be resumed."""

    def reset_queue(self) -> None:
        self.register_buffer("place", torch.zeros(2, dtype=torch.int64))
        super().reset_queue()

    @property
    def queue_idx(self) -> int:
        return int(self.place[0])

    @queue_idx.setter
    def queue_idx(self, value: int) -> None:
        self.place[0] = value

    @property
    def has_been_filled(self) -> bool:
        return bool(self.place[1])

    @has_been_filled.setter
    def has_been_filled(self, value: bool) -> None:
        self.place[1] = int(value)

    def held(self) -> tuple[Tensor, Tensor]:
        """Keys, float32, shape (n, d), and labels, int64, shape (n,), in no order; views of the memory."""
        count = self.memory_size if self.has_been_filled else self.queue_idx
        return self.embedding_memory[:count], self.label_memory[:count]


class Encoder(nn.Module):
    """Backbone and projection: crops in, vectors out.

    Args:
        network: whose backbone is trained.
    """

    def __init__(self, network: ClusterNetwork) -> None:
        super().__init__()
        self.backbone = network.backbone
        self.projection = ProjectionHead(network.features, network.architecture.projection)

    def forward(self, crops: Tensor) -> Tensor:
        """float32, shape (n, d), of any length: the loss makes them unit vectors."""
        projected: Tensor = self.projection(self.backbone(crops))
        return projected.float()


class ContrastiveModel(nn.Module):
    """Encoder, momentum encoder and queue of the first step.

    Args:
        network: whose backbone is trained; the rest of it is left alone.
        settings: of the loss.
    """

    updates: Tensor

    def __init__(self, network: ClusterNetwork, settings: ContrastSettings) -> None:
        super().__init__()
        self.settings = settings
        self.encoder = Encoder(network)
        self.loss = SelfMarginLoss(settings)
        self.keys: Encoder | None = None
        self.queue: LabelledQueue | None = None
        if settings.queue:
            self.keys = deepcopy(self.encoder).requires_grad_(False).eval()
            dim = network.architecture.projection
            self.queue = LabelledQueue(SupConLoss(), embedding_size=dim, memory_size=settings.queue)
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    def train(self, mode: bool = True) -> ContrastiveModel:
        super().train(mode)
        if self.keys is not None:
            self.keys.eval()
        return self

    def forward(self, crops: Tensor) -> Tensor:
        """Features of the backbone, shape (n, features)."""
        features: Tensor = self.encoder.backbone(crops)
        return features

    def contrast(self, first: Tensor, second: Tensor, labels: Tensor) -> Tensor:
        """Loss of a batch; the queue takes in its keys.

        Args:
            first, second: two views of the same n examples, shape (n, 2, side, side); with a queue n is at most its
                length.
            labels: int64, shape (n,).
        """
        if self.keys is None or self.queue is None:
            said = self.encoder(torch.cat([first, second]))
            with torch.autocast(said.device.type, enabled=False):
                return self._within(said, labels)
        self._follow()
        queries = self.encoder(first)
        with torch.no_grad():
            own = nn.functional.normalize(self.keys(second), dim=1)
        with torch.autocast(queries.device.type, enabled=False):
            kept, kinds = self.queue.held()
            keys, kinds = torch.cat([own.float(), kept]), torch.cat([labels, kinds])
            loss: Tensor = self.loss(queries, labels, ref_emb=keys, ref_labels=kinds)
        self.queue.add_to_memory(own, labels, len(own))
        return loss

    def _within(self, said: Tensor, labels: Tensor) -> Tensor:
        """Each of both views against all others of the batch."""
        count = len(labels)
        labels = labels.repeat(2)
        other = torch.cat([said[count:], said[:count]])
        anchors, positives, *negatives = pairs.get_all_pairs_indices(labels, labels.clone())
        # Each meets itself half a turn on.
        kept = positives != (anchors + count) % (2 * count)
        compared = anchors[kept], positives[kept], *negatives
        loss: Tensor = self.loss(said, labels, compared, ref_emb=other, ref_labels=labels.clone())
        return loss

    @torch.no_grad()
    def _follow(self) -> None:
        """Let the key encoder follow, normalisation statistics included; at first closer, as averages of weights do."""
        assert self.keys is not None
        count = int(self.updates) + 1
        weight = 1.0 - min(self.settings.momentum, (1 + count) / (10 + count))
        self.updates.fill_(count)
        keys, now = self.keys.state_dict(), self.encoder.state_dict()
        moving = [name for name, value in now.items() if value.is_floating_point()]
        torch._foreach_lerp_([keys[name] for name in moving], [now[name] for name in moving], weight)
