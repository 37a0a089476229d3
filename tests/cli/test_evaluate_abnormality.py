"""``karyonet evaluate abnormality`` from the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from karyonet.cli.app import app
from karyonet.errors import KaryonetError
from karyonet.evaluation.report import Evaluation
from tests.stages.abnormality.drawn import strips_folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return strips_folder(tmp_path_factory.mktemp("drawn"), cases=2, cells=2)


def called(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["evaluate", "abnormality", *map(str, arguments)])


def test_figures_and_rows_of_bags_of_two_sizes(data: Path, tmp_path: Path) -> None:
    figures, rows = tmp_path / "new" / "figures.json", tmp_path / "rows.csv"
    result = called("--data", data, "--bags", "1,2", "--number", 30, "--seed", 4, "--json", figures, "--rows", rows)
    assert result.exit_code == 0, result.output
    assert "auc_bags_1" in result.stdout and "by abnormality" in result.stdout
    evaluation = Evaluation.read_json(figures)
    assert (evaluation.stage, evaluation.format, evaluation.cases, evaluation.metaphases) == (
        "abnormality", "strips", 2, 4,
    )  # fmt: skip
    assert evaluation.weights[0].stage == "abnormality"
    assert {"f1_bags_2", "sensitivity_at_95_bags_2", "sensitivity_at_99_bags_2"} <= set(evaluation.metrics)
    assert json.loads(figures.read_text())["schema"] == "karyonet.evaluation/1"
    with rows.open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["metaphases"] for row in written] == ["1"] * 30 + ["2"] * 30
    assert all(bool(row["kind"]) == (row["abnormal"] == "1") for row in written)


def test_a_wrong_call_is_one_sentence(data: Path, tmp_path: Path) -> None:
    def code(*arguments: object) -> str:
        result = called(*arguments)
        assert result.exit_code != 0 and isinstance(result.exception, KaryonetError), result.output
        return result.exception.code

    assert code("--data", tmp_path / "nowhere") == "K401"
    assert code("--data", data, "--format", "mfish") == "K407"
    assert code("--data", data, "--weights", "nothing") == "K301"
    assert code("--data", data, "--bags", "7") == "K414"
    assert code("--data", data, "--json", data) == "K213"
    assert code("--data", data, "--format", "metaphases", "--config", "nowhere") == "K201"
    wrong = called("--data", data, "--bags", "many")
    assert wrong.exit_code == 2 and "1,2,5" in wrong.output
