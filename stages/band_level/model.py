"""The learned band level: a shared encoder of chromosomes, attention over the metaphase, an ordinal answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from karyonet.case import LABELS, FloatArray

from .ribbon import MEASURES, PATTERNS, Ribbon

LOWEST, HIGHEST, SPACING = 300, 850, 10
"""bphs: the answer lies between the first two; thresholds lie so far apart."""
THRESHOLDS: NDArray[np.float64] = np.arange(LOWEST + SPACING, HIGHEST, SPACING, dtype=np.float64)


class Architecture(BaseModel):
    """What a network is built from; part of the model card.

    Attributes:
        columns: of the ribbon. channels: of the encoder's first and second half. blocks: in its second half.
        dim: of a chromosome's token. layers: in each, chromosomes hear the mean of their metaphase once.
        dropout: of tokens, in training.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: int = Field(default=8, ge=1)
    channels: tuple[int, int] = (32, 64)
    blocks: int = Field(default=2, ge=0)
    dim: int = Field(default=96, ge=8)
    layers: int = Field(default=2, ge=0)
    dropout: float = Field(default=0.1, ge=0, lt=1)


class RibbonBatch(NamedTuple):
    """b metaphases of n chromosomes together.

    Attributes:
        picture: float32, shape (b, columns + PATTERNS, samples): density, then pattern; 0 beyond a ribbon's end.
        shown: bool, shape (b, samples).
        owner: int64, shape (b, samples): which of the n; n itself where there is none.
        labels: int64, shape (n,). measures: float32, shape (n, MEASURES).
        metaphase: int64, shape (n,): which of the b; those of one lie together.
    """

    picture: Tensor
    shown: Tensor
    owner: Tensor
    labels: Tensor
    measures: Tensor
    metaphase: Tensor

    def to(self, device: torch.device) -> RibbonBatch:
        """The same on a device."""
        return RibbonBatch(*(part.to(device) for part in self))


class Said(NamedTuple):
    """What the network says of b metaphases of n chromosomes.

    Attributes:
        logits: float32, shape (b, thresholds): that the level lies above each of :data:`THRESHOLDS`; never rising.
        alone: float32, shape (n, thresholds): the same of every chromosome by itself.
        attention: float32, shape (n,): adds up to 1 in each metaphase.
        score: float32, shape (b,): what the logits follow.
    """

    logits: Tensor
    alone: Tensor
    attention: Tensor
    score: Tensor


class _Block(nn.Module):
    """A gated convolution beside a shortcut (Dauphin et al., ICML 2017); samples that are not shown stay 0."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(channels, 2 * channels, width, padding=width // 2)
        self.mixing = nn.Conv1d(channels, channels, 1)

    def forward(self, values: Tensor, shown: Tensor) -> Tensor:
        mixed: Tensor = self.mixing(F.glu(self.convolution(values), dim=1))
        return (values + mixed) * shown


class _Layer(nn.Module):
    """Every chromosome hears the mean of its metaphase."""

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.part = nn.Sequential(nn.Linear(2 * dim, 2 * dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * dim, dim))

    def forward(self, tokens: Tensor, metaphase: Tensor, number: int) -> Tensor:
        calm = self.norm(tokens)
        mean = _sums(calm, metaphase, number) / _counts(metaphase, number)[:, None]
        heard: Tensor = tokens + self.part(torch.cat([calm, mean[metaphase]], dim=1))
        return heard


class LevelNetwork(nn.Module):
    """Ribbons in, cumulative logits of the band level out.

    The answer is ordinal as in CORAL (Cao, Mirjalili & Raschka, Pattern Recognition Letters 140, 2020): one score, and
    thresholds in ascending order; here the score is divided by a learned doubt, so that the spread of the answer is the
    metaphase's own. The order of the chromosomes changes nothing, nor does what lies beyond a ribbon's end.

    Args:
        architecture: what to build.
    """

    def __init__(self, architecture: Architecture | None = None) -> None:
        super().__init__()
        self.architecture = architecture = architecture or Architecture()
        (first, second), dim = architecture.channels, architecture.dim
        self.stem = nn.Conv1d(architecture.columns + PATTERNS + 1, first, 8, stride=2, padding=3)
        self.kinds = nn.Embedding(len(LABELS), first)
        self.fine = _Block(first, 5)
        self.reduce = nn.Conv1d(first, second, 4, stride=2, padding=1)
        self.blocks = nn.ModuleList([_Block(second, 3) for _ in range(architecture.blocks)])
        self.token = nn.Sequential(
            nn.Linear(2 * second + first + MEASURES, dim),
            nn.GELU(),
            nn.Dropout(architecture.dropout),
            nn.Linear(dim, dim),
        )
        self.layers = nn.ModuleList([_Layer(dim, architecture.dropout) for _ in range(architecture.layers)])
        self.norm = nn.LayerNorm(dim)
        self.weight = nn.Linear(dim, 1)
        self.alone, self.verdict = nn.Linear(dim, 2), nn.Linear(dim, 2)
        steps = torch.full((len(THRESHOLDS),), 4.0 / len(THRESHOLDS))
        self.steps = nn.Parameter(steps.expm1().log())

    def forward(self, batch: RibbonBatch) -> Said:
        """Judge metaphases; each needs one chromosome at least."""
        number, count = len(batch.picture), len(batch.labels)
        kinds = self.kinds(batch.labels)
        shown = batch.shown[:, None].to(batch.picture.dtype)
        values = self.stem(torch.cat([batch.picture, shown], dim=1))
        shown, owner = F.max_pool1d(shown, 2), batch.owner[:, ::2]
        nothing = kinds.new_zeros(1, kinds.shape[1])
        values = (values + torch.cat([kinds, nothing])[owner].transpose(1, 2)) * shown
        values = self.reduce(self.fine(F.gelu(values), shown))
        shown, owner = F.max_pool1d(shown, 2), owner[:, ::2]
        values = values * shown
        for block in self.blocks:
            values = block(values, shown)
        tokens = self.token(torch.cat([self._pooled(values, shown, owner, count), kinds, batch.measures], dim=1))
        for layer in self.layers:
            tokens = layer(tokens, batch.metaphase, number)
        tokens = self.norm(tokens)
        attention = _softmax(self.weight(tokens)[:, 0].float(), batch.metaphase, number)
        pooled = _sums(tokens.float() * attention[:, None], batch.metaphase, number)
        score, logits = self._logits(self.verdict(pooled.to(tokens.dtype)))
        return Said(logits, self._logits(self.alone(tokens))[1], attention, score)

    def _pooled(self, values: Tensor, shown: Tensor, owner: Tensor, count: int) -> Tensor:
        """Mean and spread of every chromosome's samples, shape (n, 2 channels)."""
        rows = shown[:, 0] > 0
        flat, of = values.transpose(1, 2)[rows].float(), owner[rows]
        sizes = _counts(of, count)[:, None]
        mean = _sums(flat, of, count) / sizes
        square = _sums(flat**2, of, count) / sizes
        return torch.cat([mean, (square - mean**2).clamp(min=0).add(1e-4).sqrt()], dim=1)

    def _logits(self, said: Tensor) -> tuple[Tensor, Tensor]:
        score, doubt = said.float().unbind(dim=1)
        places = F.softplus(self.steps.float()).cumsum(0)
        places = places - places.mean()
        return score, (score[:, None] - places) / (0.02 + F.softplus(doubt))[:, None]


