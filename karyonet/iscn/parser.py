"""From a string to the syntax tree."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from karyonet.errors import IscnError
from karyonet.iscn.ast import Karyotype

if TYPE_CHECKING:
    from lark import Lark
    from lark.exceptions import UnexpectedInput

MAXIMUM_LENGTH = 4000
"""Characters. The longest published karyotypes have fewer than a thousand."""

# What typesetting makes of signs; one character each, so that columns stay what they are.
_TYPESET = str.maketrans({"−": "-", "–": "-", "‒": "-", "×": "x", "∼": "~", "˜": "~", "\u00a0": " "})

_CHANGE = ("a change such as +21, -7 or del(5)(q13q33)", "47,XY,+21")
_CELLS = ("cells in brackets such as [20]", "47,XY,+21[10]/46,XY[10]")
_NEXT = ("a comma with the next change", "47,XY,+21")
_BAND = ("a band such as q34, or ?", "46,XY,t(9;22)(q34;q11.2)")
# What the grammar's terminals are called, each with a karyotype that shows it. Several that mean the same thing share
# one entry; terminals that are possible nearly everywhere and rarely meant have none.
_WORDS: dict[str, tuple[str, str]] = {
    "COUNT": ("the number of chromosomes", "46,XX"),
    "_COMMA": _NEXT,
    "SEX": ("sex chromosomes such as XX or XY", "46,XY"),
    "SIGN": _CHANGE,
    "SYMBOL": _CHANGE,
    "INDEX": ("the number of a marker", "47,XX,+mar1"),
    "CHROMOSOME": ("a chromosome (1 to 22, X or Y)", "47,XY,+21"),
    "REFERENCE": ("a chromosome (1 to 22, X, Y or ?)", "46,XY,t(9;22)(q34;q11.2)"),
    "BREAKPOINT": _BAND,
    "CELLS": ("a number of cells", "47,XY,+21[10]/46,XY[10]"),
    "_LEFT_BRACKET": _CELLS,
    "_RIGHT_BRACKET": ("]", "47,XY,+21[10]/46,XY[10]"),
    "_LEFT": ("(", "46,XY,t(9;22)(q34;q11.2)"),
    "_RIGHT": (")", "46,XY,t(9;22)(q34;q11.2)"),
    "_SEMICOLON": (";", "46,XY,t(9;22)(q34;q11.2)"),
    "_SLASH": ("/ with the next clone", "45,X[3]/46,XX[17]"),
    "$END": ("the end", "46,XX"),
}


def parse(text: str) -> Karyotype:
    """Read a karyotype in the short form of ISCN.

    Blanks around it are ignored; typographic minus, multiplication and tilde signs are read as ``-``, ``x``, ``~``.

    Raises:
        IscnError: K601 where a character does not fit the grammar, K602 where a part of the string has content that
            cannot be (both with the column), K603 if it is longer than :data:`MAXIMUM_LENGTH`, K604 if it is empty.
    """
    text = text.translate(_TYPESET).rstrip()
    text = text.lstrip()
    if not text:
        raise IscnError("K604")
    if len(text) > MAXIMUM_LENGTH:
        raise IscnError("K603", length=len(text), limit=MAXIMUM_LENGTH)
    from lark.exceptions import UnexpectedInput

    from karyonet.iscn.builder import Misplaced

    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        raise _unexpected(text, error) from None
    except Misplaced as error:
        raise error.error.at(text, error.start + 1) from None
    assert isinstance(tree, Karyotype)
    return tree


@cache
def _parser() -> Lark:
    from lark import Lark

    from karyonet.iscn.builder import TreeBuilder

    grammar = files("karyonet.iscn").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", transformer=TreeBuilder(), maybe_placeholders=True)


def _unexpected(text: str, error: UnexpectedInput) -> IscnError:
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    assert isinstance(error, UnexpectedCharacters | UnexpectedToken)
    if isinstance(error, UnexpectedToken):
        names, at_end = error.expected, error.token.type == "$END"
    else:
        names, at_end = error.allowed, False
    start = len(text) if at_end else error.pos_in_stream or 0
    return IscnError("K601")
