"""``karyonet evaluate karyotype`` from the command line."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from karyonet.case import LABELS, Case, Karyotype, Outcome
from karyonet.cli.app import app, main
from karyonet.errors import KaryonetError
from karyonet.evaluation.karyotype_figures import KaryotypeEvaluation
from karyonet.pipeline import Pipeline

EXAMPLES = Path(__file__).resolve().parent.parent / "data"
AUTOSOMES = [label for label in LABELS[:22] for _ in range(2)]
SAID = {"anna": "46,XX", "bert": "46,XX", "down": "47,XY,+21", "trisomy21": "47,XY,+21"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Cases anna (XX), bert (XY), down (XY, 21 three times), of three images each, and one with a single image."""
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    cells, boxes = ["image,case,width,height,karyotype,split"], ["image,label,xmin,ymin,xmax,ymax"]
    for case, number, extra in (("anna", 3, "XX"), ("bert", 3, "XY"), ("down", 3, ["21", *"XY"]), ("lone", 1, "XX")):
        for name in (f"{case}{n}" for n in range(number)):
            Image.fromarray(np.tile(np.arange(40, dtype=np.uint8) * 6, (40, 1))).save(folder / f"images/{name}.png")
            cells.append(f"{name},{case},40,40,{'numerical' if len(extra) == 3 else 'normal'},test")
            boxes += [f"{name},{label},1,1,9,9" for label in [*AUTOSOMES, *extra]]
    (folder / "cells.csv").write_text("\n".join(cells))
    (folder / "chromosomes.csv").write_text("\n".join(boxes))
    return folder


@pytest.fixture(autouse=True)
def pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline that says of every case what is scripted."""

    def answer(case: Case) -> SimpleNamespace:
        outcome: Outcome = "normal" if SAID[case.id].startswith("46") else "abnormal"
        return SimpleNamespace(case=replace(case, karyotype=Karyotype(SAID[case.id], outcome)))

    monkeypatch.setattr(Pipeline, "from_config", lambda *_: answer)


def called(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["evaluate", "karyotype", *map(str, arguments)])


def test_annotated_cases(data: Path, tmp_path: Path) -> None:
    (data / "images" / "anna1.png").write_bytes(b"no image")
    out = (tmp_path / "new" / "e.json", tmp_path / "new" / "rows.csv")
    result = called("--data", data, "--split", "test", "--json", out[0], "--rows", out[1])
    assert result.exit_code == 0, result.output
    assert all(str(path) in result.stdout.replace("\n", "") for path in out)
    assert "normal_called_normal" in result.stdout and "failed: anna/anna1.png" in result.stdout.replace("\n", " ")
    evaluation = KaryotypeEvaluation.model_validate_json(out[0].read_text())
    assert (evaluation.stage, evaluation.format, evaluation.split) == ("karyotype", "metaphases", "test")
    assert (evaluation.cases, evaluation.metaphases, evaluation.least_metaphases) == (3, 9, 3)
    figures = {name: metric.value for name, metric in evaluation.metrics.items()}
    assert (figures["normal_called_normal"], figures["wrong_sex"], figures["abnormal_sensitivity"]) == (0.5, 0.5, 1)
    assert "iscn_right" not in figures and {"seconds_per_case", "specificity", "sex_right"} <= set(figures)
    with out[1].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["case"], row["verdict"]) for row in rows] == [
        ("anna", "right"), ("bert", "wrong sex"), ("down", "right"), ("lone", "not judged"),
    ]  # fmt: skip


def test_a_simulated_case(tmp_path: Path) -> None:
    json = tmp_path / "e.json"
    result = called("--data", EXAMPLES / "trisomy21", "--format", "simulated", "--json", json)
    assert result.exit_code == 0, result.output
    evaluation = KaryotypeEvaluation.read_json(json)
    assert (evaluation.cases, evaluation.metaphases, evaluation.format) == (1, 5, "simulated")
    assert evaluation.metrics["iscn_right"].value == evaluation.metrics["abnormal_sensitivity"].value == 1


def test_fewer_metaphases_may_do(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SAID, "lone", "46,XX")
    json = tmp_path / "e.json"
    assert called("--data", data, "--least-metaphases", 1, "--json", json).exit_code == 0
    assert KaryotypeEvaluation.read_json(json).cases == 4
    assert called("--data", data, "--limit", 3, "--least-metaphases", 1, "--json", json).exit_code == 0
    assert KaryotypeEvaluation.read_json(json).metaphases <= 3


@pytest.mark.parametrize("option", ["--json", "--rows"])
def test_a_file_that_cannot_be_written_is_said_at_once(option: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    result = called("--data", tmp_path / "nowhere", option, tmp_path / "file" / "x")
    assert isinstance(result.exception, KaryonetError) and result.exception.code == "K213"


@pytest.mark.parametrize(
    ("code", "arguments", "cells"),
    [
        ("K401", (), "image\nanna0\n"),
        ("K401", (), "image,case\nanna0,anna\n"),
        ("K401", (), "image,case,karyotype\nanna0,anna,normal\n"),
        ("K401", ("--format", "simulated"), None),
        ("K403", ("--split", "train"), None),
        ("K404", (), "image,case,karyotype\nnobody,anna,normal\n"),
        ("K407", ("--format", "strips"), None),
        ("K201", ("--config", "nowhere"), None),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(
    code: str,
    arguments: tuple[str, ...],
    cells: str | None,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if cells is not None:
        (data / "cells.csv").write_text(cells)
        boxes = (data / "chromosomes.csv").read_text().splitlines()
        (data / "chromosomes.csv").write_text("\n".join(row for row in boxes if row.startswith(("image", "anna0"))))
    monkeypatch.setattr(sys, "argv", ["karyonet", "evaluate", "karyotype", "--data", str(data), *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith(f"{code}: ") and "\n" not in said


def test_the_help_names_it() -> None:
    text = CliRunner().invoke(app, ["evaluate", "--help"]).stdout
    assert "karyotype" in text and Counter(text.split())["Karyotypes"] == 1
