from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from rich.console import Console

from karyonet.case import Cluster, Metaphase
from karyonet.data.boxes import components_of
from karyonet.errors import ConfigError, DataError, StageError, WeightsError
from karyonet.evaluation.cluster_type import ClusterJudge, answers, evaluate_cluster_type, typing_stages
from karyonet.evaluation.cluster_type_figures import KEPT, ClusterTypeEvaluation, rejected_at_kept, summarise
from karyonet.evaluation.cluster_type_results import (
    KINDS,
    NO_CHROMOSOME,
    PIECE,
    ROW_COLUMNS,
    SEVERAL,
    TYPES,
    Answer,
    ComponentResult,
    KnownComponent,
    rows_as_csv,
)
from karyonet.evaluation.cluster_type_truth import WHITE, in_grid, read_known_clusters
from karyonet.stage import MetaphaseStage, Stage
from karyonet.stages.cluster_type import ShapeRules
from karyonet.stages.segmentation import ThresholdSegmenter
from tests.cli.test_evaluate_segmentation import few

BOX = (0, 0, 10, 10)


class DarkPixels(MetaphaseStage):
    """Every connected piece of dark pixels is a cluster."""

    summary: ClassVar[str] = "test"
    requires: ClassVar[frozenset[str]] = frozenset()
    assigns: ClassVar[frozenset[str]] = frozenset({"metaphase.clusters", "cluster.region"})

    def process(self, metaphase: Metaphase) -> Metaphase:
        found = components_of(metaphase.grey < 0.5)
        return replace(metaphase, clusters=tuple(Cluster(f"k{n}", region) for n, region in enumerate(found)))


class BySize(MetaphaseStage):
    """Calls what is large touching and all else one chromosome, and says nothing more."""

    summary: ClassVar[str] = "test"
    requires: ClassVar[frozenset[str]] = frozenset({"metaphase.clusters"})
    assigns: ClassVar[frozenset[str]] = frozenset({"cluster.type"})
    large: ClassVar[int] = 800

    def process(self, metaphase: Metaphase) -> Metaphase:
        kinds = ["touching" if k.region.area >= self.large else "instance" for k in metaphase.clusters]
        typed = [replace(k, type=kind, probability=0.9) for k, kind in zip(metaphase.clusters, kinds, strict=True)]
        return replace(metaphase, clusters=tuple(typed))


class Failing(BySize):
    def process(self, metaphase: Metaphase) -> Metaphase:
        raise ValueError("broken")


@dataclass(frozen=True)
class Said:
    kinds: tuple[str, ...]
    probabilities: np.ndarray
    counts: np.ndarray
    count_probabilities: np.ndarray
    rejected: np.ndarray


class Judge(BySize):
    """A judge who knows the kinds and numbers of the first clusters, and cannot judge the others."""

    def __init__(self, kinds: Sequence[str], counts: Sequence[int], most: int = 4) -> None:
        super().__init__()
        self.said, self.most = list(zip(kinds, counts, strict=True)), most

    def judge(self, metaphase: Metaphase, size: float | None = None) -> tuple[Sequence[Cluster], Said]:
        known = (*TYPES, "nucleus", "debris")
        probabilities = np.full((len(self.said), 6), 0.02)
        for row, (kind, _) in enumerate(self.said):
            probabilities[row, known.index(kind)] = 0.9
        return metaphase.clusters[: len(self.said)], Said(
            kinds=tuple(kind for kind, _ in self.said),
            probabilities=probabilities,
            counts=np.array([count for _, count in self.said]),
            count_probabilities=np.full((len(self.said), self.most), 1 / self.most),
            rejected=np.array([kind not in TYPES for kind, _ in self.said]),
        )


def write_metaphases(folder: Path, pieces: dict[str, Sequence[tuple[int, int, int, int]]], boxes: str) -> Path:
    """A data set of images with dark rectangles, one case an image."""
    (folder / "images").mkdir(parents=True)
    for name, rectangles in pieces.items():
        image = Image.new("L", (200, 120), 250)
        for xmin, ymin, xmax, ymax in rectangles:
            ImageDraw.Draw(image).rectangle((xmin, ymin, xmax - 1, ymax - 1), 60)
        image.save(folder / "images" / f"{name}.png")
    rows = [f"{name},case {name},{'train' if name == 'c' else 'validation'}" for name in pieces]
    (folder / "cells.csv").write_text("\n".join(["image,case,split", *rows]))
    (folder / "chromosomes.csv").write_text(f"image,label,xmin,ymin,xmax,ymax\n{boxes}")
    return folder


