"""The band level stage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from karyonet.case import BandLevel, Metaphase
from karyonet.stage import MetaphaseStage, StageOptions

from .calibration import SHIPPED, read_calibration
from .counting import CountingEstimator
from .estimator import BandLevelEstimator, NotEstimable


class CountedBandLevel(MetaphaseStage):
    """Says how many bands per haploid set a metaphase resolves, by counting, or why that cannot be said.

    It comes after the chromosomes were named. Another estimator takes its place by :meth:`estimator`.
    """

    summary: ClassVar[str] = "Estimates the band level of a metaphase by counting band transitions"
    requires: ClassVar[frozenset[str]] = frozenset({"metaphase.chromosomes", "chromosome.strip", "chromosome.label"})
    assigns: ClassVar[frozenset[str]] = frozenset({"metaphase.band_level", "metaphase.band_level_reason"})

    class Options(StageOptions):
        """Options of :class:`CountedBandLevel`."""

        least_chromosomes: int = Field(20, ge=1, description="with fewer usable chromosomes nothing is said")
        calibration: Path | None = Field(None, description="YAML file of tools/fit_band_level.py; by default ours")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._estimator = self.estimator()

    def estimator(self) -> BandLevelEstimator:
        """The estimator that the options name."""
        calibration = read_calibration(self.options.calibration or SHIPPED)
        return CountingEstimator(calibration, self.options.least_chromosomes)

    def process(self, metaphase: Metaphase) -> Metaphase:
        """The metaphase with ``band_level`` filled, or with ``band_level_reason`` where it cannot be estimated."""
        if metaphase.contrast != "absorption":
            return _without(metaphase, "the estimator was fitted to G-bands, dark on light, alone")
        chromosomes = metaphase.chromosomes
        found = self._estimator.estimate([c.strip for c in chromosomes], [c.label for c in chromosomes])
        if isinstance(found, NotEstimable):
            return _without(metaphase, found.reason)
        level = BandLevel(
            bphs=round(found.bphs, 1),
            interval=(round(found.interval[0], 1), round(found.interval[1], 1)),
            level=found.level,
            estimator=self._estimator.version,
            chromosomes=tuple(chromosomes[place].id for place in found.deciding),
        )
        return replace(metaphase, band_level=level, band_level_reason=None)


def _without(metaphase: Metaphase, reason: str) -> Metaphase:
    return replace(metaphase, band_level=None, band_level_reason=f"band level not estimable: {reason}")
