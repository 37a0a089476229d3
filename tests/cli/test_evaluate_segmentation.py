"""``karyonet evaluate segmentation`` from the command line."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from karyonet.cli.app import app
from karyonet.errors import KaryonetError
from karyonet.evaluation.report import Evaluation

EXAMPLES = Path(__file__).resolve().parent.parent / "data"
CONFIG = """
stages:
  segmentation: {use: threshold_segmenter}
  cluster_type: {use: shape_rules}
  separation: {use: geometric_separator}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "geometry.yaml"
    file.write_text(CONFIG)
    return file


def called(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["evaluate", "segmentation", *map(str, arguments)])


def test_simulated_cases_are_measured(config: Path, tmp_path: Path) -> None:
    for name in ("normal_female", "qband_male"):
        shutil.copytree(EXAMPLES / name, tmp_path / "cases" / name)
    outputs = {name: tmp_path / "new" / name for name in ("figures.json", "rows.csv", "worst.html")}
    arguments = [x for option, path in zip(("--json", "--rows", "--gallery"), outputs.values(), strict=True)
                 for x in (option, path)]  # fmt: skip
    result = called("--data", tmp_path / "cases", "--format", "simulated", "--config", config, *arguments)
    assert result.exit_code == 0, result.output
    assert "mask_ap_50" in result.stdout and "panoptic_quality_masks" in result.stdout
    assert all(str(path) in result.stdout.replace("\n", "") for path in outputs.values())
    evaluation = Evaluation.read_json(outputs["figures.json"])
    assert (evaluation.stage, evaluation.format, evaluation.metaphases, evaluation.chromosomes) == (
        "segmentation", "simulated", 2, 92,
    )  # fmt: skip
    figures = {name: metric.value for name, metric in evaluation.metrics.items()}
    assert figures["f1_50"] > 0.9 and figures["panoptic_quality_masks"] > 0.7 and figures["mask_ap_50"] > 0.8
    assert "processor_seconds_separation" in figures
    assert json.loads(outputs["figures.json"].read_text())["per_group"]["alone"]["chromosomes"] > 80
    with outputs["rows.csv"].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["metaphase"] for row in rows] == ["normal_female/m001", "qband_male/m001"]
    assert sum(int(row["truth"]) for row in rows) == 92
    assert outputs["worst.html"].read_text().count("<img ") == 2


def test_boxes_of_the_same_images(config: Path) -> None:
    result = called("--data", EXAMPLES / "normal_female", "--config", config)
    assert result.exit_code == 0, result.output
    assert "panoptic_quality_boxes" in result.stdout and "mask_ap" not in result.stdout


def few(data: Path, folder: Path, split: str, number: int) -> Path:
    """The first metaphases of a split as a data set of their own, which is read faster than the whole."""
    (folder / "images").mkdir(parents=True)
    header, *cells = (data / "cells.csv").read_text().splitlines()
    cells = [row for row in cells if row.endswith(f",{split}")][:number]
    names = {row.split(",")[0] for row in cells}
    columns, *boxes = (data / "chromosomes.csv").read_text().splitlines()
    (folder / "cells.csv").write_text("\n".join([header, *cells]))
    (folder / "chromosomes.csv").write_text("\n".join([columns, *(b for b in boxes if b.split(",")[0] in names)]))
    for name in names:
        (folder / "images" / f"{name}.webp").symlink_to(data / "images" / f"{name}.webp")
    return folder


def test_real_metaphases(real_data: Path, config: Path, tmp_path: Path) -> None:
    data = few(real_data / "gband_metaphases", tmp_path / "few", "validation", 3)
    arguments = ("--split", "validation", "--json", tmp_path / "figures.json", "--gallery", tmp_path)
    result = called("--data", data, "--config", config, *arguments)
    assert result.exit_code == 0, result.output
    evaluation = Evaluation.read_json(tmp_path / "figures.json")
    assert not evaluation.failures and evaluation.metaphases == 3
    assert evaluation.metrics["f1_50"].value > 0.6
    assert (tmp_path / "gallery.html").stat().st_size < 3e6


@pytest.mark.parametrize("option", ["--json", "--rows", "--gallery"])
def test_a_file_that_cannot_be_written_is_said_at_once(option: str, tmp_path: Path) -> None:
    """Before the data set, which is not there either."""
    (tmp_path / "file").write_text("precious")
    result = called("--data", tmp_path / "nowhere", option, tmp_path / "file" / "x.html")
    assert isinstance(result.exception, KaryonetError) and result.exception.code == "K213"
    assert (tmp_path / "file").read_text() == "precious"


def test_a_wrong_call_is_one_sentence(tmp_path: Path, config: Path) -> None:
    def code(*arguments: object) -> str:
        result = called(*arguments)
        assert result.exit_code != 0 and isinstance(result.exception, KaryonetError), result.output
        return result.exception.code

    assert code("--data", tmp_path / "nowhere") == "K401"
    assert code("--data", EXAMPLES, "--format", "strips") == "K407"
    assert code("--data", EXAMPLES, "--format", "simulated", "--config", "nowhere") == "K201"
    config.write_text("stages:\n  segmentation: {use: threshold_segmenter}\n")
    assert code("--data", EXAMPLES, "--format", "simulated", "--config", config) == "K205"
