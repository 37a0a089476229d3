"""From karyotypes to the segments of their chromosomes."""

from __future__ import annotations

from collections import Counter

import pytest

from karyonet.case import LABELS
from karyonet.errors import IscnError
from karyonet.ideogram import Segment, centromere_of, length_of, position_of
from karyonet.simulate import ChromosomePlan, plan_karyotype
from karyonet.simulate.plan import ClonePlan, clones_of_metaphases


def changed(karyotype: str) -> list[ChromosomePlan]:
    """The abnormal chromosomes of the first clone."""
    return [plan for plan in plan_karyotype(karyotype)[0].chromosomes if plan.change]


def total(plan: ChromosomePlan) -> float:
    return sum(segment.stop - segment.start for segment in plan.segments)


@pytest.mark.parametrize(
    ("karyotype", "counts"),
    [
        ("46,XX", {"X": 2}),
        ("46,XY", {"X": 1, "Y": 1}),
        ("47,XY,+21", {"X": 1, "Y": 1, "21": 3}),
        ("45,X", {"X": 1}),
        ("47,XXY", {"X": 2, "Y": 1}),
        ("45,X,-Y", {"X": 1}),
        ("47,XX,+X", {"X": 3}),
        ("48,XXYc,+X", {"X": 3, "Y": 1}),
        ("44,XX,-7,-13", {"X": 2, "7": 1, "13": 1}),
        ("45,XY,der(13;14)(q10;q10)", {"X": 1, "Y": 1, "14": 1}),
        ("46,XX,+13,der(13;14)(q10;q10)", {"X": 2, "13": 3, "14": 1}),
        ("47,XX,+mar", {"X": 2, "mar": 1}),
        ("69,XXX", dict.fromkeys(LABELS[:23], 3)),
        ("46,X,i(X)(q10)", {"X": 2}),
        ("47,XX,+del(5)(p14)", {"X": 2, "5": 3}),
        ("46,XX,del(5)(p14)x2", {"X": 2}),
    ],
)
def test_copy_numbers(karyotype: str, counts: dict[str, int]) -> None:
    expected = {**dict.fromkeys(LABELS[:22], 2), **counts}
    if "14" in counts and "13" not in counts:
        expected["13"] = 2  # the normal one and the derivative, which carries its name
    found = Counter(plan.label for plan in plan_karyotype(karyotype)[0].chromosomes)
    assert found == {label: number for label, number in expected.items() if number}


def test_mosaic_and_related_clones() -> None:
    first, second = plan_karyotype("mos 45,X[3]/46,XX[17]")
    assert (first.iscn, first.cells, len(first.chromosomes)) == ("45,X", 3, 45)
    assert (second.iscn, second.cells, len(second.chromosomes)) == ("46,XX", 17, 46)
    clones = plan_karyotype("47,XY,+8[5]/48,idem,+21[3]/46,XY[2]")
    assert [len(clone.chromosomes) for clone in clones] == [47, 48, 46]
    labels = Counter(plan.label for plan in clones[1].chromosomes)
    assert (labels["8"], labels["21"]) == (3, 3)


def test_a_balanced_translocation_keeps_everything() -> None:
    nine, twenty_two = changed("46,XY,t(9;22)(q34;q11.2)")
    assert (nine.label, twenty_two.label) == ("9", "22")
    assert total(nine) + total(twenty_two) == length_of("9") + length_of("22")
    assert [s.chromosome for s in nine.segments] == ["9", "22"]
    assert [s.chromosome for s in twenty_two.segments] == ["22", "9"]
    assert twenty_two.segments[1].stop == length_of("9")
    assert nine.breakpoints == ("9q34", "22q11.2")


def test_translocation_between_short_and_long_arm_turns_the_piece() -> None:
    one, three = changed("46,XX,t(1;3)(p32;q21)")
    assert one.segments[0].chromosome == "3" and one.segments[0].reversed
    assert three.segments[-1].chromosome == "1" and three.segments[-1].reversed
    assert total(one) + total(three) == length_of("1") + length_of("3")


def test_an_unbalanced_derivative_is_one_product() -> None:
    (plan,) = changed("46,XX,der(22)t(9;22)(q34;q11.2)")
    assert plan.label == "22" and plan.segments == changed("46,XX,t(9;22)(q34;q11.2)")[1].segments


