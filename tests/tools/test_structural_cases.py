"""Real structural cases: which cases are read, what is kept of them and what is said of the answers."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from karyonet.case import LABELS, Case
from karyonet.stages.abnormality import HomologComparer
from karyonet.stages.abnormality.bags import CaseBags

from .conftest import loaded


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return loaded("benchmarks/structural_cases")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six images of four cases: one structural in a metaphase, one without a chromosome named, two normal ones."""
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


def test_structural_cases_and_the_normal_ones_of_a_split_are_read(tool: ModuleType, data: Path) -> None:
    cases = tool.read_cases(data, "test")
    assert [(case.id, case.kind) for case in cases] == [("a", "structural"), ("c", "normal"), ("d", "normal")]
    assert [m.id for m in cases[0].metaphases] == ["a1"] and cases[0].affected == {"2", "14"}
    assert [case.id for case in tool.read_cases(data, "test", ["test"], limit=1)] == ["c"]
    assert [case.id for case in tool.read_cases(data, "validation", ["train"])] == ["a", "e"]


def test_pairs_are_read_once(tool: ModuleType, tmp_path: Path, data: Path) -> None:
    known, stage, read = tool.read_cases(data, "test")[1], HomologComparer(), []

    def reader(case: object) -> Case:
        read.append(case)
        return Case("c", ())

    first = tool.kept_bags(tmp_path / "kept" / "c.pickle", known, reader, stage)
    again = tool.kept_bags(tmp_path / "kept" / "c.pickle", known, reader, stage)
    assert (
        read == [known] and isinstance(again, CaseBags) and first.skipped == again.skipped and len(again.skipped) == 23
    )


def test_figures_and_ranks_follow_from_the_answers(tool: ModuleType, data: Path) -> None:
    structural, c, d = tool.read_cases(data, "test")
    judged = [tool.Judged(structural, "2", 1, 0.9), tool.Judged(structural, "14", 0, None, "hidden")]
    judged += [tool.Judged(structural, "5", 1, 0.95), tool.Judged(c, "2", 2, 0.2), tool.Judged(d, "3", 1, 0.6)]
    said = tool.figures(judged, {"high": 0.8, "low": 0.5})
    assert "3 cases, 4 types compared, 1 of them abnormal (1 abnormal ones could not be compared)" in said
    assert "auc                0.667" in said
    assert "above high (0.8000): 1 of 1 abnormal types; 0.0 %" in said
    assert "above low (0.5000): 1 of 1 abnormal types; 50.0 %" in said and "exceed 0.6000" in said
    rows = tool.structural_table(judged)
    assert "| a | train | 2 | 1 | 0.900 | 2 of 2 | 33.3 % |" in rows and "not compared: hidden" in rows
    text = tool.rows_as_csv(judged).splitlines()
    assert text[0] == ",".join(tool.COLUMNS) and text[2] == "a,structural,train,14,1,0,,hidden" and len(text) == 6
    assert set(LABELS) >= {line.split(",")[3] for line in text[1:]}
