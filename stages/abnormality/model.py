"""HomNet: is a chromosome type of a case abnormal, judged by its homolog pairs in several metaphases.

CMSBlock, HomBlock and BagBlock are the paper's; README.md has the equations and what departs from them by default.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from karyonet.case import LABELS

from .attention import Alignment, HomBlock
from .bags import BAND_LEVELS, BagBatch
from .convolutions import Neighbours, SideBySide
from .pooling import agreed, average, mean_and_maximum, relative_places, strongest


class Architecture(BaseModel):
    """What a network is built from; stored in the model card of its weights.

    The paper's network is ``samples=512, merge_range=32, stem=0, blocks=0, beside=0, normalise=False,
    positions=False, attention="ratio", near=False, layers=1, pair_pool="flatten", bag_pool="sum", local=False,
    dropout=0``; sizes are those of the official code.

    Attributes:
        samples: of a profile.
        merge_range: samples that are merged into one region.
        channels: of a region. embedding: of a pair.
        stem: channels of two convolutions over samples before regions are merged; 0 leaves them out.
        blocks: residual blocks of separable convolutions over neighbouring regions, before all are mixed, and as many
            over the places of ``beside``.
        beside: channels of the first convolution over both homologs side by side, the features of which join those of
            the aligned pair; 0 leaves them out.
        layers, heads, head_dim: of the attention between homologs.
        attention: ``softmax``, or ``ratio``, scores divided by their sum, which can turn a sign or grow without bound;
            instead of it ``mlp`` or ``cnn``, weights that are the same for every pair, over all places or over
            neighbouring ones; ``none``: the homologs are not compared (the last three are ablations of Table 4).
        near: attention prefers what lies at the same place; of ``softmax`` alone.
        update: ``parallel`` for both homologs at once, or ``sequential`` as in the official code, whose answer depends
            on which homolog comes first.
        pair_pool: ``symmetric`` in the homologs, or ``flatten``, both laid end to end.
        bag_pool: ``gated`` attention over metaphases (Ilse et al., ICML 2018, eq. 9), or ``sum`` of gated pairs;
            ``apart``: every pair is judged alone, and the logits are averaged (an ablation of Table 4).
        normalise: layer normalisation and residual connections.
        positions: every region knows where it lies, from the short arm's end and as a share of the length.
        local: add the strongest evidence of single regions to what the bag says.
        strongest: how many regions that is.
        dropout: in training.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    samples: int = Field(default=256, ge=8)
    merge_range: int = Field(default=8, ge=1)
    channels: int = Field(default=64, ge=4)
    embedding: int = Field(default=128, ge=4)
    stem: int = Field(default=16, ge=0)
    blocks: int = Field(default=2, ge=0)
    beside: int = Field(default=16, ge=0)
    layers: int = Field(default=2, ge=1)
    heads: int = Field(default=4, ge=1)
    head_dim: int = Field(default=16, ge=1)
    attention: Alignment = "softmax"
    near: bool = True
    update: Literal["parallel", "sequential"] = "parallel"
    pair_pool: Literal["symmetric", "flatten"] = "symmetric"
    bag_pool: Literal["gated", "sum", "apart"] = "gated"
    normalise: bool = True
    positions: bool = True
    local: bool = True
    strongest: int = Field(default=3, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)

    @property
    def regions(self) -> int:
        """Regions of a profile; the last one may be partly empty."""
        return -(-self.samples // self.merge_range)


class Diagnosis(NamedTuple):
    """What the network says of b bags of up to m metaphases, all float32. Places without a metaphase are 0.

    Attributes:
        logit: shape (b,): "this type is structurally abnormal".
        homolog: shape (b, m, 2): softmax gives which homolog of a metaphase it is, if any.
        evidence: shape (b, m, 2, regions): logit of "the abnormality is here"; 0 where nothing can be seen.
        visible: bool, shape (b, m, 2, regions): regions that show the chromosome.
        alignment: shape (b, m, 2, regions, regions): how much each region of a homolog looks at each of the other's.
        weight: shape (b, m): how much a metaphase counts; of ``gated`` they add up to 1.
    """

    logit: Tensor
    homolog: Tensor
    evidence: Tensor
    visible: Tensor
    alignment: Tensor
    weight: Tensor


class Mixing(nn.Module):
    """Local, then global mixing (paper eq. 3): R' = σ(R W1) W2 + R; R'' = (σ(R'ᵀ W3) W4)ᵀ + R'."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        channels, regions = architecture.channels, architecture.regions
        self.local_norm = nn.LayerNorm(channels) if architecture.normalise else nn.Identity()
        self.overall_norm = nn.LayerNorm(channels) if architecture.normalise else nn.Identity()
        self.local = _two_layers(channels, channels, channels, architecture.dropout)
        self.overall = _two_layers(regions, regions, regions, architecture.dropout)

    def forward(self, regions: Tensor, visible: Tensor) -> Tensor:
        """Shape (n, regions, channels), in and out; what is not visible takes no part."""
        shown = visible[:, :, None]
        regions = (regions + self.local(self.local_norm(regions))) * shown
        turned = (self.overall_norm(regions) * shown).transpose(1, 2)
        mixed: Tensor = (regions + self.overall(turned).transpose(1, 2)) * shown
        return mixed


class CMSBlock(nn.Module):
    """From the halves' profiles to regions: merging, chromosome type and band level, mixing (paper eq. 1–3)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        width, kernel = architecture.stem, architecture.merge_range
        self.stem = (
            nn.Sequential(
                nn.Conv1d(3, width, 7, padding=3), nn.GELU(), nn.Conv1d(width, width, 7, padding=3), nn.GELU()
            )
            if width
            else None
        )
        # The paper's kernel (2, k) with stride (2, k) over a 2 × 512 image is this one over 2 channels.
        self.merge = nn.Conv1d(width or 2, architecture.channels, kernel, kernel)
        self.information = nn.Linear(len(LABELS) + len(BAND_LEVELS), architecture.regions * architecture.channels)
        self.neighbours = Neighbours(architecture.channels, architecture.blocks)
        self.mixing = Mixing(architecture)
        self.place = nn.Linear(_PLACES, architecture.channels) if architecture.positions else None
        self.position = (
            nn.Parameter(0.02 * torch.randn(architecture.regions, architecture.channels))
            if architecture.positions
            else None
        )

    def forward(self, profiles: Tensor, valid: Tensor, chromosome: Tensor, bands: Tensor) -> tuple[Tensor, Tensor]:
        """Regions, shape (n, regions, channels), and which of them show the chromosome, bool, shape (n, regions).

        Args:
            profiles: shape (n, 2, samples). valid: bool, shape (n, samples).
            chromosome: int64, shape (n,). bands: shape (n, 4).
        """
        size, count = self.architecture.merge_range, self.architecture.regions
        surplus = size * count - profiles.shape[-1]
        shown = F.pad(valid, (0, surplus)).to(profiles.dtype)[:, None]
        signal = F.pad(profiles, (0, surplus)) * shown
        if self.stem is not None:
            signal = self.stem(torch.cat([signal, shown], dim=1)) * shown
        regions = self.merge(signal).transpose(1, 2)
        visible = shown.view(len(shown), count, size).amax(dim=2) > 0
        known = torch.cat([F.one_hot(chromosome, len(LABELS)).to(bands.dtype), bands], dim=1)
        regions = regions + self.information(known).view(-1, count, self.architecture.channels)
        if self.position is not None and self.place is not None:
            regions = regions + self.position + self.place(relative_places(visible))
        return self.mixing(self.neighbours(regions, visible), visible), visible


class BagBlock(nn.Module):
    """From pairs to a bag (paper eq. 6): Ŷ = σ(W_bag Σ α_i H'_i).

    Gates α are the paper's sigmoids, or attention that adds up to 1, so that the number of metaphases means nothing;
    pairs that are judged apart have none.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.pool = architecture.bag_pool
        size, hidden = architecture.embedding, architecture.embedding // 2
        if self.pool != "apart":
            self.gate = nn.Sequential(nn.Linear(size, hidden), nn.Tanh())
            self.opening = nn.Sequential(nn.Linear(size, hidden), nn.Sigmoid()) if self.pool == "gated" else None
            self.score = nn.Linear(hidden, 1)
        self.dropout = nn.Dropout(architecture.dropout)
        self.head = nn.Linear(size, 1)

    def forward(self, pairs: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, shape (b,), and gates, shape (b, m), of pairs, shape (b, m, embedding)."""
        weights = _shares(present) if self.pool == "apart" else self._gates(pairs, present)
        pooled = (weights[..., None] * pairs).sum(dim=1)
        return self.head(self.dropout(pooled))[:, 0], weights

    def _gates(self, pairs: Tensor, present: Tensor) -> Tensor:
        hidden = self.gate(pairs) if self.opening is None else self.gate(pairs) * self.opening(pairs)
        scores = self.score(hidden)[..., 0].float()
        if self.pool == "gated":
            return torch.softmax(scores.masked_fill(~present, -torch.inf), dim=1)
        return torch.sigmoid(scores) * present


class HomNet(nn.Module):
    """Bags of homolog pairs in, a diagnosis out.

    Args:
        architecture: what to build.
    """

    def __init__(self, architecture: Architecture | None = None) -> None:
        super().__init__()
        self.architecture = architecture = architecture or Architecture()
        channels, size = architecture.channels, architecture.embedding
        self.cms = CMSBlock(architecture)
        self.hom = HomBlock(
            channels, architecture.layers, architecture.heads, architecture.head_dim, architecture.attention,
            architecture.update, architecture.normalise, architecture.dropout, architecture.regions,
            architecture.near and architecture.attention == "softmax",
        )  # fmt: skip
        self.compares = architecture.attention != "none"
        self.beside = (
            SideBySide(architecture.beside, channels, architecture.blocks)
            if architecture.beside and self.compares
            else None
        )
        summary = 4 * channels if architecture.pair_pool == "symmetric" else 2 * channels * architecture.regions
        summary += 0 if self.beside is None else self.beside.size
        self.pair = nn.Sequential(nn.Linear(summary, size), nn.GELU(), nn.Dropout(architecture.dropout))
        self.evidence = _two_layers(2 * channels, channels, 1, architecture.dropout)
        self.which = _two_layers(4 * channels, channels, 1, architecture.dropout)
        self.bag = BagBlock(architecture)
        self.local = nn.Linear(2, 1) if architecture.local else None

    def train(self, mode: bool = True) -> HomNet:
        """Normalisation in frozen parts (:func:`freeze`) keeps its statistics."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d) and not module.weight.requires_grad:
                module.eval()
        return self

    def forward(self, batch: BagBatch) -> Diagnosis:
        """Judge bags; see :func:`~karyonet.stages.abnormality.bags.collate`."""
        if self.architecture.bag_pool == "apart":
            return _together(self._judge(_apart(batch)), batch.present)
        return self._judge(batch)

    def _judge(self, batch: BagBatch) -> Diagnosis:
        bags, most = batch.present.shape
        rows = batch.present.flatten().nonzero()[:, 0]
        profiles, valid = batch.profiles.flatten(0, 1)[rows], batch.valid.flatten(0, 1)[rows]
        kind = batch.chromosome[:, None].expand(bags, most).flatten()[rows]
        bands = batch.bands.flatten(0, 1)[rows]
        seen = [self.cms(profiles[:, i], valid[:, i], kind, bands) for i in range(2)]
        (first, second), (shown, other_shown) = zip(*seen, strict=True)
        compared = self.hom(first, second, shown, other_shown)
        regions, visible = torch.stack([first, second], dim=1), torch.stack([shown, other_shown], dim=1)
        alignment = torch.stack([compared.alignment, compared.other_alignment], dim=1)
        updated = torch.stack([compared.own, compared.other], dim=1)
        difference = (regions - alignment.to(regions.dtype) @ regions.flip(1)).abs()
        evidence = self.evidence(torch.cat([updated, difference], dim=-1))[..., 0].float()
        summaries = mean_and_maximum(updated, visible)
        beside = torch.cat([summaries, summaries.flip(1) * self.compares], dim=-1)
        suspect = strongest(evidence, visible, self.architecture.strongest)
        homolog = self.which(beside)[..., 0].float() + suspect

        def placed(values: Tensor) -> Tensor:
            empty = values.new_zeros((bags * most, *values.shape[1:]))
            return empty.index_copy(0, rows, values).view(bags, most, *values.shape[1:])

        apart = None if self.beside is None else self.beside(profiles, valid)
        logit, weight = self.bag(placed(self._pair(updated, visible, summaries, apart)), batch.present)
        logit = logit.float()
        whole, whole_visible = placed(evidence), placed(visible.to(torch.uint8)) > 0
        if self.local is not None:
            told = torch.stack([agreed(whole, whole_visible, self.architecture.strongest),
                                average(placed(suspect.amax(dim=1)), batch.present)], dim=1)  # fmt: skip
            logit = logit + self.local(told)[:, 0].float()
        return Diagnosis(
            logit, placed(homolog), whole * whole_visible, whole_visible, placed(alignment.float()), weight
        )

    def _pair(self, updated: Tensor, visible: Tensor, summaries: Tensor, beside: Tensor | None) -> Tensor:
        """Embedding of each pair (paper eq. 5), shape (n, embedding); without comparison, mean of each homolog's."""
        if self.compares:
            return self._joined(updated, visible, summaries, beside)
        alone = [self._joined(updated * one[:, None, None], visible, summaries * one[:, None], None)
                 for one in torch.eye(2, dtype=updated.dtype, device=updated.device)]  # fmt: skip
        return (alone[0] + alone[1]) / 2

    def _joined(self, updated: Tensor, visible: Tensor, summaries: Tensor, beside: Tensor | None) -> Tensor:
        if self.architecture.pair_pool == "flatten":
            parts = [(updated * visible[..., None]).flatten(1)]
        else:
            first, second = summaries.unbind(dim=1)
            parts = [first + second, (first - second).abs()]
        joined: Tensor = self.pair(torch.cat(parts if beside is None else [*parts, beside], dim=1))
        return joined


def freeze(model: nn.Module, names: tuple[str, ...]) -> None:
    """Take parts of a network out of training, by the name of a part or of a parameter.

    Raises:
        KeyError: for a name that nothing in the network has.
    """
    for name in names:
        found = [p for key, p in model.named_parameters() if key == name or key.startswith(f"{name}.")]
        if not found:
            raise KeyError(name)
        for parameter in found:
            parameter.requires_grad_(False)


_PLACES = 6


def _two_layers(inputs: int, hidden: int, outputs: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, outputs))


def _shares(present: Tensor) -> Tensor:
    """Every metaphase of a bag counts the same, shape (b, m)."""
    return present / present.sum(dim=1, keepdim=True)


def _apart(batch: BagBatch) -> BagBatch:
    """Every metaphase as a bag of its own."""
    bags = batch.present.nonzero()[:, 0]
    profiles, valid, present, bands = (
        values[batch.present][:, None] for values in (batch.profiles, batch.valid, batch.present, batch.bands)
    )
    return BagBatch(profiles, valid, present, batch.chromosome[bags], bands)


def _together(said: Diagnosis, present: Tensor) -> Diagnosis:
    """The diagnoses of bags whose metaphases were judged apart: the mean of their logits."""

    def placed(values: Tensor) -> Tensor:
        empty = values.new_zeros((*present.shape, *values.shape[1:]))
        return empty.masked_scatter(present.view(*present.shape, *(1,) * (values.ndim - 1)).expand_as(empty), values)

    weight = _shares(present)
    homolog, evidence, visible, alignment = (placed(part[:, 0]) for part in said[1:5])
    return Diagnosis((placed(said.logit) * weight).sum(dim=1), homolog, evidence, visible, alignment, weight)
