"""What a cluster is, by its shape: one chromosome, or several that touch, overlap or do both.

Whether it is one chromosome is a logistic regression on real clusters and so a probability. How several lie is decided
by rules, and the probability of that part is heuristic (:func:`arrangement`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from karyonet.case import ClusterType
from karyonet.geometry.outline import concave_points
from karyonet.geometry.shape import Scale, measure_shape
from karyonet.geometry.skeleton import SkeletonGraph, arm_directions, pair_arms, skeleton_graph

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float32]

INTERCEPT = 10.150
COEFFICIENTS = np.array(
    [-1.842, -0.731, 1.483, -5.554, 1.369, -1.378, -1.591, 0.491, -1.412, -1.987, -0.146, 2.921, 0.369, -0.475]
)
"""Logistic regression on :data:`karyonet.geometry.shape.DESCRIPTOR`, fitted by ``tools/benchmarks/fit_shape_rules.py``:
whether one annotated box lies in a component or more."""

DARKER = 1.15
"""Optical density of a crossing over that of its arms from which two layers are believed: densities add, so that two
equal layers have 2, but a light band on a dark one has less."""


@dataclass(frozen=True)
class ClusterDecision:
    """A cluster type and how probable it is, 0–1."""

    type: ClusterType
    probability: float


def instance_probability(mask: BoolArray, optical_density: FloatArray, scale: Scale) -> float:
    """Probability, 0–1, that a cluster is one chromosome.

    Args:
        mask: bool, shape (height, width), one connected object.
        optical_density: float32, same shape.
        scale: of the metaphase (:func:`karyonet.geometry.shape.measure_scale`).
    """
    descriptor = measure_shape(mask, optical_density, scale.width).descriptor(scale)
    return float(1 / (1 + np.exp(-np.clip(INTERCEPT + COEFFICIENTS @ descriptor, -30, 30))))


def arrangement(mask: BoolArray, optical_density: FloatArray, width: float) -> ClusterDecision:
    """How the chromosomes of a cluster of several lie; the probability is a heuristic grade of the evidence.

    A crossing is a node of the skeleton at which two pairs of arms go straight on. It counts fully (0.9) where it is
    darker than its arms (:data:`DARKER`) and weakly (0.65) where it is not. Nodes at which an arm ends, more outline
    than the crossings explain, or no node at all mean that chromosomes touch.
    """
    graph = skeleton_graph(mask, width)
    crossings = contacts = 0
    grades: list[float] = []
    for node in range(len(graph.nodes)):
        leaving = arm_directions(graph, node, width)
        pairs = pair_arms([direction for _, _, direction in leaving])
        if len(pairs) >= 2:
            crossings += 1
            darker = _darkness(graph, node, mask, optical_density, width) >= DARKER
            grades.append(0.9 if darker else 0.65)
        contacts += len(leaving) - 2 * len(pairs) > 0
    # A crossing has four inward turns; further ones come from contacts.
    turns = sum(int(peak.sum()) for _, _, peak in concave_points(mask, width))
    if not crossings:
        return ClusterDecision("touching", 0.9 if contacts or turns >= 2 else 0.6)
    if contacts or turns >= 4 * crossings + 3:
        return ClusterDecision("touching_overlapping", min(grades) * (0.9 if contacts else 0.7))
    return ClusterDecision("overlapping", float(np.mean(grades)))


def _darkness(graph: SkeletonGraph, node: int, mask: BoolArray, optical_density: FloatArray, width: float) -> float:
    """Median optical density of a crossing over that of its arms near it."""
    rows, columns = np.indices(mask.shape)
    centre = graph.nodes[node].mean(axis=0)
    distance = np.hypot(rows - centre[0], columns - centre[1])
    inner, outer = mask & (distance <= 0.5 * width), mask & (distance > width) & (distance <= 2.5 * width)
    if not inner.any() or not outer.any():
        return 1.0
    return float(np.median(optical_density[inner]) / max(float(np.median(optical_density[outer])), 1e-6))


def classify_cluster(mask: BoolArray, optical_density: FloatArray, scale: Scale) -> ClusterDecision:
    """Type of a cluster; arguments as for :func:`instance_probability`."""
    single = instance_probability(mask, optical_density, scale)
    if single >= 0.5:
        return ClusterDecision("instance", single)
    several = arrangement(mask, optical_density, scale.width)
    return ClusterDecision(several.type, (1 - single) * several.probability)
