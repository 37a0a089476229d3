"""From a string to the syntax tree."""

from __future__ import annotations

import re
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

# What the grammar's terminals are called, each with a karyotype that shows it. The first four stand for all that may
# begin with them; terminals that are possible nearly everywhere and rarely meant are left out.
_BEGINNINGS: dict[str, tuple[str, str]] = {
    "COUNT": ("the number of chromosomes", "46,XX"),
    "SEX": ("sex chromosomes such as XX or XY", "46,XY"),
    "SIGN": ("a change such as +21, -7 or del(5)(q13q33)", "47,XY,+21"),
    "CHROMOSOME": ("a chromosome (1 to 22, X or Y), mar or a symbol such as der", "47,XY,+21"),
}
_WORDS: dict[str, tuple[str, str]] = {
    "_LEFT": ("( with chromosomes or bands", "46,XY,t(9;22)(q34;q11.2)"),
    "REFERENCE": ("a chromosome (1 to 22, X, Y or ?)", "46,XY,t(9;22)(q34;q11.2)"),
    "BREAKPOINT": ("a band such as q34 or ?", "46,XY,t(9;22)(q34;q11.2)"),
    "_SEMICOLON": (";", "46,XY,t(9;22)(q34;q11.2)"),
    "_RIGHT": (")", "46,XY,t(9;22)(q34;q11.2)"),
    "CELLS": ("a number of cells", "47,XY,+21[10]/46,XY[10]"),
    "_RIGHT_BRACKET": ("]", "47,XY,+21[10]/46,XY[10]"),
    "_COMMA": ("a comma with the next part", "47,XY,+21"),
    "_LEFT_BRACKET": ("cells such as [20]", "47,XY,+21[10]/46,XY[10]"),
    "_SLASH": ("/ with the next clone", "mos 45,X[3]/46,XX[17]"),
    "SYMBOL": ("a symbol such as dup or ins", "46,XX,inv dup(1)(q22q25)"),
    "MARKER": ("mar, r or dmin", "48,XX,+2mar"),
    "$END": ("the end", "46,XX"),
}
# Slips that are often made: what stands at the place, what to say about it, and a karyotype that shows it.
_SLIPS: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (re.compile(r" +or "), "alternatives with or are not read, write the likelier one with ?", "46,XX,?add(19)(p13)"),
    (re.compile(r"\s"), "no blank stands here", "47,XY,+21"),
    (re.compile(r":|->|→"), "the detailed form is not read, write the short one", "46,XX,del(5)(q13)"),
    (re.compile(r"\.?(ish|arr|nuc|rsa|seq|ogm)"), "FISH and array results are not read, leave them out", "46,XX"),
    (re.compile(r"(?<=[\d>],)[xy]+(?=$|[,\[/])"), "sex chromosomes are written in capitals", "46,XY"),
    (re.compile(r"[A-Z]+\("), "symbols are written in small letters", "46,XY,t(9;22)(q34;q11.2)"),
    (re.compile(r"(?<=^\d\d)-"), "a range is written with ~", "45~47,XX,-7[3],+8[2][cp5]"),
)


def parse(text: str) -> Karyotype:
    """Read a karyotype in the short form of ISCN.

    Blanks around it are ignored; typographic minus, multiplication and tilde signs are read as ``-``, ``x``, ``~``.

    Raises:
        IscnError: K601 where a character does not fit the grammar, K602 where a part of the string has content that
            cannot be (both with the column), K603 if it is longer than :data:`MAXIMUM_LENGTH`, K604 if it is empty.
    """
    text = text.translate(_TYPESET).strip()
    if not text:
        raise IscnError("K604")
    if len(text) > MAXIMUM_LENGTH:
        raise IscnError("K603", length=len(text), limit=MAXIMUM_LENGTH)
    from lark.exceptions import UnexpectedInput

    from karyonet.iscn.builder import MisplacedError

    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        raise _unexpected(text, error) from None
    except MisplacedError as error:
        raise error.error.at(text, error.start + 1) from None
    assert isinstance(tree, Karyotype)
    return tree


@cache
def _parser() -> Lark:
    from lark import Lark

    from karyonet.iscn.builder import TreeBuilder

    grammar = files("karyonet.iscn").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", transformer=TreeBuilder(), maybe_placeholders=True, g_regex_flags=re.ASCII)


def _unexpected(text: str, error: UnexpectedInput) -> IscnError:
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    assert isinstance(error, UnexpectedCharacters | UnexpectedToken)
    if isinstance(error, UnexpectedToken):
        names = error.expected
        start = len(text) if error.token.type == "$END" else error.token.start_pos or 0
    else:
        names, start = error.allowed, error.pos_in_stream
    for slip, reason, example in _SLIPS:
        if slip.match(text, start):
            return IscnError("K602", text, start + 1, reason=reason, example=example)
    words = [_BEGINNINGS[name] for name in _BEGINNINGS if name in names][:1]
    words = words or [_WORDS[name] for name in _WORDS if name in names][:3] or [("something else", "46,XX")]
    expected = " or ".join(dict.fromkeys(word for word, _ in words))
    found = repr(text[start]) if start < len(text) else "the end"
    return IscnError("K601", text, start + 1, expected=expected, found=found, example=words[0][1])