@pytest.fixture
def metaphases(tmp_path: Path) -> Path:
    """Image a: a chromosome; two that touch; a stain outside all boxes; a piece cut off the first. b: a chromosome."""
    first = [(10, 10, 20, 60), (40, 10, 60, 60), (100, 80, 130, 110), (10, 64, 20, 70)]
    boxes = "a,1,8,8,22,72\na,2,38,8,50,62\na,3,50,8,62,62\nb,X,28,18,72,32\n"
    return write_metaphases(tmp_path / "data", {"a": first, "b": [(30, 20, 70, 30)], "c": [(5, 5, 15, 40)]}, boxes)


FINDING = {"segmentation": DarkPixels()}


def known_of(directory: Path, **options: object) -> list[KnownComponent]:
    sources = read_known_clusters(directory, "metaphases", FINDING, **options)  # type: ignore[arg-type]
    return [known for source in sources for known in source.read().known]


def test_boxes_say_what_a_component_is(metaphases: Path) -> None:
    told = {(k.image, k.bbox): (k.kind, k.chromosomes) for k in known_of(metaphases, split="validation")}
    assert told == {
        ("a", (10, 10, 20, 60)): ("instance", 1),
        ("a", (40, 10, 60, 60)): (SEVERAL, 2),
        ("a", (100, 80, 130, 110)): (NO_CHROMOSOME, 0),
        ("a", (10, 64, 20, 70)): (PIECE, 0),
        ("b", (30, 20, 70, 30)): ("instance", 1),
    }


def test_a_stage_that_only_gives_types_has_only_figures_of_types(metaphases: Path) -> None:
    sources = read_known_clusters(metaphases, "metaphases", FINDING, split="validation")
    evaluation = evaluate_cluster_type({**FINDING, "cluster_type": BySize()}, sources)
    values = {name: metric.value for name, metric in evaluation.metrics.items()}
    assert values.pop("single_or_cluster_of_2") == values.pop("cluster_sensitivity") == 1
    assert values == {"single_or_cluster": 1, "cluster_specificity": 1, "single_or_cluster_of_1": 1}
    assert (evaluation.cases, evaluation.metaphases, evaluation.chromosomes) == (2, 2, 4)
    assert evaluation.components["single_or_cluster"] == 3 and evaluation.type_confusion is None


def test_a_judge_is_asked_for_numbers_and_rejections(metaphases: Path) -> None:
    sources = read_known_clusters(metaphases, "metaphases", FINDING, split="validation")[:1]
    order = [k.kind for k in sources[0].read().known]
    kinds = {"instance": "debris", SEVERAL: "overlapping", NO_CHROMOSOME: "nucleus", PIECE: "debris"}
    judge = Judge([kinds[kind] for kind in order], [{SEVERAL: 3}.get(kind, 0) for kind in order])
    evaluation = evaluate_cluster_type({"cluster_type": judge}, sources)
    values = {name: metric.value for name, metric in evaluation.metrics.items()}
    assert values["single_or_cluster"] == 0.5 and values["kept"] == 0.5  # the lone chromosome was rejected
    assert values["cluster_sensitivity"] == 1 and values["cluster_specificity"] == 0
    assert values["count_accuracy"] == 0 and values["rejected"] == 1
    assert evaluation.components["rejected"] == 1 and evaluation.components["kept"] == 2
    assert values["rejected_at_99_kept"] == 0  # the rejected chromosome sets the threshold


def test_what_a_judge_leaves_out_gets_no_answer(metaphases: Path) -> None:
    clusters = read_known_clusters(metaphases, "metaphases", FINDING, split="validation")[0].read()
    judge = Judge(["touching"], [9])
    assert isinstance(judge, ClusterJudge) and not isinstance(BySize(), ClusterJudge)
    said = answers(judge, clusters.metaphase)
    assert (said[0].kind, said[0].chromosomes, said[0].most) == ("touching", 9, 4)
    assert said[0].probability == pytest.approx(0.9) and said[0].rejection == pytest.approx(0.04)
    assert said[1:] == [Answer()] * 3


def write_list(metaphases: Path, rows: str, columns: str = "image,xmin,ymin,xmax,ymax,type") -> Path:
    path = metaphases.parent / "list.csv"
    path.write_text(f"{columns}\n{rows}")
    return path


