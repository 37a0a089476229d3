from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from karyonet.weights import find

CONFIG = """
stages:
  segmentation: {use: threshold_segmenter}
  cluster_type: {use: shape_rules}
  separation: {use: geometric_separator}
  straightening: {use: medial_axis_straightener}
"""


def karyonet(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "karyonet", *map(str, arguments)], capture_output=True, text=True, cwd=cwd
    )


def rods(path: Path) -> Path:
    """A picture with three dark rods on a light ground."""
    grey = np.full((200, 240), 230, dtype=np.uint8)
    for left in (40, 100, 160):
        grey[50:140, left : left + 14] = 90
    Image.fromarray(grey).save(path)
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "geometry.yaml"
    file.write_text(CONFIG)
    return file


def one_sentence(text: str, code: str) -> bool:
    lines = [line for line in text.splitlines() if line.strip()]
    return len(lines) == 1 and lines[0].startswith(f"{code}: ") and "Traceback" not in text


def test_done_is_0_and_everything_is_written(tmp_path: Path, config: Path) -> None:
    result = karyonet("run", rods(tmp_path / "a.png"), "--config", config, "--out", tmp_path / "out", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"report.json", "report.html", "m1.karyogram.png", "m1.overlay.png", "chromosomes.coco.json"}
    assert "report.html" in result.stdout


def test_the_default_folder_is_named_after_the_case(tmp_path: Path, config: Path) -> None:
    karyonet("run", rods(tmp_path / "a.png"), "--config", config, "--case-id", "case-7", cwd=tmp_path)
    assert json.loads((tmp_path / "karyonet-out" / "case-7" / "report.json").read_text())["case"]["id"] == "case-7"


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("text.png", b"this is no image", "K103"),
        ("empty.png", b"", "K102"),
        (
            "bomb.png",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (100_000).to_bytes(4, "big") * 2 + b"\x08\0\0\0\0\xd7\x85\xf9\x1d",
            "K105",
        ),
        (None, None, "K101"),
    ],
)
def test_unusable_input_is_2_and_nothing_is_written(
    tmp_path: Path, config: Path, name: str | None, content: bytes | None, code: str
) -> None:
    image = tmp_path / (name or "missing.png")
    if content is not None:
        image.write_bytes(content)
    result = karyonet("run", image, "--config", config, "--out", tmp_path / "out", cwd=tmp_path)
    assert result.returncode == 2
    assert one_sentence(result.stderr, code), result.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_without_images_is_2(tmp_path: Path, config: Path) -> None:
    (tmp_path / "nothing").mkdir()
    result = karyonet("run", tmp_path / "nothing", "--config", config, cwd=tmp_path)
    assert result.returncode == 2
    assert one_sentence(result.stderr, "K109"), result.stderr


def test_one_bad_image_of_two_is_3(tmp_path: Path, config: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    images = (rods(tmp_path / "a.png"), tmp_path / "bad.png")
    result = karyonet("run", *images, "--config", config, "--out", tmp_path / "out", cwd=tmp_path)
    assert result.returncode == 3
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [error["code"] for error in report["errors"]] == ["K103"]
    assert len(report["metaphases"]) == 1


@pytest.mark.parametrize("arguments", [("--config", "nowhere"), ("--set", "stages.x.use"), ("--set", "colour=red")])
def test_a_wrong_configuration_is_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = karyonet("run", rods(tmp_path / "a.png"), *arguments, "--out", tmp_path / "out", cwd=tmp_path)
    assert result.returncode == 2
    assert one_sentence(result.stderr, result.stderr[:4]), result.stderr
    assert result.stderr.startswith("K2")
    assert not (tmp_path / "out").exists()


def test_a_folder_with_other_files_is_never_overwritten(tmp_path: Path, config: Path) -> None:
    precious = tmp_path / "out" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("years of work")
    result = karyonet("run", rods(tmp_path / "a.png"), "--config", config, "--out", tmp_path / "out", cwd=tmp_path)
    assert result.returncode == 2
    assert precious.read_text() == "years of work"
    assert [path.name for path in precious.parent.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("grey", [0, 255], ids=["black", "white"])
def test_a_blank_field_is_undetermined_with_a_reason(tmp_path: Path, config: Path, grey: int) -> None:
    Image.new("L", (120, 90), grey).save(tmp_path / "blank.png")
    full = tmp_path / "full.yaml"
    full.write_text(
        CONFIG.rstrip() + "\n  classification: {use: proxy_resnext_cbam}\n  karyotype: {use: count_and_sex}\n"
    )
    result = karyonet("run", tmp_path / "blank.png", "--config", full, "--out", tmp_path / "out", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["karyotype"]["outcome"] == report["metaphases"][0]["outcome"] == "undetermined"
    assert "K121" in report["karyotype"]["reasons"][0]


def test_changed_weights_are_2_and_nothing_is_written(tmp_path: Path) -> None:
    shipped = find("classification", "gband")
    for path in (shipped.path, shipped.path.with_suffix(".json")):
        shutil.copy(path, tmp_path / path.name)
    changed = tmp_path / shipped.path.name
    with changed.open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    option = f"stages.classification.weights={changed}"
    result = karyonet("run", rods(tmp_path / "a.png"), "--set", option, "--out", tmp_path / "out", cwd=tmp_path)
    assert result.returncode == 2
    assert one_sentence(result.stderr, "K302"), result.stderr
    assert not (tmp_path / "out").exists()
