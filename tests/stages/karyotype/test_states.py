from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.case import LABELS, BandLevel, Case, Chromosome, Clone, Finding, Karyotype, Metaphase, Outcome
from karyonet.geometry.region import Region
from karyonet.guideline import Guideline
from karyonet.stages.karyotype import CountAndSex
from karyonet.stages.karyotype.states import (
    STATES,
    agreeing,
    at_least,
    best_band_level,
    check_guideline,
    excluded_mosaicism,
    known_single,
    state_of,
    with_states,
)

FEMALE = [label for label in LABELS[:23] for _ in range(2)]
MALE = [*FEMALE[:44], "X", "Y"]
DOT = Region.from_mask(np.ones((1, 1), dtype=bool))
BLANK = np.zeros((1, 1), dtype=np.float32)


def metaphase(
    labels: Sequence[str | None] = FEMALE,
    id: str = "m1",
    review: int = 0,
    bphs: float | None = None,
    outcome: Outcome = "normal",
) -> Metaphase:
    """Chromosomes of these types, the first two of each paired, the first ``review`` of all under review."""
    places: dict[str, list[int]] = {}
    for place, label in enumerate(labels):
        if label is not None:
            places.setdefault(label, []).append(place)
    partner = {one: f"c{other + 1}" for p in places.values() if len(p) > 1 for one, other in (p[:2], p[1::-1])}
    chromosomes = tuple(
        Chromosome(f"c{place + 1}", DOT, label=label, homolog=partner.get(place), review=place < review)
        for place, label in enumerate(labels)
    )
    level = None if bphs is None else BandLevel(bphs, (bphs, bphs), 550)
    return Metaphase(
        id, f"{id}.png", "", BLANK, "absorption", BLANK, chromosomes=chromosomes, band_level=level, outcome=outcome
    )


def numerical(label: str, *ids: str, change: str = "gain", clonal: bool = True) -> Finding:
    return Finding("numerical", label, change, None, 1.0, ids, clonal)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "state"),
    [
        (metaphase(), "karyotyped"),
        (metaphase(MALE), "karyotyped"),
        (metaphase(outcome="undetermined"), None),
        (metaphase(review=1), "analysed"),
        (metaphase(review=4), "analysed"),
        (metaphase(review=5), "counted"),
        (metaphase([*FEMALE, None]), "counted"),
        (metaphase([*FEMALE, "21"]), "analysed"),  # why is it there without a homolog?
        (metaphase(FEMALE[:-1]), "analysed"),  # where is the other X?
        (metaphase(bphs=549.9), "counted"),
        (metaphase(bphs=550.0), "karyotyped"),
    ],
)
def test_what_a_metaphase_counts_as(one: Metaphase, state: str | None) -> None:
    assert state_of(one, known_single(one, ()), most_review=0.1, least_band_level=550) == state


def test_without_a_minimum_the_band_level_decides_nothing() -> None:
    assert state_of(metaphase(bphs=150.0), frozenset(), most_review=0.1) == "karyotyped"


def test_no_stage_has_decided_on_it() -> None:
    assert state_of(replace(metaphase(), outcome=None), frozenset(), most_review=0.1) is None


def test_a_clonal_change_explains_a_chromosome_without_a_homolog() -> None:
    trisomic = metaphase([*FEMALE, "21"], outcome="abnormal")
    for finding, explained in (
        (numerical("21", "m1", "m2"), True),
        (numerical("21", "m2", "m3"), False),
        (numerical("21", "m1", clonal=False), False),
        (replace(numerical("21", "m1"), kind="structural"), False),
        (numerical("18", "m1", "m2"), False),
    ):
        state = state_of(trisomic, known_single(trisomic, [finding]), most_review=0.1)
        assert (state == "karyotyped") == explained, finding


def test_a_lone_x_is_explained_by_the_loss_of_either_sex_chromosome() -> None:
    turner = metaphase(FEMALE[:-1], outcome="abnormal")
    for lost in "XY":
        single = known_single(turner, [numerical(lost, "m1", "m2", "m3", change="loss")])
        assert state_of(turner, single, most_review=0.1) == "karyotyped"