def test_listed_components_are_found_by_their_boxes_or_count_as_wrong(metaphases: Path) -> None:
    rows = "a,10,10,20,60,instance\na,39,9,61,61,touching\na,150,10,190,60,overlapping\n"
    sources = read_known_clusters(metaphases, "metaphases", FINDING, truth=write_list(metaphases, rows))
    assert [source.id for source in sources] == ["a"]  # only images of the list
    seen: list[ComponentResult] = []
    evaluation = evaluate_cluster_type({**FINDING, "cluster_type": BySize()}, sources, inspect=seen.extend)
    values = {name: metric.value for name, metric in evaluation.metrics.items()}
    assert values["accuracy"] == values["single_or_cluster"] == values["found"] == pytest.approx(2 / 3, abs=1e-6)
    assert values["accuracy_clusters"] == values["cluster_sensitivity"] == 0.5
    assert (values["accuracy_instance"], values["accuracy_overlapping"]) == (1, 0)
    assert "accuracy_touching_overlapping" not in values  # there is none
    # Two types have F1 1, the one of the component that was not found 0.
    assert values["macro_f1"] == pytest.approx(2 / 3, abs=1e-6)
    assert evaluation.type_confusion is not None
    assert evaluation.type_confusion[TYPES.index("overlapping")] == (0, 0, 0, 0, 0, 1)
    assert [result.answer is None for result in seen] == [False, False, True]


@pytest.mark.parametrize(
    ("rows", "columns", "code", "named"),
    [
        ("a,1,1,9,9,knot", None, "K402", "line 2: type must be one of instance, touching"),
        ("a,1,1,9,9,instance\nz,1,1,9,9,instance", None, "K402", "line 3: the image z"),
        ("c,1,1,9,9,instance", None, "K402", "split"),
        ("a,9,1,1,9,instance", None, "K402", "empty"),
        ("a,1,1,9,instance", "image,xmin,ymin,xmax,type", "K401", "column ymax"),
        ("", None, "K401", "at least one row"),
    ],
)
def test_a_list_that_cannot_be_used_says_why(
    metaphases: Path, rows: str, columns: str | None, code: str, named: str
) -> None:
    path = write_list(metaphases, rows, columns or "image,xmin,ymin,xmax,ymax,type")
    with pytest.raises(DataError, match=f"{code}.*{named}"):
        read_known_clusters(metaphases, "metaphases", FINDING, split="validation", truth=path)


def test_wrong_formats_and_lists_that_do_not_belong(metaphases: Path) -> None:
    with pytest.raises(DataError, match=r"K407.*metaphases, clusters, compositions"):
        read_known_clusters(metaphases, "strips", FINDING)
    with pytest.raises(DataError, match="K415"):
        read_known_clusters(metaphases, "clusters", FINDING, truth=metaphases / "list.csv")
    with pytest.raises(DataError, match=r"K401.*nowhere.csv"):
        read_known_clusters(metaphases, "metaphases", FINDING, truth=metaphases / "nowhere.csv")


def test_an_image_that_fails_is_named_and_its_list_not_found(metaphases: Path) -> None:
    path = write_list(metaphases, "a,10,10,20,60,instance\nb,30,20,70,30,instance\n")
    (metaphases / "images" / "b.png").write_bytes(b"no image")
    (metaphases / "cells.csv").write_text("image,case,width,height\na,p,200,120\nb,q,200,120\nc,r,200,120\n")
    sources = read_known_clusters(metaphases, "metaphases", FINDING, truth=path)
    evaluation = evaluate_cluster_type({**FINDING, "cluster_type": BySize()}, sources)
    assert [failure.metaphase for failure in evaluation.failures] == ["b"] and "K103" in evaluation.failures[0].reason
    assert evaluation.metrics["accuracy"].value == 0.5 and evaluation.cases == 2
    failed = evaluate_cluster_type({"cluster_type": Failing()}, sources[:1])
    assert "broken" in failed.failures[0].reason and failed.metrics["accuracy"].value == 0


def test_a_stage_that_could_not_do_better_stops_the_evaluation(metaphases: Path) -> None:
    class Unweighted(BySize):
        def process(self, metaphase: Metaphase) -> Metaphase:
            raise WeightsError("K305", path="w", reason="test")

    with pytest.raises(WeightsError):
        evaluate_cluster_type({"x": Unweighted()}, read_known_clusters(metaphases, "metaphases", FINDING))


def test_stages_up_to_the_one_that_types() -> None:
    stages: dict[str, Stage] = {"a": DarkPixels(), "b": BySize(), "c": DarkPixels()}
    assert list(typing_stages(stages)) == ["a", "b"]
    with pytest.raises(ConfigError, match=r"K205.*shape_rules"):
        typing_stages({"a": DarkPixels()})


