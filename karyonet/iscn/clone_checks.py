"""Checks between clones: references, sizes, and the clonality rule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from karyonet.iscn.ast import Cells, Change, Clone, DoubleMinutes, Heteromorphism, Karyotype, Span
from karyonet.iscn.canonical import write_key
from karyonet.iscn.counting import base_of, ploidy_of, replaced
from karyonet.iscn.problem import Problem, error, warning
from karyonet.iscn.structural import (
    Rearrangement,
    UniparentalDisomy,
)
from karyonet.iscn.writer import write_change, write_clone

MINIMUM_CELLS = {"gain": 2, "structural change": 2, "loss": 3}
"""The clonality rule: the same gain or structural change in two cells, the same loss in three."""

_ONE_CELL = Cells(Span.of(1))  # to compare clones whatever their size


def check_clones(karyotype: Karyotype) -> Iterator[Problem]:
    """References, sizes and clonality of all clones."""
    if karyotype.prefix == "mos" and len(karyotype.clones) < 2:
        yield error("mos stands for a mosaic and needs at least two clones")
    if karyotype.prefix == "chi" and len(karyotype.all_clones) < 2:
        yield error("chi stands for a chimera and needs at least two clones")
    sized = [clone.cells is not None for clone in karyotype.all_clones]
    if any(sized) and not all(sized):
        yield warning("some clones have a number of cells and some have none; give it for each")
    for clones in (karyotype.clones, karyotype.donor or ()):
        yield from _references(clones)
        yield from _sizes(clones)
        yield from _clonality(clones)


def _references(clones: Sequence[Clone]) -> Iterator[Problem]:
    for number, clone in enumerate(clones):
        if clone.relation is not None and base_of(clones, number) is None:
            relation = clone.relation.kind + str(clone.relation.index or "")
            yield error(f"{write_clone(clone)}: {relation} refers to no clone before it")


def _sizes(clones: Sequence[Clone]) -> Iterator[Problem]:
    for number, clone in enumerate(clones):
        if clone.cells is not None and clone.cells.count.high == 0:
            yield error(f"{write_clone(clone)}: a clone has at least one cell")
        if clone.cells is not None and clone.cells.composite and clone.cells.count.high == 1:
            yield warning(f"{write_clone(clone)}: a composite of one cell is no composite")
        if any(replace(clone, cells=_ONE_CELL) == replace(other, cells=_ONE_CELL) for other in clones[:number]):
            yield error(f"{write_clone(clone)} is written twice; add the cells up")
        if any(change.cells for change in clone.changes) and not (clone.cells and clone.cells.composite):
            yield warning(f"{write_clone(clone)}: cells are counted for each change in composite clones only, [cp10]")
        for change in clone.changes:
            if change.cells and clone.cells and change.cells.count.low > clone.cells.count.high:
                cells = clone.cells.count.high
                yield error(f"{write_change(change)}: seen in more cells than the {cells} of its clone")


def _clonality(clones: Sequence[Clone]) -> Iterator[Problem]:
    if not clones or any(clone.cells is None for clone in clones):
        return
    seen: dict[tuple[str, str], int] = defaultdict(int)
    for number, clone in enumerate(clones):
        assert clone.cells is not None
        for change in _all_changes(clones, number):
            if kind := _kind(change):
                cells = change.cells if clone.cells.composite and change.cells else clone.cells
                seen[kind, write_change(write_key(change))] += cells.count.high
        if sex := _sex_aneuploidy(clones, number):
            seen[sex] += clone.cells.count.high
    for (kind, text), count in seen.items():
        if 0 < count < MINIMUM_CELLS[kind]:
            plural = "cell" if count == 1 else "cells"
            rule = f"a clonal {kind} is in at least {MINIMUM_CELLS[kind]}"
            yield warning(f"{text}: seen in {count} {plural}, {rule}; report it apart from the karyotype")


def _all_changes(clones: Sequence[Clone], number: int) -> list[Change]:
    """Changes of a clone with those of the clones on which it is built."""
    base = base_of(clones, number)
    inherited = [] if base is None else [write_key(change) for change in _all_changes(clones, base)]
    return list(dict.fromkeys([*inherited, *clones[number].changes]))


def _kind(change: Change) -> str | None:
    if change.constitutional or isinstance(change.body, Heteromorphism | UniparentalDisomy):
        return None
    if change.sign == "-":
        return "loss"
    return "structural change" if isinstance(change.body, Rearrangement | DoubleMinutes) else "gain"


def _sex_aneuploidy(clones: Sequence[Clone], number: int) -> tuple[str, str] | None:
    """A missing or supernumerary sex chromosome that is written without a sign."""
    clone = clones[number]
    if clone.relation is not None or clone.sex_constitutional or ploidy_of(clones, number) != 2:
        return None
    if "?" in clone.sex or "U" in clone.sex:
        return None
    present = (
        len(clone.sex)
        + sum(replaced(change, True).count(name) for change in clone.changes for name in ("X", "Y"))
        + sum(change.sign == "-" and write_change(write_key(change)) in ("-X", "-Y") for change in clone.changes)
    )
    return ("loss", clone.sex) if present < 2 else ("gain", clone.sex) if present > 2 else None
