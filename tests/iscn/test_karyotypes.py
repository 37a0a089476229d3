"""Strings composed for the grammar, each with what it should be found to be."""

from __future__ import annotations

from collections import Counter

import pytest

from karyonet.errors import IscnError
from karyonet.iscn import parse, write
from karyonet.iscn.canonical import canonical
from karyonet.iscn.coherence import check

from .corpus import ROWS


def outcome(text: str) -> str:
    """``good``, ``warning``, ``error`` or ``syntax``."""
    try:
        karyotype = parse(text)
    except IscnError:
        return "syntax"
    return next((problem.severity for problem in check(karyotype)), "good")


@pytest.mark.parametrize(
    ("text", "expected", "rewriting"), [row[1:] for row in ROWS], ids=[f"{file}: {text}" for file, text, *_ in ROWS]
)
def test_outcome(text: str, expected: str, rewriting: str) -> None:
    assert outcome(text) == expected
    if rewriting:
        assert write(canonical(parse(text))) == rewriting


@pytest.mark.parametrize("text", [text for _, text, expected, _ in ROWS if expected != "syntax"])
def test_round_trip(text: str) -> None:
    karyotype = parse(text)
    assert parse(write(karyotype)) == karyotype
    assert canonical(canonical(karyotype)) == canonical(karyotype)


@pytest.mark.parametrize("text", [text for _, text, expected, _ in ROWS if expected == "syntax"])
def test_a_syntax_error_points_at_a_character_and_its_example_is_good(text: str) -> None:
    with pytest.raises(IscnError) as caught:
        parse(text)
    if text.strip():
        assert caught.value.column is not None and 1 <= caught.value.column <= len(text) + 1
    _, given, example = caught.value.message.rpartition("for example ")
    if given:
        assert outcome(example) == "good"


def test_the_list_is_as_long_as_promised_and_says_everything_once() -> None:
    assert len(ROWS) >= 300
    assert [text for text, times in Counter(text for _, text, *_ in ROWS).items() if times > 1] == []
    assert {expected for _, _, expected, _ in ROWS} == {"good", "warning", "error", "syntax"}
