"""The chromosomes of a metaphase as the learned estimator reads them: one after the other on a ribbon.

Every chromosome is sampled finely enough for its smallest bands, in widths of the metaphase's chromosomes instead of
pixels, so that the magnification does not matter; beside it lies what its type shows at three band levels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from karyonet.case import LABELS, FloatArray
from karyonet.geometry.strip import Strip
from karyonet.ideogram import LEVELS, Segment, length_of, relative_length
from karyonet.simulate.layout import lay_out

from .matching import SHARES, matched

STEP = 4
"""Chromosomes start at multiples of so many samples."""
GAP = 8
"""Samples between two chromosomes, at least: no convolution of the network reaches across."""
MEASURES = 6 + SHARES
"""What is measured of each chromosome besides its picture."""
PATTERNS = 3
"""What its type is expected to look like: the finest bands, and what of them 400 and 550 bands do not show."""
LEAST_WIDTH = 2.0
"""Width in pixels below which bands cannot be told from noise."""
_LEAST_LENGTH = 1.0
"""In widths."""


class Preprocessing(BaseModel):
    """How strips become a ribbon; stored in the model card of the weights.

    Attributes:
        samples_per_width: along a chromosome. columns: across it. reach: what they cover together (widths).
        longest: samples of a chromosome, a longer one is squeezed.
        least_confidence: of a strip that is used. least_measured: share of its rows that must show it alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    samples_per_width: float = Field(default=10.0, gt=0)
    columns: int = Field(default=8, ge=1)
    reach: float = Field(default=1.6, gt=0)
    longest: int = Field(default=320, ge=16)
    least_confidence: float = Field(default=0.5, ge=0, le=1)
    least_measured: float = Field(default=0.5, gt=0, le=1)


@dataclass(frozen=True, eq=False)
class Shaken:
    """Errors that training puts into n strips.

    Attributes:
        width: factor of the metaphase's width. lengths: shape (n,), factors of each chromosome's length.
        picture: from density, shape (columns, samples), to what another slide and camera would have made of it.
    """

    width: float
    lengths: NDArray[np.float64]
    picture: Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, eq=False)
class Ribbon:
    """A metaphase.

    Attributes:
        places: int64, shape (n,): the usable chromosomes, as places in what was given.
        labels: int64, shape (n,): index in :data:`karyonet.case.LABELS`.
        measures: float32, shape (n, MEASURES).
        density: float32, shape (columns, samples): relative to the metaphase; 0 between chromosomes and where hidden.
        pattern: float32, shape (PATTERNS, samples): see :data:`PATTERNS`.
        owner: int64, shape (samples,): which of the n, -1 between them.
        shown: bool, shape (samples,): the chromosome is seen alone here.
        slenderness: length in widths that 22 autosomes of these chromosomes' make would have together.
    """

    places: NDArray[np.int64]
    labels: NDArray[np.int64]
    measures: FloatArray
    density: FloatArray
    pattern: FloatArray
    owner: NDArray[np.int64]
    shown: NDArray[np.bool_]
    slenderness: float

    def __len__(self) -> int:
        return len(self.places)


