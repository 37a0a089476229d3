"""The straightening stage."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from karyonet.case import Chromosome, FloatArray, Metaphase, Strip
from karyonet.geometry.folds import usual_half_width
from karyonet.geometry.region import Region
from karyonet.geometry.straighten import straighten, turn_upright
from karyonet.stage import MetaphaseStage, StageOptions


class Straightener(MetaphaseStage):
    """Turns the chromosomes of a metaphase into strips, one at a time; how is up to the stage."""

    requires: ClassVar[frozenset[str]] = frozenset(
        {"metaphase.optical_density", "metaphase.chromosomes", "chromosome.region"}
    )
    assigns: ClassVar[frozenset[str]] = frozenset({"chromosome.strip"})

    class Options(StageOptions):
        """Options of every straightening stage."""

        margin: float = Field(default=2.0, ge=0.0, le=20.0)

    def process(self, metaphase: Metaphase) -> Metaphase:
        """The metaphase with ``chromosome.strip`` filled."""
        regions = [chromosome.region for chromosome in metaphase.chromosomes]
        strips = self.straighten_regions(metaphase.optical_density, regions)
        chromosomes: tuple[Chromosome, ...] = tuple(
            replace(chromosome, strip=strip) for chromosome, strip in zip(metaphase.chromosomes, strips, strict=True)
        )
        return replace(metaphase, chromosomes=chromosomes)

    def straighten_regions(self, optical_density: FloatArray, regions: list[Region]) -> list[Strip]:
        """The strips of the chromosomes of one metaphase.

        Args:
            optical_density: float32, shape (height, width); 0 is background.
            regions: one a chromosome. Rows of a strip that lie mostly under pixels of another region are not valid.

        Returns:
            One strip a region. ``profiles`` are divided by the mean optical density of all chromosome pixels, so that
            metaphases stained differently compare; ``optical_density`` is as given.

        Raises:
            ArrayError: K501 if a region leaves the image.
        """
        owners = count_owners(optical_density.shape, regions)
        shared = owners > 1
        hidden = shared if shared.any() else None
        mean = float(optical_density[owners > 0].mean()) if regions else 1.0
        scale = np.float32(1.0 / mean if mean > 1e-6 else 1.0)
        usual = usual_half_width([region.mask for region in regions])
        strips = [self._strip(optical_density, region, hidden, usual) for region in regions]
        return [replace(strip, profiles=strip.profiles * scale) for strip in strips]

    @abstractmethod
    def _strip(
        self, optical_density: FloatArray, region: Region, hidden: NDArray[np.bool_] | None, usual: float | None
    ) -> Strip:
        """The strip of one chromosome.

        Args:
            hidden: the pixels that show another one as well.
            usual: half width of the chromosomes of the metaphase in pixels; None where there are too few to tell.
        """


class MedialAxisStraightener(Straightener):
    """Straightens every chromosome of a metaphase along its medial axis.

    On arrays, without a case::

        strips = MedialAxisStraightener().straighten_regions(optical_density, regions)

    Args:
        margin: pixels left free on both sides of a strip.
    """

    summary: ClassVar[str] = "Straightens chromosomes along their medial axis; geometry alone, no texture is generated"

    def _strip(
        self, optical_density: FloatArray, region: Region, hidden: NDArray[np.bool_] | None, usual: float | None
    ) -> Strip:
        return straighten(optical_density, region, hidden, self.options.margin, usual)


class UprightCropper(Straightener):
    """Cuts every chromosome out and turns it upright, without straightening it.

    What networks read that were trained on crops; `tools/benchmarks/strips_and_crops.py` compares the two.

    Args:
        margin: pixels left free on both sides of a crop.
    """

    summary: ClassVar[str] = "Cuts chromosomes out and turns their long axis upright; what is bent stays bent"

    def _strip(
        self, optical_density: FloatArray, region: Region, hidden: NDArray[np.bool_] | None, usual: float | None
    ) -> Strip:
        return turn_upright(optical_density, region, hidden, self.options.margin)


def count_owners(shape: tuple[int, ...], regions: list[Region]) -> NDArray[np.int32]:
    """How many regions hold each pixel of an image: int32, of the given shape. Pixels beyond the image are left out."""
    owners = np.zeros(shape, dtype=np.int32)
    for region in regions:
        rows, columns = region.slices
        inside = owners[max(rows.start, 0) : rows.stop, max(columns.start, 0) : columns.stop]
        top, left = max(-rows.start, 0), max(-columns.start, 0)
        inside += region.mask[top : top + inside.shape[0], left : left + inside.shape[1]]
    return owners
