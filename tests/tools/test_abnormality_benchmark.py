"""The comparison with HomNet: what its rows share, and what becomes of rows that cannot be run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import typer
import yaml

from karyonet.errors import InputError
from karyonet.stages.abnormality.baselines import DETECTORS, NETWORKS
from karyonet.stages.abnormality.train import PretrainingRecipe
from karyonet.training.loop import Progression, Trainer
from tests.stages.abnormality.drawn import pack
from tests.stages.abnormality.test_train import settings

from .conftest import loaded


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return loaded("benchmarks/abnormality")


@pytest.fixture
def main(tool: ModuleType, tmp_path: Path) -> Callable[..., None]:
    """The tool on drawn chromosomes with a toy recipe."""
    recipe = tmp_path / "toy.yaml"
    recipe.write_text(yaml.safe_dump(settings(validation_bags=12, batch_size=4)))
    data = tmp_path / "drawn.npz"
    pack(cases=12).write(data)

    def run(rows: str | None, **changes: Any) -> None:
        told: dict[str, Any] = {
            "fold": None, "steps": None, "bags_size": 2, "bags": 16, "config": recipe, "weights": "homnet",
            "threads": None, "test": False, "table_only": False, "json_file": None, "data": data,
            "run": tmp_path / "runs",
        }  # fmt: skip
        tool.main(rows=rows, **{**told, **changes})

    return run


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def lines(text: str) -> dict[str, str]:
    return {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("|")}


def test_all_rows_judge_the_same_bags_and_are_not_repeated(
    main: Callable[..., None], tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    names = ["homnet", "shipped", "logistic_regression", "siamese", "without_pair", "bag_loss"]
    main(",".join(names), json_file=tmp_path / "table.json")
    table = lines(capsys.readouterr().out)
    rows = [read(tmp_path / "runs" / f"validation_{name}.json") for name in names]
    for key in ("abnormal", "cases"):
        assert all(row["outcome"][key] == rows[0]["outcome"][key] for row in rows)
    assert len({tuple(row["outcome"]["scores"]) for row in rows}) == len(rows)
    assert set(rows[0]["outcome"]["cases"]) == {f"drawn/p{case}" for case in range(0, 12, 4)}
    assert rows[1]["minutes"] is None and rows[1]["sha256"] and rows[0]["minutes"] > 0
    for row in rows:
        assert row["parameters"] > 0 and np.isfinite(row["outcome"]["scores"]).all()
        for figure in ("auc", "f1", "average_precision"):
            value, (low, high) = row[figure]["value"], row[figure]["interval"]
            assert 0 <= low <= value <= high <= 1 + 1e-9
    assert len({line.count("|") for line in table.values()}) == 1
    assert f"{100 * rows[3]['auc']['value']:.1f} (" in table["Siamese"] and " to " in table["Siamese"]
    kept = read(tmp_path / "table.json")
    assert list(kept["rows"]) == names and kept["rows"]["siamese"]["auc"] == rows[3]["auc"]
    assert kept["bags_size"] == 2 and kept["steps"] == 2 and kept["part"] == "validation"

    monkeypatch.setattr(tool, "run_row", lambda bench, name: pytest.fail("a finished row is repeated"))
    main(",".join(names))
    main(None, table_only=True)
    again = lines(capsys.readouterr().out)
    assert again["Siamese"] == table["Siamese"] and "not run" in again["ResNet"]
    for changes in ({"bags": 18}, {"bags_size": 3}, {"steps": 3}):
        with pytest.raises(typer.BadParameter, match="another"):
            main("homnet", **changes)


def test_a_row_that_cannot_be_run_does_not_stop_the_others(
    main: Callable[..., None], tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    made = tool.build_detector

    def partly(name: str, seed: int) -> Any:
        if name == "deep_svdd":
            raise InputError("K110", path="a detector of PyOD", extra="baselines")
        if name == "autoencoder":
            raise RuntimeError("no memory | left")
        return made(name, seed)

    monkeypatch.setattr(tool, "build_detector", partly)
    rows = "deep_svdd,autoencoder,oc_svm"
    main(rows, json_file=tmp_path / "table.json")
    table = lines(capsys.readouterr().out)
    assert "not run: K110" in table["Deep-SVDD"] and "failed: RuntimeError: no memory / left" in table["autoencoder"]
    assert "(" in table["one-class SVM (features, DTW)"]
    assert len({line.count("|") for line in table.values()}) == 1
    assert read(tmp_path / "table.json")["rows"]["deep_svdd"]["not_run"].startswith("not run: K110")
    monkeypatch.setattr(tool, "build_detector", lambda name, seed: made("oc_svm", seed))
    main(rows)
    assert "failed" not in capsys.readouterr().out and not list((tmp_path / "runs").glob("*.fault.txt"))


def test_a_stopped_run_goes_on(main: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit, began = Trainer.fit, []

    def stopped(trainer: Trainer, resume: bool = True) -> Progression:
        trainer._save()
        return trainer.progression

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "fit", stopped)
        (tmp_path / "runs" / "mobilenet").mkdir(parents=True)
        with pytest.raises(SystemExit, match="143"):
            main("mobilenet,vit")
    assert not list((tmp_path / "runs").glob("validation_*")) and not (tmp_path / "runs" / "vit").exists()

    def watched(trainer: Trainer, resume: bool = True) -> Progression:
        began.append(trainer.checkpoint.is_file() and resume)
        return fit(trainer, resume)

    monkeypatch.setattr(Trainer, "fit", watched)
    main("mobilenet,vit")
    assert began == [True, False] and len(list((tmp_path / "runs").glob("validation_*.json"))) == 2


def test_shipped_weights_are_not_judged_on_what_they_were_trained_on(
    main: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The card names the data set and the split; here the recipe evaluates that split."""
    data = tmp_path / "known.npz"
    pack(cases=8, source="pki3").write(data)
    recipe = tmp_path / "known.yaml"
    recipe.write_text(yaml.safe_dump(settings(train_split="validation", validation_split="train", validation_bags=12)))
    main("shipped", data=data, config=recipe)
    assert "not run: cases that are evaluated are among those" in capsys.readouterr().out


