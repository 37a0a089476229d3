"""What is to be drawn: the chromosomes of a clone as segments of the ideogram."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from karyonet.case import LABELS
from karyonet.ideogram import Segment, length_of

MARKER = "mar"
"""Label of a chromosome that cannot be identified; it is none of :data:`karyonet.case.LABELS`."""


@dataclass(frozen=True)
class ChromosomePlan:
    """One chromosome of a cell.

    Attributes:
        label: one of :data:`karyonet.case.LABELS`, by its centromere; ``mar`` for a marker.
        segments: from the first end to the last, the short arm of ``label`` first where it has one; ISCN units of
            the finest level.
        change: what made it abnormal, as ISCN names it; empty for a normal chromosome.
        breakpoints: the bands that broke, as ``9q34``.
        ring: whether its ends are joined.
        p_arm_first: whether the short arm comes first; None where the chromosome has no short arm of its own.
        variant: lengths of variable bands relative to the ideogram's, by chromosome and band, where they are stated.
    """

    label: str
    segments: tuple[Segment, ...]
    change: str = ""
    breakpoints: tuple[str, ...] = ()
    ring: bool = False
    p_arm_first: bool | None = True
    variant: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class ClonePlan:
    """The chromosomes of the cells of one clone.

    Attributes:
        iscn: the clone's karyotype without its cell count.
        chromosomes: those of one cell.
        cells: clone size as stated, None where it is not.
    """

    iscn: str
    chromosomes: tuple[ChromosomePlan, ...]
    cells: int | None = None


def normal_chromosome(label: str) -> ChromosomePlan:
    """A whole, normal chromosome."""
    return ChromosomePlan(label, (Segment(label, 0, length_of(label)),))


def normal_complement(sex: str = "XX") -> tuple[ChromosomePlan, ...]:
    """The 22 pairs of autosomes and the sex chromosomes, in the order of :data:`karyonet.case.LABELS`."""
    autosomes = [label for label in LABELS[:22] for _ in range(2)]
    return tuple(normal_chromosome(label) for label in (*autosomes, *sorted(sex)))


def clones_of_metaphases(clones: Sequence[ClonePlan], metaphases: int) -> list[int]:
    """Which clone each metaphase shows: the stated shares as exactly as the number allows, largest remainders first.

    Every clone gets at least one metaphase where there are enough; without stated sizes the shares are equal.
    """
    sizes = [float(clone.cells or 0) for clone in clones]
    if not all(sizes):
        sizes = [1.0] * len(clones)
    shares = [size / sum(sizes) * metaphases for size in sizes]
    least = 1 if metaphases >= len(clones) else 0
    counts = [max(int(share), least) for share in shares]
    while sum(counts) > metaphases:
        counts[max(range(len(counts)), key=lambda number: (counts[number] - shares[number], counts[number]))] -= 1
    while sum(counts) < metaphases:
        counts[max(range(len(counts)), key=lambda number: (shares[number] - counts[number], -number))] += 1
    return [number for number, count in enumerate(counts) for _ in range(count)]