def lay_ribbon(
    strips: Sequence[Strip | None],
    labels: Sequence[str | None],
    settings: Preprocessing,
    shaken: Shaken | None = None,
) -> Ribbon:
    """Lay the usable chromosomes of a metaphase on a ribbon; the rest is left out, whatever is wrong with it.

    Args:
        strips, labels: of one metaphase, as many of both.
        settings: of the weights.
        shaken: errors that training puts in.

    Raises:
        ValueError: if there are not as many strips as labels.
    """
    candidates = [
        (place, str(label), strip, density)
        for place, (strip, label) in enumerate(zip(strips, labels, strict=True))
        if strip is not None and label in LABELS and strip.length > 1 and strip.optical_density.shape[1] > 0
        if strip.confidence >= settings.least_confidence and strip.valid.mean() >= settings.least_measured
        if (density := _clean(strip.optical_density)).max() > 0
    ]
    width = float(np.median([equivalent_width(one[3]) for one in candidates])) if candidates else 0.0
    if width < LEAST_WIDTH:
        return _empty(settings)
    pitch = width / settings.samples_per_width
    across = width * settings.reach
    if shaken is not None:
        pitch, across = pitch * shaken.width, across * shaken.width
    parts: list[tuple[int, str, FloatArray, NDArray[np.bool_], FloatArray, float]] = []
    for place, label, strip, density in candidates:
        stretch = 1.0 if shaken is None else float(shaken.lengths[place])
        length = stretch * strip.length / pitch
        if length < _LEAST_LENGTH * settings.samples_per_width:
            continue
        samples = min(round(length), settings.longest)
        picture = sampled(density, samples, settings.columns, across)
        shown = strip.valid[
            np.minimum(((np.arange(samples) + 0.5) * strip.length / samples).astype(np.intp), strip.length - 1)
        ]
        pattern = _pattern_along(label, samples)
        if _lies_upside_down(picture.mean(axis=0), pattern[0], shown):
            picture, shown = picture[::-1, ::-1], shown[::-1]
        parts.append((place, label, picture, shown, pattern, length))
    return _joined(parts, settings, shaken) if parts else _empty(settings)


def equivalent_width(density: FloatArray) -> float:
    """Width in pixels: how wide a row's stain would be, were it everywhere as dense as where it is densest.

    The median over the rows, shape (length, width). It hardly depends on how generously the mask was cut.
    """
    peak = density.max(axis=1)
    widths = density.sum(axis=1)[peak > 0] / peak[peak > 0]
    return float(np.median(widths)) if widths.size else 0.0


def sampled(density: FloatArray, samples: int, columns: int, across: float) -> FloatArray:
    """Mean density of equal rectangles along and across a strip.

    Args:
        density: float32, shape (length, width).
        samples, columns: how many rectangles.
        across: pixels that the columns cover together, centred on the axis; beyond the strip there is nothing.

    Returns:
        float32, shape (columns, samples).
    """
    return _along(density @ _across(density.shape[1], columns, across), samples)


@lru_cache(maxsize=256)
def _across(pixels: int, columns: int, across: float) -> FloatArray:
    """Share of each pixel in each column's mean, float32, shape (pixels, columns)."""
    edges = pixels / 2 + across * (np.arange(columns + 1) / columns - 0.5)
    first = np.arange(pixels)[:, None]
    overlap = np.minimum(edges[1:], first + 1) - np.maximum(edges[:-1], first)
    shares: FloatArray = (np.maximum(overlap, 0) * (columns / across)).astype(np.float32)
    return shares


def _along(lines: FloatArray, samples: int) -> FloatArray:
    """Bring lines, shape (rows, k), to so many samples: float32, shape (k, samples)."""
    method = cv2.INTER_AREA if samples < len(lines) else cv2.INTER_LINEAR
    size = (lines.shape[1], samples)
    return np.asarray(cv2.resize(np.ascontiguousarray(lines), size, interpolation=method), dtype=np.float32).T


@cache
def _patterns(label: str) -> FloatArray:
    """What a type is expected to look like, short arm first: float32, shape (PATTERNS, 1024).

    From the bands as they are seen in images (:mod:`karyonet.simulate.layout`), whose parts lose their difference at
    lower levels.
    """
    whole = [Segment(label, 0, length_of(label))]
    places = np.linspace(0, 1, 1025)
    seen = []
    for level in (LEVELS[-1], *LEVELS[:-1]):
        layout = lay_out(whole, level)
        total = np.concatenate([[0.0], np.cumsum(np.diff(layout.edges) * layout.stain)])
        seen.append(np.diff(np.interp(places * layout.length, layout.edges, total)) * 1024 / layout.length)
    finest, lost = seen[0], [seen[0] - one for one in seen[1:]]
    lost = [one / max(float(one.std()), 1e-6) for one in lost]
    return np.stack([(finest - finest.mean()) / max(float(finest.std()), 1e-6), *lost]).astype(np.float32)


