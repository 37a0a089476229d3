"""What every estimator of the band level takes and gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from karyonet.geometry.strip import Strip

CLASSES: tuple[int, ...] = (300, 400, 550, 700, 850)
"""The band levels that laboratories name."""


@dataclass(frozen=True)
class Estimate:
    """A band level.

    Attributes:
        bphs: bands per haploid set.
        interval: 95 %, in bphs.
        deciding: places of the chromosomes that decided, the most telling first.
    """

    bphs: float
    interval: tuple[float, float]
    deciding: tuple[int, ...]

    @property
    def level(self) -> int:
        """The class, one of :data:`CLASSES`."""
        return class_of(self.bphs)


@dataclass(frozen=True)
class NotEstimable:
    """Why no band level can be given, in a clause."""

    reason: str


class BandLevelEstimator(Protocol):
    """An estimator: strips and names of one metaphase in, a band level out. It never fails on a bad strip."""

    @property
    def version(self) -> str:
        """Name and number, as the report states them."""

    def estimate(self, strips: Sequence[Strip | None], labels: Sequence[str | None]) -> Estimate | NotEstimable:
        """The band level of a metaphase.

        Args:
            strips: of its chromosomes, from the straightening stage.
            labels: their types, as many; a chromosome without one is not used.
        """


def class_of(bphs: float) -> int:
    """The nearest of :data:`CLASSES`, the finer one halfway between two."""
    return min(CLASSES, key=lambda level: (abs(level - bphs), -level))
