"""From the syntax tree to a string."""

from __future__ import annotations

from karyonet.iscn.ast import (
    Body,
    Cells,
    Change,
    Clone,
    DoubleMinutes,
    Heteromorphism,
    Karyotype,
    Marker,
    Relation,
    Span,
    WholeChromosome,
)
from karyonet.iscn.breakpoint import Breakpoint, ChromosomeRef
from karyonet.iscn.structural import (
    Derivative,
    Rearrangement,
)


def write(karyotype: Karyotype) -> str:
    """The karyotype as ISCN writes it: ``parse(write(karyotype)) == karyotype``."""
    text = f"{karyotype.prefix} " if karyotype.prefix else ""
    text += "/".join(map(write_clone, karyotype.clones))
    return text if karyotype.donor is None else text + "//" + "/".join(map(write_clone, karyotype.donor))


def write_clone(clone: Clone) -> str:
    """One clone, for example ``47,XX,+8[5]``."""
    ploidy = "" if clone.ploidy is None else f"<{clone.ploidy}n>"
    first = clone.sex + clone.sex_constitutional if clone.relation is None else _relation(clone.relation)
    parts = (_span(clone.count) + ploidy, first, *map(write_change, clone.changes), "inc" if clone.incomplete else "")
    return ",".join(filter(None, parts)) + _cells(clone.cells)


def write_change(change: Change) -> str:
    """One change, for example ``+der(1)t(1;3)(p22;q13)x2``."""
    copies = "" if change.copies is None else f"x{_span(change.copies)}"
    body = _body(change.body)
    return change.sign + body + change.origin + change.constitutional + copies + _cells(change.cells)


def write_breakpoint(breakpoint_: Breakpoint) -> str:
    """One breakpoint, for example ``q34.1``."""
    name = ("?" if breakpoint_.doubtful else "") + breakpoint_.arm + breakpoint_.band
    end = breakpoint_.until
    if end is None:
        return name or "?"
    same_arm = end.arm == breakpoint_.arm and end.band != "ter"
    return f"{name}~{'' if same_arm else end.arm}{end.band}"


def _body(body: Body) -> str:
    match body:
        case WholeChromosome(name, doubtful):
            return _doubt(doubtful) + name
        case Heteromorphism(chromosome, variant):
            return chromosome + variant
        case Marker(symbol, number, index, doubtful):
            return _doubt(doubtful) + _optional(number) + symbol + ("" if index is None else str(index))
        case DoubleMinutes(symbol, number, doubtful):
            return _doubt(doubtful) + _optional(number) + symbol
        case Rearrangement():
            return _rearrangement(body)


def _rearrangement(body: Rearrangement) -> str:
    modifier = f"{body.modifier} " if body.modifier else ""
    text = f"{_doubt(body.doubtful)}{modifier}{body.symbol}({';'.join(map(_reference, body.chromosomes))})"
    if body.breakpoints:
        text += f"({';'.join(''.join(map(write_breakpoint, group)) for group in body.breakpoints)})"
    return text + "".join(map(_rearrangement, body.events)) if isinstance(body, Derivative) else text


def _reference(chromosome: ChromosomeRef) -> str:
    return _doubt(chromosome.doubtful) + chromosome.name + chromosome.arm


def _relation(relation: Relation) -> str:
    index = "" if relation.index is None else str(relation.index)
    return relation.kind + index + ("" if relation.copies is None else f"x{relation.copies}")


def _cells(cells: Cells | None) -> str:
    return "" if cells is None else f"[{'cp' if cells.composite else ''}{_span(cells.count)}]"


def _span(span: Span) -> str:
    return str(span.low) if span.low == span.high else f"{span.low}~{span.high}"


def _optional(span: Span | None) -> str:
    return "" if span is None else _span(span)


def _doubt(doubtful: bool) -> str:
    return "?" if doubtful else ""
