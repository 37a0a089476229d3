"""What the comparison of the homologs of one type says, and where along the chromosome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from karyonet.case import FloatArray
from karyonet.errors import ArrayError
from karyonet.ideogram import bands, length_of

GRID = 100
"""Places along a chromosome at which evidence is given."""
LEVEL = 400
"""Of the bands that are named: a region is no more precise than these."""


@dataclass(frozen=True, eq=False)
class BagComparison:
    """What the network says of one bag of m metaphases.

    Attributes:
        chromosome: the type.
        probability: 0–1, calibrated, of a structural abnormality.
        metaphases: their names, in the order of the bag.
        homologs: of each metaphase, which of its two is more suspect, 0 or 1.
        homolog_probabilities: float32, shape (m, 2): how likely it is either, if it is one of them.
        weights: float32, shape (m,): how much each metaphase counts.
        evidence: float32, shape (100,): 0–1 along the suspect homologs from the short arm's end on, mean over the
            metaphases; NaN where none of them shows the chromosome.
        region: where the evidence is strongest, as shares of the length of the chromosome.
    """

    chromosome: str
    probability: float
    metaphases: tuple[str, ...]
    homologs: tuple[int, ...]
    homolog_probabilities: FloatArray
    weights: FloatArray
    evidence: FloatArray
    region: tuple[float, float]

    @property
    def bands(self) -> str:
        """The bands that the region covers."""
        return bands_of(self.chromosome, self.region)


def along_chromosome(evidence: FloatArray, visible: NDArray[np.bool_], length: int, samples: int) -> FloatArray:
    """Evidence of the network's regions at evenly spaced places of the chromosome.

    Args:
        evidence: float32, shape (regions,).
        visible: bool, shape (regions,): regions that show the chromosome.
        length: of the chromosome in samples of the profile.
        samples: that a region covers.

    Returns:
        float32, shape (100,); NaN in regions that show nothing.
    """
    region = ((np.arange(GRID) + 0.5) / GRID * length).astype(np.intp) // samples
    return np.where(visible[region], evidence[region], np.nan).astype(np.float32)


def mean_of_known(values: Sequence[FloatArray]) -> FloatArray:
    """Mean over the first axis, shape (m, n) to (n,), of what is not NaN; NaN where all is."""
    stacked = np.stack(values).astype(np.float64)
    known = np.isfinite(stacked)
    count = known.sum(axis=0)
    mean = np.where(known, stacked, 0.0).sum(axis=0) / np.maximum(count, 1)
    return np.where(count > 0, mean, np.nan).astype(np.float32)


def strongest_stretch(evidence: FloatArray) -> tuple[float, float]:
    """The stretch around the highest value in which no value is below half of it, as shares of the length.

    Args:
        evidence: shape (n,), 0 or more; NaN ends a stretch. Where nothing is known the stretch is the whole.
    """
    if not np.isfinite(evidence).any():
        return 0.0, 1.0
    known = np.nan_to_num(np.asarray(evidence, dtype=np.float64), nan=-1.0)
    peak = int(known.argmax())
    low = ~(known >= known[peak] / 2)
    before, after = np.flatnonzero(low[:peak]), np.flatnonzero(low[peak:])
    start = int(before[-1]) + 1 if before.size else 0
    stop = peak + int(after[0]) if after.size else len(known)
    return start / len(known), stop / len(known)


def bands_of(chromosome: str, region: tuple[float, float], level: int = LEVEL) -> str:
    """The bands of the ideogram that a stretch of a chromosome covers: ``q21–q31``, or one alone.

    Shares are taken as if the chromosome had its normal length, so that beyond a lost or added segment the names are
    off by its size.

    Args:
        chromosome: one of :data:`karyonet.case.LABELS`.
        region: shares of the length from the end of the short arm, 0–1.
        level: of the ideogram, 400, 550 or 850.

    Raises:
        ArrayError: K501 if the region is empty or leaves the chromosome, or there is no such chromosome or level.
    """
    start, stop = region
    if not 0 <= start < stop <= 1:
        raise ArrayError("K501", what="region", expected="shares 0 ≤ start < stop ≤ 1", actual=region)
    length = length_of(chromosome)
    covered = [
        b.name for b in bands(chromosome, level) if b.iscn_start < stop * length and b.iscn_stop > start * length
    ]
    return covered[0] if len(covered) == 1 else f"{covered[0]}–{covered[-1]}"
