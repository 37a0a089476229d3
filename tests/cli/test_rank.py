"""``karyonet rank`` from the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from scipy import ndimage
from typer.testing import CliRunner, Result

from karyonet.cli.app import app
from karyonet.cli.rank import up_to_quality
from karyonet.config import load_config
from karyonet.errors import KaryonetError
from karyonet.stages.quality.score import SHIPPED

from ..stages.drawn import lone_rods

GEOMETRY = """
stages:
  segmentation: {use: threshold_segmenter}
  cluster_type: {use: shape_rules}
  separation: {use: geometric_separator}
"""


def save(path: Path, grey: np.ndarray) -> None:
    Image.fromarray(np.clip(255 * grey, 0, 255).astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight chromosomes, the same with two crossing ones, and the first blurred."""
    folder = tmp_path_factory.mktemp("metaphases")
    clear = lone_rods(0.6).metaphase().grey
    save(folder / "b_clear.png", clear)
    save(folder / "a_blurred.png", ndimage.gaussian_filter(clear, 3.0))
    save(folder / "c_crossing.png", lone_rods(0.6).rod(260, 120, 80).rod(260, 120, 80, 70).metaphase().grey)
    return folder


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Geometry alone, and a gentle score: the one that ships calls every image with eight chromosomes hopeless."""
    file = tmp_path_factory.mktemp("config") / "geometry.yaml"
    fitted = yaml.safe_load(SHIPPED.read_text())
    fitted["coefficients"] = {name: value / 20 for name, value in fitted["coefficients"].items()}
    gentle = file.with_name("coefficients.yaml")
    gentle.write_text(yaml.safe_dump(fitted))
    file.write_text(GEOMETRY + f"  quality: {{use: metaphase_quality, least_score: 0, coefficients: {gentle}}}\n")
    return file


def called(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["rank", *(str(argument) for argument in arguments)])


def test_metaphases_come_best_first_and_everything_is_written(folder: Path, config: Path, tmp_path: Path) -> None:
    result = called(folder, "--config", config, "--json", tmp_path / "r.json", "--csv", tmp_path / "r.csv")
    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "r.json").read_text())
    assert written["schema"] == "karyonet.rank/1" and written["errors"] == []
    found = written["metaphases"]
    assert [one["rank"] for one in found] == [1, 2, 3]
    assert [one["score"] for one in found] == sorted((one["score"] for one in found), reverse=True)
    by_image = {one["image"]: one for one in found}
    assert set(by_image) == {"a_blurred.png", "b_clear.png", "c_crossing.png"}
    assert by_image["b_clear.png"]["score"] > by_image["a_blurred.png"]["score"]
    assert by_image["b_clear.png"]["count"] == 8
    assert "blurred" in by_image["a_blurred.png"]["flags"] and "blurred" not in by_image["b_clear.png"]["flags"]
    with (tmp_path / "r.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == [one["image"] for one in found]
    assert [float(row["score"]) for row in rows] == [one["score"] for one in found]
    assert "b_clear.png" in result.output


def test_top_keeps_the_best(folder: Path, config: Path, tmp_path: Path) -> None:
    called(folder, "--config", config, "--json", tmp_path / "all.json")
    result = called(folder, "--config", config, "--top", 1, "--json", tmp_path / "top.json")
    assert result.exit_code == 0
    best = json.loads((tmp_path / "all.json").read_text())["metaphases"][0]
    assert json.loads((tmp_path / "top.json").read_text())["metaphases"] == [best]


def test_damaged_images_are_named_at_the_end_and_the_status_is_3(folder: Path, config: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes((folder / "b_clear.png").read_bytes()[:900])
    result = called(folder / "b_clear.png", damaged, "--config", config, "--json", tmp_path / "r.json")
    assert result.exit_code == 3
    assert result.stderr.strip().splitlines()[-1].startswith("damaged.png: K104")
    written = json.loads((tmp_path / "r.json").read_text())
    assert [one["image"] for one in written["metaphases"]] == ["b_clear.png"]
    assert [error["image"] for error in written["errors"]] == ["damaged.png"]


@pytest.mark.parametrize(("files", "code"), [((), "K109"), (("a.png",), "K103"), (("a.png", "b.png"), "K112")])
def test_a_folder_without_a_readable_image_is_an_error(
    tmp_path: Path, config: Path, files: tuple[str, ...], code: str
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for name in files:
        (images / name).write_bytes(b"no image")
    result = called(images, "--config", config, "--json", tmp_path / "r.json")
    assert isinstance(result.exception, KaryonetError) and result.exception.code == code
    assert not (tmp_path / "r.json").exists()


def test_an_image_without_chromosomes_comes_last_with_its_reason(folder: Path, config: Path, tmp_path: Path) -> None:
    save(tmp_path / "a_blank.png", np.full((90, 120), 0.7))
    result = called(tmp_path / "a_blank.png", folder / "b_clear.png", "--config", config, "--json", tmp_path / "r.json")
    assert result.exit_code == 0
    last = json.loads((tmp_path / "r.json").read_text())["metaphases"][-1]
    assert (last["image"], last["score"], last["count"]) == ("a_blank.png", 0.0, 0)
    assert last["reasons"][0].startswith("K121")


def test_a_configuration_that_judges_no_quality_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "plain.yaml").write_text(GEOMETRY)
    result = called(folder, "--config", tmp_path / "plain.yaml")
    assert isinstance(result.exception, KaryonetError) and result.exception.code == "K205"
    assert "metaphase_quality" in str(result.exception)


def test_chromosomes_are_not_named_to_be_ranked() -> None:
    assert list(up_to_quality(load_config("default")).stages)[-1] == "quality"
    assert "classification" not in up_to_quality(load_config("default")).stages