@pytest.mark.parametrize(
    ("karyotype", "gain"),
    [
        (
            "46,XX,del(5)(p14)",
            -position_of("5", "p14")[0] - (position_of("5", "p14")[1] - position_of("5", "p14")[0]) / 2,
        ),
        ("46,XX,inv(9)(p12q13)", 0.0),
        ("46,XX,ins(2)(p13q21q31)", 0.0),
    ],
)
def test_lengths_after_a_change(karyotype: str, gain: float) -> None:
    (plan,) = changed(karyotype)
    assert total(plan) - length_of(plan.label) == pytest.approx(gain)


def test_interstitial_changes() -> None:
    low, high = (sum(position_of("5", band)) / 2 for band in ("q13", "q33"))
    (deleted,) = changed("46,XX,del(5)(q13q33)")
    assert deleted.segments == (Segment("5", 0, low), Segment("5", high, length_of("5")))
    (doubled,) = changed("46,XX,dup(5)(q13q33)")
    assert total(doubled) == length_of("5") + high - low
    assert not any(segment.reversed for segment in doubled.segments)
    (turned,) = changed("46,XX,dup(5)(q33q13)")
    assert total(turned) == total(doubled) and sum(segment.reversed for segment in turned.segments) == 1
    (inverted,) = changed("46,XX,inv(5)(q13q33)")
    assert inverted.segments[1] == Segment("5", low, high, True)


def test_insertion_between_chromosomes() -> None:
    two, five = changed("46,XY,ins(5;2)(p14;q22q32)")
    assert (two.label, five.label) == ("2", "5")
    assert total(two) + total(five) == length_of("2") + length_of("5")
    assert [segment.chromosome for segment in five.segments] == ["5", "2", "5"]


def test_several_events_on_one_derivative() -> None:
    (plan,) = changed("46,XX,der(1)t(1;3)(p32;q21)dup(1)(q25q42)")
    assert plan.segments[0].chromosome == "3"
    once = changed("46,XX,dup(1)(q25q42)")[0]
    assert total(plan) > total(once) - length_of("1") + 5000


def test_isochromosome_and_ring_and_robertsonian() -> None:
    (iso,) = changed("46,X,i(X)(q10)")
    assert total(iso) == 2 * (length_of("X") - centromere_of("X"))
    assert iso.p_arm_first is None
    (ring,) = changed("46,XX,r(13)(p11q34)")
    assert ring.ring and total(ring) < length_of("13")
    (fused,) = changed("45,XX,rob(14;21)(q10;q10)")
    assert {segment.chromosome for segment in fused.segments} == {"14", "21"}
    (two,) = changed("45,XX,dic(13;15)(q22;q24)")
    assert [segment.reversed for segment in two.segments] == [False, True]


def test_every_chromosome_keeps_inside_its_own_length() -> None:
    for karyotype in ("46,XX,t(1;3;7)(p32;q21;q22)", "46,XX,t(1;3)(p10;q10)", "46,XX,add(19)(p13.3)", "46,XX,1qh+"):
        for plan in plan_karyotype(karyotype)[0].chromosomes:
            for segment in plan.segments:
                assert 0 <= segment.start < segment.stop <= length_of(segment.chromosome)


@pytest.mark.parametrize(
    ("karyotype", "code"),
    [
        ("46,XX,+21", "K605"),
        ("46,XX,del(5)(p19)", "K605"),
        ("46,XY,add(5)(q?)", "K606"),
        ("46,XX,3~10dmin", "K606"),
        ("47,X?,+21", "K601"),
        ("46,XX,t(9;22)", "K606"),
        ("", "K604"),
    ],
)
def test_what_cannot_be_drawn_is_refused(karyotype: str, code: str) -> None:
    with pytest.raises(IscnError) as caught:
        plan_karyotype(karyotype)
    assert caught.value.code == code


def test_clones_share_the_metaphases_by_their_sizes() -> None:
    clones = [ClonePlan("a", (), 3), ClonePlan("b", (), 17)]
    assert clones_of_metaphases(clones, 20) == [0] * 3 + [1] * 17
    assert clones_of_metaphases(clones, 4) == [0, 1, 1, 1]
    assert clones_of_metaphases(clones, 1) == [1]
    assert clones_of_metaphases([ClonePlan("a", ()), ClonePlan("b", ())], 5).count(0) in (2, 3)