def write_segments(folder: Path, number: int = 3) -> Path:
    """Two cases of upright bars of 12 × 40 pixels and one cross a case; and a blank one."""
    folder.mkdir()
    rows = []
    for case in ("p", "q"):
        for n in range(number):
            grey = np.full((52 + n, 24), 255, np.uint8)
            grey[6:46, 6:18] = 90 + 20 * n
            Image.fromarray(grey).save(folder / f"{case}{n}.png")
            rows.append(f"{case}{n}.png,{case},chromosome")
        grey = np.full((70, 70), 255, np.uint8)
        grey[5:65, 30:42] = grey[30:42, 5:65] = 120
        Image.fromarray(grey).save(folder / f"{case}x.png")
        rows.append(f"{case}x.png,{case},cluster")
    Image.fromarray(np.full((30, 30), 255, np.uint8)).save(folder / "blank.png")
    rows.append("blank.png,q,chromosome")
    (folder / "objects.csv").write_text("\n".join(["image,case,kind", *rows]))
    return folder


def test_segments_lie_whole_on_one_canvas_a_case(tmp_path: Path) -> None:
    sources = read_known_clusters(write_segments(tmp_path / "s"), "clusters", {})
    assert [(source.case, len(source.listed), source.chromosomes) for source in sources] == [("p", 4, 3), ("q", 5, 4)]
    clusters = sources[1].read()
    assert clusters.places == (0, 1, 2, 3, None)  # the blank one is not there
    for known, cluster in zip(clusters.known, clusters.metaphase.clusters, strict=False):
        grey = np.asarray(Image.open(tmp_path / "s" / known.image)) / 255
        assert cluster.region.area == (grey < WHITE).sum()
        xmin, ymin, xmax, ymax = known.bbox
        on_canvas = clusters.metaphase.grey[cluster.region.slices]
        assert on_canvas == pytest.approx(grey[ymin:ymax, xmin:xmax], abs=0.003)
        assert clusters.metaphase.optical_density[cluster.region.slices][cluster.region.mask].min() > 0.1
    assert len(components_of(clusters.metaphase.grey < WHITE)) == 4  # none touches another


def test_segments_are_measured(tmp_path: Path) -> None:
    sources = read_known_clusters(write_segments(tmp_path / "s"), "clusters", {})
    evaluation = evaluate_cluster_type({"cluster_type": BySize()}, sources)
    values = {name: metric.value for name, metric in evaluation.metrics.items()}
    assert values["cluster_sensitivity"] == 1 and values["cluster_specificity"] == pytest.approx(6 / 7, abs=1e-6)
    assert set(values) == {"single_or_cluster", "cluster_sensitivity", "cluster_specificity", "found"}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=10), st.integers(0, 5))
def test_a_grid_holds_every_image_once(sizes: list[tuple[int, int]], gap: int) -> None:
    images = [np.full(size, n, np.float32) for n, size in enumerate(sizes, start=1)]
    canvas, corners = in_grid(images, gap)
    for image, (x, y) in zip(images, corners, strict=True):
        height, width = image.shape
        assert (canvas[y : y + height, x : x + width] == image).all()
        around = canvas[max(y - gap, 0) : y + height + gap, max(x - gap, 0) : x + width + gap]
        assert set(np.unique(around)) <= {0.0, image[0, 0]}
    assert np.count_nonzero(canvas) == sum(image.size for image in images)


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


def test_a_metaphase_that_the_stages_give_up_is_a_failure(metaphases: Path) -> None:
    class GivesUp(DarkPixels):
        def process(self, metaphase: Metaphase) -> Metaphase:
            raise ValueError("no focus")

    source = read_known_clusters(metaphases, "metaphases", {"segmentation": GivesUp()})[0]
    with pytest.raises(StageError, match="no focus"):
        source.read()


def test_real_components_of_the_validation_split(real_data: Path, tmp_path: Path) -> None:
    data = few(real_data / "gband_metaphases", tmp_path / "few", "validation", 2)
    stages: dict[str, Stage] = {"segmentation": ThresholdSegmenter(), "cluster_type": ShapeRules()}
    sources = read_known_clusters(data, "metaphases", {"segmentation": stages["segmentation"]}, "validation")
    held = sum(known.chromosomes or 0 for source in sources for known in source.read().known)
    annotated = sum(source.chromosomes for source in sources)
    assert 0.9 * annotated <= held <= annotated
    assert evaluate_cluster_type(stages, sources).metrics["single_or_cluster"].value > 0.8
