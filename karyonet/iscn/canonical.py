"""The one way of writing a karyotype among those that mean the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from karyonet.iscn.ast import Change, Clone, DoubleMinutes, Heteromorphism, Karyotype, Marker, WholeChromosome
from karyonet.iscn.breakpoint import Breakpoint, ChromosomeRef
from karyonet.iscn.structural import (
    Deletion,
    Derivative,
    Dicentric,
    Inversion,
    Rearrangement,
    Robertsonian,
    Translocation,
)

_RANK = {"X": 1, "Y": 2, **{str(number): number + 2 for number in range(1, 23)}, "?": 25}
_AFTER_ALL_CHROMOSOMES = {"r": 26, "mar": 27}


def canonical(karyotype: Karyotype) -> Karyotype:
    """The karyotype with everything in its place; the meaning stays."""
    for step, _ in STEPS:
        karyotype = step(karyotype)
    return karyotype


def is_normal(clone: Clone) -> bool:
    """Whether a clone has no change but normal variants and those that the patient was born with (``c``)."""
    own = [change for change in clone.changes if change.constitutional == "c"]
    variants = [change for change in clone.changes if isinstance(change.body, Heteromorphism)]
    if clone.relation is not None or not set(clone.changes) <= {*own, *variants}:
        return False
    if own or clone.sex_constitutional == "c":
        return True
    return clone.sex in ("XX", "XY", "U") and clone.count.low == clone.count.high == 46


def order_of(change: Change) -> tuple[int, int, str]:
    """Sort key of a change in its clone: X, Y, 1 to 22, unknown, rings, markers, fragments.

    On one chromosome gains and losses come before structural changes, and those by the alphabet.
    """
    match change.body:
        case WholeChromosome(name):
            return _RANK[name], 0, ""
        case Heteromorphism(name, variant):
            return _RANK[name], 1, variant
        case Marker(symbol):
            return _AFTER_ALL_CHROMOSOMES[symbol], 0, ""
        case DoubleMinutes(symbol):
            return 28, 0, symbol
        case Rearrangement() as body:
            return _RANK[body.chromosomes[0].name], 1, body.symbol


def _order_sex(clone: Clone) -> Clone:
    return replace(clone, sex="".join(sorted(clone.sex, key="UXY?".index)))


def _merge_exchanged(clone: Clone) -> Clone:
    """``-3,+inv(3)`` says that a changed 3 stands in place of a normal one: ``inv(3)``."""
    if clone.relation is not None or (clone.cells is not None and clone.cells.composite):
        return clone
    changes = list(clone.changes)
    for change in clone.changes:
        body = change.body
        if not isinstance(body, Rearrangement) or change.sign != "+" or len(body.chromosomes) > 1 or change.copies:
            continue
        if body.chromosomes[0].name == "?":
            continue
        loss = Change(WholeChromosome(body.chromosomes[0].name), "-")
        # Two pieces of one chromosome (fission) are a true gain.
        pieces = [other for other in clone.changes if other.sign and _one_of(other, body.chromosomes[0].name)]
        if loss in changes and len(pieces) == 1 and body.chromosomes[0].name not in ("X", "Y"):
            changes.remove(loss)
            changes[changes.index(change)] = replace(change, sign="")
    return replace(clone, changes=tuple(changes))


def _one_of(change: Change, name: str) -> bool:
    return isinstance(change.body, Rearrangement) and change.body.chromosomes[0].name == name


def _order_chromosomes(clone: Clone) -> Clone:
    def reordered(change: Change) -> Change:
        return replace(change, body=_in_order(change.body)) if isinstance(change.body, Rearrangement) else change

    return replace(clone, changes=tuple(map(reordered, clone.changes)))


def _in_order(body: Rearrangement) -> Rearrangement:
    """The chromosome with the lowest number first, breakpoints of a segment from the short arm on."""
    if isinstance(body, Derivative) and body.events:
        return replace(body, events=tuple(map(_in_order, body.events)))
    if isinstance(body, Inversion | Deletion) and body.breakpoints and _reversed(body.breakpoints[0]):
        return replace(body, breakpoints=(body.breakpoints[0][::-1],))
    ranks = [_RANK[chromosome.name] for chromosome in body.chromosomes]
    if body.modifier == "psu":
        return body  # the chromosome whose centromere is active comes first, whatever its number
    pair = len(ranks) == 2 and isinstance(body, Translocation | Dicentric | Robertsonian | Derivative)
    if not (pair or isinstance(body, Translocation)) or len(set(ranks)) < len(ranks) or _RANK["?"] in ranks:
        return body
    first = ranks.index(min(ranks))
    # With three and more, each gives to the next: they may be turned, never swapped.
    chromosomes: tuple[ChromosomeRef, ...] = body.chromosomes[first:] + body.chromosomes[:first]
    return replace(body, chromosomes=chromosomes, breakpoints=body.breakpoints[first:] + body.breakpoints[:first])


def _reversed(group: tuple[Breakpoint, ...]) -> bool:
    if len(group) != 2 or any(point.until or point.doubtful or "?" in point.band for point in group):
        return False
    first, second = group
    if (first.arm, second.arm) == ("q", "q"):
        return _number(first) > _number(second)
    return (first.arm, second.arm) == ("q", "p")


def _number(point: Breakpoint) -> float:
    return 99.0 if point.band == "ter" else float(point.band or 0)


def _order_changes(clone: Clone) -> Clone:
    changes = tuple(sorted(clone.changes, key=order_of))
    return replace(clone, changes=changes) if changes != clone.changes else clone


def _order_clones(clones: tuple[Clone, ...]) -> tuple[Clone, ...]:
    """The normal clone last; before it the larger first, unless clones build on one another."""
    if clones and is_normal(clones[0]) and any(clone.relation is not None for clone in clones):
        return clones  # idem and sl refer to the first clone
    abnormal = [clone for clone in clones if not is_normal(clone)]
    normal = [clone for clone in clones if is_normal(clone)]
    if abnormal and not _related(abnormal) and all(clone.cells is not None for clone in abnormal):
        abnormal.sort(key=lambda clone: -clone.cells.count.high if clone.cells else 0)
    return (*abnormal, *normal)


def _related(clones: list[Clone]) -> bool:
    # Clones that share a change descend from one another and stand in the order of their descent.
    shared = [{write_key(change) for change in clone.changes} for clone in clones]
    overlap = any(one & other for number, one in enumerate(shared) for other in shared[:number])
    return overlap or any(clone.relation is not None for clone in clones)


def write_key(change: Change) -> Change:
    """A change without the number of its cells, to compare it between clones."""
    return replace(change, cells=None)


def _each(step: Callable[[Clone], Clone], karyotype: Karyotype) -> Karyotype:
    donor = None if karyotype.donor is None else tuple(map(step, karyotype.donor))
    return replace(karyotype, clones=tuple(map(step, karyotype.clones)), donor=donor)


def _clones_in_order(karyotype: Karyotype) -> Karyotype:
    donor = None if karyotype.donor is None else _order_clones(karyotype.donor)
    return replace(karyotype, clones=_order_clones(karyotype.clones), donor=donor)


STEPS: tuple[tuple[Callable[[Karyotype], Karyotype], str], ...] = (
    (partial(_each, _order_sex), "X stands before Y"),
    (
        partial(_each, _merge_exchanged),
        "a changed chromosome in place of a normal one is written without - and +",
    ),
    (
        partial(_each, _order_chromosomes),
        "inside the parentheses the chromosome with the lowest number (X and Y before all) comes first, and bands run "
        "from the short arm to the long one",
    ),
    (
        partial(_each, _order_changes),
        "changes are not in order: sex chromosomes first, then 1 to 22; on one chromosome gains and losses first, "
        "then structural changes by the alphabet; rings, markers and dmin last",
    ),
    (_clones_in_order, "clones are not in order: the larger first, the normal one last"),
)
"""What :func:`canonical` does, each with the rule that it follows."""
