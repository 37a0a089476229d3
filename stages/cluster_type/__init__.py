"""Cluster type: one chromosome, or several that touch, overlap or do both."""

from .rules import ClusterDecision, arrangement, classify_cluster, instance_probability
from .stage import ShapeRules

__all__ = ["ClusterDecision", "ShapeRules", "arrangement", "classify_cluster", "instance_probability"]
