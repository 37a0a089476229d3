"""Figures of answers on components, and the table of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from karyonet.evaluation.cluster_type_figures import KEPT, ClusterTypeEvaluation, rejected_at_kept, summarise
from karyonet.evaluation.cluster_type_results import (
    KINDS,
    PIECE,
    ROW_COLUMNS,
    SEVERAL,
    TYPES,
    Answer,
    ComponentResult,
    KnownComponent,
    rows_as_csv,
)

BOX = (0, 0, 10, 10)


def component(kind: str, case: str = "p", chromosomes: int | None = None, image: str = "a") -> KnownComponent:
    return KnownComponent(image, case, BOX, kind, chromosomes)


def result(kind: str, said: str | None, **answer: object) -> ComponentResult:
    rejected = said in ("nucleus", "debris")
    return ComponentResult(component(kind), Answer(said, 0.9, rejected, **answer))  # type: ignore[arg-type]


@st.composite
def judged(draw: st.DrawFn) -> list[ComponentResult]:
    """Components of several cases, of any kind, judged by chance."""
    kinds = st.sampled_from([kind for kind in KINDS if kind != SEVERAL])
    said = st.sampled_from((*TYPES, "nucleus", "debris"))
    found = []
    for number in range(draw(st.integers(1, 12))):
        kind, answer = draw(kinds), draw(said)
        known = component(kind, f"case {draw(st.integers(0, 3))}", image=f"i{number}")
        rejected = answer not in TYPES
        found.append(ComponentResult(known, Answer(answer, 0.5, rejected, draw(st.floats(0, 1)), 1, 6)))
    return found


@settings(max_examples=20, deadline=None)
@given(judged(), st.randoms())
def test_the_order_of_components_changes_nothing(results: list[ComponentResult], shuffle) -> None:
    shuffled = list(results)
    shuffle.shuffle(shuffled)
    assert summarise(shuffled) == summarise(results)


@settings(max_examples=20, deadline=None)
@given(judged())
def test_right_answers_are_all_right(results: list[ComponentResult]) -> None:
    def right(known: KnownComponent) -> Answer:
        whole = known.kind in TYPES
        return Answer(known.kind if whole else "debris", 1.0, not whole, float(not whole), int(whole), 6)

    asked = [r.known for r in results if r.known.kind != PIECE]
    evaluation = summarise([ComponentResult(known, right(known)) for known in asked])
    assert all((m.value, *m.interval) == (1, 1, 1) for m in evaluation.metrics.values())
    assert set(evaluation.components) == set(evaluation.metrics) and all(evaluation.components.values())


def test_numbers_above_what_is_known_are_as_good_as_the_largest() -> None:
    said = {1: 1, 2: 3, 4: 4, 6: 4, 9: 4}
    results = [
        ComponentResult(
            component("instance" if true == 1 else SEVERAL, chromosomes=true), Answer("touching", 1, False, 0, told, 4)
        )
        for true, told in said.items()
    ]
    evaluation = summarise(results)
    assert evaluation.metrics["count_accuracy"].value == 0.8
    assert evaluation.metrics["count_accuracy_of_5_or_more"].value == 1
    assert evaluation.components["count_accuracy_of_5_or_more"] == 2
    assert "count_accuracy_of_3" not in evaluation.metrics and "accuracy" not in evaluation.metrics


def test_intervals_are_over_cases() -> None:
    def of_cases(rights: Sequence[tuple[str, bool]]) -> tuple[float, float]:
        results = [
            ComponentResult(component("instance", c), Answer("instance" if r else "touching")) for c, r in rights
        ]
        return summarise(results).metrics["single_or_cluster"].interval

    assert of_cases([("p", True), ("p", False)] * 50) == (0.5, 0.5)
    assert of_cases([("p", True)] * 50 + [("q", False)] * 50) == (0, 1)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.booleans(), st.integers(0, 60)), max_size=12))
def test_rejection_at_a_share_of_chromosomes_kept_is_the_best_threshold(rows: list[tuple[int, bool, int]]) -> None:
    scores = np.array([score / 8 for score, _, _ in rows])
    chromosomes = np.array([float(weight) if is_one else 0.0 for _, is_one, weight in rows])
    others = np.array([0.0 if is_one else float(weight) for _, is_one, weight in rows])
    found = rejected_at_kept(scores, chromosomes, others)
    if not chromosomes.sum() or not others.sum():
        assert found is None
        return
    best = max(
        others[scores > threshold].sum() / others.sum()
        for threshold in (-1.0, *scores)
        if chromosomes[scores <= threshold].sum() >= KEPT * chromosomes.sum()
    )
    assert found == pytest.approx(best)


def test_rows_tell_what_was_said_of_every_component() -> None:
    results = [
        ComponentResult(component("touching", chromosomes=3), Answer("instance", 0.75, False, 0.125, 1, 6)),
        ComponentResult(component("instance"), None),
        ComponentResult(component("instance"), Answer()),
    ]
    rows = list(csv.DictReader(io.StringIO(rows_as_csv(results))))
    assert tuple(rows[0]) == ROW_COLUMNS
    assert (rows[0]["xmax"], rows[0]["truth"], rows[0]["answer"]) == ("10", "touching", "instance")
    assert [rows[0][name] for name in ROW_COLUMNS[-4:]] == ["0.7500", "0.1250", "3", "1"]
    assert [row["answer"] for row in rows[1:]] == ["not found", "not judged"]
    assert rows[1]["probability"] == rows[1]["chromosomes"] == ""


def test_the_evaluation_is_written_and_printed(tmp_path: Path) -> None:
    evaluation = summarise([result("touching", "overlapping"), result("instance", "instance")])
    evaluation.write_json(tmp_path / "e.json")
    assert ClusterTypeEvaluation.read_json(tmp_path / "e.json") == evaluation
    console = Console(record=True, width=140, file=io.StringIO())
    evaluation.print(console)
    (line,) = [
        line for line in console.export_text().splitlines() if line.split()[:1] == ["touching"] and "│" not in line
    ][-1:]
    assert line.split() == ["touching", "0", "0", "1", "0", "0", "0"]


def test_nothing_known_gives_no_figures() -> None:
    assert summarise([]).metrics == {}
