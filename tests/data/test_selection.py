from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.data.selection import limited


@dataclass(frozen=True)
class Item:
    case: str
    number: int


def items(sizes: list[int]) -> list[Item]:
    return [Item(f"case{case}", number) for number in range(max(sizes)) for case, n in enumerate(sizes) if number < n]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=12), st.integers(1, 30))
def test_whole_cases_within_the_limit(sizes: list[int], limit: int) -> None:
    everything = items(sizes)
    chosen = limited(everything, limit)
    cases = {item.case for item in chosen}
    assert chosen == [item for item in everything if item.case in cases]
    assert len(chosen) <= limit or len(cases) == 1
    assert chosen
    assert cases <= {item.case for item in limited(everything, limit + 1)}


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=12), st.integers(1, 30), st.randoms())
def test_the_order_of_the_table_does_not_choose(sizes: list[int], limit: int, random) -> None:
    everything = items(sizes)
    shuffled = random.sample(everything, len(everything))
    assert set(limited(shuffled, limit)) == set(limited(everything, limit))


def test_the_first_cases_of_a_table_are_not_preferred() -> None:
    everything = items([1] * 200)
    chosen = {int(item.case[4:]) for item in limited(everything, 50)}
    assert len(chosen) == 50
    assert 10 < sum(case < 100 for case in chosen) < 40


def test_no_limit_takes_all() -> None:
    assert limited(items([2, 3]), None) == items([2, 3])
