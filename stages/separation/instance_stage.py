"""The separation stage behind a segmentation that sees chromosomes whole."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from karyonet.case import Chromosome, Metaphase
from karyonet.geometry.shape import measure_scale
from karyonet.stage import MetaphaseStage

from .stage import numbered


class InstanceSeparator(MetaphaseStage):
    """Takes clusters apart into the instances that the segmentation has seen in them.

    A cluster in which one instance was seen is that instance, and passes as it is.
    """

    summary: ClassVar[str] = "Separates clusters into the chromosomes that the segmentation has seen whole"
    requires: ClassVar[frozenset[str]] = frozenset(
        {
            "metaphase.optical_density", "metaphase.instances", "instance.region", "metaphase.clusters",
            "cluster.region",
        }
    )  # fmt: skip
    assigns: ClassVar[frozenset[str]] = frozenset(
        {"metaphase.chromosomes", "chromosome.region", "chromosome.cluster", "cluster.chromosomes"}
    )

    def process(self, metaphase: Metaphase) -> Metaphase:
        if not metaphase.clusters:
            return replace(metaphase, chromosomes=())
        owners = np.zeros(metaphase.optical_density.shape, dtype=np.int32)
        for number, cluster in enumerate(metaphase.clusters, start=1):
            owners[cluster.region.slices][cluster.region.mask] = number
        found: list[Chromosome] = []
        for instance in metaphase.instances:
            held = np.bincount(owners[instance.region.slices][instance.region.mask])
            held[0] = 0
            if held.any():
                cluster = metaphase.clusters[int(held.argmax()) - 1]
                doubt = instance.doubtful
                found.append(Chromosome("", instance.region, cluster.id, instance.score, doubtful=doubt, review=doubt))
        scale = measure_scale([cluster.region for cluster in metaphase.clusters], metaphase.optical_density)
        return numbered(metaphase, found, scale.width)
