"""Checks of a structural change by itself: bands, chromosomes of its events, signs."""

from __future__ import annotations

from collections.abc import Iterator

from karyonet.iscn.ast import Change
from karyonet.iscn.bands import ARMS, band_exists, nearest_bands
from karyonet.iscn.breakpoint import ACROCENTRICS, Breakpoint
from karyonet.iscn.problem import Problem, error, warning
from karyonet.iscn.structural import (
    Derivative,
    Isochromosome,
    Rearrangement,
    Recombinant,
    Ring,
    Robertsonian,
    TelomericAssociation,
    Translocation,
    UniparentalDisomy,
)
from karyonet.iscn.writer import write_change

_CENTROMERE = ("p10", "q10", "cen", "")
_NEEDS_NO_BREAKPOINTS = (Ring, Robertsonian, UniparentalDisomy)


def check_structure(change: Change, described: set[tuple[str, tuple[str, ...]]], derived: bool) -> Iterator[Problem]:
    """Everything that can be said of one structural change.

    Args:
        change: with a rearrangement as its body.
        described: symbols with chromosomes whose breakpoints were given before; this change's are added.
        derived: whether the clone is built on another, and may lose chromosomes that it does not name as gained.
    """
    body = change.body
    assert isinstance(body, Rearrangement)
    text = write_change(change)
    yield from _signs(change, body, text, derived)
    for part in (body, *(body.events if isinstance(body, Derivative) else ())):
        yield from _bands(part, text)
        yield from _breakpoints_given(part, text, described)
        yield from _kind(part, text)
        if any(chromosome.arm for chromosome in part.chromosomes) and not isinstance(body, Recombinant):
            yield warning(f"{text}: an arm stands with the breakpoint, not with the chromosome: i(17)(q10), not i(17q)")
    if isinstance(body, Derivative):
        yield from _events_touch(body, text)


def _signs(change: Change, body: Rearrangement, text: str, derived: bool) -> Iterator[Problem]:
    if not change.sign:
        return
    if isinstance(body, Translocation | TelomericAssociation | UniparentalDisomy):
        yield error(
            f"{text}: {body.symbol} concerns several chromosomes and takes no sign; sign each derivative (+der)"
        )
    elif change.sign == "-" and not derived:
        yield error(f"{text} loses a changed chromosome that no earlier clone has; write the loss of the normal one")


def _bands(part: Rearrangement, text: str) -> Iterator[Problem]:
    for chromosome, group in zip(part.chromosomes, part.breakpoints, strict=False):
        for point in (p for b in group for p in (b, b.until) if p is not None):
            yield from _band(chromosome.name, point, text)
        if chromosome.arm:
            yield from _band(chromosome.name, Breakpoint(chromosome.arm), text)


def _band(chromosome: str, point: Breakpoint, text: str) -> Iterator[Problem]:
    if chromosome == "?" or not point.known or band_exists(chromosome, point.known):
        return
    near = nearest_bands(chromosome, point.known)
    yield error(
        f"{text}: chromosome {chromosome} has no band {point.known}; "
        f"its {ARMS[point.arm]} has {', '.join(near) if near else 'none'} near there"
    )


def _breakpoints_given(
    part: Rearrangement, text: str, described: set[tuple[str, tuple[str, ...]]]
) -> Iterator[Problem]:
    key = part.symbol, tuple(chromosome.name for chromosome in part.chromosomes)
    if part.breakpoints:
        described.add(key)
    elif key in described or isinstance(part, _NEEDS_NO_BREAKPOINTS) or any(c.arm for c in part.chromosomes):
        return
    elif not isinstance(part, Derivative) or (len(part.chromosomes) > 1 and not part.events):
        yield warning(f"{text}: the breakpoints of {part.symbol} are missing; write ? where they are unknown")


def _kind(part: Rearrangement, text: str) -> Iterator[Problem]:
    points = [point for group in part.breakpoints for point in group]
    if isinstance(part, Robertsonian):
        wrong = [c.name for c in part.chromosomes if c.name not in (*ACROCENTRICS, "?")]
        if wrong:
            yield error(f"{text}: chromosome {wrong[0]} is not acrocentric; rob joins 13, 14, 15, 21 and 22 only")
    if isinstance(part, Robertsonian | Isochromosome):
        wrong = [point.known for point in points if point.known not in _CENTROMERE and not point.known.endswith("10")]
        if wrong:
            yield warning(f"{text}: {part.symbol} breaks at the centromere (p10 or q10), not in {wrong[0]}")


def _events_touch(body: Derivative, text: str) -> Iterator[Problem]:
    """Every event must be on the derivative's chromosomes, or on material that an event before brought there."""
    present = {chromosome.name for chromosome in body.chromosomes}
    if "?" in present or not body.events:
        return
    named = {chromosome.name for event in body.events for chromosome in event.chromosomes}
    for name in sorted(present - named) if not body.breakpoints else ():
        yield error(f"{text}: {body.symbol}({name}) is made of chromosome {name}, but none of its events names {name}")
    waiting = [{chromosome.name for chromosome in event.chromosomes} for event in body.events]
    while reached := [names for names in waiting if names & (present | {"?"})]:
        present |= set().union(*reached)
        waiting = [names for names in waiting if names not in reached]
    for names in waiting if body.breakpoints or not (present - named) else ():
        yield error(f"{text}: an event on chromosome {' and '.join(sorted(names))} has no part in this derivative")
