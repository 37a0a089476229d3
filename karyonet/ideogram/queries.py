"""Where bands are, and which band is where."""

from __future__ import annotations

from bisect import bisect_right
from functools import cache

import numpy as np
from numpy.typing import NDArray

from karyonet.errors import ArrayError
from karyonet.ideogram.band import CHROMOSOMES, FINEST_LEVEL, LEVELS, Band, bands

FloatArray = NDArray[np.float64]
Borders = tuple[FloatArray, FloatArray]
"""Base pairs and ISCN units of the borders between bands, both ends of the chromosome among them."""


def find_band(chromosome: str, band: str, level: int | None = None) -> tuple[Band, ...]:
    """The bands that a name covers: ``q34`` covers q34.1, q34.2 …; ``q3`` a whole region; ``q`` the arm.

    ``p10``, ``q10`` and ``cen`` name the centromere's bands, ``pter`` and ``qter`` the last band of an arm.

    Args:
        chromosome: one of :data:`CHROMOSOMES`.
        band: arm and number.
        level: one of :data:`LEVELS`; by default the finest.

    Returns:
        In the order of the chromosome; empty if there is no such chromosome or band.
    """
    if chromosome not in CHROMOSOMES or not band:
        return ()
    known = bands(chromosome, FINEST_LEVEL if level is None else level)
    if band in ("pter", "qter"):
        return (known[0 if band == "pter" else -1],)
    if band in ("cen", "p10", "q10"):
        return tuple(b for b in known if b.stain == "acen" and band in ("cen", b.arm + "10"))
    return tuple(b for b in known if b.name.startswith(band) and not band.endswith("."))


def band_at(chromosome: str, position: float, level: int = FINEST_LEVEL) -> Band:
    """The band at a position; a border belongs to the band that it starts, the end of the chromosome to the last one.

    Args:
        chromosome: one of :data:`CHROMOSOMES`.
        position: ISCN units of that level.
        level: one of :data:`LEVELS`.

    Raises:
        ArrayError: K501 if the position is not on the chromosome.
    """
    known = bands(chromosome, level)
    if not 0 <= position <= known[-1].iscn_stop:
        expected = f"between 0 and {known[-1].iscn_stop}"
        raise ArrayError("K501", what=f"position on chromosome {chromosome}", expected=expected, actual=position)
    number = bisect_right(known, position, key=lambda band: band.iscn_start) - 1
    return known[number]


def position_of(chromosome: str, band: str, level: int = FINEST_LEVEL) -> tuple[int, int]:
    """Where a name's bands start and stop, in ISCN units of that level.

    ``pter``, ``qter``, ``cen``, ``p10`` and ``q10`` are points: start and stop are the same.

    Raises:
        ArrayError: K501 if the chromosome has no such band at that level.
    """
    found = find_band(chromosome, band, level)
    if not found:
        expected = f"a band of chromosome {chromosome} at {level} bands"
        raise ArrayError("K501", what="band", expected=expected, actual=repr(band))
    points = {"pter": 0, "qter": found[-1].iscn_stop}
    if band in ("cen", "p10", "q10"):
        points[band] = centromere_of(chromosome, level)
    return (points[band], points[band]) if band in points else (found[0].iscn_start, found[-1].iscn_stop)


def length_of(chromosome: str) -> int:
    """Length in ISCN units, the same at every level."""
    return bands(chromosome)[-1].iscn_stop


def relative_length(chromosome: str) -> float:
    """Length as a share of the 22 autosomes' lengths together, the convention of karyotype measurements."""
    return length_of(chromosome) / sum(length_of(autosome) for autosome in CHROMOSOMES[:22])


def centromere_of(chromosome: str, level: int = FINEST_LEVEL) -> int:
    """Where the short arm meets the long one, in ISCN units of that level."""
    return next(band.iscn_start for band in bands(chromosome, level) if band.arm == "q")


def centromeric_index(chromosome: str, level: int = FINEST_LEVEL) -> float:
    """Short arm as a share of the whole length, 0–0.5."""
    return centromere_of(chromosome, level) / length_of(chromosome)


def to_level(chromosome: str, position: float, level: float, from_level: float = FINEST_LEVEL) -> float:
    """A position of one level's drawing in another's; levels between the tables are interpolated.

    Bands are drawn with other widths at other levels; base pairs say what corresponds.
    """
    return float(map_positions(chromosome, np.array([position], dtype=float), level, from_level)[0])


def map_positions(chromosome: str, positions: FloatArray, level: float, from_level: float = FINEST_LEVEL) -> FloatArray:
    """:func:`to_level` for an array of positions."""
    if level == from_level:
        return positions
    bp, iscn = borders(chromosome, from_level)
    there = borders(chromosome, level)
    return np.interp(np.interp(positions, iscn, bp), *there)


@cache
def borders(chromosome: str, level: float) -> Borders:
    """The borders of a level's bands; between two tables those of both, each at its interpolated position.

    Raises:
        ArrayError: K501 if the level is not between 400 and 850.
    """
    low, high, weight = neighbouring_levels(level)
    (bp_low, iscn_low), (bp_high, iscn_high) = _table_borders(chromosome, low), _table_borders(chromosome, high)
    bp = np.union1d(bp_low, bp_high)
    iscn = (1 - weight) * np.interp(bp, bp_low, iscn_low) + weight * np.interp(bp, bp_high, iscn_high)
    return bp, iscn


def neighbouring_levels(level: float) -> tuple[int, int, float]:
    """The tables below and above a level and the weight of the upper one; twice the same for a table's own level.

    Raises:
        ArrayError: K501 if the level is not between 400 and 850.
    """
    if not LEVELS[0] <= level <= LEVELS[-1]:
        raise ArrayError("K501", what="level", expected=f"between {LEVELS[0]} and {LEVELS[-1]}", actual=level)
    if level in LEVELS:
        return int(level), int(level), 0.0
    upper = bisect_right(LEVELS, level)
    low, high = LEVELS[upper - 1], LEVELS[upper]
    return low, high, (level - low) / (high - low)


@cache
def _table_borders(chromosome: str, level: int) -> Borders:
    known = bands(chromosome, level)
    bp = np.array([0, *(band.bp_stop for band in known)], dtype=np.float64)
    return bp, np.array([0, *(band.iscn_stop for band in known)], dtype=np.float64)
