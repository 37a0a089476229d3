"""``karyonet apply`` as a user meets it: exit status, messages, and what a batch does with an edited case."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

CONFIG = """
stages:
  segmentation: {use: threshold_segmenter, box_masks: null}
  cluster_type: {use: shape_rules}
  separation: {use: geometric_separator}
  straightening: {use: medial_axis_straightener}
"""


def karyonet(place: Path, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "karyonet", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=place)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A batch of one case, whose images lie where nobody looks by himself."""
    place = tmp_path_factory.mktemp("place")
    grey = np.full((100, 200), 230, dtype=np.uint8)
    for x in (20, 60, 100, 140):
        grey[20:80, x : x + 12] = 80
    (place / "cases" / "a").mkdir(parents=True)
    Image.fromarray(grey).save(place / "cases" / "a" / "1.png")
    (place / "lab.yaml").write_text(CONFIG)
    done = karyonet(place, "batch", "cases", "--out", "out", "--config", "lab.yaml", "--jobs", 1)
    assert done.returncode == 0, done.stderr
    return place


def edits(place: Path, *some: dict[str, Any]) -> str:
    content = {"schema": "karyonet.edits/1", "author": "A. Meyer", "edits": some}
    (place / "mine.json").write_text(json.dumps(content))
    return "mine.json"


def state(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (place / "out" / "a").iterdir()}


def test_edits_are_applied_and_neither_a_batch_nor_a_run_undoes_them(place: Path) -> None:
    file = edits(
        place,
        {"edit": "relabel", "metaphase": "m1", "chromosome": "c1", "label": "X"},
        {"edit": "delete", "metaphase": "m1", "chromosome": "c2"},
    )
    done = karyonet(place, "apply", file, "out/a", "--images", "cases/a", "--config", "lab.yaml")
    assert done.returncode == 0, done.stderr
    assert "m1: c1 is X" in done.stdout
    assert "m1: c2 deleted" in done.stdout
    report = json.loads((place / "out" / "a" / "report.json").read_text())
    assert {c["id"]: c["label"] for c in report["metaphases"][0]["chromosomes"]} == {"c1": "X", "c3": None, "c4": None}
    before = state(place)
    again = karyonet(place, "batch", "cases", "--out", "out", "--config", "lab.yaml", "--jobs", 1)
    assert again.returncode == 0, again.stderr
    assert "1 finished before" in again.stdout
    run = karyonet(place, "run", "cases/a", "--out", "out/a", "--config", "lab.yaml")
    assert run.returncode == 2 and "K214" in run.stderr
    assert state(place) == before


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("mine.json", "out/a", "--config", "lab.yaml", "--images", "cases/a"), "K701: mine.json, edit 1, chromosome:"),
        (("mine.json", "out/a", "--config", "lab.yaml", "--set", "device=cpu"), "K703"),
        (("absent.json", "out/a", "--config", "lab.yaml"), "K101"),
        (("lab.yaml", "out/a", "--config", "lab.yaml"), "K701: lab.yaml, line 2, column 1: this is not JSON"),
        (("turn.json", "out/a", "--config", "lab.yaml"), "K704"),
    ],
)
def test_what_cannot_be_applied_is_one_sentence_and_status_2(place: Path, words: tuple[str, ...], code: str) -> None:
    content = {"edit": "delete", "metaphase": "m1", "chromosome": "c99"}
    Path(place / edits(place, content | {"chromosome": "c3"})).rename(place / "turn.json")
    edits(place, content)
    before = state(place)
    done = karyonet(place, "apply", *words)
    assert done.returncode == 2
    assert done.stderr.startswith(code)
    assert done.stderr.count("\n") == 1
    assert not done.stdout
    assert state(place) == before


def test_the_schema_of_edits_is_printed(place: Path) -> None:
    schema = json.loads(karyonet(place, "schema", "edits").stdout)
    assert schema["title"] == "karyonet edits"
