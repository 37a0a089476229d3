from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.errors import IscnError
from karyonet.iscn import Karyotype, parse, write
from karyonet.iscn.canonical import canonical
from karyonet.iscn.coherence import check, require_coherent
from karyonet.iscn.explain import explain

from .corpus import ROWS
from .strategies import karyotypes

FEW = settings(max_examples=30, deadline=None)
VALID = [text for _, text, expected, _ in ROWS if expected != "syntax"]
SIGNS = "0123456789XYpqcm+-?~x[](),;./ idelrtn"


@pytest.mark.parametrize(
    "text",
    [
        "46,XX",
        "46,XY",
        "45,X",
        "47,XXY",
        "47,XY,+21",
        "45,XY,der(13;14)(q10;q10)",
        "46,XX,+13,der(13;14)(q10;q10)",
        "mos 45,X[3]/46,XX[17]",
        "47,XY,+21[10]/46,XY[10]",
        "46,XY,t(9;22)(q34;q11.2)[20]",
        "46,X,i(X)(q10)",
        "45,X,-Y[12]/46,XY[8]",
        "47,XX,+mar",
    ],
)
def test_the_common_karyotypes_are_coherent_and_come_back_as_they_are(text: str) -> None:
    karyotype = parse(text)
    assert check(karyotype) == []
    assert write(karyotype) == write(canonical(karyotype)) == text


@FEW
@given(karyotypes())
def test_what_is_written_is_read_back(karyotype: Karyotype) -> None:
    assert parse(write(karyotype)) == karyotype


@FEW
@given(karyotypes())
def test_every_tree_can_be_checked_explained_and_normalised(karyotype: Karyotype) -> None:
    assert explain(karyotype)
    normal = canonical(karyotype)
    assert canonical(normal) == normal == parse(write(normal))
    errors = [problem for problem in check(karyotype) if problem.severity == "error"]
    if errors:
        with pytest.raises(IscnError, match="K605"):
            require_coherent(karyotype)
    else:
        require_coherent(karyotype)


def read(text: str) -> None:
    """Only a karyotype or an IscnError may come out; what can be read can also be checked and explained."""
    try:
        karyotype = parse(text)
    except IscnError as error:
        assert str(error).startswith(f"{error.code}: ")
        return
    check(karyotype)
    explain(karyotype)


@FEW
@given(st.text(max_size=10_000) | st.text(alphabet=SIGNS, max_size=10_000))
def test_random_text_never_crashes(text: str) -> None:
    read(text)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A valid string with characters replaced, removed, put in or repeated many times over."""
    text = draw(st.sampled_from(VALID))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 5)))
        piece = draw(st.text(alphabet=SIGNS, max_size=4)) + text[start:end] * draw(st.sampled_from([0, 1, 2, 500]))
        text = (text[:start] + piece + text[end:])[:10_000]
    return text


@settings(max_examples=100, deadline=None)
@given(mutated())
def test_mutated_karyotypes_never_crash(text: str) -> None:
    read(text)
