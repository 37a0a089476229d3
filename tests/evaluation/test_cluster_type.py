"""Components of metaphases whose kind is known, and what the stages that type them are asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image, ImageDraw

from karyonet.case import Cluster, Instance, Metaphase
from karyonet.data.boxes import components_of
from karyonet.errors import ConfigError, DataError, StageError, WeightsError
from karyonet.evaluation.cluster_type import ClusterJudge, answers, evaluate_cluster_type, seen_by, typing_stages
from karyonet.evaluation.cluster_type_results import (
    NO_CHROMOSOME,
    PIECE,
    SEVERAL,
    TYPES,
    Answer,
    ComponentResult,
    KnownComponent,
)
from karyonet.evaluation.cluster_type_truth import read_known_clusters
from karyonet.stage import MetaphaseStage, Stage
from karyonet.stages.cluster_type import ShapeRules
from karyonet.stages.segmentation import ThresholdSegmenter
from tests.cli.test_evaluate_segmentation import few


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


def test_a_listed_component_is_cut_out_of_one_that_has_grown_and_joined_where_it_fell_apart(metaphases: Path) -> None:
    # Listed when only the left half of the two was found, and when the first chromosome was still in one piece.
    rows = "a,39,9,50,61,instance\na,10,10,20,70,instance\n"
    (source,) = read_known_clusters(metaphases, "metaphases", FINDING, truth=write_list(metaphases, rows))
    found = source.read()
    half, whole = (found.metaphase.clusters[place].region for place in found.places if place is not None)
    assert (half.bbox, half.area) == ((40, 10, 50, 60), 500)
    assert (whole.bbox, whole.area) == ((10, 10, 20, 70), 560)


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


class Finder(MetaphaseStage):
    """Sees a chromosome in every cluster, and would find other clusters than were given."""

    summary = "sees clusters as chromosomes"
    requires = frozenset({"metaphase.clusters"})
    assigns = frozenset({"metaphase.instances", "metaphase.clusters"})

    def process(self, metaphase: Metaphase) -> Metaphase:
        return replace(metaphase, instances=tuple(Instance(c.region, 0.9) for c in metaphase.clusters), clusters=())


def test_components_that_were_given_are_seen_by_the_segmentation_and_stay(metaphases: Path) -> None:
    (metaphase,) = [s.read().metaphase for s in read_known_clusters(metaphases, "metaphases", FINDING) if s.id == "b"]
    seen = seen_by({"segmentation": Finder(), "cluster_type": BySize()}, metaphase)
    assert [one.region.bbox for one in seen.instances] == [cluster.region.bbox for cluster in metaphase.clusters]
    assert seen.clusters == metaphase.clusters
    assert seen_by({"segmentation": Finder()}, seen) is seen
    assert seen_by({"cluster_type": BySize()}, metaphase) is metaphase
