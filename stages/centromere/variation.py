"""What varies between a simulated chromosome and a real one: variation of profiles in training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.ndimage import gaussian_filter1d

from karyonet.case import FloatArray

from .profiles import WidthProfile

Generator = np.random.Generator
_WIDTHS = slice(0, 3)
_CLEAR = 0.04
"""Share of the length around a centromere that a lost or doubled segment leaves alone."""
_NOTHING = -1.0
"""A row beyond the ends of the chromosome."""


class Variation(BaseModel):
    """How much profiles are varied. Lengths are shares of the chromosome's.

    Attributes:
        rearranged: share of chromosomes of which a segment is lost, doubled or turned round.
        stretch: standard deviation of the local stretching's logarithm.
        ends: length that a mask may have too much or too little at either end.
        blur: largest standard deviation of a blur. blurred: share of chromosomes that are.
        width: standard deviation of the width that a mask has too much or too little, relative.
        ripple: of the unevenness of widths and densities along the chromosome, relative.
        noise: of widths and densities of every row, relative.
        gamma: of the logarithm of the exponent that densities are raised to.
        hidden: share of chromosomes of which a part is hidden. longest: of these parts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rearranged: float = Field(default=0.3, ge=0, le=1)
    stretch: float = Field(default=0.12, ge=0, le=0.5)
    ends: float = Field(default=0.02, ge=0, le=0.1)
    blur: float = Field(default=0.025, ge=0)
    blurred: float = Field(default=0.5, ge=0, le=1)
    width: float = Field(default=0.06, ge=0)
    ripple: float = Field(default=0.05, ge=0)
    noise: float = Field(default=0.04, ge=0)
    gamma: float = Field(default=0.2, ge=0)
    hidden: float = Field(default=0.1, ge=0, le=1)
    longest: float = Field(default=0.3, ge=0, le=1)


def vary(
    profile: WidthProfile, centromere: float, settings: Variation, generator: Generator
) -> tuple[WidthProfile, float]:
    """A profile as it could have been, and where its centromere then is.

    Args:
        profile: of a chromosome.
        centromere: from row 0, as a share of the length; NaN where it is not known.
        settings: how much.
        generator: of all randomness.
    """
    profile, centromere = _turned(profile, centromere, generator)
    rows = np.arange(profile.rows, dtype=np.float64)
    if generator.random() < settings.rearranged and np.isfinite(centromere):
        rows, centromere = _rearranged(rows, centromere, generator)
    rows, centromere = _stretched(rows, centromere, settings, generator)
    nearest = np.maximum(rows, 0).astype(np.intp)
    visible = profile.visible[nearest]
    values = _uneven(profile.values[nearest], visible, settings, generator)
    if generator.random() < settings.hidden:
        length = generator.uniform(0, settings.longest) * len(visible)
        start = generator.uniform(-length / 2, len(visible) - length / 2)
        away = np.abs(np.arange(len(visible)) - start - length / 2) > length / 2
        visible = visible & away if (visible & away).any() else visible
    values = np.where((visible & (rows != _NOTHING))[:, None], values, 0.0)
    slenderness = profile.slenderness * len(rows) / profile.rows
    return WidthProfile(values.astype(np.float32), visible, slenderness), float(np.clip(centromere, 0.0, 1.0))


def _turned(profile: WidthProfile, centromere: float, generator: Generator) -> tuple[WidthProfile, float]:
    end_over_end, left_for_right = generator.random(2) < 0.5
    if end_over_end:
        profile, centromere = profile.turned(), 1 - centromere
    return (profile.mirrored() if left_for_right else profile), centromere


def _rearranged(
    rows: NDArray[np.float64], centromere: float, generator: Generator
) -> tuple[NDArray[np.float64], float]:
    """Rows after a loss, a doubling or an inversion."""
    count, place = len(rows), centromere * len(rows)
    kind = generator.choice(3)
    if kind == 2:  # an inversion round the centromere moves it
        start, stop = int(generator.uniform(0, place)), int(generator.uniform(place, count))
        return np.concatenate([rows[:start], rows[start:stop][::-1], rows[stop:]]), (start + stop - place) / count
    clear = _CLEAR * count
    arms = [(0.0, place - clear), (place + clear, float(count))]
    sizes = np.array([max(stop - start, 0.0) for start, stop in arms])
    if not sizes.sum() > 4:
        return rows, centromere
    first, last = arms[int(generator.choice(2, p=sizes / sizes.sum()))]
    begin, end = np.sort(generator.uniform(first, last, 2)).astype(int)
    if kind == 0:
        kept, change = np.delete(rows, np.s_[begin:end]), begin - end
    else:
        kept, change = np.concatenate([rows[:end], rows[begin:end], rows[end:]]), end - begin
    if len(kept) < 4:
        return rows, centromere
    return kept, (place + (change if end <= place else 0)) / len(kept)


def _stretched(
    rows: NDArray[np.float64], centromere: float, settings: Variation, generator: Generator
) -> tuple[NDArray[np.float64], float]:
    """Rows read at an uneven pace, from a little before or behind the ends."""
    count = len(rows)
    pace = np.exp(settings.stretch * _smooth(generator, count, 0.15))
    reached = np.concatenate([[0.0], np.cumsum(pace)])
    reached *= count / reached[-1]
    start, stop = generator.uniform(-settings.ends, settings.ends, 2) * count
    # Where in the rows given each row of the new profile lies.
    edges = np.interp(np.linspace(start, count + stop, count + 1), [-count, 0, *range(1, count), count, 2 * count],
                      [-count, *reached, 2 * count])  # fmt: skip
    middles = (edges[:-1] + edges[1:]) / 2
    place = float(np.interp(centromere * count, edges, np.arange(count + 1))) / count
    outside = (middles < 0) | (middles > count)
    return np.where(outside, _NOTHING, rows[np.clip(middles, 0, count - 1).astype(int)]), place


def _uneven(
    values: FloatArray, visible: NDArray[np.bool_], settings: Variation, generator: Generator
) -> NDArray[np.floating]:
    count, channels = values.shape
    if generator.random() < settings.blurred:
        sigma = generator.uniform(0, settings.blur) * count
        weight = gaussian_filter1d(visible.astype(np.float64), sigma, mode="nearest")
        values = gaussian_filter1d(values, sigma, axis=0, mode="nearest") / np.maximum(weight, 1e-3)[:, None]
    factors = np.ones((count, channels))
    for channel in range(channels):
        factors[:, channel] += settings.ripple * _smooth(generator, count, generator.uniform(0.01, 0.1))
    factors += settings.noise * generator.standard_normal((count, channels))
    varied = values * np.clip(factors, 0.3, 2.0)
    off = settings.width * generator.standard_normal(3)
    varied[:, _WIDTHS] = np.where(values[:, _WIDTHS] > 0, np.maximum(varied[:, _WIDTHS] + off, 0.05), 0.0)
    gamma = np.exp(settings.gamma * generator.standard_normal())
    varied[:, 3:] = np.clip(varied[:, 3:], 0, None) ** gamma
    return varied


def _smooth(generator: Generator, count: int, sigma: float) -> NDArray[np.float64]:
    """A smooth random line of unit deviation; ``sigma`` is a share of its length."""
    line = gaussian_filter1d(generator.standard_normal(count), max(sigma * count, 0.5), mode="nearest")
    deviation = float(line.std())
    return np.asarray((line - line.mean()) / max(deviation, 1e-9))