def collate(ribbons: Sequence[Ribbon]) -> RibbonBatch:
    """Several metaphases side by side; each has at least one chromosome."""
    count = sum(len(ribbon) for ribbon in ribbons)
    longest = max(ribbon.owner.size for ribbon in ribbons)
    rows = len(ribbons[0].density) + PATTERNS
    picture = np.zeros((len(ribbons), rows, longest), dtype=np.float32)
    shown = np.zeros((len(ribbons), longest), dtype=bool)
    owner = np.full((len(ribbons), longest), count, dtype=np.int64)
    first = 0
    for number, ribbon in enumerate(ribbons):
        size = ribbon.owner.size
        picture[number, :-PATTERNS, :size], picture[number, -PATTERNS:, :size] = ribbon.density, ribbon.pattern
        shown[number, :size] = ribbon.shown
        owner[number, :size] = np.where(ribbon.owner >= 0, ribbon.owner + first, count)
        first += len(ribbon)
    metaphase = np.repeat(np.arange(len(ribbons)), [len(ribbon) for ribbon in ribbons])
    labels, measures = (np.concatenate([getattr(r, name) for r in ribbons]) for name in ("labels", "measures"))
    arrays: tuple[FloatArray | NDArray[np.int64] | NDArray[np.bool_], ...] = (
        picture, shown, owner, labels, measures, metaphase,
    )  # fmt: skip
    return RibbonBatch(*(torch.from_numpy(array) for array in arrays))


def level_loss(logits: Tensor, levels: Tensor) -> Tensor:
    """Mean cross entropy over the thresholds, shape (n, thresholds) against bphs, shape (n,)."""
    thresholds = torch.as_tensor(THRESHOLDS, dtype=levels.dtype, device=levels.device)
    # Within a step the level says how far it lies above the threshold.
    above = ((levels[:, None] - thresholds) / SPACING + 0.5).clamp(0, 1)
    return F.binary_cross_entropy_with_logits(logits, above)


def expected_levels(logits: Tensor) -> Tensor:
    """Mean of the answer in bphs, shape (n,), of logits, shape (n, thresholds); it can be trained through."""
    return LOWEST + SPACING / 2 + SPACING * torch.sigmoid(logits).sum(dim=1)


def levels_at(logits: NDArray[np.floating], share: float) -> FloatArray:
    """The level that a share of the probability lies below, in bphs: shape (n,) of logits, shape (n, thresholds)."""
    edges = np.array([LOWEST, *THRESHOLDS, HIGHEST])
    below = 1 - 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -60, 60)))
    found = [np.interp(share, _rising(row), edges) for row in np.pad(below, ((0, 0), (1, 1)), constant_values=(0, 1))]
    return np.array(found)


def _rising(values: FloatArray) -> FloatArray:
    """Never falling in any case, and without plateaus that would leave the answer open."""
    rising: FloatArray = np.maximum.accumulate(values) + 1e-12 * np.arange(len(values))
    return rising


def _sums(values: Tensor, of: Tensor, number: int) -> Tensor:
    return values.new_zeros(number, values.shape[1]).index_add(0, of, values)


def _counts(of: Tensor, number: int) -> Tensor:
    return torch.bincount(of, minlength=number).clamp(min=1).float()


def _softmax(scores: Tensor, of: Tensor, number: int) -> Tensor:
    most = scores.new_full((number,), -torch.inf).scatter_reduce(0, of, scores, "amax")
    odds = (scores - most[of].detach()).exp()
    return odds / _sums(odds[:, None], of, number)[of, 0]
