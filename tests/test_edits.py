"""Edits of a finished case: what they change, what they leave, what is refused, and the history."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from karyonet.batch_record import Program
from karyonet.case import LABELS, Alternative, Case, Metaphase
from karyonet.edits.apply import Outcome, apply_edits
from karyonet.edits.document import EditsDocument, json_schema, read_edits
from karyonet.edits.outlines import divide, join
from karyonet.errors import EditError, KaryonetError
from karyonet.geometry.region import Region
from karyonet.pipeline import Pipeline
from karyonet.report import Report
from karyonet.report.folder import check_target, recover
from karyonet.report.pdf import available
from karyonet.stage import MetaphaseStage
from karyonet.stages.karyotype import CountAndSex
from karyonet.stages.segmentation import ThresholdSegmenter
from karyonet.stages.separation import GeometricSeparator
from karyonet.stages.straightening import MedialAxisStraightener

FEMALE = tuple(label for label in LABELS[:23] for _ in range(2))
TRISOMY = (*FEMALE, "21")
CELL, COLUMNS, WIDTH = 74, 8, 12


def length_of(label: str) -> int:
    return 62 - 2 * LABELS.index(label)


class Ruler(MetaphaseStage):
    """Names chromosomes by their height in the image, all alone."""

    summary = "names by height"
    requires = frozenset({"metaphase.chromosomes", "chromosome.region", "chromosome.strip"})
    assigns = frozenset(
        f"chromosome.{name}" for name in ("probabilities", "label", "confidence", "p_arm_up", "review", "alternatives")
    )

    def process(self, metaphase: Metaphase) -> Metaphase:
        named = []
        for chromosome in metaphase.chromosomes:
            assert chromosome.strip is not None
            height = chromosome.region.bbox[3] - chromosome.region.bbox[1]
            distance = np.array([abs(height - length_of(label)) for label in LABELS], dtype=np.float32)
            probabilities = np.exp(-4 * distance)
            probabilities /= probabilities.sum()
            first, second = np.argsort(-probabilities, kind="stable")[:2]
            named.append(
                replace(
                    chromosome,
                    probabilities=probabilities.astype(np.float32),
                    label=LABELS[first],
                    confidence=float(probabilities[first]),
                    alternatives=(Alternative(LABELS[second], float(probabilities[second])),),
                    p_arm_up=True,
                )
            )
        return replace(metaphase, chromosomes=tuple(named))


def draw(labels: Sequence[str], path: Path, shade: int = 60) -> Path:
    grey = np.full((CELL * 6 + 10, 50 * COLUMNS + 10), 230, dtype=np.uint8)
    for number, label in enumerate(labels):
        y, x = CELL * (number // COLUMNS) + 8, 50 * (number % COLUMNS) + 20
        grey[y : y + length_of(label), x : x + WIDTH] = shade
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grey).save(path)
    return path


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline(
        {
            "segmentation": ThresholdSegmenter(box_masks=None, smallest_area=0.1),
            "separation": Whole(),
            "straightening": MedialAxisStraightener(),
            "classification": Ruler(),
            "karyotype": CountAndSex(smallest=0.0),
        }
    )


class Whole(GeometricSeparator):
    """Every cluster is one chromosome."""

    requires = GeometricSeparator.requires - {"cluster.type"}

    def separate(self, cluster: Any, optical_density: Any, scale: Any) -> list[Region]:
        return [cluster.region]


@pytest.fixture(scope="module", autouse=True)
def small_pictures() -> Iterator[None]:
    """Pictures that say in a few pixels what was drawn: drawing is not the subject here."""

    def drawn(metaphase: Metaphase, title: str = "") -> Image.Image:
        shown = [(c.id, c.label, c.p_arm_up, c.strip is not None) for c in metaphase.chromosomes]
        digest = hashlib.sha256(repr((shown, bool(metaphase.grey.any()))).encode()).digest()
        return Image.frombytes("RGB", (4, 2), digest[:24])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("karyonet.report.karyogram.draw_karyogram", drawn)
        patch.setattr("karyonet.report.overlay.draw_overlay", drawn)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, pipeline: Pipeline) -> Path:
    """Images of three cells with trisomy 21 and the report on them."""
    place = tmp_path_factory.mktemp("case")
    images = [draw(TRISOMY, place / "images" / f"{number}.png", 60 + number) for number in (1, 2, 3)]
    report = pipeline(Case.read(*images, case_id="t21"))
    assert str(report.karyotype) == "47,XX,+21", report.karyotype.reasons
    report.save(place / "report")
    return place


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "case")
    return tmp_path / "case"


def edits(*some: dict[str, Any], author: str = "A. Meyer") -> EditsDocument:
    return EditsDocument.model_validate({"schema": "karyonet.edits/1", "author": author, "edits": some})


def edit(kind: str, metaphase: str = "m1", **more: Any) -> dict[str, Any]:
    return {"edit": kind, "metaphase": metaphase, **more}


@pytest.fixture
def apply(place: Path, pipeline: Pipeline) -> Callable[..., Outcome]:
    def applied(*some: dict[str, Any], **more: Any) -> Outcome:
        return apply_edits(edits(*some), place / "report", pipeline, [place / "images"], **more)

    return applied


def contents(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def written(place: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((place / "report" / "report.json").read_text("utf-8"))
    return content


def chromosomes(place: Path, number: int = 0) -> dict[str, dict[str, Any]]:
    return {c["id"]: c for c in written(place)["metaphases"][number]["chromosomes"]}


def labels(place: Path, number: int = 0) -> dict[str, str]:
    return {one: c["label"] for one, c in chromosomes(place, number).items()}


def one_named(place: Path, label: str, number: int = 0) -> str:
    return next(one for one, found in labels(place, number).items() if found == label)


# What edits do


def test_no_edits_change_nothing_but_the_history(place: Path, apply: Callable[..., Outcome]) -> None:
    before = contents(place / "report")
    apply()
    after = contents(place / "report")
    assert {name for name in after if after[name] != before.get(name)} == {"history.json"}
    assert before.keys() | {"history.json"} == after.keys()
    check_target(place / "report")


def test_a_name_stands_and_the_others_are_decided_around_it(place: Path, apply: Callable[..., Outcome]) -> None:
    before, provenance = labels(place), written(place)["provenance"]
    untouched = contents(place / "report")["m2.karyogram.png"]
    drawn = contents(place / "report")["m1.karyogram.png"]
    one = one_named(place, "9")
    outcome = apply(edit("relabel", chromosome=one, label="1"))
    found = chromosomes(place)
    assert (found[one]["label"], found[one]["confidence"], found[one]["review"]) == ("1", None, False)
    assert {c for c in before if found[c]["label"] != before[c]} == {one} | {c for _, c, _, _ in outcome.renamed()}
    assert all(found[c]["review"] for _, c, _, _ in outcome.renamed())
    assert written(place)["provenance"] == provenance
    after = contents(place / "report")
    assert after["m2.karyogram.png"] == untouched
    assert after["m1.karyogram.png"] != drawn
    # A later file does not forget it, though the metaphase is named anew.
    apply(edit("delete", chromosome=one_named(place, "22")))
    assert labels(place)[one] == "1"


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers(0, 46), label=st.sampled_from(LABELS))
def test_a_name_given_and_taken_back_leaves_all_names_as_they_were(
    made: Path, pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory, number: int, label: str
) -> None:
    place = Path(shutil.copytree(made, tmp_path_factory.mktemp("names") / "case"))
    before = labels(place)
    one = list(before)[number]
    for name in (label, before[one]):
        document = edits(edit("relabel", chromosome=one, label=name))
        apply_edits(document, place / "report", pipeline, [place / "images"])
    assert labels(place) == before
    assert written(place)["karyotype"]["iscn"] == "47,XX,+21"


def test_any_name_a_person_gives_outweighs_the_prior(place: Path, apply: Callable[..., Outcome]) -> None:
    ids = list(labels(place))
    apply(*(edit("relabel", chromosome=one, label="Y") for one in ids[:20]))
    assert [labels(place)[one] for one in ids[:20]] == ["Y"] * 20


def test_a_chromosome_is_turned_over_and_back(place: Path, apply: Callable[..., Outcome]) -> None:
    before = written(place)["metaphases"]
    apply(edit("flip", chromosome="c3"))
    assert {c for c, found in chromosomes(place).items() if not found["p_arm_up"]} == {"c3"}
    apply(edit("flip", chromosome="c3"))
    assert written(place)["metaphases"] == before


def test_a_deleted_chromosome_is_counted_no_more(place: Path, apply: Callable[..., Outcome]) -> None:
    third = [[c for c, label in labels(place, number).items() if label == "21"][2] for number in range(3)]
    outcome = apply(*(edit("delete", f"m{number + 1}", chromosome=one) for number, one in enumerate(third)))
    assert str(outcome.after.karyotype) == "46,XX"
    report = written(place)
    assert (report["karyotype"]["iscn"], report["karyotype"]["outcome"], report["findings"]) == ("46,XX", "normal", [])
    assert [m["count"] for m in report["metaphases"]] == [46, 46, 46]
    assert third[0] not in chromosomes(place)
    coco = json.loads((place / "report" / "chromosomes.coco.json").read_text())
    assert len(coco["annotations"]) == 3 * 46
    assert "46,XX" in (place / "report" / "report.html").read_text("utf-8")


def test_split_then_merged_is_what_it_was(place: Path, apply: Callable[..., Outcome]) -> None:
    one = one_named(place, "1")
    before = chromosomes(place)
    xmin, ymin, xmax, ymax = before[one]["bbox"]
    middle = (ymin + ymax) // 2
    outcome = apply(edit("split", chromosome=one, line=[[xmin - 4, middle], [xmax + 4, middle + 1]]))
    parts = outcome.edits[0].made
    assert parts == ("c48", "c49")
    assert len(chromosomes(place)) == 48
    assert all(chromosomes(place)[part]["label"] for part in parts)
    merged = apply(edit("merge", chromosomes=list(parts))).edits[0].made
    assert merged == ("c50",)  # ids are never used twice
    after = chromosomes(place)
    assert after.keys() == before.keys() - {one} | {"c50"}
    assert {k: after["c50"][k] for k in ("bbox", "label", "cluster")} == {
        k: before[one][k] for k in ("bbox", "label", "cluster")
    }
    assert written(place)["karyotype"]["iscn"] == "47,XX,+21"
    masks = {c.id: c.region.mask for c in Report.load(place / "report").metaphases[0].chromosomes}
    original = {c.id: c.region.mask for c in outcome.before.metaphases[0].chromosomes}
    assert np.array_equal(masks["c50"], original[one])


def test_what_was_deleted_is_found_again_by_its_box(place: Path, apply: Callable[..., Outcome]) -> None:
    one = one_named(place, "21")
    before = chromosomes(place)[one]
    xmin, ymin, xmax, ymax = before["bbox"]
    apply(edit("delete", chromosome=one))
    outcome = apply(
        edit("add-by-box", box=[xmin - 3, ymin - 2, xmax + 3, ymax + 3]),
        edit("add-by-box", box=[330, 420, 345, 440], label="Y"),
    )
    added, named = outcome.edits[0].made[0], outcome.edits[1].made[0]
    assert chromosomes(place)[added]["bbox"] == before["bbox"]
    assert labels(place)[added] == "21"
    assert labels(place)[named] == "Y"
    assert chromosomes(place)[added]["cluster"] not in (None, chromosomes(place)[named]["cluster"])


def test_a_metaphase_is_left_out_and_taken_in_again_without_its_image(place: Path, pipeline: Pipeline) -> None:
    shutil.rmtree(place / "images")
    before, pictures = written(place), contents(place / "report")
    apply_edits(edits(edit("exclude-metaphase", "m3", reason="crushed")), place / "report", pipeline)
    report = written(place)
    assert report["karyotype"]["clones"][0]["metaphases"] == ["m1", "m2"]
    assert (report["metaphases"][2]["outcome"], report["metaphases"][2]["iscn"]) == ("undetermined", None)
    assert report["metaphases"][2]["reasons"] == ["left out by A. Meyer: crushed"]
    apply_edits(edits(edit("include-metaphase", "m3")), place / "report", pipeline)
    after = written(place)
    assert [edit["what"] for edit in after.pop("edits")] == [
        "m3 left out of the karyotype: crushed", "m3 takes part in the karyotype",
    ]  # fmt: skip
    assert after == before
    assert {n for n, h in contents(place / "report").items() if pictures.get(n) != h} == {
        "history.json", "report.html", "report.json",
    }  # fmt: skip


def test_an_excluded_metaphase_stays_out_when_another_is_edited(place: Path, apply: Callable[..., Outcome]) -> None:
    apply(edit("exclude-metaphase", "m1", reason="crushed"))
    apply(edit("flip", "m1", chromosome="c1"), edit("delete", "m2", chromosome="c1"))
    assert written(place)["metaphases"][0]["reasons"] == ["left out by A. Meyer: crushed"]
    assert chromosomes(place)["c1"]["p_arm_up"] is False


def test_reasons_of_the_count_are_decided_anew(place: Path, apply: Callable[..., Outcome]) -> None:
    ids = list(labels(place))
    apply(*(edit("relabel", chromosome=one, label="Y") for one in ids[:8]))
    assert written(place)["metaphases"][0]["outcome"] == "undetermined"
    original = labels(place, 1)
    apply(*(edit("relabel", chromosome=one, label=original[one]) for one in ids[:8]))
    assert written(place)["metaphases"][0]["iscn"] == "47,XX,+21"


def test_the_report_names_the_edits_and_escapes_them(place: Path, apply: Callable[..., Outcome]) -> None:
    apply(edit("flip", chromosome="c1", note="<script>alert(1)</script>"))
    page = (place / "report" / "report.html").read_text("utf-8")
    assert "Changed by a person" in page
    assert "A. Meyer" in page
    assert "<script>alert" not in page
    document = written(place)["edits"]
    assert [(e["author"], e["note"]) for e in document] == [("A. Meyer", "<script>alert(1)</script>")]
    report = Report.load(place / "report")
    copy = report.save(place / "copy")
    assert (copy / "report.json").read_bytes() == (place / "report" / "report.json").read_bytes()
    assert (copy / "history.json").read_bytes() == (place / "report" / "history.json").read_bytes()


def test_a_batch_would_take_the_edited_report_for_its_own(place: Path, apply: Callable[..., Outcome]) -> None:
    before = Program.of(Report.load(place / "report").provenance)
    apply(edit("flip", chromosome="c1"))
    assert Program.of(Report.load(place / "report").provenance) == before


@pytest.mark.skipif(not available(), reason="no PDF can be written here")
def test_a_pdf_is_made_again_where_there_was_one(place: Path, apply: Callable[..., Outcome]) -> None:
    (place / "report" / "report.pdf").write_bytes(b"%PDF the former")
    apply(edit("exclude-metaphase", "m1", reason="crushed"))
    assert (place / "report" / "report.pdf").read_bytes()[:5] == b"%PDF-"


# What is refused


@pytest.mark.parametrize(
    ("bad", "place_named", "reason"),
    [
        (edit("relabel", "m9", chromosome="c1", label="1"), "edit 2, metaphase", "there is no metaphase m9"),
        (edit("flip", chromosome="c99"), "edit 2, chromosome", "there is no c99 in m1"),
        (edit("delete", chromosome="c1"), "edit 2, chromosome", "there is no c1 in m1"),
        (edit("split", chromosome="c2", line=[[0, 0], [3, 3]]), "edit 2, line", "does not divide c2"),
        (edit("split", chromosome="c2", line=[[0, 0], [9999, 3]]), "edit 2, line.1", "outside the image"),
        (edit("merge", chromosomes=["c2", "c40"]), "edit 2, chromosomes", "pixels apart"),
        (edit("merge", chromosomes=["c2", "c1"]), "edit 2, chromosomes.1", "there is no c1"),
        (edit("add-by-box", box=[0, 0, 9999, 5]), "edit 2, box", "leaves the image"),
        (edit("add-by-box", box=[-1, 0, 9, 5]), "edit 2, box", "leaves the image"),
        (edit("add-by-box", box=[1, 1, 3, 40]), "edit 2, box", "less than 3 pixels"),
        (edit("add-by-box", box=[68, 4, 86, 76]), "edit 2, box", "which is there already"),
        (edit("include-metaphase"), "edit 2, metaphase", "is not left out"),
    ],
)
def test_a_bad_edit_is_refused_with_its_place_and_nothing_is_written(
    place: Path, apply: Callable[..., Outcome], bad: dict[str, Any], place_named: str, reason: str
) -> None:
    before = contents(place / "report")
    with pytest.raises(EditError) as caught:
        apply(edit("delete", chromosome="c1"), bad, source="mine.json")
    assert str(caught.value).startswith(f"K701: mine.json, {place_named}: ")
    assert reason in str(caught.value)
    assert contents(place / "report") == before
    assert {path.name for path in place.iterdir()} == {"images", "report"}


def test_a_new_object_cannot_be_turned_over_before_it_is_known_how_it_lies(apply: Callable[..., Outcome]) -> None:
    with pytest.raises(EditError, match="not known yet; apply the edits that make it first"):
        apply(edit("split", chromosome="c1", line=[[0, 38], [60, 38]]), edit("flip", chromosome="c48"))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"schema": "karyonet.edits/1",\n "author": }', "line 2, column 12: this is not JSON"),
        ("[]", "the top level"),
        ('{"schema": "karyonet.edits/2", "author": "A", "edits": []}', "schema"),
        ('{"schema": "karyonet.edits/1", "author": " ", "edits": []}', "author"),
        ('{"schema": "karyonet.edits/1", "edits": []}', "author: this key is needed"),
        ("relabel", "edit 1, label: \"23\" is no chromosome"),
        ("merge", "edit 1, chromosomes: a merge needs two chromosomes or more"),
        ("twice", "edit 1, chromosomes: c1 is named twice"),
        ("box", "edit 1, box: a box is"),
        ("line", "edit 1, line"),
        ("kind", 'edit 1: there is no edit "paint"; give one of relabel, flip, split'),
        ("none", "edit 1: it does not say what to do"),
        ("key", "edit 1, colour: there is no such key"),
        ("infinite", "edit 1, line.0.0"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_understood_is_one_sentence(tmp_path: Path, text: str, named: str) -> None:
    bad = {
        "relabel": '{"edit": "relabel", "metaphase": "m1", "chromosome": "c1", "label": "23"}',
        "merge": '{"edit": "merge", "metaphase": "m1", "chromosomes": ["c1"]}',
        "twice": '{"edit": "merge", "metaphase": "m1", "chromosomes": ["c1", "c1"]}',
        "box": '{"edit": "add-by-box", "metaphase": "m1", "box": [9, 9, 1, 20]}',
        "line": '{"edit": "split", "metaphase": "m1", "chromosome": "c1", "line": [[1, 2]]}',
        "kind": '{"edit": "paint", "metaphase": "m1"}',
        "none": '{"metaphase": "m1"}',
        "key": '{"edit": "delete", "metaphase": "m1", "chromosome": "c1", "colour": 1}',
        "infinite": '{"edit": "split", "metaphase": "m1", "chromosome": "c1", "line": [[NaN, 2], [1, 1]]}',
    }
    file = tmp_path / "mine.json"
    if text in bad:
        text = f'{{"schema": "karyonet.edits/1", "author": "A", "edits": [{bad[text]}]}}'
    file.write_text(text)
    with pytest.raises(EditError) as caught:
        read_edits(file)
    assert str(caught.value).startswith(f"K701: mine.json, {named}")
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_file_of_edits_gives_another_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mine.json").write_bytes(content)
    with pytest.raises(EditError, match="K701"):
        read_edits(tmp_path / "mine.json")


def test_an_image_that_is_missing_or_another_is_refused(place: Path, pipeline: Pipeline) -> None:
    before = contents(place / "report")
    (place / "images").rename(place / "elsewhere")
    document = edits(edit("flip", chromosome="c1"))
    with pytest.raises(EditError, match=r"K704.*1\.png.*m1.*--images"):
        apply_edits(document, place / "report", pipeline)
    draw(FEMALE, place / "report.png").rename(place / "1.png")
    with pytest.raises(EditError, match=r"K705.*1\.png"):
        apply_edits(document, place / "report", pipeline)
    assert contents(place / "report") == before
    apply_edits(document, place / "report", pipeline, [place / "elsewhere"])
    assert contents(place / "report") != before


def test_another_pipeline_than_the_one_that_made_the_report_is_refused(place: Path) -> None:
    from karyonet.config import PipelineConfig

    config = PipelineConfig.model_validate({"stages": {"segmentation": {"use": "threshold_segmenter"}}})
    with pytest.raises(EditError, match="K703"):
        apply_edits(edits(), place / "report", Pipeline.from_config(config))


# The history


def tampered(place: Path, change: Callable[[dict[str, Any]], None], name: str = "history.json") -> None:
    path = place / "report" / name
    content = json.loads(path.read_text("utf-8"))
    change(content)
    path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


@pytest.mark.parametrize(
    "change",
    [
        lambda h: h["entries"][0].update(author="B. Meyer"),
        lambda h: h["entries"][0]["edits"][0]["edit"].update(note="something else"),
        lambda h: h["entries"][1].update(when="2001-01-01T00:00:00+00:00"),
        lambda h: h["entries"].pop(0),
        lambda h: h["entries"].pop(),
        lambda h: h["entries"].reverse(),
        lambda h: h["entries"].insert(1, h["entries"][0]),
        lambda h: h["entries"][0].update(more="of it"),
        lambda h: h.clear(),
    ],
)
def test_a_change_of_the_past_is_found(place: Path, apply: Callable[..., Outcome], change: Any) -> None:
    apply(edit("exclude-metaphase", "m1", reason="crushed"))
    apply(edit("include-metaphase", "m1"))
    tampered(place, change)
    before = contents(place / "report")
    with pytest.raises(EditError, match="K702"):
        apply(edit("exclude-metaphase", "m1", reason="crushed"))
    assert contents(place / "report") == before


def test_a_report_changed_by_other_means_or_robbed_of_its_history_is_found(
    place: Path, apply: Callable[..., Outcome]
) -> None:
    apply(edit("exclude-metaphase", "m1", reason="crushed"))
    kept = (place / "report" / "history.json").read_bytes()
    (place / "report" / "history.json").unlink()
    with pytest.raises(EditError, match=r"K702.*missing"):
        apply()
    (place / "report" / "history.json").write_bytes(kept)
    tampered(place, lambda report: report["karyotype"].update(iscn="46,XX"), "report.json")
    with pytest.raises(EditError, match=r"K702.*not the one that the last entry left"):
        apply()


def test_the_history_only_grows(place: Path, apply: Callable[..., Outcome]) -> None:
    apply(edit("flip", chromosome="c1", note="seen twice"))
    first = json.loads((place / "report" / "history.json").read_text())["entries"]
    apply()
    both = json.loads((place / "report" / "history.json").read_text())["entries"]
    assert both[:1] == first
    assert both[1]["previous"] == first[0]["sha256"]
    assert first[0]["author"] == "A. Meyer"
    assert first[0]["edits"][0]["edit"]["note"] == "seen twice"
    assert both[1]["report_after"] == contents(place / "report")["report.json"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_kill_at_any_moment_leaves_the_old_report_or_the_new_one(place: Path, apply: Callable[..., Outcome]) -> None:
    folder = place / "report"
    old = contents(folder)
    seen = set()
    for step in range(1, 60):
        pid = os.fork()
        if pid == 0:
            steps = 0

            def counted(change: Callable[..., Any]) -> Callable[..., Any]:
                def method(*arguments: Any, **options: Any) -> Any:
                    nonlocal steps
                    steps += 1
                    if steps == step:  # noqa: B023 (the child has this one)
                        os._exit(9)
                    return change(*arguments, **options)

                return method

            for name in ("rename", "mkdir", "write_bytes"):
                setattr(Path, name, counted(getattr(Path, name)))
            try:
                apply()
            finally:
                os._exit(0)
        killed = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
        recover(folder)
        now = contents(folder)
        assert {name: h for name, h in now.items() if name != "history.json"} == old
        seen.add("history.json" in now)
        if not killed:
            break
        assert "history.json" not in now or step > len(old)
        if "history.json" in now:
            break
    assert seen == {False, True}
    assert step > len(old)


# Outlines


@st.composite
def rods(draw_: Any) -> tuple[Region, list[tuple[float, float]]]:
    height, width = draw_(st.integers(12, 40)), draw_(st.integers(4, 9))
    x, y = draw_(st.integers(0, 30)), draw_(st.integers(0, 30))
    region = Region((x, y, x + width, y + height), np.ones((height, width), dtype=bool))
    ends = draw_(st.tuples(*[st.integers(y + 3, y + height - 4)] * 2))
    return region, [(x - 3, ends[0]), (x + width + 2, ends[1])]


@given(rods())
def test_parts_are_the_whole_and_joined_are_what_was_cut(cut: tuple[Region, list[tuple[float, float]]]) -> None:
    region, line = cut
    parts = divide(region, line)
    assert len(parts) == 2
    assert sum(part.area for part in parts) == region.area
    joined, gap = join(parts)
    assert gap == 0
    assert joined.bbox == region.bbox
    assert np.array_equal(joined.mask, region.mask)


@given(st.integers(2, 30))
def test_pieces_apart_are_bridged_and_a_line_between_them_parts_them(gap: int) -> None:
    first, second = (Region((0, y, 6, y + 10), np.ones((10, 6), dtype=bool)) for y in (0, 10 + gap))
    joined, length = join([first, second])
    assert length == gap + 1
    assert joined.area > first.area + second.area
    mask = first.to_mask((20 + gap, 6)) | second.to_mask((20 + gap, 6))
    halves = divide(Region((0, 0, 6, 20 + gap), mask), [(-2, 10 + gap // 2), (8, 10 + gap // 2)])
    assert [half.bbox for half in halves] == [first.bbox, second.bbox]


def test_a_line_that_ends_inside_or_passes_by_parts_nothing() -> None:
    region = Region((5, 5, 15, 45), np.ones((40, 10), dtype=bool))
    for line in ([(0, 20), (9, 20)], [(0, 0), (40, 2)], [(10, 0), (10, 30)]):
        assert divide(region, line) == [region]


def test_the_schema_is_valid_and_holds_the_example_of_the_readme() -> None:
    import jsonschema

    jsonschema.Draft202012Validator.check_schema(json_schema())
    readme = (Path(__file__).resolve().parent.parent / "README.md").read_text("utf-8")
    example = readme.partition("```json\n")[2].partition("```")[0]
    jsonschema.Draft202012Validator(json_schema()).validate(json.loads(example))
    kinds = {one["edit"] for one in json.loads(example)["edits"]}
    assert len(EditsDocument.model_validate_json(example).edits) == len(kinds) == 8


def test_every_error_is_one_a_person_can_mend() -> None:
    assert issubclass(EditError, KaryonetError)
