from __future__ import annotations

import pytest

from karyonet.case import LABELS
from karyonet.stages.karyotype.counting import Reading, changes, read_metaphase

MALE = [*(label for label in LABELS[:22] for _ in range(2)), "X", "Y"]
FEMALE = [*MALE[:44], "X", "X"]


def reading(name: str, labels: list[str], doubtful: int = 0) -> Reading:
    return read_metaphase(name, labels, doubtful, max_changes=2, max_doubtful=0.3)


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
