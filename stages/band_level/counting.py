"""The band level from the number of band transitions of every chromosome, read against the ideogram.

After the counting methods of laboratories (reviewed by Geiersbach et al., Genet Med 16, 2014), which count the bands
of some chromosomes and read the level off a table, with every chromosome counted and transitions instead of bands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from karyonet.case import LABELS
from karyonet.geometry.strip import Strip
from karyonet.ideogram import relative_length

from .calibration import Calibration, read_calibration
from .estimator import Estimate, NotEstimable
from .expected import EXTENDED, visible_transitions
from .persistence import band_profile, count_transitions, strip_width

FloatArray = NDArray[np.float64]

LEAST_MEASURED = 0.9
"""Share of a chromosome's rows that must show this chromosome alone."""
LEAST_CONFIDENCE = 0.5
"""Of a strip, that its axis can be trusted."""
LEAST_WIDTH = 3.0
"""Width in pixels below which bands cannot be told from noise."""
RANGE = (300.0, 1000.0)
"""bphs that a single chromosome may vote for; the result stays in it too."""
_RESAMPLINGS = 200
_LEAST_SEPARATION = 1.0
"""Transitions that a type must gain between 400 and 850 bands to have a say."""


@dataclass(frozen=True)
class Counts:
    """What is measured on one metaphase.

    Attributes:
        places: int64, shape (n,): the usable chromosomes, as places in what was given.
        labels: their types.
        transitions: float64, shape (n,).
        slenderness: length in widths that 22 autosomes of these chromosomes' make would have together.
    """

    places: NDArray[np.int64]
    labels: tuple[str, ...]
    transitions: FloatArray
    slenderness: float


def measure(
    strips: Sequence[Strip | None], labels: Sequence[str | None], smoothing: float, least_swing: float
) -> Counts:
    """Count the transitions of every usable chromosome.

    Usable is a chromosome that has a name, lies straight with some confidence, is hidden by others over less than a
    tenth of its length, and shows bands at all.

    Args:
        strips, labels: of one metaphase, as many of both.
        smoothing, least_swing: of the :class:`~karyonet.stages.band_level.calibration.Calibration`.

    Raises:
        ValueError: if there are not as many strips as labels.
    """
    candidates = [
        (place, label, strip)
        for place, (strip, label) in enumerate(zip(strips, labels, strict=True))
        if strip is not None and label in LABELS and strip.length > 0 and strip.confidence >= LEAST_CONFIDENCE
        if strip.valid.mean() >= LEAST_MEASURED
    ]
    width = float(np.median([strip_width(strip) for *_, strip in candidates])) if candidates else 0.0
    found: list[tuple[int, str, int, int]] = []
    if width >= LEAST_WIDTH:
        for place, label, strip in candidates:
            number = count_transitions(band_profile(strip, width), smoothing * width, least_swing)
            if number is not None:
                found.append((place, str(label), number, strip.length))
    lengths = sum(length for *_, length in found)
    shares = sum(relative_length(label) for _, label, *_ in found)
    return Counts(
        places=np.array([place for place, *_ in found], dtype=np.int64),
        labels=tuple(label for _, label, *_ in found),
        transitions=np.array([number for _, _, number, _ in found], dtype=np.float64),
        slenderness=lengths / width / shares if found else 0.0,
    )


