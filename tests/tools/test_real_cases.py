"""Real cases and their alarms: which cases are read, what is kept of them, what is said of them, what is fitted."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from karyonet.case import LABELS, Case
from karyonet.config import load_config
from karyonet.pipeline import Pipeline
from karyonet.stage import Stage
from karyonet.stages.abnormality import HomologComparer
from karyonet.stages.abnormality.bags import CaseBags
from karyonet.stages.abnormality.real_cases import JudgedType, LabelledCase, by_pipeline, kept_bags, read_cases

from .conftest import loaded


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return loaded("benchmarks/structural_cases")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Seven images of six cases: one structural in a metaphase, one of which no chromosome is named, one numerical."""
    (tmp_path / "images").mkdir()
    rows = [
        'a1,a,structural,"2,14",train', "a2,a,normal,,train", "b1,b,structural,UNKNOWN,test",
        "c1,c,normal,,test", "d1,d,normal,,test", "e1,e,normal,,validation", "f1,f,numerical,21,test",
    ]  # fmt: skip
    for row in rows:
        cv2.imwrite(str(tmp_path / "images" / f"{row.split(',')[0]}.png"), np.full((40, 40), 250, np.uint8))
    (tmp_path / "cells.csv").write_text("image,case,karyotype,affected,split\n" + "\n".join(rows) + "\n")
    (tmp_path / "chromosomes.csv").write_text("image,label,xmin,ymin,xmax,ymax\na1,2,1,1,9,9\n")
    return tmp_path


def test_structural_cases_and_the_normal_ones_of_a_split_are_read(data: Path) -> None:
    cases = read_cases(data, "test")
    assert [(case.id, case.kind) for case in cases] == [("a", "structural"), ("c", "normal"), ("d", "normal")]
    assert [m.id for m in cases[0].metaphases] == ["a1"] and cases[0].affected == {"2", "14"}
    assert [case.id for case in read_cases(data, "test", ["test"], limit=1)] == ["c"]
    assert [case.id for case in read_cases(data, "validation", ["train"])] == ["a", "e"]


def test_pairs_are_read_once(tmp_path: Path, data: Path) -> None:
    known, stage, read = read_cases(data, "test")[1], HomologComparer(), []

    def reader(case: object) -> Case:
        read.append(case)
        return Case("c", ())

    first = kept_bags(tmp_path / "kept" / "c.pickle", known, reader, stage)
    again = kept_bags(tmp_path / "kept" / "c.pickle", known, reader, stage)
    assert (
        read == [known] and isinstance(again, CaseBags) and first.skipped == again.skipped and len(again.skipped) == 23
    )


def test_figures_and_ranks_follow_from_the_answers(tool: ModuleType, data: Path) -> None:
    structural, c, d = read_cases(data, "test")
    judged = [JudgedType(structural, "2", 1, 0.9), JudgedType(structural, "14", 0, None, "hidden")]
    judged += [JudgedType(structural, "5", 1, 0.95), JudgedType(c, "2", 2, 0.2), JudgedType(d, "3", 1, 0.6)]
    said = tool.figures(judged, lambda _: 0.8)
    assert "3 cases, 4 types compared, 1 of them abnormal (1 abnormal ones could not be compared)" in said
    assert "auc                0.667" in said
    assert "alarms: 1 of 1 abnormal types; 0.0 %" in said
    by_number = tool.figures(judged, lambda metaphases: 0.5 if metaphases == 1 else 0.99)
    assert "alarms: 1 of 1 abnormal types; 50.0 %" in by_number and "of 2 normal cases" in by_number
    rows = tool.structural_table(judged)
    assert "| a | train | 2 | 1 | 0.900 | 2 of 2 | 33.3 % |" in rows and "not compared: hidden" in rows
    text = tool.rows_as_csv(judged).splitlines()
    assert text[0] == ",".join(tool.COLUMNS) and text[2] == "a,structural,train,14,1,0,,hidden" and len(text) == 6
    assert set(LABELS) >= {line.split(",")[3] for line in text[1:]}


def test_about_as_many_normal_cases_as_asked_for_have_an_alarm() -> None:
    fit = loaded("fit_alarms").fit
    generator = np.random.default_rng(0)
    judged = [
        JudgedType(
            LabelledCase(f"p{case}", "validation", ()), label, 1 + case % 4, float(generator.random()) ** (1 + case % 4)
        )
        for case in range(200)
        for label in LABELS[:20]
    ]
    judged.append(JudgedType(LabelledCase("p0", "validation", ()), "21", 0, None, "hidden"))
    thresholds = fit(judged, 0.05)
    stricter = fit(judged, 0.02)
    assert all(more >= usual for more, usual in zip(stricter, thresholds, strict=True)) and stricter != thresholds
    assert len(thresholds) == 3 and 1 > thresholds[0] > max(thresholds[1:]) and min(thresholds) > 0.5
    alarmed = {one.case.id for one in judged if one.exceeds(lambda number: thresholds[min(number, 3) - 1])}
    assert 4 <= len(alarmed) <= 14
    with pytest.raises(ValueError, match="2 metaphases"):
        fit([one for one in judged if one.metaphases != 2], 0.05)


def test_one_odd_case_moves_a_threshold_little_and_none_is_above_all_that_was_seen() -> None:
    exceeded_by = loaded("fit_alarms").exceeded_by
    generator = np.random.default_rng(1)
    odds = generator.exponential(1.2, 2000) - 6
    usual, with_one = (exceeded_by(some, 0.0005) for some in (odds, np.append(odds, odds.max() + 5)))
    assert usual == pytest.approx(-6 + 1.2 * np.log(2000), abs=0.8)
    assert 0 < with_one - usual < 2
    assert exceeded_by(odds, 0.0) == odds.max() == exceeded_by(odds, 1e-9)
    shares = np.geomspace(1e-5, 0.5, 30)
    limits = [exceeded_by(odds, float(share)) for share in shares]
    assert np.all(np.diff(limits) <= 1e-9)


def test_a_pipeline_reads_up_to_where_homologs_are_compared(data: Path) -> None:
    ran = []

    class Recorder(Stage):
        requires: frozenset[str] = frozenset()
        assigns: frozenset[str] = frozenset()

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def __call__(self, case: Case) -> Case:
            ran.append(self.name)
            return case

    names = ("segmentation", "ours", "classification", "abnormality", "karyotype")
    pipeline = Pipeline({name: Recorder(name) for name in names})
    case = by_pipeline(pipeline, load_config("default"))(read_cases(data, "test")[1])
    assert ran == ["segmentation", "ours", "classification"] and case.id == "c" and len(case.metaphases) == 1
