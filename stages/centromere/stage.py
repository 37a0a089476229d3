"""The centromere stage: where the centromere of every straightened chromosome lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from karyonet.case import LABELS, Centromere, Chromosome, FloatArray, Metaphase, Strip
from karyonet.device import DeviceName, Precision
from karyonet.errors import ArrayError
from karyonet.network_stage import NetworkStage
from karyonet.stage import MetaphaseStage, StageOptions
from karyonet.weights import WeightFile

from .profiles import measure

if TYPE_CHECKING:
    from .inference import PlacingNetwork


class LearnedCentromere(NetworkStage["PlacingNetwork"], MetaphaseStage):
    """Places centromeres by a network that reads widths and densities along the chromosome.

    A chromosome's name is read where an earlier stage has given one; ``p_arm_up`` is not, so that
    :attr:`karyonet.case.Chromosome.arms_agree` compares two things that know nothing of each other.
    On arrays, without a case::

        LearnedCentromere.from_pretrained().locate(strips)[0].index

    Raises:
        WeightsError: K301, K303, K304 or K306 when it is built; K302, K304 or K305 at its first use.
    """

    weights_of: ClassVar[str] = "centromere"
    summary: ClassVar[str] = "Position of the centromere and centromeric index, by a network along the chromosome"
    requires: ClassVar[frozenset[str]] = frozenset({"metaphase.chromosomes", "chromosome.strip"})
    assigns: ClassVar[frozenset[str]] = frozenset({"chromosome.centromere"})

    class Options(StageOptions):
        """Options of :class:`LearnedCentromere`."""

        weights: str = Field("centromere", description="name of shipped weights, or a .safetensors file")
        names: bool = Field(True, description="read the names of chromosomes that have one")
        device: DeviceName = Field("auto", description="auto takes a GPU where there is one")
        precision: Precision = Field("auto", description="auto takes bfloat16 where the hardware multiplies in it")
        batch_size: int = Field(64, ge=1, description="chromosomes that are judged at a time")

    def process(self, metaphase: Metaphase) -> Metaphase:
        """The metaphase with ``chromosome.centromere`` filled; None for chromosomes without a strip that shows any."""
        chromosomes = metaphase.chromosomes
        straight = [(number, c, c.strip) for number, c in enumerate(chromosomes) if c.strip is not None]
        placed = self.locate(
            [strip.optical_density for _, _, strip in straight],
            [c.label for _, c, _ in straight],
            [strip.valid for _, _, strip in straight],
        )
        found: list[Chromosome] = [replace(c, centromere=None) for c in chromosomes]
        for (number, chromosome, strip), centromere in zip(straight, placed, strict=True):
            if centromere is not None:
                there = replace(centromere, point=point_of(strip, centromere.position))
                found[number] = replace(chromosome, centromere=there)
        return replace(metaphase, chromosomes=tuple(found))

    def locate(
        self,
        strips: Sequence[FloatArray],
        labels: Sequence[str | None] | None = None,
        valid: Sequence[NDArray[np.bool_]] | None = None,
    ) -> tuple[Centromere | None, ...]:
        """Place the centromeres of straightened chromosomes, each for itself.

        Args:
            strips: float32, shape (length, width) each: optical density, 0 outside the chromosome, in any unit.
            labels: one of :data:`karyonet.case.LABELS` for each, None where it has no name; by default none has one.
            valid: bool, shape (length,) each: rows that no other chromosome hides; by default all.

        Returns:
            One a strip, None where it shows nothing.

        Raises:
            ArrayError: K501 if there are more or fewer labels or ``valid`` than strips, or an unknown label.
            WeightsError: K302, K304 or K305 for the weights.
        """
        for what, given in (("labels", labels), ("valid", valid)):
            if given is not None and len(given) != len(strips):
                raise ArrayError("K501", what=what, expected=f"one for each of {len(strips)} strips", actual=len(given))
        for label in labels or ():
            if label is not None and label not in LABELS:
                raise ArrayError("K501", what="a label", expected="one of 1–22, X, Y or None", actual=repr(label))
        profiles = [measure(strip, None if valid is None else valid[n]) for n, strip in enumerate(strips)]
        known = [(number, profile) for number, profile in enumerate(profiles) if profile is not None]
        found: list[Centromere | None] = [None] * len(strips)
        if not known:
            return tuple(found)
        names = labels if labels is not None and self.options.names else [None] * len(strips)
        said = self.network([profile for _, profile in known], [names[number] for number, _ in known])
        for (number, _), position, confidence, up in zip(known, *said, strict=True):
            found[number] = Centromere(float(position), float(confidence), float(up))
        return tuple(found)

    def load(self, weight: WeightFile) -> PlacingNetwork:
        from .inference import PlacingNetwork

        options: LearnedCentromere.Options = self.options
        return PlacingNetwork(weight, options.device, options.precision, options.batch_size)


def point_of(strip: Strip, position: float) -> tuple[float, float]:
    """``(x, y)`` in pixels of the image of a place along a strip's axis."""
    rows = np.arange(len(strip.axis)) + 0.5
    y, x = (float(np.interp(position * len(rows), rows, column)) for column in strip.axis.T)
    return x, y
