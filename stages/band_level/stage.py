"""The band level stage."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from karyonet.case import BandLevel, Metaphase
from karyonet.device import DeviceName, Precision, choose_device
from karyonet.stage import MetaphaseStage, StageOptions
from karyonet.weights import WeightFile, find

from .calibration import SHIPPED, read_calibration
from .counting import CountingEstimator
from .estimator import BandLevelEstimator, NotEstimable

DEFAULT_WEIGHTS = "gband"


class BandLevelStage(MetaphaseStage):
    """Says how many bands per haploid set a metaphase resolves, or why that cannot be said.

    It comes after the chromosomes were named. What differs between stages is :meth:`estimator`.
    """

    requires: ClassVar[frozenset[str]] = frozenset({"metaphase.chromosomes", "chromosome.strip", "chromosome.label"})
    assigns: ClassVar[frozenset[str]] = frozenset({"metaphase.band_level", "metaphase.band_level_reason"})

    class Options(StageOptions):
        """Options of every :class:`BandLevelStage`."""

        least_chromosomes: int = Field(20, ge=1, description="with fewer usable chromosomes nothing is said")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._estimator = self.estimator()

    @abstractmethod
    def estimator(self) -> BandLevelEstimator:
        """The estimator that the options name."""

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


class CountedBandLevel(BandLevelStage):
    """The band level by :class:`~karyonet.stages.band_level.counting.CountingEstimator`."""

    summary: ClassVar[str] = "Estimates the band level of a metaphase by counting band transitions"

    class Options(BandLevelStage.Options):
        """Options of :class:`CountedBandLevel`."""

        calibration: Path | None = Field(None, description="YAML file of tools/fit_band_level.py; by default ours")

    def estimator(self) -> BandLevelEstimator:
        """The estimator that the options name."""
        calibration = read_calibration(self.options.calibration or SHIPPED)
        return CountingEstimator(calibration, self.options.least_chromosomes)


class LearnedBandLevel(BandLevelStage):
    """The band level by :class:`~karyonet.stages.band_level.learned.LearnedEstimator`."""

    summary: ClassVar[str] = "Estimates the band level of a metaphase by a network that reads its chromosomes' bands"

    class Options(BandLevelStage.Options):
        """Options of :class:`LearnedBandLevel`."""

        weights: str = Field(DEFAULT_WEIGHTS, description="shipped name or path of a .safetensors file")
        device: DeviceName = Field("auto", description="auto takes a GPU where there is one")
        precision: Precision = Field("auto", description="auto takes bfloat16 where the hardware multiplies in it")

    def estimator(self) -> BandLevelEstimator:
        """The estimator that the options name.

        Raises:
            WeightsError: K3xx if the weights cannot be used.
        """
        from .learned import LearnedEstimator  # torch is imported with it

        o = self.options
        self._weight = find("band_level", o.weights)
        return LearnedEstimator(self._weight, o.device, o.precision, o.least_chromosomes)

    @property
    def weights(self) -> tuple[WeightFile, ...]:
        return (self._weight,)

    @property
    def device(self) -> str:
        return choose_device(self.options.device).type


def _without(metaphase: Metaphase, reason: str) -> Metaphase:
    return replace(metaphase, band_level=None, band_level_reason=f"band level not estimable: {reason}")
