from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from karyonet.case import LABELS, Case, Chromosome, ImageError
from karyonet.data.metaphases import AnnotatedChromosome, AnnotatedMetaphase
from karyonet.errors import WeightsError
from karyonet.evaluation.pipeline import (
    MetaphaseResult,
    compare,
    evaluate_pipeline,
    run_metaphases,
    summarise,
    worst,
)
from karyonet.geometry.region import Region

Found = list[tuple[str | None, tuple[int, int, int, int]]]


def chromosomes(found: Found) -> tuple[Chromosome, ...]:
    return tuple(
        Chromosome(f"c{n}", Region(box, np.ones((box[3] - box[1], box[2] - box[0]), dtype=bool)), label=label)
        for n, (label, box) in enumerate(found, start=1)
    )


@dataclass
class Scripted:
    """A pipeline that says for every case what it was told to."""

    found: dict[str, Found]

    def __call__(self, case: Case) -> SimpleNamespace:
        metaphase = replace(case.metaphases[0], chromosomes=chromosomes(self.found[case.id]))
        return SimpleNamespace(case=replace(case, metaphases=(metaphase,)))


@pytest.fixture
def dataset(tmp_path: Path) -> list[AnnotatedMetaphase]:
    """Five metaphases of three cases with eight chromosomes each."""
    rng = np.random.default_rng(0)
    annotated = []
    for name, case in (("a1", "a"), ("a2", "a"), ("b1", "b"), ("c1", "c"), ("c2", "c")):
        path = tmp_path / f"{name}.png"
        Image.fromarray(rng.integers(0, 255, (100, 100), dtype=np.uint8)).save(path)
        boxes = [(x, y, x + 18, y + 40) for y in (2, 52) for x in (1, 26, 51, 76)]
        labels = rng.choice(LABELS, 8)
        truth = tuple(AnnotatedChromosome(str(label), box) for label, box in zip(labels, boxes, strict=True))
        annotated.append(AnnotatedMetaphase(name, case, path, 100, 100, truth))
    return annotated


def perfect(dataset: list[AnnotatedMetaphase]) -> dict[str, Found]:
    return {m.id: [(c.label, c.bbox) for c in m.chromosomes] for m in dataset}


def values(evaluation) -> dict[str, float]:
    left_out = {"seconds_per_metaphase", "peak_memory_mb"}
    return {name: metric.value for name, metric in evaluation.metrics.items() if name not in left_out}


def test_a_perfect_pipeline(dataset: list[AnnotatedMetaphase]) -> None:
    evaluation = evaluate_pipeline(Scripted(perfect(dataset)), dataset, progress=False)
    assert (evaluation.cases, evaluation.metaphases, evaluation.chromosomes) == (3, 5, 40)
    zero = {"mean_absolute_count_error", "edits_mean", "edits_median", "splits_merges_per_metaphase"}
    zero |= {"review_mean", "review_recall", "review_precision"}
    for name, value in values(evaluation).items():
        assert value == (0 if name in zero else 1), name
        assert evaluation.metrics[name].interval == (value, value)
    assert all((c.precision, c.recall, c.f1) == (1, 1, 1) for c in evaluation.per_class.values())
    assert np.trace(np.array(evaluation.confusion_matrix)) == 40
    assert evaluation.metrics["seconds_per_metaphase"].value > 0
    assert evaluation.failures == ()


def test_figures_by_hand(dataset: list[AnnotatedMetaphase]) -> None:
    found = perfect(dataset)
    a1, b1, c1 = found["a1"], found["b1"], found["c1"]
    other = next(label for label in LABELS if label != a1[0][0])
    a1[0] = (other, a1[0][1])  # one wrong name
    b1.pop()  # one missed
    c1[0:2] = [(c1[0][0], (1, 2, 44, 42))]  # two in one box, which matches neither (IoU 18 / 43)
    found["c2"].append((None, (45, 45, 50, 50)))  # one too many
    evaluation = evaluate_pipeline(Scripted(found), dataset, progress=False)
    matched, right, predicted, truth = 8 + 8 + 7 + 6 + 8, 7 + 8 + 7 + 6 + 8, 8 + 8 + 7 + 7 + 9, 40
    assert values(evaluation) == pytest.approx(
        {
            "detection_precision": matched / predicted,
            "detection_recall": matched / truth,
            "detection_f1": 2 * matched / (predicted + truth),
            "identification_precision": right / predicted,
            "identification_recall": right / truth,
            "identification_f1": 2 * right / (predicted + truth),
            "exact_count_share": 2 / 5,
            "mean_absolute_count_error": 3 / 5,
            "all_correct_share": 1 / 5,
            "edits_mean": (1 + 0 + 1 + 3 + 1) / 5,
            "edits_median": 1,
            "splits_merges_per_metaphase": 1 / 5,
            "review_mean": 0,
            "review_recall": 0,
            "review_precision": 0,
        },
        abs=1e-6,
    )


def test_what_is_under_review_is_compared_with_what_is_wrong(dataset: list[AnnotatedMetaphase]) -> None:
    annotated = dataset[0]
    found: Found = [(c.label, c.bbox) for c in annotated.chromosomes]
    other = next(label for label in LABELS if label != found[0][0])
    found[0] = (other, found[0][1])
    found.append(("1", (45, 45, 50, 50)))  # no chromosome lies there
    predicted = [replace(c, review=n in (0, 3)) for n, c in enumerate(chromosomes(found))]
    result = compare(annotated, predicted)
    assert (result.edits, result.review, result.review_wrong) == (2, 2, 1)
    figures = values(summarise([result]))
    assert (figures["review_mean"], figures["review_recall"], figures["review_precision"]) == (2, 1 / 2, 1 / 2)


