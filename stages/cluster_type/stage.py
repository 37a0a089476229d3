"""The cluster-type stage on shape rules."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from karyonet.case import Cluster, Metaphase
from karyonet.geometry.shape import measure_scale
from karyonet.stage import MetaphaseStage

from .rules import classify_cluster


class ShapeRules(MetaphaseStage):
    """Says of every cluster whether it is one chromosome or several that touch, overlap or do both."""

    summary: ClassVar[str] = "Tells single chromosomes from touching and overlapping ones by their shape"
    requires: ClassVar[frozenset[str]] = frozenset(
        {"metaphase.optical_density", "metaphase.clusters", "cluster.region"}
    )
    assigns: ClassVar[frozenset[str]] = frozenset({"cluster.type", "cluster.probability"})

    def process(self, metaphase: Metaphase) -> Metaphase:
        if not metaphase.clusters:
            return metaphase
        optical_density = metaphase.optical_density
        scale = measure_scale([cluster.region for cluster in metaphase.clusters], optical_density)

        def typed(cluster: Cluster) -> Cluster:
            decision = classify_cluster(cluster.region.mask, optical_density[cluster.region.slices], scale)
            return replace(cluster, type=decision.type, probability=decision.probability)

        return replace(metaphase, clusters=tuple(typed(cluster) for cluster in metaphase.clusters))
