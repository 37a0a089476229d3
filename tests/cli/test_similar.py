"""``karyonet similar`` and ``karyonet evaluate classification --retrieval`` from the command line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from karyonet.cli.app import app
from karyonet.errors import KaryonetError

from ..similar.drawn import cut_out, small_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_weights(tmp_path_factory.mktemp("weights") / "small.safetensors")


@pytest.fixture(scope="module")
def metaphases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of format metaphases with one image of five rods."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "images").mkdir()
    grey = np.full((160, 260), 230, dtype=np.uint8)
    rows = ["image,label,xmin,ymin,xmax,ymax"]
    for number, length in enumerate((110, 100, 80, 60, 50)):
        left = 20 + 48 * number
        grey[20 : 20 + length, left : left + 14] = 90
        grey[24:34, left + 2 : left + 12] = 60
        rows.append(f"a1,{number + 1},{left - 5},15,{left + 19},{25 + length}")
    Image.fromarray(grey).save(folder / "images" / "a1.png")
    (folder / "cells.csv").write_text("image,case\na1,a\n")
    (folder / "chromosomes.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("crop") / "one.png"
    Image.fromarray(cut_out(7)[0][1]).save(path)
    return path


def called(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def code(*arguments: object) -> str:
    result = called(*arguments)
    assert result.exit_code != 0 and isinstance(result.exception, KaryonetError), result.output
    return result.exception.code


def test_a_picture_is_compared(metaphases: Path, picture: Path, weights: Path, tmp_path: Path) -> None:
    common = ("--data", metaphases, "--format", "metaphases", "--set", f"stages.classification.weights={weights}")
    outputs = ("--out", tmp_path / "new" / "similar.png", "--json", tmp_path / "similar.json")
    index = ("--index", tmp_path / "index.npz")
    result = called("similar", picture, picture, *common, *outputs, *index, "--count", "3")
    assert result.exit_code == 0, result.output
    assert "rank" in result.stdout and "vote:" in result.stdout and "scale: not known" in result.stdout
    content = json.loads((tmp_path / "similar.json").read_text())
    assert content["schema"] == "karyonet.similar/1" and content["known"]["chromosomes"] == 5
    for one in content["chromosomes"]:
        assert one["name"] == "one.png"
        assert [n["rank"] for n in one["neighbours"]] == [1, 2, 3]
        similarities = [n["similarity"] for n in one["neighbours"]]
        assert similarities == sorted(similarities, reverse=True)
        assert sum(one["vote"].values()) == 3 and {n["label"] for n in one["neighbours"]} == set(one["vote"])
        assert {n["cell"] for n in one["neighbours"]} == {"a1"} and len(one["scale"]["tried"]) > 1
    with Image.open(tmp_path / "new" / "similar.png") as drawn:
        assert drawn.width > 700
    again = called("similar", picture, *common, *index, "--scale", "60", "--without", "a")
    assert again.exit_code == 0, again.output
    assert "scale: not known" not in again.stdout and "nothing was left" in again.stdout

    other = small_weights(tmp_path / "other.safetensors", seed=1)
    changed = ("--data", metaphases, "--format", "metaphases", "--set", f"stages.classification.weights={other}")
    (tmp_path / "similar.json").unlink()
    assert code("similar", picture, *changed, *index, "--json", tmp_path / "similar.json") == "K412"
    assert not (tmp_path / "similar.json").exists()


def test_a_chromosome_of_a_report_is_compared(metaphases: Path, weights: Path, tmp_path: Path) -> None:
    # Five drawn chromosomes are no metaphase to a segmentation that learned from metaphases.
    setting = ("--config", "geometric", "--set", f"stages.classification.weights={weights}")
    shutil.copytree(metaphases / "images", tmp_path / "images")
    ran = called("run", tmp_path / "images" / "a1.png", "--out", tmp_path / "report", *setting)
    assert ran.exit_code == 0, ran.output
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    ids = [c["id"] for c in report["metaphases"][0]["chromosomes"]]
    assert len(ids) == 5
    call = ("similar", "--report", tmp_path / "report", "--data", metaphases, "--format", "metaphases", *setting)
    call = (*call, "--index", tmp_path / "index.npz")
    written = ("--json", tmp_path / "similar.json")
    for image in (tmp_path / "images" / "a1.png", tmp_path / "images"):
        result = called(*call, image, "--chromosome", f"m1:{ids[0]}", "--chromosome", f"m1:{ids[1]}", *written)
        assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "similar.json").read_text())["chromosomes"]
    assert [one["name"] for one in found] == [f"m1:{ids[0]}", f"m1:{ids[1]}"]
    # The data set holds the same image: every chromosome finds itself.
    boxes = {c["id"]: c["bbox"] for c in report["metaphases"][0]["chromosomes"]}
    for one in found:
        own = 1 + (boxes[one["name"][3:]][0] + 5) // 48
        assert one["neighbours"][0]["label"] == str(own) and one["neighbours"][0]["similarity"] > 0.9
    assert code(*call, "--chromosome", f"m1:{ids[0]}") == "K128"
    assert code(*call, tmp_path / "images", "--chromosome", "m1:c99") == "K127"
    assert code(*call, tmp_path / "images", "--chromosome", "m7:c1") == "K127"
    Image.new("L", (260, 160), 9).save(tmp_path / "images" / "a1.png")
    assert code(*call, tmp_path / "images", "--chromosome", f"m1:{ids[0]}") == "K128"


def test_what_cannot_be_used_is_one_sentence_and_nothing_is_written(
    metaphases: Path, picture: Path, weights: Path, tmp_path: Path
) -> None:
    setting = ("--set", f"stages.classification.weights={weights}", "--index", tmp_path / "index.npz")
    outputs = ("--out", tmp_path / "similar.png", "--json", tmp_path / "similar.json")
    known = ("--data", metaphases, "--format", "metaphases", *setting, *outputs)
    (tmp_path / "text.png").write_text("this is no image")
    Image.new("L", (80, 80), 230).save(tmp_path / "blank.png")
    one = Image.open(picture)
    both = Image.new("L", (2 * one.width, one.height), 255)
    both.paste(one, (0, 0))
    both.paste(one, (one.width, 0))
    both.save(tmp_path / "both.png")
    (tmp_path / "empty").mkdir()
    assert code("similar", picture, tmp_path / "nowhere.png", *known) == "K101"
    assert code("similar", tmp_path / "text.png", *known) == "K103"
    assert code("similar", picture, tmp_path / "blank.png", *known) == "K125"
    assert code("similar", tmp_path / "both.png", *known) == "K126"
    assert code("similar", picture, "--data", tmp_path / "empty", *setting, *outputs) == "K401"
    assert code("similar", picture, *known, "--config", "strips") in {"K203", "K205"}
    assert code("similar", "--report", tmp_path, "--chromosome", "m1:c1", *known) == "K101"
    for wrong in ((), ("--report", tmp_path), (picture, "--chromosome", "m1:c1")):
        result = called("similar", *wrong, *known)
        assert result.exit_code == 2 and "Traceback" not in result.output
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"text.png", "blank.png", "both.png", "empty"}
    command = [sys.executable, "-m", "karyonet", "similar", tmp_path / "blank.png", *known]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("K125: ") and len(done.stderr.splitlines()) == 1


def test_evaluate_adds_recall_and_draws_a_map(metaphases: Path, weights: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(metaphases, tmp_path / "data"))
    shutil.copy(folder / "images" / "a1.png", folder / "images" / "b1.png")
    table = (folder / "chromosomes.csv").read_text()
    (folder / "chromosomes.csv").write_text(table + table.split("\n", 1)[1].replace("a1,", "b1,"))
    (folder / "cells.csv").write_text("image,case\na1,a\nb1,b\n")
    setting = ("--set", f"stages.classification.weights={weights}")
    call = ("evaluate", "classification", "--data", folder, "--format", "metaphases", *setting)
    files = ("--retrieval", "--tsne", tmp_path / "map.png", "--json", tmp_path / "figures.json")
    result = called(*call, *files)
    assert result.exit_code == 0, result.output
    metrics = json.loads((tmp_path / "figures.json").read_text())["metrics"]
    assert {"recall_at_1", "recall_at_2", "recall_at_4", "recall_at_8"} < set(metrics)
    # Both images are the same: across metaphases every chromosome finds its double, which is turned at most.
    assert metrics["recall_at_8"]["value"] == 1
    with Image.open(tmp_path / "map.png") as drawn:
        assert drawn.mode == "RGB"
    called(*call, "--json", tmp_path / "figures.json")
    assert not any("recall_at" in name for name in json.loads((tmp_path / "figures.json").read_text())["metrics"])