def test_order_changes_nothing(dataset: list[AnnotatedMetaphase]) -> None:
    rng = np.random.default_rng(1)
    found = perfect(dataset)
    found["a2"] = [(str(rng.choice(LABELS)), box) for _, box in found["a2"]]
    found["b1"] = found["b1"][:5]
    first = evaluate_pipeline(Scripted(found), dataset, progress=False)
    shuffled = {name: [predicted[n] for n in rng.permutation(len(predicted))] for name, predicted in found.items()}
    second = evaluate_pipeline(Scripted(shuffled), dataset[::-1], progress=False)
    timed = {"seconds_per_metaphase", "peak_memory_mb"}
    for name in set(first.metrics) - timed:
        assert first.metrics[name] == second.metrics[name], name
    assert first.per_class == second.per_class
    assert first.confusion_matrix == second.confusion_matrix


def test_a_metaphase_that_fails_counts_as_empty(dataset: list[AnnotatedMetaphase]) -> None:
    scripted = Scripted(perfect(dataset))
    dataset[2].path.write_bytes(b"no image")

    def pipeline(case: Case) -> SimpleNamespace:
        if case.id == "a1":
            raise RuntimeError("out of luck")
        if case.id == "a2":
            lost = ImageError("a2.png", "K122", "no chromosome was found")
            return SimpleNamespace(case=replace(case, metaphases=(), errors=(lost,)))
        return scripted(case)

    evaluation = evaluate_pipeline(pipeline, dataset, progress=False)
    assert [failure.metaphase for failure in evaluation.failures] == ["a1", "a2", "b1"]
    reasons = " | ".join(failure.reason for failure in evaluation.failures)
    assert "RuntimeError: out of luck" in reasons and "no chromosome was found" in reasons and "b1.png" in reasons
    figures = values(evaluation)
    assert figures["detection_recall"] == pytest.approx(16 / 40)
    assert figures["detection_precision"] == 1
    assert figures["exact_count_share"] == pytest.approx(2 / 5)
    assert figures["mean_absolute_count_error"] == pytest.approx(3 * 8 / 5)


def test_wrong_weights_stop_the_evaluation(dataset: list[AnnotatedMetaphase]) -> None:
    def pipeline(case: Case) -> SimpleNamespace:
        raise WeightsError("K301", name="x", stage="classification", known="gband")

    with pytest.raises(WeightsError, match="K301"):
        evaluate_pipeline(pipeline, dataset, progress=False)


def test_rows_name_the_worst(dataset: list[AnnotatedMetaphase], tmp_path: Path) -> None:
    found = perfect(dataset)
    found["b1"] = []
    found["c2"] = found["c2"][:6]
    path = tmp_path / "rows" / "rows.csv"
    evaluate_pipeline(Scripted(found), dataset, progress=False, rows=path)
    with path.open(newline="") as file:
        rows = {row["metaphase"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["a1", "a2", "b1", "c1", "c2"]
    assert (rows["b1"]["edits"], rows["c2"]["edits"], rows["a1"]["edits"]) == ("8", "2", "0")
    assert (rows["c2"]["truth"], rows["c2"]["predicted"], rows["c2"]["case"]) == ("8", "6", "c")
    results = run_metaphases(Scripted(found), dataset, progress=False)
    assert [result.metaphase for result in worst(results, 2)] == ["b1", "c2"]


def test_the_stated_count_is_what_counts(dataset: list[AnnotatedMetaphase]) -> None:
    whole = chromosomes(perfect(dataset)["a1"])
    assert compare(dataset[0], whole).counted == 8
    assert compare(dataset[0], whole, count=9).counted == 9


def test_cases_not_metaphases_make_the_interval() -> None:
    def result(number: int, case: str, right: int) -> MetaphaseResult:
        return MetaphaseResult(f"m{number}", case, 40, 40, 40, 40, right, 0, 0, 1.0)

    alone = [result(n, f"case{n}", 40 if n < 20 else 0) for n in range(40)]
    together = [replace(r, case=f"case{n // 10}") for n, r in enumerate(alone)]
    widths = [np.ptp(summarise(results).metrics["identification_f1"].interval) for results in (alone, together)]
    assert widths[1] > 2 * widths[0]


def test_a_chromosome_without_a_name_is_found_but_not_right(dataset: list[AnnotatedMetaphase]) -> None:
    truth = tuple(replace(chromosome, label="1") for chromosome in dataset[0].chromosomes)
    result = compare(replace(dataset[0], chromosomes=truth), chromosomes([(None, c.bbox) for c in truth]))
    assert (result.matched, result.right, result.edits) == (8, 0, 8)
    assert result.class_counts.sum(axis=1).tolist() == [0, 0, 8]


def test_failing_on_an_empty_image_is_no_success(dataset: list[AnnotatedMetaphase]) -> None:
    empty = replace(dataset[0], chromosomes=())
    assert values(summarise([compare(empty, ())]))["all_correct_share"] == 1
    failed = values(summarise([compare(empty, (), error="damaged")]))
    assert (failed["all_correct_share"], failed["exact_count_share"]) == (0, 0)
