from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.case import LABELS
from karyonet.errors import IscnError
from karyonet.evaluation.karyotype_content import changes_shown, clonal_changes, content_of
from karyonet.iscn import numerical_karyotype

NORMAL = Counter(dict.fromkeys(LABELS[:22], 2))
FEMALE, MALE = NORMAL + Counter("XX"), NORMAL + Counter("XY")


def test_numbers_that_depart_from_normal() -> None:
    assert changes_shown(FEMALE) == changes_shown(MALE) == frozenset()
    assert changes_shown(MALE + Counter(["21", "8", "8"])) == {"+21", "+8"}
    assert changes_shown(FEMALE - Counter(["7", "X"])) == {"-7", "X"}
    assert changes_shown(MALE + Counter("X")) == {"XXY"}
    assert changes_shown(NORMAL) == {"?"}


@pytest.mark.parametrize(
    ("change", "needed"), [("+21", 2), ("XXY", 2), ("XYY", 2), ("-7", 3), ("X", 3), ("YY", 3), ("?", 3)]
)
def test_a_gain_takes_two_metaphases_and_a_loss_three(change: str, needed: int) -> None:
    copies = {
        "+21": MALE + Counter(["21"]), "-7": MALE - Counter(["7"]), "X": NORMAL + Counter("X"), "?": NORMAL,
    }.get(change) or NORMAL + Counter(change)  # fmt: skip
    assert change in changes_shown(copies)
    assert clonal_changes([MALE, *[copies] * (needed - 1), MALE]) == frozenset()
    assert clonal_changes([MALE, *[copies] * needed, MALE]) == {change}


def test_different_changes_do_not_add_up() -> None:
    assert clonal_changes([MALE + Counter("X"), MALE + Counter("Y"), MALE + Counter(["21"])]) == frozenset()


@settings(deadline=None)  # the parser is built at its first call
@given(
    st.dictionaries(st.sampled_from(LABELS[:22]), st.integers(0, 4), max_size=4),
    st.sampled_from(["X", "XX", "XY", "XXX", "XXY", "XYY", "XXYY", "Y"]),
)
def test_a_karyotype_says_what_its_numbers_say(odd: dict[str, int], sex: str) -> None:
    copies = {**NORMAL, **odd, **Counter(sex)}
    content = content_of(numerical_karyotype(copies))
    assert content.numerical == changes_shown(copies)
    assert content.sex == ("male" if "Y" in sex else "female")
    assert not content.rearranged and content.structural == frozenset()
    assert content.normal == (not content.numerical)


@pytest.mark.parametrize(
    ("iscn", "numerical", "structural", "sex"),
    [
        ("46,XX", "", "", "female"),
        ("mos 45,X[3]/46,XY[2]", "X", "", "male"),
        ("45,X,-Y", "X", "", "male"),
        ("47,XX,+X", "XXX", "", "female"),
        ("48,XXYc,+X", "XXXY", "", "male"),
        ("47,XX,+8[5]/48,idem,+9[4]/46,XX[2]", "+8 +9", "", "female"),
        ("46,X,t(X;8)(q22;q24.1)", "", "8 X", "female"),
        ("46,X,idic(Y)(q11.2)", "", "Y", "male"),
        ("45,XX,der(13;14)(q10;q10)", "", "13 14", "female"),
        ("46,XY,+21,der(14;21)(q10;q10)", "+21", "14 21", "male"),
        ("46,X,Yqh-", "", "", "male"),
        ("chi 46,XX[3]//46,XY[2]", "", "", "male"),
        ("47,?,+21", "+21", "", None),
    ],
)
def test_what_a_string_says(iscn: str, numerical: str, structural: str, sex: str | None) -> None:
    content = content_of(iscn)
    assert content.numerical == {*numerical.split()} and content.structural == {*structural.split()}
    assert content.sex == sex
    assert content.rearranged == bool(structural)


def test_only_a_normal_karyotype_is_normal() -> None:
    for iscn in ("46,XX", "46,XY[20]", "46,XX,1qh+"):
        assert content_of(iscn).normal
    for iscn in ("45,X", "47,XX,+mar", "46,?", "47,XY,+21c", "46,XX,inv(3)(p13q25)"):
        assert not content_of(iscn).normal


def test_clones_are_compared_without_order_prefix_and_cells() -> None:
    assert content_of("mos 45,X[3]/46,XX[2]").clones == content_of("46,XX[7]/45,X[1]").clones
    assert content_of("46,YX,t(22;9)(q11.2;q34)").clones == content_of("46,XY,t(9;22)(q34;q11.2)").clones
    assert content_of("48,XY,+21,+18").clones == {"48,XY,+18,+21"}
    assert content_of("46,XX,-7[3],+8[2][cp5]").clones == content_of("46,XX,-7,+8").clones
    assert content_of("47,XY,+21").clones != content_of("47,XX,+21").clones


def test_what_is_no_karyotype_is_refused() -> None:
    with pytest.raises(IscnError):
        content_of("two X and something else")