class CountingEstimator:
    """Counts band transitions and inverts the counts that the ideogram leads to expect.

    Every usable chromosome votes for the level at which its type shows as many transitions; the votes meet in a
    weighted median, a type weighing the more the better it separates the levels. The vote and the slenderness of the
    chromosomes, which condense less at a higher level, give the result by a map fitted on simulated metaphases.

    Args:
        calibration: by default the one that ships.
        least_chromosomes: with fewer usable ones nothing is said.
    """

    def __init__(self, calibration: Calibration | None = None, least_chromosomes: int = 20) -> None:
        self.calibration = calibration or read_calibration()
        self.least_chromosomes = least_chromosomes

    @property
    def version(self) -> str:
        return self.calibration.version

    def estimate(self, strips: Sequence[Strip | None], labels: Sequence[str | None]) -> Estimate | NotEstimable:
        counts = measure(strips, labels, self.calibration.smoothing, self.calibration.least_swing)
        votes, weights = votes_of(counts, self.calibration)
        usable = int((weights > 0).sum())
        if usable < max(self.least_chromosomes, 1):
            return NotEstimable(
                f"{usable} of {len(strips)} chromosomes can be counted, at least {self.least_chromosomes} are needed"
            )
        vote, doubt = pool(votes, weights)
        constants = self.calibration
        level = 550 * np.exp(
            constants.intercept
            + constants.of_count * np.log(vote / 550)
            + constants.of_slenderness * np.log(counts.slenderness / constants.slenderness)
        )
        spread = 1.96 * float(np.hypot(constants.spread, constants.of_count * doubt))
        low, middle, high = np.clip(level * np.exp([-spread, 0.0, spread]), *RANGE).tolist()
        order = np.lexsort((counts.places, -weights))
        half = int(np.searchsorted(np.cumsum(weights[order]), 0.5 * weights.sum())) + 1
        return Estimate(middle, (low, high), tuple(counts.places[order[:half]].tolist()))


def votes_of(counts: Counts, calibration: Calibration) -> tuple[FloatArray, FloatArray]:
    """The level that every counted chromosome stands for, in bphs, and its weight.

    The weight is the squared number of transitions that its type gains from 400 to 850 bands over the number that it
    has, the variance of a count growing with the count; 0 for a type that gains none.

    Returns:
        Two float64 arrays, shape (n,).
    """
    votes, weights = np.zeros(len(counts.labels)), np.zeros(len(counts.labels))
    for number, label in enumerate(counts.labels):
        curve = calibration.offset + calibration.gain * expected_of(label, calibration)
        gained = float(curve[-1] - curve[1])
        if gained < _LEAST_SEPARATION:
            continue
        # A stretch without a rise says nothing between its ends: it is passed at an even, slight slope.
        rising = curve + 1e-3 * np.arange(len(curve))
        votes[number] = np.interp(counts.transitions[number], rising, EXTENDED)
        if counts.transitions[number] > rising[-1]:
            beyond = (counts.transitions[number] - rising[-1]) * (EXTENDED[-1] - EXTENDED[1]) / gained
            votes[number] = min(EXTENDED[-1] + beyond, RANGE[1])
        weights[number] = gained**2 / max(float(curve.mean()), 1.0)
    return votes, weights


def expected_of(label: str, calibration: Calibration) -> FloatArray:
    """:func:`~karyonet.stages.band_level.expected.visible_transitions` under a calibration."""
    c = calibration
    return visible_transitions(label, c.smoothing, c.least_swing, c.resolution, c.slenderness, c.stretching)


def pool(votes: FloatArray, weights: FloatArray) -> tuple[float, float]:
    """Weighted median of the votes, and the standard deviation of its logarithm, by bootstrap over the chromosomes.

    Args:
        votes: bphs, shape (n,), all above 0 where the weight is.
        weights: shape (n,), not negative, one at least above 0. The order of the chromosomes does not matter.
    """
    kept = np.flatnonzero(weights > 0)
    order = kept[np.lexsort((weights[kept], votes[kept]))]
    values, masses = votes[order], weights[order]
    generator = np.random.Generator(np.random.PCG64(0))
    drawn = generator.multinomial(len(values), np.full(len(values), 1 / len(values)), size=_RESAMPLINGS)
    medians = np.array([_weighted_median(values, masses * times) for times in drawn])
    return _weighted_median(values, masses), float(np.log(medians).std())


def _weighted_median(values: FloatArray, weights: FloatArray) -> float:
    """Of sorted values; between two of them it is interpolated, so that no vote moves it by steps."""
    middles = np.cumsum(weights) - weights / 2
    present = weights > 0
    return float(np.interp(weights.sum() / 2, middles[present], values[present]))
