"""From counts to the karyotype of a case."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.case import LABELS
from karyonet.iscn import parse
from karyonet.stages.karyotype.clones import Certainty, read_case
from karyonet.stages.karyotype.likelihood import Copies, Counted, Named, Prior, explanations, log_likelihood

from .conftest import FEMALE, MALE, besides, counted, without

SURE = Certainty()


def iscn(*metaphases: Counted) -> str | None:
    return read_case(metaphases, SURE)[0].iscn


def cells(labels: Sequence[str], number: int, first: int = 1) -> list[Counted]:
    return [counted(f"m{place}", labels) for place in range(first, first + number)]


@pytest.mark.parametrize(("labels", "expected"), [(MALE, "46,XY"), (FEMALE, "46,XX")])
@pytest.mark.parametrize("number", [1, 2, 5])
def test_normal_metaphases_make_a_normal_case(labels: Sequence[str], expected: str, number: int) -> None:
    karyotype, findings = read_case(cells(labels, number), SURE)
    assert (karyotype.iscn, karyotype.outcome, findings) == (expected, "normal", ())


def test_a_gain_needs_two_metaphases() -> None:
    trisomic = [*MALE, "21"]
    karyotype, findings = read_case(cells(trisomic, 1), SURE)
    assert (karyotype.iscn, karyotype.outcome) == (None, "undetermined")
    assert not any(finding.clonal for finding in findings)
    karyotype, findings = read_case(cells(trisomic, 2), SURE)
    assert (karyotype.iscn, karyotype.outcome) == ("47,XY,+21", "abnormal")
    (finding,) = findings
    assert (finding.iscn, finding.metaphases, finding.change, finding.clonal) == ("+21", ("m1", "m2"), "gain", True)
    assert finding.score > 0.95


def test_a_loss_needs_three_metaphases() -> None:
    lost = without(FEMALE, "5")
    assert read_case(cells(lost, 2), SURE)[0].outcome == "undetermined"
    assert iscn(*cells(lost, 3)) == "45,XX,-5"


def test_losses_in_poor_spreads_are_no_monosomy() -> None:
    lost = without(FEMALE, "5")
    poor = [counted(f"m{place}", lost, missed=-1.5) for place in (1, 2, 3)]
    karyotype, findings = read_case(poor, SURE)
    assert karyotype.iscn != "45,XX,-5"
    assert not any(finding.clonal for finding in findings)


def test_what_may_be_no_chromosome_makes_no_trisomy() -> None:
    doubtful = [
        Counted(one.metaphase, {**one.named, "21": (Named(0.5), Named(5.5), Named(5.5))}, one.missed)
        for one in cells([*MALE, "21"], 2)
    ]
    karyotype, findings = read_case(doubtful, SURE)
    assert karyotype.iscn == "46,XY"
    assert [(f.iscn, f.clonal) for f in findings] == [("+21", False)]


def test_a_chromosome_that_may_bear_a_wrong_name_explains_one_that_is_missing() -> None:
    trisomic = cells([*FEMALE, "18"], 2)
    misread = without([*FEMALE, "18", "20"], "18")
    for alike, expected in (({"18": 0.1}, "47,XX,+18"), ({"18": 9.0}, "mos 47,XX,+18[2]/46,XX[1]")):
        other = counted("m9", misread)
        other = Counted("m9", {**other.named, "20": (Named(1.0, alike), *other.named["20"][1:])}, other.missed)
        assert iscn(*trisomic, other) == expected


def test_an_additional_chromosome_is_missed_more_readily_than_one_of_a_pair() -> None:
    trisomic, usual = cells([*MALE, "21"], 3), counted("m9", MALE)
    assert iscn(*trisomic, usual) == "mos 47,XY,+21[3]/46,XY[1]"
    readily = [replace(one, gained_missed=-1.0) for one in (*trisomic, usual)]
    assert iscn(*readily) == "47,XY,+21"
    # Which of X and Y is the additional one depends on which of them was found.
    for found in (FEMALE, MALE):
        both = [*cells([*MALE, "X"], 3), counted("m9", found)]
        assert iscn(*(replace(one, gained_missed=-1.0) for one in both)) == "47,XXY"


def test_what_was_left_out_speaks_for_a_chromosome_that_others_have_more() -> None:
    both = [*cells([*MALE, "Y"], 3), *cells(MALE, 2, 10)]
    assert iscn(*both) == "mos 47,XYY[3]/46,XY[2]"
    assert iscn(*both[:3], *(besides(one, Y=1.5) for one in both[3:])) == "47,XYY"
    # What looks like anything else says nothing of a Y.
    assert iscn(*both[:3], *(besides(one, X=1.5) for one in both[3:])) == "mos 47,XYY[3]/46,XY[2]"


def test_a_metaphase_of_which_a_third_one_was_left_out_is_of_the_clone() -> None:
    case = [*cells([*FEMALE, "21"], 2), besides(counted("m3", FEMALE), **{"21": 1.9}), *cells(FEMALE, 3, 4)]
    karyotype, findings = read_case(case, SURE)
    assert karyotype.iscn == "mos 47,XX,+21[3]/46,XX[3]"
    assert findings[0].metaphases == ("m1", "m2", "m3")


def test_a_metaphase_with_an_incredible_x_is_of_the_clone_that_lacks_one() -> None:
    odd = counted("m3", FEMALE)
    odd = replace(odd, named={**odd.named, "X": (Named(-1.2), Named(5.5))})
    assert iscn(*cells(FEMALE[:45], 2), odd, *cells(FEMALE, 2, 10)) == "mos 45,X[3]/46,XX[2]"


@given(st.integers(1, 8), st.sampled_from([MALE, FEMALE]), st.sampled_from(LABELS), st.floats(-5, 1.9))
@settings(deadline=None)
def test_what_one_cell_left_out_makes_no_karyotype(number: int, labels: list[str], label: str, odds: float) -> None:
    first, *others = cells(labels, number)
    assert read_case([besides(first, **{label: odds}), *others], SURE)[0].outcome == "normal"


@given(st.floats(-8, 1.9), st.floats(0, 3))
def test_the_more_credible_what_was_left_out_the_likelier_a_gain(odds: float, more: float) -> None:
    trisomic = Copies((1, 1), (("21", 1),))
    cell = counted("m1", MALE)
    likely, likelier = (log_likelihood(besides(cell, **{"21": one}), trisomic) for one in (odds, odds + more))
    assert log_likelihood(cell, trisomic) <= likely <= likelier
    assert log_likelihood(besides(cell, **{"21": odds}), Copies((1, 1))) == log_likelihood(cell, Copies((1, 1)))


@given(st.integers(1, 8), st.floats(-4.0, 0.0), st.sampled_from([MALE, FEMALE]))
def test_what_is_missed_of_gains_changes_no_normal_case(number: int, gained: float, labels: list[str]) -> None:
    case = [replace(one, gained_missed=gained) for one in cells(labels, number)]
    assert explanations(case, Prior())[0].copies.normal


def test_one_abnormal_clone_is_written_whichever_normal_cells_lie_beside_it() -> None:
    # An X and a Y too few of XXY are both normal: what is open is which cells are, not what is abnormal.
    case = [*cells([*MALE, "X"], 2), counted("m9", FEMALE)]
    odds = next(
        gained / 100
        for gained in range(-600, 0, 5)
        if iscn(*(replace(one, gained_missed=gained / 100) for one in case)) == "47,XXY"
    )
    before = read_case([replace(one, gained_missed=odds - 0.1) for one in case], SURE)[0]
    assert before.outcome == "abnormal" and "47,XXY" in {clone.iscn for clone in before.clones}


def test_a_mosaic_lists_the_normal_clone_last() -> None:
    turner = cells(FEMALE[:45], 4)
    assert iscn(*cells(FEMALE, 6, 10), *turner) == "mos 45,X[4]/46,XX[6]"


@pytest.mark.parametrize(
    ("changed", "usual", "expected"),
    [
        ([*MALE, "21"], MALE, "mos 47,XY,+21[3]/46,XY[2]"),
        (FEMALE[:45], FEMALE, "mos 45,X[3]/46,XX[2]"),
        ([*MALE, "X"], MALE, "mos 47,XXY[3]/46,XY[2]"),
    ],
)
def test_a_mosaic_of_five_cells_is_told_from_either_karyotype_in_all_of_them(
    changed: Sequence[str], usual: Sequence[str], expected: str
) -> None:
    five = [*(counted(f"m{place}", changed, 5.5, -4.7) for place in (1, 2, 3)),
            *(counted(f"m{place}", usual, 5.5, -4.7) for place in (4, 5))]  # fmt: skip
    assert iscn(*five) == expected


@pytest.mark.parametrize(("usual", "expected"), [(1, "47,XXY"), (2, "mos 47,XXY[3]/46,XX[2]")])
def test_one_normal_cell_among_others_of_an_additional_sex_chromosome_has_lost_it(usual: int, expected: str) -> None:
    five = [*(counted(f"m{place}", [*MALE, "X"], 5.5, -5.0) for place in range(5 - usual)),
            *(counted(f"n{place}", FEMALE, 5.5, -5.0) for place in range(usual))]  # fmt: skip
    assert iscn(*(replace(one, gained_missed=one.missed + 3.0) for one in five)) == expected


def test_two_abnormal_clones_may_differ_in_opposite_ways() -> None:
    three, one = [*FEMALE, "X"], FEMALE[:45]
    assert iscn(*cells(FEMALE, 4, 10), *cells(three, 4, 20), *cells(one, 4)) == "mos 45,X[4]/47,XXX[4]/46,XX[4]"


def test_random_losses_do_not_reach_the_karyotype_whichever_they_are() -> None:
    karyotype, findings = read_case(
        [*cells(MALE, 1), counted("m2", without(MALE, "9")), counted("m3", without(MALE, "4", "20"))], SURE
    )
    assert (karyotype.iscn, karyotype.outcome) == ("46,XY", "normal")
    assert [(f.chromosome, f.clonal) for f in findings] == [("4", False), ("9", False), ("20", False)]
    assert karyotype.clones[0].metaphases == ("m1", "m2", "m3")


def test_a_metaphase_is_read_without_its_random_change() -> None:
    trisomic = [*MALE, "21"]
    karyotype, findings = read_case([*cells(trisomic, 2), counted("m3", without(trisomic, "5"))], SURE)
    assert karyotype.iscn == "47,XY,+21"
    assert karyotype.clones[0].metaphases == ("m1", "m2", "m3")
    assert [(f.iscn, f.clonal) for f in findings] == [("+21", True), ("-5", False)]  # clonal first


def test_too_few_for_the_clonality_rule_but_too_likely_to_be_chance_is_undetermined() -> None:
    lost = [counted(f"n{place}", FEMALE[:45], missed=-7) for place in (1, 2)]
    karyotype, findings = read_case([*cells(FEMALE, 6), *lost], SURE)
    assert karyotype.outcome == "undetermined"
    assert "a loss needs 3" in karyotype.reasons[0]
    assert [(f.chromosome, f.clonal) for f in findings] == [("X", False)]


def test_counts_that_fit_two_karyotypes_say_which() -> None:
    karyotype, _ = read_case([*cells(MALE, 1), *cells(FEMALE[:45], 2, 2)], SURE)
    assert karyotype.outcome == "undetermined"
    assert "45,X" in karyotype.reasons[0] and "46,XY" in karyotype.reasons[0]


def test_two_people_in_one_case_are_said() -> None:
    karyotype, _ = read_case([*cells(MALE, 3), *cells(FEMALE, 1, 9)], SURE)
    assert karyotype.outcome == "undetermined"
    assert "sex" in karyotype.reasons[0] and "m9" in karyotype.reasons[0]


def test_nothing_counted_is_undetermined() -> None:
    assert read_case([], SURE)[0].reasons == ("no metaphase could be used",)


@st.composite
def whole_cases(draw: st.DrawFn) -> list[Counted]:
    """A few cells of a person, each with an error or two."""
    person = draw(st.sampled_from([MALE, FEMALE, [*MALE, "21"], [*FEMALE, "18"], FEMALE[:45], [*MALE, "X"]]))
    found = []
    for place in range(draw(st.integers(1, 6))):
        labels = without(person, *draw(st.lists(st.sampled_from(LABELS[:22]), max_size=2, unique=True)))
        labels += draw(st.lists(st.sampled_from(LABELS), max_size=1))
        odds, missed = draw(st.floats(-1, 7)), draw(st.floats(-7, -1))
        found.append(counted(f"m{place}", labels, odds, missed))
    return found


@given(whole_cases(), st.randoms())
@settings(max_examples=60, deadline=None)
def test_order_does_not_matter_and_what_is_written_can_be_read(case: list[Counted], chance: random.Random) -> None:
    karyotype, findings = read_case(case, SURE)
    shuffled = list(case)
    chance.shuffle(shuffled)
    again, others = read_case(shuffled, SURE)
    assert (again.iscn, again.outcome) == (karyotype.iscn, karyotype.outcome)
    assert {(f.chromosome, f.change, f.clonal, f.score) for f in others} == {
        (f.chromosome, f.change, f.clonal, f.score) for f in findings
    }
    assert (karyotype.iscn is None) == (karyotype.outcome == "undetermined") == bool(karyotype.reasons)
    if karyotype.iscn is not None:
        parse(karyotype.iscn)
        assert sorted(m for clone in karyotype.clones for m in clone.metaphases) == sorted(c.metaphase for c in case)
        assert (karyotype.iscn in ("46,XX", "46,XY")) == (karyotype.outcome == "normal")


@given(st.integers(1, 8), st.floats(2, 7), st.floats(-7, -2))
@settings(deadline=None)
def test_more_of_the_same_never_makes_a_normal_case_doubtful(number: int, odds: float, missed: float) -> None:
    assert iscn(*(counted(f"m{place}", FEMALE, odds, missed) for place in range(number))) == "46,XX"


def test_metaphases_that_carry_no_karyotype_weigh_but_hold_no_clone() -> None:
    unsure = [*cells(FEMALE, 1), *cells([*FEMALE, "21"], 2, 2)]
    other = counted("d1", [*FEMALE, "21"]), counted("d2", [*FEMALE, "21"])
    alone, with_others = read_case(unsure[1:2], SURE)[0], read_case(unsure[1:2], SURE, other)[0]
    assert alone.outcome == with_others.outcome == "undetermined" and "gain needs 2" in with_others.reasons[0]
    said, findings = read_case(unsure, SURE, other)
    assert said.outcome == "abnormal" and all(not {"d1", "d2"} & set(clone.metaphases) for clone in said.clones)
    assert findings[0].metaphases == ("m2", "m3")
    against = read_case(unsure[1:], SURE, cells(FEMALE, 9, 20))[0]
    assert (against.iscn, against.outcome) == ("47,XX,+21", "abnormal")


def test_a_case_is_abnormal_where_only_the_share_of_normal_cells_is_open() -> None:
    open_share = [*(counted(f"m{place}", [*MALE, "X"], 5.5, -3.5) for place in (1, 2)), counted("m3", MALE, 5.5, -3.5)]
    karyotype, _ = read_case(open_share, SURE)
    assert karyotype.outcome == "abnormal" and "47,XXY" in str(karyotype.iscn)


def test_a_sex_that_the_counts_leave_open_is_not_written() -> None:
    unsure = [counted("m1", FEMALE), counted("m2", MALE)]
    doubtful = {
        one.metaphase: {**one.named, **{label: tuple(Named(1.0, {"X": 1.0, "Y": 1.0}) for _ in one.named[label])
                                        for label in ("X", "Y") if label in one.named}}
        for one in unsure
    }  # fmt: skip
    karyotype, _ = read_case([Counted(one.metaphase, doubtful[one.metaphase], one.missed) for one in unsure], SURE)
    assert (karyotype.iscn, karyotype.outcome) == (None, "undetermined")
    assert "46,XX" in karyotype.reasons[0] and "46,XY" in karyotype.reasons[0]
