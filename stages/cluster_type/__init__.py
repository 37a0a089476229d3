"""Cluster type: one chromosome, or several that touch, overlap or do both."""

from .kinds import KINDS
from .network_stage import ClusterTypes, SupCAM
from .rules import ClusterDecision, arrangement, classify_cluster, instance_probability
from .stage import ShapeRules

__all__ = [
    "KINDS",
    "ClusterDecision",
    "ClusterTypes",
    "ShapeRules",
    "SupCAM",
    "arrangement",
    "classify_cluster",
    "instance_probability",
]
