from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from karyonet.case import Case, Metaphase, MetaphaseState, Quality
from karyonet.report import Provenance, to_document
from karyonet.report.best import best_first
from karyonet.report.schema import CloneRecord


def test_the_state_decides_then_the_quality_then_the_order(make_metaphase: Callable[..., Metaphase]) -> None:
    bare = make_metaphase(())

    def metaphase(id: str, state: MetaphaseState | None, score: float | None) -> Metaphase:
        return replace(bare, id=id, state=state, quality=None if score is None else Quality(score))

    case = Case(
        "a",
        (
            metaphase("none", None, 0.99),
            metaphase("counted", "counted", 0.9),
            metaphase("unjudged", "karyotyped", None),
            metaphase("poor", "karyotyped", 0.2),
            metaphase("good", "karyotyped", 0.5),
            metaphase("as good", "karyotyped", 0.5),
            metaphase("analysed", "analysed", 0.95),
        ),
    )
    records = to_document(case, Provenance()).metaphases
    expected = ["good", "as good", "poor", "unjudged", "analysed", "counted", "none"]
    assert [m.id for m in best_first(records)] == expected
    assert best_first(()) == []


def test_a_metaphase_that_shows_the_karyotype_comes_before_a_better_one_that_does_not(
    make_metaphase: Callable[..., Metaphase],
) -> None:
    bare = make_metaphase(())
    shown = [("fine", "46,XX", 0.9), ("poor", "47,XXY", 0.2), ("good", "47,XXY", 0.5), ("unread", None, 0.99)]
    case = Case("a", tuple(replace(bare, id=id, iscn=iscn, quality=Quality(score)) for id, iscn, score in shown))
    records, clones = to_document(case, Provenance()).metaphases, (CloneRecord(iscn="47,XXY", metaphases=("good",)),)
    assert [m.id for m in best_first(records, clones)] == ["good", "poor", "unread", "fine"]
