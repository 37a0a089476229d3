from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from karyonet.case import Case, Metaphase, MetaphaseState, Quality
from karyonet.report import Provenance, to_document
from karyonet.report.best import best_first


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
