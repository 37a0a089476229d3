"""What a batch is made of: its cases, its records, its summary."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from karyonet.batch import Ended, cores, default_jobs, find_cases, run_batch
from karyonet.batch_record import STATE, Origin, Program, Record, Records, sha256, sha256_of
from karyonet.case import Case, Karyotype
from karyonet.cli.run import folder_name
from karyonet.config import PipelineConfig
from karyonet.errors import ConfigError, KaryonetError
from karyonet.evaluation.report import EvaluatedWeights
from karyonet.report import Provenance, Report, ReportDocument
from karyonet.report.pdf import available
from karyonet.report.schema import ErrorRecord
from karyonet.report.summary import COLUMNS, CaseRow, to_csv, to_html

from .conftest import killed_at

PROGRAM = Program(karyonet="1.0", config_sha256="c0")
HOSTILE = "\"'><script>alert(1)</script><img src=http://example.org/x onerror=alert(1)>"
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)


def folders(place: Path, *names: str) -> Path:
    for name in names:
        (place / "cases" / name).mkdir(parents=True)
    return place / "cases"


def report(iscn: str) -> Report:
    return Report(Case("a", karyotype=Karyotype(iscn, "normal")), Provenance(karyonet="1.0", config_sha256="c0"))


# Cases


def test_cases_come_in_natural_order_without_files_and_hidden_folders(tmp_path: Path) -> None:
    folder = folders(tmp_path, "case10", "case2", "Case1", ".git", "7")
    (folder / "notes.txt").write_text("none")
    assert [case.id for case in find_cases(folder, tmp_path / "out", folder_name)] == ["7", "Case1", "case2", "case10"]


def test_reports_of_similar_names_get_folders_of_their_own(tmp_path: Path) -> None:
    names = ("a b", "a_b", "a?b", "A_B", "summary.csv", "1")
    cases = find_cases(folders(tmp_path, *names), tmp_path / "out", folder_name)
    by_id = {case.id: case.name for case in cases}
    assert len({name.casefold() for name in by_id.values()} | {"summary.csv"}) == 7
    assert by_id["1"] == "1"
    # Which of the two that differ in case alone gives way is settled by the alphabet.
    assert by_id["A_B"] == "A_B"


@given(st.sets(st.text("ab _?.", min_size=1, max_size=4).filter(lambda name: not name.startswith(".")), min_size=1))
def test_names_of_report_folders_are_safe_and_unique(tmp_path_factory: Any, names: set[str]) -> None:
    place = tmp_path_factory.mktemp("names")
    cases = find_cases(folders(place, *names), place / "out", folder_name)
    assert {case.id for case in cases} == names
    assert len({case.name.casefold() for case in cases}) == len(names)
    assert all(case.name == folder_name(case.name) for case in cases)


@pytest.mark.parametrize(
    ("folder", "out", "code"),
    [
        ("nowhere", "out", "K101"),
        ("file", "out", "K203"),
        ("nothing", "out", "K203"),
        ("cases", "cases", "K203"),
        ("cases", "cases/a/out", "K203"),
        ("cases", "nothing/../cases/out", "K203"),
    ],
)
def test_a_folder_that_cannot_be_a_batch_is_refused(tmp_path: Path, folder: str, out: str, code: str) -> None:
    folders(tmp_path, "a")
    (tmp_path / "nothing").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(KaryonetError) as caught:
        find_cases(tmp_path / folder, tmp_path / out, folder_name)
    assert caught.value.code == code


def test_a_place_that_is_taken_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    cases = find_cases(folders(tmp_path, "a"), tmp_path / "out", folder_name)
    settings = PipelineConfig.model_validate({"stages": {"straightening": {"use": "threshold_segmenter"}}})
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="K209"):
        next(run_batch(cases, tmp_path / "file", settings))
    (tmp_path / "summary.html").write_text("my own")
    with pytest.raises(ConfigError, match="K210"):
        next(run_batch(cases, tmp_path, settings))
    assert not (tmp_path / STATE).exists()


def test_two_batches_do_not_write_to_one_folder(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    second = Records(tmp_path).held()
    with Records(tmp_path).held(), pytest.raises(ConfigError, match=r"K213.*another batch"):
        second.__enter__()
    with Records(tmp_path).held():
        pass


# Records


def test_the_origin_changes_with_every_image_name_version_configuration_and_weight(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"one")
    (tmp_path / "notes.txt").write_bytes(b"not an image")
    first = Origin.of(PROGRAM, "a", tmp_path)
    weights = (EvaluatedWeights(stage="classification", sha256="5e"),)
    assert Origin.of(PROGRAM, "b", tmp_path) != first
    for change in ({"karyonet": "1.1"}, {"config_sha256": "c1"}, {"weights": weights}):
        assert Origin.of(PROGRAM.model_copy(update=change), "a", tmp_path) != first
    (tmp_path / "notes.txt").write_bytes(b"still none")
    assert Origin.of(PROGRAM, "a", tmp_path) == first
    (tmp_path / "2.png").write_bytes(b"two")
    assert Origin.of(PROGRAM, "a", tmp_path) != first
    (tmp_path / "2.png").unlink()
    (tmp_path / "1.png").write_bytes(b"One")
    assert Origin.of(PROGRAM, "a", tmp_path) != first
    (tmp_path / "1.png").write_bytes(b"one")
    assert Origin.model_validate_json(Origin.of(PROGRAM, "a", tmp_path).model_dump_json()) == first


def put(out: Path, what: Report) -> None:
    records = Records(out)
    document = what.to_document()
    origin = Origin(program=PROGRAM, case="a", images={"1.png": str(what.karyotype)})
    with records.writing("a", Record(origin=origin, report_sha256=sha256_of(document), seconds=1.0)):
        what.save(out / "a")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("earlier", [False, True])
def test_a_kill_at_any_moment_leaves_a_whole_report_and_the_record_of_it(tmp_path: Path, earlier: bool) -> None:
    seen = set()
    for step in range(1, 100):
        out = tmp_path / str(step)
        records = Records(out)
        with records.held():
            if earlier:
                put(out, report("46,XX"))
            killed = killed_at(step, lambda out=out: put(out, report("46,XY")))  # type: ignore[misc]
            records.settle()
        left = {path.name for path in out.iterdir()} - {STATE, "a"}
        assert not left
        assert {path.name for path in (out / STATE).iterdir()} <= {"lock", "a.json"}
        record = records.read("a")
        if record is None:
            assert not earlier
            assert not (out / "a").exists()
            seen.add("none")
        else:
            assert sha256(out / "a" / "report.json") == record.report_sha256
            assert sorted(path.name for path in (out / "a").iterdir()) == [
                "chromosomes.coco.json", "report.html", "report.json",
            ]  # fmt: skip
            iscn = json.loads((out / "a" / "report.json").read_text())["karyotype"]["iscn"]
            assert record.origin.images == {"1.png": iscn}
            seen.add(iscn)
        if not killed:
            break
    assert not killed
    assert step > 8
    assert seen == ({"46,XX", "46,XY"} if earlier else {"none", "46,XY"})


def test_a_report_that_cannot_be_written_leaves_the_earlier_record(tmp_path: Path) -> None:
    records = Records(tmp_path)
    with records.held():
        put(tmp_path, report("46,XX"))
        before = records.read("a")
        assert before is not None
        with pytest.raises(OSError), records.writing("a", before.model_copy(update={"seconds": 9.0})):
            raise OSError("the disk is full")
    assert records.read("a") == before
    assert [path.name for path in (tmp_path / STATE).glob("*.pending")] == []


@pytest.mark.parametrize("content", ["", "{}", '{"schema": "karyonet.batch/2"}'])
def test_a_record_that_cannot_be_understood_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / STATE).mkdir()
    (tmp_path / STATE / "a.json").write_text(content)
    assert Records(tmp_path).read("a") is None


# Processes


def test_there_is_at_least_one_process_and_no_more_than_cores() -> None:
    assert 1 <= default_jobs() <= cores()


@pytest.mark.parametrize(("environment", "threads"), [("", 2), ("1", 1), ("64", 2), ("many", 2)])
def test_a_worker_keeps_to_its_share_of_the_cores(environment: str, threads: int) -> None:
    script = (
        "from karyonet.batch_worker import limit_threads; import sys; assert 'numpy' not in sys.modules; "
        "limit_threads(2); import cv2, os; print(cv2.getNumThreads(), os.environ['OPENBLAS_NUM_THREADS'])"
    )
    variables = {"OMP_NUM_THREADS": environment, "OPENBLAS_NUM_THREADS": environment, "MKL_NUM_THREADS": environment}
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ | variables
    )
    assert result.stdout.split() == [str(threads)] * 2


# Summary


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))


def test_a_row_says_what_the_report_says() -> None:
    content = json.loads(report("47,XY,+21").to_json())
    chromosome = {"id": "c1", "bbox": [0, 0, 2, 2], "label": "1", "confidence": 1, "p_arm_up": None, "review": True,
                  "cluster": None, "homolog": None}  # fmt: skip
    metaphase = {"image": "1.png", "sha256": "0f", "width": 9, "height": 9, "contrast": "absorption",
                 "band_level": None, "iscn": None, "outcome": "abnormal", "chromosomes": [chromosome]}  # fmt: skip
    content["metaphases"] = [
        metaphase | {"id": f"m{number}", "count": count, "quality": quality and {"score": quality}}
        for number, (count, quality) in enumerate([(47, 0.9), (None, 0.5), (46, None)], start=1)
    ]
    finding = {"kind": "numerical", "chromosome": "21", "change": "gain", "iscn": "+21", "score": 1, "metaphases": []}
    content["findings"] = [finding | {"clonal": clonal} for clonal in (True, False)]
    row = CaseRow.of(ReportDocument.model_validate(content), "folder", 2.5)
    assert (row.case, row.outcome, row.iscn, row.folder, row.seconds) == ("a", "normal", "47,XY,+21", "folder", 2.5)
    assert (row.counts, row.metaphases, row.quality, row.review) == ((47, 1, 46), 3, 0.7, 3)
    assert row.findings == ("additional chromosome 21 (+21)", "additional chromosome 21 (+21, not clonal)")


rows_of_any_text = st.builds(
    CaseRow,
    case=texts,
    outcome=st.just("normal"),
    iscn=texts,
    counts=st.just((46, 47)),
    findings=st.tuples(texts),
    reasons=st.tuples(texts),
    folder=texts.filter(bool),
)


@given(st.lists(rows_of_any_text, max_size=3))
def test_the_table_keeps_its_shape_and_holds_no_formula(rows: list[CaseRow]) -> None:
    head, *body = csv.reader(io.StringIO(to_csv(rows), newline=""))
    assert tuple(head) == COLUMNS
    assert len(body) == len(rows)
    for cells, row in zip(body, rows, strict=True):
        assert len(cells) == len(COLUMNS)
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
        assert cells[0].removeprefix("'") == row.case.removeprefix("'")
        assert cells[COLUMNS.index("counts")] == "46 47"


def test_the_page_escapes_everything_fetches_nothing_and_links_every_report() -> None:
    error = ErrorRecord(image=HOSTILE, code="K103", message=f"K103: {HOSTILE}")
    rows = [
        CaseRow(HOSTILE, "abnormal", HOSTILE, (46,), 0.5, 1, (HOSTILE,), (HOSTILE,), 1.0, (error,), 'a "b" #1?'),
        CaseRow("lost", "failed", errors=(error,)),
    ]
    html = to_html(rows)
    elements = Page(html).elements
    tags = [tag for tag, _ in elements]
    assert not {"script", "img", "link", "iframe"} & set(tags)
    assert not [name for _, attributes in elements for name in attributes if name.startswith("on")]
    links = [attributes["href"] for tag, attributes in elements if tag == "a"]
    assert links == ["#failures", "a%20%22b%22%20%231%3F/report.html"]
    assert ("html", {"lang": "en"}) in elements
    assert all("scope" in attributes for tag, attributes in elements if tag == "th")
    assert "caption" in tags


def test_a_file_name_that_is_no_text_is_spelt_out() -> None:
    row = CaseRow("a", "failed", errors=(ErrorRecord(image="\udce9.png", code="K103", message="K103: \udce9.png"),))
    assert "\\udce9.png" in to_csv([row])
    to_html([row]).encode("utf-8")


# The whole


@pytest.fixture
def batch(tmp_path: Path) -> Callable[..., Ended]:
    """Runs a batch of one case named a, whose image shows nothing."""
    image, out = tmp_path / "cases" / "a" / "1.png", tmp_path / "out"
    image.parent.mkdir(parents=True)
    Image.new("L", (40, 30), 200).save(image)
    cases = find_cases(tmp_path / "cases", out, folder_name)
    stages = {"segmentation": {"use": "threshold_segmenter"}, "cluster_type": {"use": "shape_rules"}}

    def run(pages: int = 1, **options: Any) -> Ended:
        settings = PipelineConfig.model_validate({"stages": stages, "reading": {"max_pages": pages}})
        (ended,) = run_batch(cases, out, settings, jobs=1, **options)
        return ended

    return run


def test_a_report_that_a_person_changed_is_not_lost(tmp_path: Path, batch: Callable[..., Ended]) -> None:
    assert not batch().earlier
    file = tmp_path / "out" / "a" / "report.json"
    file.write_text(file.read_text().replace('"iscn": null', '"iscn": "45,X"', 1))
    changed = file.read_bytes()

    refused = batch(pages=2)
    assert refused.row.outcome == "failed"
    assert "--fresh" in refused.row.failures[0]
    assert file.read_bytes() == changed

    same = batch()
    assert (same.earlier, same.row.iscn) == (True, "45,X")
    assert file.read_bytes() == changed

    assert batch(pages=2, fresh=True).row.iscn is None
    assert file.read_bytes() != changed


def test_a_report_without_the_pdf_that_is_asked_for_is_not_finished(
    tmp_path: Path, batch: Callable[..., Ended]
) -> None:
    if not available():
        pytest.skip("no PDF can be written here")
    batch()
    assert not batch(pdf=True).earlier
    assert (tmp_path / "out" / "a" / "report.pdf").is_file()
    assert batch(pdf=True).earlier
    assert batch().earlier
