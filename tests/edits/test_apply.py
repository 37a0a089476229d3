"""What edits of a finished case change, what they leave, and which are refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from karyonet.batch_record import Program
from karyonet.case import LABELS
from karyonet.config import PipelineConfig
from karyonet.edits.apply import Outcome, apply_edits
from karyonet.errors import EditError
from karyonet.pipeline import Pipeline
from karyonet.report import Report
from karyonet.report.folder import check_target
from karyonet.report.pdf import available

from .conftest import FEMALE, chromosomes, contents, draw, edit, edits, labels, one_named, written

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


def test_what_was_left_out_is_remembered_until_someone_takes_it_for_a_chromosome(
    place: Path, apply: Callable[..., Outcome]
) -> None:
    box = [330, 420, 345, 440]
    report = written(place)
    report["metaphases"][0]["left_out"] = [{"bbox": box, "label": "Y", "confidence": 0.9, "odds": 1.5}]
    (place / "report" / "report.json").write_text(json.dumps(report), encoding="utf-8")
    apply(edit("delete", chromosome=one_named(place, "22")))
    assert [one["bbox"] for one in written(place)["metaphases"][0]["left_out"]] == [box]
    apply(edit("add-by-box", box=box, label="Y"))
    assert written(place)["metaphases"][0]["left_out"] == []


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
    config = PipelineConfig.model_validate({"stages": {"segmentation": {"use": "threshold_segmenter"}}})
    with pytest.raises(EditError, match="K703"):
        apply_edits(edits(), place / "report", Pipeline.from_config(config))
