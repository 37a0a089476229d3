"""What a component of the foreground can be."""

from __future__ import annotations

from typing import get_args

from karyonet.case import ClusterType

KINDS: tuple[str, ...] = (*get_args(ClusterType), "nucleus", "debris")
"""In the order of the network's outputs: the four types of chromosomes, then the two rejections."""
TYPES = len(get_args(ClusterType))
"""How many of them are chromosomes."""
CLUSTER = -1
"""Stands for a kind where all that is known is that it is one of those of several chromosomes."""
