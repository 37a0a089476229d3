"""ISCN strings for chromosome counts: numerical karyotypes without structural changes."""

from __future__ import annotations

from collections.abc import Mapping

from karyonet.case import LABELS

AUTOSOMES = LABELS[:22]


def numerical_karyotype(copies: Mapping[str, int]) -> str:
    """Write a constitutional karyotype from copy numbers.

    The total comes first, then the sex chromosomes, then autosomes in numerical order whether gained or lost. Sex
    chromosome changes are written without signs, as constitutional ones are (``45,X``, ``47,XXY``).

    Args:
        copies: number of chromosomes of every label; labels left out count zero.

    Returns:
        For example ``47,XY,+21``; without any sex chromosome ``44,?``, since ISCN has no way to write that.
    """
    total = sum(copies.get(label, 0) for label in LABELS)
    sex = "X" * copies.get("X", 0) + "Y" * copies.get("Y", 0)
    changes = [
        sign + label
        for label in AUTOSOMES
        for sign in (("+",) * (copies.get(label, 0) - 2) or ("-",) * (2 - copies.get(label, 0)))
    ]
    return ",".join([str(total), sex or "?", *changes])
