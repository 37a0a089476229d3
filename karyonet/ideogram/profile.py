"""Expected grey profiles: how much stain lies where along a chromosome, normal or rearranged."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from karyonet.errors import ArrayError
from karyonet.ideogram.band import FINEST_LEVEL, bands
from karyonet.ideogram.queries import borders, length_of, map_positions, neighbouring_levels

FloatArray = NDArray[np.float64]


class Segment(NamedTuple):
    """A piece of a chromosome; several of them, joined end to end, are a rearranged one.

    Attributes:
        chromosome: where the piece comes from.
        start, stop: ISCN units of the finest level (850), ``start < stop``.
        reversed: whether it is built in the wrong way round.
    """

    chromosome: str
    start: float
    stop: float
    reversed: bool = False


def grey_profile(
    source: str | Sequence[Segment | tuple[str, float, float, bool]], level: float = 550, samples: int = 512
) -> FloatArray:
    """Expected stain along a chromosome from its first to its last end.

    Args:
        source: the name of a normal chromosome (short arm first), or the segments of a rearranged one in their order.
        level: 400–850; between two tables both are blended, band by band.
        samples: number of equally long pieces that the chromosome is cut into.

    Returns:
        float64, shape (samples,): mean density of every piece, 0 (light) to 1 (dark).

    Raises:
        ArrayError: K501 for an unknown chromosome, a segment that is empty or not on its chromosome,
            a level outside 400–850, or fewer than one sample.
    """
    if samples < 1:
        raise ArrayError("K501", what="samples", expected="at least 1", actual=samples)
    edges, densities = density_steps(source, level)
    stain = np.concatenate([[0.0], np.cumsum(np.diff(edges) * densities)])
    cuts = np.linspace(0.0, edges[-1], samples + 1)
    profile: FloatArray = np.diff(np.interp(cuts, edges, stain)) / (edges[-1] / samples)
    return profile


def density_steps(
    source: str | Sequence[Segment | tuple[str, float, float, bool]], level: float = 550
) -> tuple[FloatArray, FloatArray]:
    """The profile as steps: ``n + 1`` edges in ISCN units of that level, from 0, and the ``n`` densities between."""
    segments = [Segment(source, 0, length_of(source))] if isinstance(source, str) else [Segment(*s) for s in source]
    if not segments:
        raise ArrayError("K501", what="source", expected="at least one segment", actual="empty")
    widths, densities = zip(*(_segment_steps(segment, level) for segment in segments), strict=True)
    return np.concatenate([[0.0], np.cumsum(np.concatenate(widths))]), np.concatenate(densities)


def _segment_steps(segment: Segment, level: float) -> tuple[FloatArray, FloatArray]:
    if not 0 <= segment.start < segment.stop <= length_of(segment.chromosome):
        expected = f"0 <= start < stop <= {length_of(segment.chromosome)}"
        raise ArrayError("K501", what=f"segment of chromosome {segment.chromosome}", expected=expected, actual=segment)
    edges, densities = _steps(segment.chromosome, level)
    ends = map_positions(segment.chromosome, np.array([segment.start, segment.stop], dtype=float), level, FINEST_LEVEL)
    first, last = np.searchsorted(edges, ends[0], side="right"), np.searchsorted(edges, ends[1], side="left")
    widths = np.diff(np.concatenate([ends[:1], edges[first:last], ends[1:]]))
    inside = densities[first - 1 : last]
    return (widths[::-1], inside[::-1]) if segment.reversed else (widths, inside)


@cache
def _steps(chromosome: str, level: float) -> tuple[FloatArray, FloatArray]:
    bp, iscn = borders(chromosome, level)
    low, high, weight = neighbouring_levels(level)
    middles = (bp[1:] + bp[:-1]) / 2
    densities = (1 - weight) * _density_at(chromosome, low, middles) + weight * _density_at(chromosome, high, middles)
    return iscn, densities


def _density_at(chromosome: str, level: int, bp: FloatArray) -> FloatArray:
    known = bands(chromosome, level)
    numbers = np.searchsorted([band.bp_stop for band in known], bp, side="right")
    return np.array([band.density for band in known])[numbers]
