"""``karyonet explain`` from the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from karyonet.cli.app import app
from karyonet.errors import KaryonetError
from karyonet.stages.cluster_type.crops import CropSettings
from karyonet.stages.cluster_type.kinds import KINDS
from karyonet.stages.cluster_type.model import ClusterArchitecture, ClusterNetwork
from karyonet.weights import ModelCard, save

from ..stages.drawn import lone_rods

CONFIG = """\
stages:
  segmentation: {{use: threshold_segmenter}}
  cluster_type: {{use: supcam, weights: {weights}, device: cpu}}
  separation: {{use: geometric_separator}}
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline with a small network that has learned nothing."""
    folder = tmp_path_factory.mktemp("config")
    torch.manual_seed(0)
    architecture = ClusterArchitecture(backbone="test_resnet")
    card = ModelCard(
        name="tiny",
        stage="cluster_type",
        architecture=architecture.model_dump(mode="json"),
        input=CropSettings(side=64, size=24.0).model_dump(mode="json"),
        classes=KINDS,
    )
    weight = save(ClusterNetwork(architecture).state_dict(), card, folder / "tiny.safetensors")
    path = folder / "tiny.yaml"
    path.write_text(CONFIG.format(weights=weight.path))
    return path


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("image") / "Jane Doe 1970.png"
    grey = lone_rods().rod(310, 210, 84, 20).rod(310, 210, 70, -60).metaphase().grey
    Image.fromarray(np.round(grey * 230).astype(np.uint8)).save(path)
    return path


def explain(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["explain", "cluster-type", *map(str, arguments)])


def refused(result: Result) -> str:
    assert result.exit_code != 0 and isinstance(result.exception, KaryonetError), result.output
    return str(result.exception)


def test_one_picture_is_written(config: Path, image: Path, tmp_path: Path) -> None:
    for out, path in (("types.png", "types.png"), ("new/folder", "new/folder/cluster_type.png")):
        result = explain(image, "--out", tmp_path / out, "--config", config)
        assert result.exit_code == 0, result.output
        with Image.open(tmp_path / path) as drawn:
            assert drawn.format == "PNG" and drawn.mode == "RGB" and not drawn.info
            colours = np.asarray(drawn).reshape(-1, 3).astype(int)
            assert (colours[:, 0] - colours[:, 2] > 40).any(), "nothing is drawn over the crops"
    assert {path.name for path in tmp_path.iterdir()} == {"types.png", "new"}
    assert b"Doe" not in (tmp_path / "types.png").read_bytes()


def test_a_stage_that_cannot_explain_itself_is_refused(image: Path, tmp_path: Path) -> None:
    rules = ("--set", "stages.cluster_type.use=shape_rules")
    said = refused(explain(image, "--out", tmp_path / "types.png", *rules))
    assert said.startswith("K215") and "shape_rules" in said and "supcam" in said
    only = tmp_path / "only.yaml"
    only.write_text("stages:\n  segmentation: {use: threshold_segmenter}\n")
    assert refused(explain(image, "--out", tmp_path / "types.png", "--config", only)).startswith("K205")
    assert not (tmp_path / "types.png").exists()


def test_what_cannot_be_read_or_written_is_one_sentence(config: Path, image: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = refused(explain(image, "--out", tmp_path / "file" / "types.png", "--config", config))
    assert said.startswith("K213") and "file" in said and "\n" not in said
    (tmp_path / "folder.png").mkdir()
    assert refused(explain(image, "--out", tmp_path / "folder.png", "--config", config)).startswith("K213")
    assert refused(explain(tmp_path / "no.png", "--out", tmp_path / "a.png", "--config", config)).startswith("K101")
    blank = tmp_path / "blank.png"
    Image.new("L", (200, 200), 128).save(blank)
    refused(explain(blank, "--out", tmp_path / "a.png", "--config", config))
    assert not (tmp_path / "a.png").exists()