@cache
def _pattern_along(label: str, samples: int) -> FloatArray:
    """:func:`_patterns` at so many samples: float32, shape (PATTERNS, samples)."""
    return _along(_patterns(label).T, samples)


def _lies_upside_down(profile: FloatArray, expected: FloatArray, shown: NDArray[np.bool_]) -> bool:
    seen = np.where(shown, profile - profile[shown].mean() if shown.any() else 0.0, 0.0)
    return float(seen @ expected[::-1]) > float(seen @ expected)


def _clean(density: FloatArray) -> FloatArray:
    return np.maximum(np.nan_to_num(density.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0), 0)


def _joined(
    parts: Sequence[tuple[int, str, FloatArray, NDArray[np.bool_], FloatArray, float]],
    settings: Preprocessing,
    shaken: Shaken | None,
) -> Ribbon:
    places, labels, pictures, shown, patterns, lengths = zip(*parts, strict=True)
    sizes = np.array([len(one) for one in shown])
    firsts = np.concatenate([[0], np.cumsum((sizes + GAP + STEP - 1) // STEP * STEP)])
    total = int(firsts[-1])
    density = np.zeros((settings.columns, total), dtype=np.float32)
    pattern = np.zeros((PATTERNS, total), dtype=np.float32)
    owner, seen = np.full(total, -1, dtype=np.int64), np.zeros(total, dtype=bool)
    along = np.zeros(total, dtype=np.float32)
    for number, (first, size) in enumerate(zip(firsts[:-1].tolist(), sizes.tolist(), strict=True)):
        here = slice(first, first + size)
        density[:, here], pattern[:, here] = pictures[number] * shown[number], patterns[number]
        owner[here], seen[here] = number, shown[number]
        along[here] = np.linspace(-1, 1, size)
    if shaken is not None:
        density = shaken.picture(density) * seen
    middle = density[settings.columns // 4 : settings.columns - settings.columns // 4].mean(axis=0)
    counts = np.maximum(np.bincount(owner[seen], minlength=len(parts)), 1)
    means = np.bincount(owner[seen], middle[seen], len(parts)) / counts
    typical = max(float(np.median(means)), 1e-6)
    squares = np.bincount(owner[seen], middle[seen] ** 2, len(parts)) / counts
    swings = np.sqrt(np.maximum(squares - means**2, 0))
    widths = np.array(lengths) / settings.samples_per_width
    relative = np.array([relative_length(label) for label in labels])
    slenderness = float(widths.sum() / relative.sum())
    measures = np.stack(
        [
            np.log(widths / 6),
            np.log(widths / (slenderness * relative)) * 4,
            np.full(len(parts), np.log(slenderness / 170) * 2),
            means / typical - 1,
            swings / typical * 3,
            counts / sizes - 0.5,
        ],
        axis=1,
    )
    shares = matched(middle / np.float32(typical), pattern, firsts[:-1], along, seen, settings.samples_per_width)
    return Ribbon(
        np.array(places, dtype=np.int64),
        np.array([LABELS.index(label) for label in labels], dtype=np.int64),
        np.concatenate([measures, shares], axis=1, dtype=np.float32),
        density / np.float32(typical),
        pattern,
        owner,
        seen,
        slenderness,
    )


def _empty(settings: Preprocessing) -> Ribbon:
    return Ribbon(
        np.zeros(0, dtype=np.int64),
        np.zeros(0, dtype=np.int64),
        np.zeros((0, MEASURES), dtype=np.float32),
        np.zeros((settings.columns, 0), dtype=np.float32),
        np.zeros((PATTERNS, 0), dtype=np.float32),
        np.zeros(0, dtype=np.int64),
        np.zeros(0, dtype=bool),
        0.0,
    )
