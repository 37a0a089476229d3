"""Hypothesis strategies for syntax trees. Trees can be built and written, but need not be coherent."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from karyonet.iscn.ast import (
    ORIGINS,
    PREFIXES,
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
from karyonet.iscn.breakpoint import CHROMOSOMES, UNKNOWN, Breakpoint, ChromosomeRef
from karyonet.iscn.structural import SYMBOLS, Derivative, Rearrangement

NAMES = st.sampled_from(CHROMOSOMES)
DOUBT = st.booleans()
CONSTITUTIONAL = st.sampled_from(["", "c", "?c"])


def spans(low: int = 0, high: int = 120) -> SearchStrategy[Span]:
    numbers = st.integers(low, high)
    return st.builds(lambda one, other: Span(min(one, other), max(one, other)), numbers, numbers) | numbers.map(Span.of)


@st.composite
def breakpoints(draw: st.DrawFn, doubtful: bool = True) -> Breakpoint:
    """Bands with and without sub-bands, arms alone, ends, ranges and doubts."""
    arms = st.sampled_from(["p", "q"])
    bands = st.from_regex(r"[1-4][1-9](\.[1-9]{1,2})?", fullmatch=True) | st.sampled_from(["10", "ter", "2?", "1?3"])
    arm, band = draw(arms), draw(bands)
    until = draw(st.none() | st.builds(Breakpoint, arms, bands) | st.just(Breakpoint("cen")))
    return Breakpoint(arm, band, doubtful and draw(DOUBT), until)


def references(arms: bool = False) -> SearchStrategy[ChromosomeRef]:
    arm = st.sampled_from(["", "p", "q"]) if arms else st.just("")
    return st.builds(ChromosomeRef, NAMES, arm, DOUBT) | st.just(ChromosomeRef("?"))


@st.composite
def rearrangements(draw: st.DrawFn, symbols: Sequence[str] = tuple(SYMBOLS)) -> Rearrangement:
    """Any symbol with as many chromosomes and breakpoints as it takes."""
    kind = SYMBOLS[draw(st.sampled_from(symbols))]
    low, high = kind.takes_chromosomes
    chromosomes = tuple(draw(st.lists(references(arms=True), min_size=low, max_size=min(high, 4))))
    modifier = draw(st.sampled_from(["", *kind.takes_modifiers]))
    bare = kind(chromosomes)
    groups: tuple[tuple[Breakpoint, ...], ...] = ()
    if draw(st.booleans()):
        groups = tuple(draw(_group(*bare.breakpoints_on(number))) for number in range(len(chromosomes)))
    if issubclass(kind, Derivative):
        simple = [symbol for symbol, other in SYMBOLS.items() if not issubclass(other, Derivative)]
        events = tuple(draw(st.lists(rearrangements(simple), max_size=3)))
        return kind(chromosomes, groups, "", draw(DOUBT), events)
    return kind(chromosomes, groups, modifier, draw(DOUBT))


@st.composite
def _group(draw: st.DrawFn, low: int, high: int) -> tuple[Breakpoint, ...]:
    if draw(st.integers(0, 4)) == 0:
        return (UNKNOWN,)
    first = draw(breakpoints())
    more = draw(st.lists(breakpoints(doubtful=False), min_size=low - 1, max_size=high - 1))
    return (first, *more)


def bodies() -> SearchStrategy[Body]:
    numbers = st.none() | spans(1, 40)
    variants = st.sampled_from(["qh+", "qh-", "qh", "ps+", "pstk+", "cenh+", "cenh", "p+", "q-"])
    return st.one_of(
        st.builds(WholeChromosome, NAMES, DOUBT),
        rearrangements(),
        st.builds(Marker, st.sampled_from(["mar", "r"]), numbers, st.none() | st.integers(1, 9), DOUBT),
        st.builds(DoubleMinutes, st.sampled_from(["dmin", "min", "ace"]), numbers, DOUBT),
        st.builds(Heteromorphism, NAMES, variants),
    )


def sizes(composite: bool = True) -> SearchStrategy[Cells]:
    return st.builds(Cells, spans(), st.booleans() if composite else st.just(False))


@st.composite
def changes(draw: st.DrawFn) -> Change:
    body = draw(bodies())
    signs = {WholeChromosome: ["+", "-"], Heteromorphism: [""]}.get(type(body), ["", "+", "-"])
    return Change(
        body,
        draw(st.sampled_from(signs)),
        draw(st.sampled_from(["", *ORIGINS])),
        draw(CONSTITUTIONAL),
        draw(st.none() | spans(1, 5)),
        draw(st.none() | sizes(composite=False)),
    )


@st.composite
def clones(draw: st.DrawFn) -> Clone:
    relation = draw(
        st.none()
        | st.builds(Relation, st.just("idem"), st.none(), st.none() | st.integers(2, 4))
        | st.builds(Relation, st.sampled_from(["sl", "sdl"]), st.none() | st.integers(1, 4), st.none() | st.just(2))
    )
    sex = "" if relation else draw(st.sampled_from(["XX", "XY", "X", "XXYY", "U", "?"]))
    listed = tuple(draw(st.lists(changes(), max_size=4)))
    incomplete = draw(DOUBT)
    needs_size = not incomplete and any(change.cells is not None for change in listed)
    return Clone(
        draw(spans()),
        sex,
        listed,
        relation,
        draw(st.none() | st.integers(1, 9)),
        draw(CONSTITUTIONAL) if sex not in ("", "?") else "",
        incomplete,
        draw(sizes() if needs_size else st.none() | sizes()),
    )


@st.composite
def karyotypes(draw: st.DrawFn) -> Karyotype:
    sides = st.lists(clones(), min_size=1, max_size=3).map(tuple)
    donor = draw(st.none() | sides)
    recipient = () if donor and draw(DOUBT) else draw(sides)
    return Karyotype(recipient, draw(st.sampled_from(["", *PREFIXES])), donor)
