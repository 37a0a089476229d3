"""ISCN strings for chromosome counts: numerical karyotypes without structural changes."""

from __future__ import annotations

from collections.abc import Mapping

from karyonet.iscn.ast import Change, Clone, Karyotype, Span, WholeChromosome
from karyonet.iscn.breakpoint import CHROMOSOMES
from karyonet.iscn.writer import write

AUTOSOMES = CHROMOSOMES[:22]


def numerical_karyotype(copies: Mapping[str, int]) -> str:
    """Write a constitutional karyotype from copy numbers.

    The total comes first, then the sex chromosomes, then autosomes in numerical order whether gained or lost. Sex
    chromosome changes are written without signs, as constitutional ones are (``45,X``, ``47,XXY``).

    Args:
        copies: number of chromosomes of every label; labels left out count zero.

    Returns:
        For example ``47,XY,+21``; without any sex chromosome ``44,?``, since ISCN has no way to write that.
    """
    changes = tuple(
        Change(WholeChromosome(label), "+" if copies.get(label, 0) > 2 else "-")
        for label in AUTOSOMES
        for _ in range(abs(copies.get(label, 0) - 2))
    )
    sex = "X" * copies.get("X", 0) + "Y" * copies.get("Y", 0)
    total = sum(copies.get(label, 0) for label in CHROMOSOMES)
    return write(Karyotype((Clone(Span.of(total), sex or "?", changes),)))
