from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from rich.console import Console

from karyonet.errors import ArrayError
from karyonet.evaluation.confusion import save_confusion_matrix
from karyonet.evaluation.report import EvaluatedWeights, Evaluation, Failure, Metric, class_metrics


@pytest.fixture
def evaluation() -> Evaluation:
    counts = np.zeros((3, 24))
    counts[:, 3] = (6, 8, 10)
    return Evaluation(
        stage="pipeline",
        cases=139,
        metaphases=408,
        chromosomes=18771,
        weights=(EvaluatedWeights(stage="classification", sha256="ab"),),
        metrics={"identification_f1": Metric(value=0.9624999999, interval=(0.955, 0.968))},
        per_class=class_metrics(counts),
        failures=(Failure(metaphase="m1", reason="[bold]damaged"),),
    )


def test_json_is_what_the_contract_says(evaluation: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "new" / "evaluation.json"
    evaluation.described(data="gband", format="metaphases", split="test").write_json(path)
    written = json.loads(path.read_text())
    assert written["schema"] == "karyonet.evaluation/1"
    assert (written["stage"], written["data"], written["format"], written["split"]) == (
        "pipeline",
        "gband",
        "metaphases",
        "test",
    )
    assert (written["cases"], written["metaphases"], written["chromosomes"]) == (139, 408, 18771)
    assert written["weights"] == [{"stage": "classification", "sha256": "ab"}]
    assert written["metrics"] == {"identification_f1": {"value": 0.9625, "interval": [0.955, 0.968]}}
    assert written["per_class"] == {"4": {"precision": 0.75, "recall": 0.6, "f1": 0.666667, "support": 10}}
    assert [p.name for p in path.parent.iterdir()] == ["evaluation.json"]


def test_json_is_read_back(evaluation: Evaluation, tmp_path: Path) -> None:
    evaluation.write_json(tmp_path / "e.json")
    assert Evaluation.read_json(tmp_path / "e.json") == evaluation


def test_a_write_that_fails_leaves_the_old_file(
    evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "e.json"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="no space"):
        evaluation.write_json(path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["e.json"]


def test_figures_must_be_numbers() -> None:
    with pytest.raises(ValidationError):
        Metric(value=float("nan"), interval=(0, 1))


def test_tables_show_every_figure(evaluation: Evaluation) -> None:
    text = StringIO()
    evaluation.described("gband", "metaphases", None).print(Console(file=text, width=120))
    for part in ("gband", "408 metaphases", "identification_f1", "0.9625", "0.955 – 0.968", "[bold]damaged"):
        assert part in text.getvalue()


def test_the_confusion_matrix_is_drawn(tmp_path: Path) -> None:
    matrix = np.diag(np.full(24, 90))
    matrix[12, 13] = 30
    save_confusion_matrix(matrix, tmp_path / "new" / "confusion.png")
    image = np.asarray(Image.open(tmp_path / "new" / "confusion.png")).astype(int)
    assert image.shape[0] > 1000
    corner = 96 + 44 * np.array([[0, 0], [12, 13], [13, 12]]) + 4  # just inside a cell, clear of its count
    diagonal, confused, empty = (image[y, x] for y, x in corner)
    assert diagonal[2] > diagonal[0] + 50  # blue
    assert confused[0] > confused[2] + 50  # red
    assert empty.tolist() == [255, 255, 255]


def test_a_matrix_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArrayError, match="K501"):
        save_confusion_matrix(np.zeros((3, 4)), tmp_path / "x.png")
