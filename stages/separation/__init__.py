"""Separation: from clusters to one full mask for every chromosome."""

from .instance_stage import InstanceSeparator
from .overlapping import separate_overlapping
from .plausibility import chromosome_probability
from .search import separate
from .stage import GeometricSeparator
from .touching import candidate_cuts, cut, separate_touching

__all__ = [
    "GeometricSeparator",
    "InstanceSeparator",
    "candidate_cuts",
    "chromosome_probability",
    "cut",
    "separate",
    "separate_overlapping",
    "separate_touching",
]
