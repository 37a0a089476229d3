from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karyonet.case import LABELS
from karyonet.iscn import numerical_karyotype

NORMAL = dict.fromkeys(LABELS[:22], 2)


@pytest.mark.parametrize(
    ("copies", "expected"),
    [
        ({"X": 2}, "46,XX"),
        ({"X": 1, "Y": 1}, "46,XY"),
        ({"X": 1}, "45,X"),
        ({"X": 2, "Y": 1}, "47,XXY"),
        ({"X": 1, "Y": 2}, "47,XYY"),
        ({"X": 1, "Y": 1, "21": 3}, "47,XY,+21"),
        ({"X": 1, "Y": 1, "18": 3, "5": 1, "21": 3}, "47,XY,-5,+18,+21"),
        ({"X": 2, "21": 4}, "48,XX,+21,+21"),
        ({"X": 2, "7": 0}, "44,XX,-7,-7"),
        ({}, "44,?"),
    ],
)
def test_known_karyotypes(copies: dict[str, int], expected: str) -> None:
    assert numerical_karyotype(NORMAL | copies) == expected


@given(st.fixed_dictionaries({label: st.integers(0, 4) for label in LABELS}))
def test_the_total_is_the_sum_of_the_parts(copies: dict[str, int]) -> None:
    total, sex, *changes = numerical_karyotype(copies).split(",")
    signs = sum(1 if change.startswith("+") else -1 for change in changes)
    assert int(total) == 44 + len(sex.replace("?", "")) + signs
    numbers = [int(change[1:]) for change in changes]
    assert numbers == sorted(numbers)