metaphases = st.builds(
    metaphase,
    labels=st.sampled_from([FEMALE, MALE, [*FEMALE, "21"], [*FEMALE, None]]),
    review=st.integers(0, 8),
    bphs=st.none() | st.floats(200, 900),
    outcome=st.sampled_from(["normal", "abnormal", "undetermined"]),
)
guidelines = st.lists(st.integers(1, 6), min_size=3, max_size=3).flatmap(
    lambda n: st.builds(
        lambda level: Guideline(
            name="ours", counted=max(n), analysed=sorted(n)[1], karyotyped=min(n), band_level=level
        ),
        st.none() | st.integers(300, 850),
    )
)


def stated(found: Sequence[Metaphase], guideline: Guideline) -> Case:
    return with_states(Case("a", tuple(found)), guideline, most_review=0.1)


@settings(max_examples=60, deadline=None)
@given(st.lists(metaphases, max_size=8), guidelines)
def test_states_are_nested(found: list[Metaphase], guideline: Guideline) -> None:
    case = stated(found, guideline)
    numbers = [at_least(case.metaphases, state) for state in STATES]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] == sum(m.outcome != "undetermined" for m in found)


@settings(max_examples=60, deadline=None)
@given(metaphases, st.floats(0, 1), st.floats(0, 1), st.floats(200, 900), st.floats(200, 900))
def test_asking_less_never_lowers_a_state(
    one: Metaphase, review: float, other_review: float, level: float, other_level: float
) -> None:
    def rank(most_review: float, least: float) -> int:
        state = state_of(one, frozenset(), most_review, least)
        return -1 if state is None else STATES.index(state)

    strict = rank(min(review, other_review), max(level, other_level))
    assert rank(max(review, other_review), min(level, other_level)) >= strict


@settings(max_examples=60, deadline=None)
@given(st.lists(metaphases, max_size=6), st.lists(metaphases, max_size=4), guidelines)
def test_more_metaphases_never_unmeet_a_demand(
    found: list[Metaphase], more: list[Metaphase], guideline: Guideline
) -> None:
    before, after = stated(found, guideline), stated([*found, *more], guideline)
    assert before.guideline is not None and after.guideline is not None
    assert [d.what for d in before.guideline.demands] == [d.what for d in after.guideline.demands]
    # With fewer levels than must be analysed, the median is of those there are, and may still fall.
    levels = sum(m.state is not None and m.band_level is not None for m in before.metaphases)
    for old, new in zip(before.guideline.demands, after.guideline.demands, strict=True):
        if old.what != "band_level" or levels >= guideline.analysed:
            assert new.met or not old.met, old.what


def test_the_check_says_what_is_needed_and_what_was_found() -> None:
    guideline = Guideline(name="ours", counted=3, analysed=2, karyotyped=1, band_level=500)
    found = [metaphase(bphs=600), metaphase(review=2, bphs=520), metaphase(bphs=300), metaphase(outcome="undetermined")]
    check = stated(found, guideline).guideline
    assert check is not None and check.name == "ours"
    assert [(d.what, d.needed, d.found, d.met) for d in check.demands] == [
        ("counted", 3, 3, True),
        ("analysed", 2, 2, True),
        ("karyotyped", 1, 1, True),
        ("band_level", 500, 560, True),
    ]


def test_a_band_level_that_nobody_estimated_is_not_met() -> None:
    check = stated([metaphase()], Guideline(name="ours", counted=1, analysed=1, karyotyped=1, band_level=400)).guideline
    assert check is not None
    assert [(d.found, d.met) for d in check.demands] == [(1, True), (1, True), (1, True), (None, False)]


def test_a_guideline_without_a_band_level_asks_for_none() -> None:
    check = check_guideline(Guideline(name="ours", counted=1, analysed=1, karyotyped=1), [metaphase(bphs=300)])
    assert "band_level" not in {demand.what for demand in check.demands}


