"""The separation stage on geometry."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from karyonet.case import Chromosome, Cluster, Metaphase
from karyonet.geometry.region import Region
from karyonet.geometry.shape import Scale, measure_scale
from karyonet.stage import MetaphaseStage, StageOptions

from .plausibility import chromosome_probability
from .search import separate


class GeometricSeparator(MetaphaseStage):
    """Takes clusters apart by their skeletons, their outlines and their optical density."""

    summary: ClassVar[str] = "Separates touching and overlapping chromosomes by geometry"
    requires: ClassVar[frozenset[str]] = frozenset(
        {"metaphase.optical_density", "metaphase.clusters", "cluster.region", "cluster.type"}
    )
    assigns: ClassVar[frozenset[str]] = frozenset(
        {"metaphase.chromosomes", "chromosome.region", "chromosome.cluster", "cluster.chromosomes"}
    )

    class Options(StageOptions):
        """Areas are in squared chromosome widths (w²)."""

        sure: float = Field(0.7, ge=0, le=1, description="instances less probable than this are still examined")
        smallest_area: float = Field(1.3, ge=0, description="smaller pieces go back to their neighbour (w²)")
        worst_cut: float = Field(-0.2, description="cuts with a higher score are not considered")
        piece_cost: float = Field(0.4, ge=0, le=1, description="higher values give fewer pieces")

    def process(self, metaphase: Metaphase) -> Metaphase:
        if not metaphase.clusters:
            return replace(metaphase, chromosomes=())
        scale = measure_scale([cluster.region for cluster in metaphase.clusters], metaphase.optical_density)
        found = [
            Chromosome("", region, cluster=cluster.id)
            for cluster in metaphase.clusters
            for region in self.separate(cluster, metaphase.optical_density, scale)
        ]
        return numbered(metaphase, found, scale.width)

    def separate(self, cluster: Cluster, optical_density: NDArray[np.float32], scale: Scale) -> list[Region]:
        """The chromosomes of one cluster.

        Args:
            cluster: with its type.
            optical_density: float32, shape (height, width), of the whole image.
            scale: of the metaphase.
        """
        options: GeometricSeparator.Options = self.options
        region = cluster.region
        certain = cluster.probability is None or cluster.probability >= options.sure
        if cluster.type == "instance" and certain:
            return [region]
        # A margin of background, so that outlines close.
        mask = np.pad(region.mask, 1)
        density = np.pad(region.crop(optical_density), 1)
        pieces = separate(
            mask,
            density,
            scale.width,
            lambda piece: chromosome_probability(piece, density, scale),
            smallest=options.smallest_area,
            worst_cut=options.worst_cut,
            cost=options.piece_cost,
        )
        xmin, ymin, _, _ = region.bbox
        return [Region.from_mask(piece, offset=(xmin - 1, ymin - 1)) for piece in pieces]


def numbered(metaphase: Metaphase, found: list[Chromosome], width: float) -> Metaphase:
    """The metaphase with its chromosomes, ``c1`` … in reading order, also named in their clusters.

    Args:
        found: with their regions and clusters; their ids are set here.
        width: of a chromosome in pixels.
    """
    ordered = sorted(found, key=lambda chromosome: reading_order(chromosome.region, width))
    chromosomes = tuple(replace(chromosome, id=f"c{number}") for number, chromosome in enumerate(ordered, start=1))
    ids: dict[str, list[str]] = {cluster.id: [] for cluster in metaphase.clusters}
    for chromosome in chromosomes:
        ids[str(chromosome.cluster)].append(chromosome.id)
    clusters = tuple(replace(cluster, chromosomes=tuple(ids[cluster.id])) for cluster in metaphase.clusters)
    return replace(metaphase, clusters=clusters, chromosomes=chromosomes)


def reading_order(region: Region, width: float) -> tuple[int, int, int]:
    """Sort key: lines three chromosome widths high, then from left to right."""
    xmin, ymin, _, _ = region.bbox
    return int(ymin // (3 * max(width, 1.0))), xmin, ymin
