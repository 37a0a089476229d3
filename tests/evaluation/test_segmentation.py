from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from karyonet.case import Case, Chromosome, Instance
from karyonet.errors import ConfigError, InputError, WeightsError
from karyonet.evaluation.matching import box_region
from karyonet.evaluation.report import Evaluation
from karyonet.evaluation.segmentation import (
    FoundObject,
    Seen,
    compare,
    evaluate_segmentation,
    finding_stages,
    found_objects,
)
from karyonet.evaluation.segmentation_figures import ROW_COLUMNS, ImageResult, rows_as_csv, summarise
from karyonet.evaluation.segmentation_truth import AnnotatedImage
from karyonet.geometry.region import Region
from karyonet.stage import Stage

CELL = 40
PERFECT = {"precision", "recall", "f1", "box", "mask", "panoptic", "segmentation", "recognition", "exact"}
"""First words of the metrics that are 1 where everything was found; the others are 0."""


def annotated(truth: Sequence[Region], masks: bool = True, id: str = "m", case: str = "c") -> AnnotatedImage:
    return AnnotatedImage(id, case, Path(f"{id}.png"), masks, lambda: truth)


def rod(column: int, row: int, length: int, width: int, turned: bool = False, masks: bool = True) -> Region:
    """A rod in a cell of a grid, a little thicker in the middle, so that it is not its box."""
    mask = np.zeros((length, width + 2), dtype=bool)
    mask[:, 1:-1] = True
    mask[length // 4 : length // 2] = True
    region = Region.from_mask(mask.T if turned else mask, offset=(3 + CELL * column, 2 + CELL * row))
    return region if masks else box_region(region.bbox)


@st.composite
def grids(draw: st.DrawFn) -> tuple[bool, list[Region]]:
    """Whether the truth is masks, and three to twelve rods that lie apart."""
    masks = draw(st.booleans())
    cells = draw(st.lists(st.integers(0, 24), min_size=3, max_size=12, unique=True))
    sizes = st.tuples(st.integers(8, 30), st.integers(4, 7), st.booleans())
    return masks, [rod(cell % 5, cell // 5, *draw(sizes), masks) for cell in cells]


def found(regions: Sequence[Region], score: float = 1.0) -> list[FoundObject]:
    return [FoundObject(region, score) for region in regions]


def values(*results: ImageResult) -> dict[str, float]:
    return {name: m.value for name, m in summarise(results).metrics.items() if "seconds" not in name}


def assert_perfect(evaluation: Evaluation) -> None:
    for name, metric in evaluation.metrics.items():
        if "seconds" not in name:
            expected = float(name.split("_")[0] in PERFECT)
            assert (metric.value, *metric.interval) == (expected,) * 3, name
    assert all(group.recall.value == 1 for group in evaluation.per_group.values())
    assert evaluation.failures == ()


def halves(region: Region) -> list[Region]:
    """A rod cut across its longer side."""
    full = np.zeros_like(region.mask)
    height, width = full.shape
    first = full.copy()
    first[: height // 2, :] = True
    if width > height:
        first = full.copy()
        first[:, : width // 2] = True
    return [Region.from_mask(region.mask & part, region.bbox[:2]) for part in (first, ~first)]


def joined(first: Region, second: Region) -> Region:
    low = np.minimum(first.bbox[:2], second.bbox[:2]).tolist()
    high = np.maximum(first.bbox[2:], second.bbox[2:]).tolist()
    both = np.zeros((high[1] - low[1], high[0] - low[0]), dtype=bool)
    for one in (first, second):
        x, y = one.bbox[0] - low[0], one.bbox[1] - low[1]
        both[y : y + one.mask.shape[0], x : x + one.mask.shape[1]] |= one.mask
    return Region((low[0], low[1], high[0], high[1]), both)


@settings(max_examples=15, deadline=None)
@given(grids())
def test_the_truth_against_itself_is_perfect(grid: tuple[bool, list[Region]]) -> None:
    masks, truth = grid
    result = compare(annotated(truth, masks), found(truth))
    assert_perfect(summarise([result]))
    assert ("mask_ap" in values(result)) is masks
    assert ("panoptic_quality_masks" in values(result)) is masks


def test_crossing_chromosomes_against_themselves_are_perfect() -> None:
    upright, lying = rod(0, 0, 30, 6), Region((0, 12, 38, 20), np.ones((8, 38), dtype=bool))
    for masks in (True, False):
        truth = [upright, lying] if masks else [box_region(upright.bbox), box_region(lying.bbox)]
        assert_perfect(summarise([compare(annotated(truth, masks), found(truth))]))


@settings(max_examples=15, deadline=None)
@given(grids(), st.randoms(), st.booleans())
def test_the_order_of_what_was_found_changes_nothing(grid: tuple[bool, list[Region]], shuffle, scored: bool) -> None:
    masks, truth = grid
    several = [*halves(truth[0]), joined(truth[1], truth[2]), *truth[2:], truth[-1]]
    first = [FoundObject(region, 1 / (2 + n // 2) if scored else 1.0) for n, region in enumerate(several)]
    second = first.copy()
    shuffle.shuffle(second)
    one, other = (summarise([compare(annotated(truth, masks), each)]) for each in (first, second))
    assert one == other


@settings(max_examples=15, deadline=None)
@given(grids(), st.data())
def test_cutting_one_object_raises_splits_by_one(grid: tuple[bool, list[Region]], data: st.DataObject) -> None:
    masks, truth = grid
    number = data.draw(st.integers(0, len(truth) - 1))
    whole = compare(annotated(truth, masks), found(truth))
    cut = compare(annotated(truth, masks), found([*truth[:number], *halves(truth[number]), *truth[number + 1 :]]))
    assert (cut.splits, cut.merges) == (whole.splits + 1, whole.merges)
    assert cut.found == whole.found + 1
    assert cut.spurious >= 1 and cut.f1_50 < whole.f1_50 and cut.panoptic_quality < whole.panoptic_quality


@settings(max_examples=15, deadline=None)
@given(grids(), st.data())
def test_joining_two_objects_raises_merges_by_one(grid: tuple[bool, list[Region]], data: st.DataObject) -> None:
    truth = grid[1]
    first, second = data.draw(st.lists(st.integers(0, len(truth) - 1), min_size=2, max_size=2, unique=True))
    others = [region for n, region in enumerate(truth) if n not in (first, second)]
    result = compare(annotated(truth), found([*others, joined(truth[first], truth[second])]))
    assert (result.splits, result.merges) == (0, 1)
    assert result.missed in (1, 2) and result.found == len(truth) - 1


def test_joining_neighbouring_boxes_raises_merges_by_one() -> None:
    truth = [rod(column, 0, 30, 6, masks=False) for column in range(4)]
    result = compare(annotated(truth, masks=False), found([truth[0], box_region(joined(*truth[1:3]).bbox), truth[3]]))
    assert (result.splits, result.merges, result.missed, result.spurious) == (0, 1, 2, 1)


def test_figures_by_hand() -> None:
    """Of eleven boxes of 10 × 20 eight are found exactly, one a tenth off, one a quarter, one missed; two made up."""
    truth = [box_region((30 * n, 0, 30 * n + 10, 20)) for n in range(11)]
    moved = [box_region((241, 0, 251, 20)), box_region((270, 5, 280, 25))]
    made_up = [box_region((0, 100 + 50 * n, 10, 120 + 50 * n)) for n in range(2)]
    figures = values(compare(annotated(truth, masks=False), found([*truth[:8], *moved, *made_up])))
    overlap = 8 + 9 / 11 + 15 / 25
    # Without scores: the precision, at as many of 101 recalls as are reached, at IoU 0.5, 0.55 … 0.95.
    ap = [n / 12 * (100 * n // 11 + 1) / 101 for n in [10] * 3 + [9] * 4 + [8] * 3]
    assert figures == pytest.approx(
        {
            "precision_50": 10 / 12, "recall_50": 10 / 11, "f1_50": 20 / 23,
            "precision_75": 9 / 12, "recall_75": 9 / 11, "f1_75": 18 / 23,
            "exact_count_share": 0, "mean_absolute_count_error": 1, "mean_signed_count_error": 1,
            "splits_per_metaphase": 0, "merges_per_metaphase": 0,
            "missed_per_metaphase": 1, "spurious_per_metaphase": 2,
            "box_ap": np.mean(ap), "box_ap_50": ap[0], "box_ap_75": ap[5],
            "panoptic_quality_boxes": overlap / 11.5, "segmentation_quality_boxes": overlap / 10,
            "recognition_quality_boxes": 10 / 11.5,
        },
        abs=1e-6,
    )  # fmt: skip


def test_recall_by_group_and_difficulty() -> None:
    row = [box_region((x, 0, x + 12, 20)) for x in (0, 10, 20, 30, 40, 50)]  # six in a chain
    pair = [box_region((x, 50, x + 12, 70)) for x in (0, 10)]
    three = [box_region((x, 100, x + 12, 120)) for x in (0, 10, 20)]
    alone = [box_region((x, 200, x + 12, 220)) for x in (0, 50, 100, 150)]
    truth = [*row, *pair, *three, *alone]
    first = compare(annotated(truth, masks=False, id="a"), found([*row[:3], pair[1], *three, *alone[:3]]))
    second = compare(annotated(pair, masks=False, id="b"), found(pair))
    assert first.together.tolist() == [6] * 6 + [2] * 2 + [3] * 3 + [1] * 4
    groups = summarise([replace(first, difficult=True), replace(second, difficult=False)]).per_group
    assert {name: (group.recall.value, group.chromosomes) for name, group in groups.items()} == {
        "alone": (0.75, 4), "groups of 2": (0.75, 4), "groups of 3 to 5": (1, 3), "groups of 6 or more": (0.5, 6),
        "difficult images": (0.666667, 15), "other images": (1, 2),
    }  # fmt: skip
    assert list(summarise([second]).per_group) == ["groups of 2"]


def test_a_better_score_for_what_is_right_raises_average_precision() -> None:
    truth = [rod(n, 0, 30, 6) for n in range(4)]
    wrong = rod(4, 3, 20, 6)
    blind, right, misled = (
        values(compare(annotated(truth), [*found(truth[:3], 0.6), FoundObject(wrong, score)]))["mask_ap_50"]
        for score in (0.6, 0.1, 0.9)
    )
    assert right > blind == misled


def test_what_the_segmentation_leaves_open_is_ranked_and_counts_nowhere_else() -> None:
    truth = [rod(n, 0, 30, 6) for n in range(4)]
    sure, missed, wrong = found(truth[:3], 0.9), truth[3], rod(5, 3, 20, 6)
    alone = values(compare(annotated(truth), sure))
    opened = values(compare(annotated(truth), [*sure, FoundObject(missed, 0.3, True), FoundObject(wrong, 0.1, True)]))
    assert opened["mask_ap_50"] == pytest.approx(1.0) and alone["mask_ap_50"] < 0.8
    ranked = {"mask_ap", "mask_ap_50", "mask_ap_75", "box_ap", "box_ap_50", "box_ap_75"}
    assert {name for name in alone if alone[name] != opened[name]} == ranked


def test_cases_not_images_make_the_interval() -> None:
    truth = [rod(n, 0, 30, 6) for n in range(4)]
    each = [compare(annotated(truth, id=f"m{n}"), found(truth if n < 10 else truth[:2])) for n in range(20)]
    apart = summarise([replace(one, case=f"c{n}") for n, one in enumerate(each)])
    together = summarise([replace(one, case=f"c{n // 5}") for n, one in enumerate(each)])
    for name in ("recall_50", "mask_ap_50", "panoptic_quality_masks"):
        assert np.ptp(together.metrics[name].interval) > 1.5 * np.ptp(apart.metrics[name].interval) > 0
        assert together.metrics[name].value == apart.metrics[name].value


@dataclass
class Scripted(Stage):
    """A stage that finds in every case what it was told to."""

    says: dict[str, tuple[Region, ...]]
    summary = "says what it is told"
    requires = frozenset()
    assigns = frozenset({"metaphase.chromosomes", "chromosome.region"})

    def __call__(self, case: Case) -> Case:
        regions = self.says[case.id]
        return case.map_metaphases(
            lambda m: replace(m, chromosomes=tuple(Chromosome(f"c{n}", region) for n, region in enumerate(regions, 1)))
        )


class Later(Scripted):
    assigns = frozenset({"chromosome.label"})

    def __call__(self, case: Case) -> Case:
        raise AssertionError("stages after the last that finds chromosomes do not run")


@pytest.fixture
def images(tmp_path: Path) -> list[AnnotatedImage]:
    """Three images of two cases with three rods each."""
    made = []
    for id, case in (("a1", "a"), ("a2", "a"), ("b1", "b")):
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 220), dtype=np.uint8)).save(
            tmp_path / f"{id}.png"
        )
        truth = [rod(n, 0, 30, 6) for n in range(3)]
        made.append(replace(annotated(truth, id=id, case=case), path=tmp_path / f"{id}.png"))
    return made


def test_only_the_stages_that_find_chromosomes_run(images: list[AnnotatedImage]) -> None:
    says = {image.id: tuple(image.read_truth()) for image in images}
    seen: list[Seen] = []
    stages = {"separation": Scripted(says), "classification": Later({})}
    evaluation = evaluate_segmentation(stages, images, progress=False, inspect=seen.append)
    assert_perfect(evaluation)
    assert (evaluation.stage, evaluation.cases, evaluation.metaphases, evaluation.chromosomes) == (
        "segmentation", 2, 3, 9,
    )  # fmt: skip
    assert evaluation.metrics["seconds_per_metaphase"].value > 0
    assert "processor_seconds_separation" in evaluation.metrics
    assert "processor_seconds_classification" not in evaluation.metrics
    assert [one.image.id for one in seen] == ["a1", "a2", "b1"]
    with pytest.raises(ConfigError, match=r"K205.*metaphase.chromosomes"):
        finding_stages({"classification": Later({})})


def test_an_image_that_fails_counts_as_empty(images: list[AnnotatedImage]) -> None:
    says = {"a1": tuple(images[0].read_truth())}  # nothing is said of the others, a KeyError
    images[2].path.write_bytes(b"no image")
    evaluation = evaluate_segmentation({"separation": Scripted(says)}, images, progress=False)
    assert [failure.metaphase for failure in evaluation.failures] == ["a2", "b1"]
    assert "KeyError" in evaluation.failures[0].reason and "b1.png" in evaluation.failures[1].reason
    figures = {name: metric.value for name, metric in evaluation.metrics.items()}
    assert figures["recall_50"] == pytest.approx(1 / 3, abs=1e-6)
    assert figures["precision_50"] == 1
    assert figures["exact_count_share"] == pytest.approx(1 / 3, abs=1e-6)
    assert figures["mean_signed_count_error"] == -2


def test_failing_on_an_empty_image_is_no_success() -> None:
    assert values(compare(annotated([]), []))["exact_count_share"] == 1
    assert values(compare(annotated([]), [], error="damaged"))["exact_count_share"] == 0


def test_wrong_weights_stop_the_evaluation(images: list[AnnotatedImage]) -> None:
    class Broken(Scripted):
        def __call__(self, case: Case) -> Case:
            raise WeightsError("K301", name="x", stage="separation", known="gband")

    with pytest.raises(WeightsError, match="K301"):
        evaluate_segmentation({"separation": Broken({})}, images, progress=False)


def test_a_missing_package_is_said_before_anything_runs(
    images: list[AnnotatedImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pycocotools.cocoeval", None)
    with pytest.raises(InputError, match="K110"):
        evaluate_segmentation({"separation": Later({})}, images, progress=False)


def test_scores_are_those_of_the_instances(images: list[AnnotatedImage]) -> None:
    first, second, third = images[0].read_truth()
    metaphase = Case.read(images[0].path).metaphases[0]
    metaphase = replace(metaphase, chromosomes=tuple(Chromosome("", region) for region in (third, first, second)))
    assert [one.score for one in found_objects(metaphase)] == [1, 1, 1]
    instances = (Instance(first, 0.9), Instance(second, 0.4))
    scored = found_objects(replace(metaphase, instances=instances))
    assert [(one.region, one.score) for one in scored] == [(third, 0), (first, 0.9), (second, 0.4)]
    assert found_objects(replace(metaphase, chromosomes=(), instances=instances)) == []
    open_ones = replace(metaphase, chromosomes=tuple(replace(c, doubtful=True) for c in metaphase.chromosomes))
    assert [one.doubtful for one in found_objects(open_ones)] == [True, True, True]


def test_rows_say_what_the_evaluation_says() -> None:
    truth = [rod(n, 0, 30, 6) for n in range(3)]
    results = [compare(annotated(truth, id="x"), found(truth)), compare(annotated(truth, id="y"), found(truth[:2]))]
    rows = list(csv.DictReader(io.StringIO(rows_as_csv(results))))
    assert tuple(rows[0]) == ROW_COLUMNS
    assert [row["metaphase"] for row in rows] == ["x", "y"]
    assert (rows[1]["truth"], rows[1]["found"], rows[1]["missed"], rows[1]["f1_50"]) == ("3", "2", "1", "0.8000")
    assert rows[0]["panoptic_quality"] == "1.0000" and rows[0]["error"] == ""