def test_the_band_level_of_a_case_is_that_of_its_best_counted_metaphases() -> None:
    found = [replace(metaphase(bphs=b), state="counted") for b in (300.0, 500.0, 550.0, 600.0)]
    found.append(replace(metaphase(bphs=850.0), state=None))
    assert best_band_level(found, 3) == 550
    assert best_band_level(found, 99) == 525
    assert best_band_level([], 3) is None


@pytest.mark.parametrize(("cells", "published"), [(20, 0.14), (30, 0.10), (50, 0.06), (10, 0.26)])
def test_the_excluded_mosaicism_is_the_published(cells: int, published: float) -> None:
    excluded = excluded_mosaicism(cells)
    assert excluded is not None
    assert published - 0.01 < excluded <= published  # the table rounds up to whole per cent


@given(st.integers(1, 10_000))
def test_more_cells_exclude_more(cells: int) -> None:
    fewer, more = excluded_mosaicism(cells), excluded_mosaicism(cells + 1)
    assert fewer is not None and more is not None
    assert 0 < more < fewer <= 0.95
    # What the share means: so many cells miss a line of it with a probability of 5 %.
    assert (1 - fewer) ** cells == pytest.approx(0.05)


def test_no_cell_excludes_nothing() -> None:
    assert excluded_mosaicism(0) is None


def test_only_metaphases_that_agree_exclude_mosaicism() -> None:
    ids = ("m1", "m2", "m3", "m4")
    one_clone = Karyotype("46,XX", "normal", (Clone("46,XX", ids),))
    assert agreeing(one_clone, ()) == 4
    assert agreeing(one_clone, [numerical("8", "m3", clonal=False), numerical("X", "m3", "m4", clonal=False)]) == 2
    assert agreeing(one_clone, [numerical("8", "m9", clonal=False)]) == 4
    trisomy = Karyotype("47,XX,+21", "abnormal", (Clone("47,XX,+21", ids),))
    assert agreeing(trisomy, [numerical("21", *ids)]) == 4
    mosaic = Karyotype("mos", "abnormal", (Clone("47,XX,+21", ids[:2]), Clone("46,XX", ids[2:])))
    assert agreeing(mosaic, [numerical("21", *ids[:2])]) == 0
    assert agreeing(replace(one_clone, outcome="undetermined"), ()) == 0


def test_a_case_without_a_karyotype_has_states_all_the_same() -> None:
    case = with_states(Case("a", (metaphase(),)), None, most_review=0.1)
    assert case.metaphases[0].state == "karyotyped"
    assert case.karyotype is None and case.guideline is None


def test_the_stage_fills_them() -> None:
    found = tuple(
        replace(m, chromosomes=tuple(replace(c, confidence=0.999) for c in m.chromosomes))
        for m in (metaphase(MALE, id=f"m{number}", bphs=420.0) for number in range(1, 7))
    )
    case = CountAndSex(guideline="prenatal")(Case("a", found))
    assert {m.state for m in case.metaphases} == {"karyotyped"}
    assert case.guideline is not None
    assert {d.what: d.met for d in case.guideline.demands} == {
        "counted": False,
        "analysed": True,
        "karyotyped": True,
        "band_level": True,
    }
    assert case.karyotype is not None
    assert case.karyotype.mosaicism_excluded == pytest.approx(1 - 0.05 ** (1 / 6))
    unasked = CountAndSex()(Case("a", found))
    assert unasked.guideline is None
    assert [m.state for m in unasked.metaphases] == [m.state for m in case.metaphases]
    strict = CountAndSex(guideline="constitutional")(Case("a", found))
    assert {m.state for m in strict.metaphases} == {"counted"}


def test_a_doubtful_chromosome_is_an_option() -> None:
    case = Case("a", (metaphase(review=3),))
    assert CountAndSex(most_review=0.0)(case).metaphases[0].state == "counted"
    assert CountAndSex(most_review=0.1)(case).metaphases[0].state == "analysed"
