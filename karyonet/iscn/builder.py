"""From the rules of ``grammar.lark`` to the syntax tree. Only :mod:`karyonet.iscn.parser` imports this: it loads lark.

Callbacks hand on what they built together with the character at which it starts, so that a node that refuses its
content (K602) is pointed at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Generic, NamedTuple, TypeVar

from lark import Token, Transformer, v_args

from karyonet.errors import IscnError
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
from karyonet.iscn.breakpoint import UNKNOWN, Breakpoint, ChromosomeRef
from karyonet.iscn.structural import (
    SYMBOLS,
    Derivative,
    Rearrangement,
)

T = TypeVar("T")
Breakpoints = tuple[tuple[Breakpoint, ...], ...]


class MisplacedError(Exception):
    """A node refused its content; ``start`` is the character, from 0."""

    def __init__(self, start: int, error: IscnError) -> None:
        super().__init__(start, error)
        self.start, self.error = start, error


class Placed(NamedTuple, Generic[T]):
    """Something built and the character, from 0, at which it starts."""

    start: int
    node: T


class Sex(NamedTuple):
    """The sex chromosomes of a clone."""

    text: str
    constitutional: str


class Item(NamedTuple):
    """What stands between two commas, and the numbers of cells behind it. ``inc`` is the node None."""

    start: int
    node: Sex | Relation | Change | None
    sizes: tuple[Placed[Cells], ...]


@contextmanager
def placed(start: int) -> Iterator[None]:
    """Point at ``start`` where a node refuses its content."""
    try:
        yield
    except IscnError as error:
        raise MisplacedError(start, error) from None


def at(token: Token) -> int:
    """The character, from 0, at which a token starts."""
    return token.start_pos or 0


@v_args(inline=True)
class TreeBuilder(Transformer[Token, Karyotype]):
    """Callbacks of the rules, named as they are."""

    def karyotype(self, prefix: Token | None, clones: tuple[Clone, ...]) -> Karyotype:
        return Karyotype(clones, (prefix or "").strip())

    def transplant(
        self, prefix: Token | None, recipient: tuple[Clone, ...] | None, sides: Token, donor: tuple[Clone, ...] | None
    ) -> Karyotype:
        with placed(at(sides)):
            return Karyotype(recipient or (), (prefix or "").strip(), donor or ())

    def side(self, *clones: Clone) -> tuple[Clone, ...]:
        return clones

    def clone(self, count: Token, ploidy: Token | None, first: Item, *rest: Item | None) -> Clone:
        items = [first, *(item for item in rest if item is not None)]
        # The last brackets of a clone are its own; brackets before them belong to changes.
        size = items[-1].sizes[-1:]
        items[-1] = items[-1]._replace(sizes=items[-1].sizes[:-1])
        for item in items:
            if too_many := item.sizes[isinstance(item.node, Change) :]:
                reason = "brackets with cells stand once, behind a change or at the end of the clone"
                raise MisplacedError(
                    too_many[0].start, IscnError("K602", reason=reason, example="46,XX,-7[3],+8[2][cp5]")
                )
        sex = first.node if isinstance(first.node, Sex) else Sex("", "")
        with placed(first.start):
            return Clone(
                count=_span(count),
                sex=sex.text,
                changes=tuple(_with_cells(item) for item in items if isinstance(item.node, Change)),
                relation=first.node if isinstance(first.node, Relation) else None,
                ploidy=int(ploidy[1]) if ploidy else None,
                sex_constitutional=sex.constitutional,
                incomplete=items[-1].node is None,
                cells=size[0].node if size else None,
            )

    def sex(self, text: Token, constitutional: Token | None, *sizes: Placed[Cells]) -> Item:
        return Item(at(text), Sex(str(text), str(constitutional or "")), sizes)

    def relation(self, text: Token, copies: Token | None, *sizes: Placed[Cells]) -> Item:
        if copies and "~" in copies:
            reason = f"{text} is taken a definite number of times"
            raise MisplacedError(at(copies), IscnError("K602", reason=reason, example="47,XX,+8[6]/94,idemx2[4]"))
        kind = text.rstrip("0123456789")
        index = int(text[len(kind) :]) if len(kind) < len(text) else None
        with placed(at(text)):
            return Item(at(text), Relation(kind, index, int(copies[1:]) if copies else None), sizes)

    def incomplete(self, text: Token, *sizes: Placed[Cells]) -> Item:
        return Item(at(text), None, sizes)

    def cells(self, text: Token) -> Placed[Cells]:
        return Placed(at(text), Cells(_span(text, text.removeprefix("cp")), text.startswith("cp")))

    def change(
        self, sign: Token | None, doubt: Token | None, body: Placed[Body], *suffixes: Token | Placed[Cells]
    ) -> Item:
        found: dict[str, Token] = {}
        for token in suffixes:
            if isinstance(token, Token):
                if token.type in found:
                    reason = f"{token} follows {found[token.type]}, which says the same kind of thing"
                    raise MisplacedError(at(token), IscnError("K602", reason=reason, example="46,XX,inv(9)(p12q13)mat"))
                found[token.type] = token
        node, copies = body.node, found.get("COPIES")
        start = at(sign) if sign else at(doubt) if doubt else body.start
        with placed(start):
            if doubt and isinstance(node, Heteromorphism):
                raise IscnError("K602", reason="a normal variant takes no ? before it", example="46,XX,1qh+")
            change = Change(
                replace(node, doubtful=True) if doubt and not isinstance(node, Heteromorphism) else node,
                sign=str(sign or ""),
                origin=str(found.get("ORIGIN", "")),
                constitutional=str(found.get("CONSTITUTIONAL", "")),
                copies=_span(copies, copies[1:]) if copies else None,
            )
        return Item(start, change, tuple(size for size in suffixes if not isinstance(size, Token)))

    def whole(self, name: Token) -> Placed[Body]:
        with placed(at(name)):
            return Placed(at(name), WholeChromosome(str(name)))

    def heteromorphism(self, name: Token, variant: Token) -> Placed[Body]:
        with placed(at(name)):
            return Placed(at(name), Heteromorphism(str(name), str(variant)))

    def marker(self, number: Token | None, symbol: Token, index: Token | None) -> Placed[Body]:
        return Placed(
            at(number or symbol),
            Marker(str(symbol), _span(number) if number else None, int(index) if index else None),
        )

    def fragment(self, number: Token | None, symbol: Token) -> Placed[Body]:
        return Placed(at(number or symbol), DoubleMinutes(str(symbol), _span(number) if number else None))

    def rearrangement(
        self,
        modifier: Token | None,
        symbol: Token,
        chromosomes: tuple[ChromosomeRef, ...],
        breakpoints: Breakpoints | None,
    ) -> Placed[Rearrangement]:
        start = at(modifier or symbol)
        with placed(start):
            kind = SYMBOLS[symbol]
            return Placed(start, kind(chromosomes, breakpoints or (), (modifier or "").strip()))

    def derivative(
        self,
        symbol: Token,
        chromosomes: tuple[ChromosomeRef, ...],
        breakpoints: Breakpoints | None,
        *events: Rearrangement,
    ) -> Placed[Derivative]:
        with placed(at(symbol)):
            kind = SYMBOLS[symbol]
            assert issubclass(kind, Derivative)
            return Placed(at(symbol), kind(chromosomes, breakpoints or (), events=events))

    def event(self, doubt: Token | None, event: Placed[Rearrangement]) -> Rearrangement:
        return replace(event.node, doubtful=doubt is not None)

    def chromosomes(self, *references: Token) -> tuple[ChromosomeRef, ...]:
        return tuple(_reference(token) for token in references)

    def breakpoints(self, *groups: tuple[Breakpoint, ...]) -> Breakpoints:
        return groups

    def group(self, *tokens: Token) -> tuple[Breakpoint, ...]:
        return tuple(_breakpoint(token) for token in tokens)


def _with_cells(item: Item) -> Change:
    assert isinstance(item.node, Change)
    if not item.sizes:
        return item.node
    with placed(item.sizes[0].start):
        return replace(item.node, cells=item.sizes[0].node)


def _span(token: Token, text: str | None = None) -> Span:
    low, _, high = (token if text is None else text).partition("~")
    with placed(at(token)):
        return Span(int(low), int(high or low))


def _reference(token: Token) -> ChromosomeRef:
    with placed(at(token)):
        if token == "?":
            return ChromosomeRef("?")
        name = token.lstrip("?")
        arm = name[-1] if name[-1] in "pq" else ""
        return ChromosomeRef(name.rstrip("pq"), arm, token.startswith("?"))


def _breakpoint(token: Token) -> Breakpoint:
    if token == "?":
        return UNKNOWN
    first, _, last = token.partition("~")
    arm, band = _arm_and_band(first.removeprefix("?"))
    with placed(at(token)):
        until = None
        if last:
            end_arm, end_band = _arm_and_band(last)
            until = Breakpoint(end_arm or arm, end_band)
        return Breakpoint(arm, band, first.startswith("?"), until)


def _arm_and_band(text: str) -> tuple[str, str]:
    match = re.fullmatch(r"(cen|[pq]?)(.*)", text)
    assert match is not None
    return match[1], match[2]
