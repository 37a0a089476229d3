"""``karyonet evaluate cluster-type`` from the command line."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from karyonet.cli.app import app
from karyonet.data.cluster_objects import read_cluster_objects
from karyonet.data.metaphases import read_metaphases
from karyonet.errors import KaryonetError
from karyonet.evaluation.cluster_type_figures import ClusterTypeEvaluation
from karyonet.weights import WeightFile
from tests.stages.cluster_type.conftest import drawn_pack, weight  # noqa: F401 - a fixture

EXAMPLES = Path(__file__).resolve().parent.parent / "data"
DRAWN = EXAMPLES / "normal_female"
CONFIG = "stages:\n  segmentation: {use: threshold_segmenter}\n  cluster_type: {use: shape_rules}\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "rules.yaml"
    file.write_text(CONFIG)
    return file


def called(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["evaluate", "cluster-type", *map(str, arguments)])


def figures(result: Result, path: Path) -> ClusterTypeEvaluation:
    assert result.exit_code == 0, result.output
    return ClusterTypeEvaluation.read_json(path)


def test_components_of_metaphases_by_rules(config: Path, tmp_path: Path) -> None:
    out = ("--json", tmp_path / "new" / "e.json", "--rows", tmp_path / "new" / "rows.csv")
    result = called("--data", DRAWN, "--config", config, *out)
    evaluation = figures(result, out[1])
    assert (evaluation.stage, evaluation.format, evaluation.chromosomes) == ("cluster_type", "metaphases", 46)
    assert evaluation.metrics["single_or_cluster"].value > 0.8
    assert not {"kept", "rejected", "count_accuracy"} & set(evaluation.metrics)
    assert str(out[1]) in result.stdout.replace("\n", "") and str(out[3]) in result.stdout.replace("\n", "")
    with out[3].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row["chromosomes"]) for row in rows) >= 44
    assert {row["chromosomes_said"] for row in rows} == {""}


def test_a_network_and_a_list(config: Path, weight: WeightFile, tmp_path: Path) -> None:  # noqa: F811
    network = ("--config", config, "--set", "stages.cluster_type.use=supcam",
               "--set", f"stages.cluster_type.weights={weight.path}")  # fmt: skip
    json = ("--json", tmp_path / "e.json")
    evaluation = figures(called("--data", DRAWN, *network, *json), json[1])
    assert {"count_accuracy", "kept"} <= set(evaluation.metrics)
    assert [w.sha256 for w in evaluation.weights] == [weight.sha256]
    (image,) = read_metaphases(DRAWN)
    boxes = [chromosome.bbox for chromosome in image.chromosomes[:5]]
    lines = [f"{image.id},{','.join(map(str, box))},instance" for box in boxes]
    (tmp_path / "list.csv").write_text("\n".join(["image,xmin,ymin,xmax,ymax,type", *lines]))
    result = called("--data", DRAWN, *network, *json, "--truth", tmp_path / "list.csv")
    evaluation = figures(result, json[1])
    assert evaluation.components["accuracy"] == 5 and "truth by row" in result.stdout
    assert evaluation.type_confusion is not None and sum(evaluation.type_confusion[0]) == 5


def test_compositions_of_a_pack(config: Path, tmp_path: Path) -> None:
    drawn_pack().write(tmp_path / "drawn.npz")
    out = ("--json", tmp_path / "e.json", "--rows", tmp_path / "rows.csv")
    arguments = ("--data", tmp_path / "drawn.npz", "--format", "compositions", "--split", "validation", "--limit", 9)
    evaluation = figures(called(*arguments, "--config", config, *out), out[1])
    assert (evaluation.format, evaluation.split, evaluation.metaphases) == ("compositions", "validation", 1)
    assert len(out[3].read_text().splitlines()) == 10


def test_cut_out_components(config: Path, tmp_path: Path) -> None:
    for number in range(4):
        grey = np.full((60, 30), 255, np.uint8)
        grey[8 : 48 - 2 * number, 8:20] = 110
        Image.fromarray(grey).save(tmp_path / f"{number}.png")
    rows = [f"{number}.png,p,chromosome" for number in range(4)]
    (tmp_path / "objects.csv").write_text("\n".join(["image,case,kind", *rows]))
    json = tmp_path / "e.json"
    evaluation = figures(called("--data", tmp_path, "--format", "clusters", "--config", config, "--json", json), json)
    assert evaluation.metrics["single_or_cluster"].value == 1 and evaluation.components["single_or_cluster"] == 4


def test_the_public_sample_of_components(real_data: Path, config: Path, tmp_path: Path) -> None:
    folder = real_data / "chrcluster_sample"
    number = sum(item.case == "case16" for item in read_cluster_objects(folder))
    rows = [
        row for row in (folder / "objects.csv").read_text().splitlines() if ",case16," in row or "image,case" in row
    ]
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "objects.csv").write_text("\n".join(rows))
    for kind in ("chromosome", "cluster"):
        (tmp_path / "one" / kind).symlink_to(folder / kind)
    json = tmp_path / "e.json"
    result = called("--data", tmp_path / "one", "--format", "clusters", "--config", config, "--json", json)
    evaluation = figures(result, json)
    assert evaluation.components["single_or_cluster"] == number and evaluation.metrics["single_or_cluster"].value > 0.8


@pytest.mark.parametrize("option", ["--json", "--rows"])
def test_a_file_that_cannot_be_written_is_said_at_once(option: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    result = called("--data", tmp_path / "nowhere", option, tmp_path / "file" / "x")
    assert isinstance(result.exception, KaryonetError) and result.exception.code == "K213"


def test_a_wrong_call_is_one_sentence(tmp_path: Path, config: Path) -> None:
    def code(*arguments: object) -> str:
        result = called("--config", config, *arguments)
        assert result.exit_code != 0 and isinstance(result.exception, KaryonetError), result.output
        return result.exception.code

    assert code("--data", tmp_path / "nowhere") == "K401"
    assert code("--data", tmp_path / "nowhere", "--format", "clusters") == "K401"
    assert code("--data", tmp_path / "nowhere", "--format", "compositions") == "K401"
    assert code("--data", DRAWN, "--format", "strips") == "K407"
    for format in ("clusters", "compositions"):
        assert code("--data", DRAWN, "--format", format, "--truth", tmp_path / "list.csv") == "K415"
    assert code("--data", DRAWN, "--truth", tmp_path / "list.csv") == "K401"
    config.write_text("stages:\n  segmentation: {use: threshold_segmenter}\n")
    assert code("--data", DRAWN) == "K205"