def test_the_test_cases_are_asked_for(main: Callable[..., None], tmp_path: Path) -> None:
    drawn = pack(cases=12)
    three, twice = tmp_path / "three.npz", tmp_path / "twice.npz"
    with_test = replace(drawn, splits=np.where(drawn.cases == "p1", "test", drawn.splits))
    with_test.write(three)
    replace(with_test, cases=np.where(drawn.cases == "p1", "p2", drawn.cases)).write(twice)
    main("oc_svm", data=three, test=True)
    assert set(read(tmp_path / "runs" / "test_oc_svm.json")["outcome"]["cases"]) == {"drawn/p1"}
    assert not (tmp_path / "runs" / "validation_oc_svm.json").exists()
    main("oc_svm", data=twice, test=True, run=tmp_path / "other")
    assert "p2 is in test and other" in (tmp_path / "other" / "test_oc_svm.fault.txt").read_text()
    with pytest.raises(typer.BadParameter, match="no test split"):
        main("oc_svm", test=True, run=tmp_path / "third")


def test_a_fold_is_validated_on_and_the_test_fold_never_moves(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = pack(cases=8)
    folds = {cell: int(case.removeprefix("p")) % 4 for cell, case in zip(drawn.cells, drawn.cases, strict=True)}
    splits = np.array([{0: "test", 1: "validation"}.get(folds[cell], "train") for cell in drawn.cells])
    given = replace(drawn, splits=splits)
    (tmp_path / "cells").mkdir()
    cells = [SimpleNamespace(id=cell, fold=fold) for cell, fold in folds.items()]
    monkeypatch.setattr(tool, "read_strips", lambda data: cells)
    recipe = PretrainingRecipe(steps=1)
    third = tool.by_fold(given, tmp_path, 3, recipe)
    for fold, split in enumerate(("test", "train", "train", "validation")):
        of_fold = [folds[cell] == fold for cell in third.cells]
        assert set(third.splits[of_fold]) == {split}
    assert np.array_equal(tool.by_fold(given, tmp_path, 1, recipe).splits, given.splits)
    with pytest.raises(typer.BadParameter, match="no fold 9"):
        tool.by_fold(given, tmp_path, 9, recipe)
    with pytest.raises(typer.BadParameter, match="no folds"):
        tool.by_fold(given, tmp_path / "drawn.npz", 1, recipe)


def test_every_baseline_has_a_row_and_rows_are_known(tool: ModuleType, main: Callable[..., None]) -> None:
    assert {*NETWORKS, *DETECTORS} <= set(tool.ROWS)
    assert len({row.title for row in tool.ROWS.values()}) == len(tool.ROWS)
    with pytest.raises(typer.BadParameter, match="nothing"):
        main("homnet,nothing")
