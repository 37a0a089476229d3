"""How many chromosomes the parts of a clone make.

A structural change without a sign takes the place of the chromosomes that it names: ``der(13;14)`` is one chromosome
in place of two, ``t(9;22)`` two in place of two. The sex chromosomes in front of the changes are the normal ones that
are present: a lost one is no longer among them (``45,X,-Y``), a rearranged one not either (``46,X,i(X)(q10)``). With
``c`` (``46,XXYc,-X``) and after ``idem``, ``sl`` or ``sdl`` they are those before the change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from karyonet.iscn.ast import Change, Clone, DoubleMinutes, Heteromorphism, Marker, Span, WholeChromosome
from karyonet.iscn.structural import (
    Insertion,
    Rearrangement,
    TelomericAssociation,
    Translocation,
    UniparentalDisomy,
)

SEX_CHROMOSOMES = ("X", "Y")


class Bounds(NamedTuple):
    """The least and the greatest number."""

    low: int
    high: int

    def __add__(self, other: object) -> Bounds:  # type: ignore[override]
        assert isinstance(other, Bounds)
        return Bounds(self.low + other.low, self.high + other.high)

    def times(self, span: Span | None) -> Bounds:
        """Multiplied by a range of numbers; None is one."""
        factors = (1, 1) if span is None else (span.low, span.high)
        products = [bound * factor for bound in self for factor in factors]
        return Bounds(min(products), max(products))


def base_of(clones: Sequence[Clone], number: int) -> int | None:
    """The place in ``clones`` of the clone on which clone ``number`` is built.

    ``idem`` and ``sl`` name the first clone, ``sdl`` the first sideline (the first clone built on another), ``sdl2``
    the second. None if it is built on none, or on one that does not stand before it.
    """
    relation = clones[number].relation
    if relation is None or number == 0:
        return None
    if relation.kind != "sdl":
        return 0
    sidelines = [place for place in range(number) if clones[place].relation is not None]
    wanted = (relation.index or 1) - 1
    return sidelines[wanted] if wanted < len(sidelines) else None


def ploidy_of(clones: Sequence[Clone], number: int) -> int:
    """The ploidy that is stated, otherwise the nearest one to the count (2 for 35 to 57, 3 for 58 to 80, …).

    Hyperdiploid and hypodiploid clones may be written from two sets however far their count lies: 2 where that fits.
    """
    clone = clones[number]
    if clone.ploidy is not None:
        return clone.ploidy
    base = base_of(clones, number)
    if base is not None and clone.relation is not None:
        return ploidy_of(clones, base) * (clone.relation.copies or 1)
    diploid = expected_count(clones, number, 2)
    return 2 if diploid is not None and agrees(clone, diploid) else max(1, round(clone.count.low / 23))


def contribution(change: Change, sex_before: bool) -> Bounds:
    """How many chromosomes a change adds.

    Args:
        change: any change.
        sex_before: whether the sex chromosomes are stated as they were before the change.
    """
    body = change.body
    either = Bounds(0, 0 if sex_before else 1)
    if isinstance(body, WholeChromosome):
        shown = body.name in SEX_CHROMOSOMES and not sex_before and change.sign == "-"
        return Bounds(0, 0) if shown else _signed(change)
    if isinstance(body, Marker):
        return (_signed(change) if change.sign else Bounds(1, 1)).times(body.number)
    if isinstance(body, DoubleMinutes):
        return Bounds(0, 0)
    if isinstance(body, Heteromorphism):
        return either if body.chromosome in SEX_CHROMOSOMES else Bounds(0, 0)
    if change.sign:
        return _signed(change)
    if isinstance(body, UniparentalDisomy):
        return either if body.chromosomes[0].name in SEX_CHROMOSOMES else Bounds(0, 0)
    difference = products(body) - len(replaced(change, sex_before))
    return Bounds(difference, difference).times(change.copies)


def products(body: Rearrangement) -> int:
    """Chromosomes that come out of a rearrangement."""
    apart = isinstance(body, Translocation | Insertion | TelomericAssociation)
    return len(body.chromosomes) if apart else 1


def replaced(change: Change, sex_before: bool) -> tuple[str, ...]:
    """The counted normal chromosomes that one copy of a structural change without a sign takes the place of."""
    body = change.body
    if change.sign or not isinstance(body, Rearrangement) or isinstance(body, UniparentalDisomy):
        return ()
    names = (chromosome.name for chromosome in body.chromosomes)
    return tuple(name for name in names if sex_before or name not in SEX_CHROMOSOMES)


def expected_count(clones: Sequence[Clone], number: int, ploidy: int) -> Bounds | None:
    """The number of chromosomes of a clone by its parts.

    In a composite clone not every cell has every change: the bounds are those of any choice among them.

    Returns:
        None where the parts do not tell: the karyotype is incomplete or built on a clone that is not there.
    """
    clone = clones[number]
    if clone.incomplete:
        return None
    if clone.relation is not None:
        base = base_of(clones, number)
        if base is None or clones[base].incomplete:
            return None
        start = Bounds(clones[base].count.low, clones[base].count.high).times(Span.of(clone.relation.copies or 1))
    else:
        start = Bounds(22 * ploidy, 22 * ploidy) + _sex_count(clone, ploidy)
    parts = [contribution(change, states_sex_before(clone)) for change in clone.changes]
    if clone.cells is not None and clone.cells.composite:
        parts = [Bounds(min(part.low, 0), max(part.high, 0)) for part in parts]
    return sum(parts, start)


def agrees(clone: Clone, expected: Bounds) -> bool:
    """Whether the stated count is what the parts make; ranges of single cells must meet, those of composites fit in."""
    if clone.cells is not None and clone.cells.composite and clone.count.low < clone.count.high:
        return expected.low <= clone.count.low and clone.count.high <= expected.high
    return clone.count.low <= expected.high and expected.low <= clone.count.high


def states_sex_before(clone: Clone) -> bool:
    """Whether the sex chromosomes are stated as they were before the clone's changes."""
    return clone.relation is not None or bool(clone.sex_constitutional)


def _sex_count(clone: Clone, ploidy: int) -> Bounds:
    if clone.sex == "?":
        return Bounds(0, 2 * ploidy)
    undisclosed = "U" in clone.sex
    return Bounds(len(clone.sex), max(len(clone.sex), ploidy) if undisclosed else len(clone.sex))


def _signed(change: Change) -> Bounds:
    return Bounds(change.delta_sign, change.delta_sign).times(change.copies)
