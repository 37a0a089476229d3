from __future__ import annotations

import pytest

from karyonet.case import LABELS
from karyonet.stages.karyotype.counting import Reading, changes, read_case, read_metaphase

MALE = [*(label for label in LABELS[:22] for _ in range(2)), "X", "Y"]
FEMALE = [*MALE[:44], "X", "X"]


def reading(name: str, labels: list[str], doubtful: int = 0) -> Reading:
    return read_metaphase(name, labels, doubtful, max_changes=2, max_doubtful=0.3)


def without(labels: list[str], label: str) -> list[str]:
    rest = list(labels)
    rest.remove(label)
    return rest


def test_normal_metaphases_are_normal() -> None:
    assert (reading("m1", MALE).iscn, reading("m1", MALE).outcome) == ("46,XY", "normal")
    assert reading("m1", FEMALE).iscn == "46,XX"


def test_changes_are_measured_from_the_nearest_sex_pattern() -> None:
    assert changes({**dict.fromkeys(LABELS[:22], 2), "X": 2, "Y": 1}) in ({"X": 1}, {"Y": 1})
    assert changes({**dict.fromkeys(LABELS[:22], 2), "X": 1}) in ({"X": -1}, {"Y": -1})


@pytest.mark.parametrize(
    ("labels", "doubtful", "word"),
    [(MALE[:30], 0, "clusters"), (MALE, 20, "review"), (MALE[:44], 0, "sex"), ([], 0, "no chromosome")],
)
def test_what_carries_no_karyotype_is_undetermined(labels: list[str], doubtful: int, word: str) -> None:
    result = reading("m1", labels, doubtful)
    assert result.iscn is None
    assert result.outcome == "undetermined"
    assert word in " ".join(result.reasons)


def test_a_gain_needs_two_metaphases() -> None:
    one, two = reading("m1", [*MALE, "21"]), reading("m2", [*MALE, "21"])
    karyotype, findings = read_case([one])
    assert (karyotype.iscn, karyotype.outcome, findings[0].clonal) == (None, "undetermined", False)
    karyotype, findings = read_case([one, two])
    assert (karyotype.iscn, karyotype.outcome) == ("47,XY,+21", "abnormal")
    assert findings[0].clonal
    assert (findings[0].iscn, findings[0].metaphases, findings[0].change) == ("+21", ("m1", "m2"), "gain")


def test_a_loss_needs_three_metaphases() -> None:
    lost = without(FEMALE, "5")
    two = [reading(f"m{i}", lost) for i in (1, 2)]
    assert read_case(two)[0].outcome == "undetermined"
    karyotype, _ = read_case([*two, reading("m3", lost)])
    assert karyotype.iscn == "45,XX,-5"


def test_a_mosaic_lists_the_normal_clone_last() -> None:
    turner = [reading(f"m{i}", FEMALE[:45]) for i in range(3)]
    normal = [reading(f"n{i}", FEMALE) for i in range(5)]
    assert read_case([*normal, *turner])[0].iscn == "mos 45,X[3]/46,XX[5]"


def test_random_loss_does_not_reach_the_karyotype() -> None:
    karyotype, findings = read_case([reading("m1", MALE), reading("m2", MALE), reading("m3", without(MALE, "9"))])
    assert (karyotype.iscn, karyotype.outcome) == ("46,XY", "normal")
    assert [(f.chromosome, f.clonal) for f in findings] == [("9", False)]


def test_unshared_changes_in_most_metaphases_are_not_swept_away() -> None:
    turner = [reading("m1", FEMALE[:45]), reading("m2", FEMALE[:45])]
    karyotype, findings = read_case([reading("m0", MALE), *turner])
    assert (karyotype.iscn, karyotype.outcome) == (None, "undetermined")
    assert "m1, m2" in karyotype.reasons[0]
    assert [(f.chromosome, f.clonal) for f in findings] in ([("X", False)], [("Y", False)])


def test_a_metaphase_is_read_without_its_random_change() -> None:
    trisomic = [*MALE, "21"]
    readings = [reading("m1", trisomic), reading("m2", trisomic), reading("m3", without(trisomic, "5"))]
    karyotype, findings = read_case(readings)
    assert karyotype.iscn == "47,XY,+21"
    assert karyotype.clones[0].metaphases == ("m1", "m2", "m3")
    assert [(f.iscn, f.clonal) for f in findings] == [("+21", True), ("-5", False)]  # clonal first


def test_an_abnormal_clone_of_one_metaphase_is_not_written() -> None:
    both = [*MALE, "21", "18"]
    readings = [reading("m1", both), reading("m2", [*MALE, "21"]), reading("m3", [*MALE, "18"])]
    assert read_case(readings)[0].outcome == "undetermined"


def test_two_sexes_in_one_case_are_said() -> None:
    karyotype, _ = read_case([reading("m1", MALE), reading("m2", FEMALE)])
    assert karyotype.outcome == "undetermined"
    assert "sex" in karyotype.reasons[0]


def test_order_of_metaphases_does_not_matter() -> None:
    readings = [
        reading("m1", [*MALE, "21"]),
        reading("m2", MALE),
        reading("m3", [*MALE, "21"]),
        reading("m4", MALE[:20]),
    ]
    assert read_case(readings)[0].iscn == read_case(readings[::-1])[0].iscn == "mos 47,XY,+21[2]/46,XY[1]"
