"""``karyonet batch`` as a user meets it: real processes, killed, interrupted and taken up again."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

STAGES = """
import os, time
from dataclasses import replace
from pathlib import Path

from karyonet.case import Karyotype
from karyonet.stage import Stage, StageOptions


class Trial(Stage):
    summary = "Waits, dies or fails by the name of the case"
    requires = frozenset({"case.id"})
    assigns = frozenset({"case.karyotype"})

    class Options(StageOptions):
        iscn: str = "46,XX"
        gate: str = ""

    def __call__(self, case):
        if case.id.startswith("wait"):
            Path(self.options.gate, case.id).touch()
            time.sleep(600)
        if case.id.startswith("die"):
            os._exit(7)
        if case.id.startswith("fail"):
            raise RuntimeError("as it was told")
        return replace(case, karyotype=Karyotype(self.options.iscn, "normal"))
"""


def rods(path: Path, shade: int = 90) -> Path:
    grey = np.full((100, 120), 230, dtype=np.uint8)
    grey[30:70, 30:44] = grey[30:70, 70:84] = shade
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grey).save(path)
    return path


class Place:
    """A folder with cases, and the command line in it with a stage that does what a case's name says."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out, self.gate = folder, folder / "out", folder / "gate"
        self.gate.mkdir()
        plugin = folder / "plugin"
        (plugin / "trial-1.0.dist-info").mkdir(parents=True)
        (plugin / "trial_stages.py").write_text(STAGES)
        (plugin / "trial-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: trial\nVersion: 1.0\n")
        (plugin / "trial-1.0.dist-info" / "entry_points.txt").write_text(
            "[karyonet.stages]\ntrial = trial_stages:Trial\n"
        )
        (folder / "trial.yaml").write_text(f"stages:\n  karyotype: {{use: trial, gate: {str(self.gate)!r}}}\n")
        self.environment = os.environ | {"PYTHONPATH": str(plugin)}

    def case(self, name: str, images: int = 1) -> Path:
        for number in range(images):
            rods(self.folder / "cases" / name / f"{number + 1}.png", shade=80 + number)
        return self.folder / "cases" / name

    def command(self, *more: object) -> list[str]:
        words = ("batch", "cases", "--out", "out", "--config", "trial.yaml", "--jobs", "1", *more)
        return [sys.executable, "-m", "karyonet", *map(str, words)]

    def batch(self, *more: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*more), capture_output=True, text=True, cwd=self.folder, env=self.environment
        )

    def start(self, *more: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=self.environment,
            start_new_session=True,
        )

    def reached(self, case: str) -> None:
        """Wait until the case is being worked on."""
        self.until((self.gate / case).exists)

    @staticmethod
    def until(true: Callable[[], bool]) -> None:
        for _ in range(1200):
            if true():
                return
            time.sleep(0.05)
        pytest.fail("what was waited for did not happen")

    def rows(self) -> dict[str, dict[str, str]]:
        with (self.out / "summary.csv").open(newline="", encoding="utf-8") as file:
            return {row["case"]: row for row in csv.DictReader(file)}

    def state(self, *cases: str) -> dict[str, tuple[int, str]]:
        """Time of change and content of every file of these cases' reports."""
        return {
            f"{case}/{path.name}": (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
            for case in cases
            for path in (self.out / case).iterdir()
        }

    def leftovers(self) -> list[str]:
        known = {"summary.csv", "summary.html", ".karyonet-batch"}
        here = [path.name for path in self.out.iterdir() if path.name not in known and path.name.startswith(".")]
        return here + [p.name for p in (self.out / ".karyonet-batch").iterdir() if p.suffix not in (".json", "")]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def without_times(report: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((report / "report.json").read_text())
    content["provenance"]["seconds"] = None  # type: ignore[index]
    return content


def test_every_case_is_reported_as_run_does_and_done_again_only_where_it_must_be(place: Place) -> None:
    for name, images in (("b 2", 1), ("b 10", 3), ("a", 2)):
        place.case(name, images)
    first = place.batch()
    assert first.returncode == 0, first.stderr
    assert sorted(path.name for path in place.out.iterdir()) == [
        ".karyonet-batch", "a", "b_10", "b_2", "summary.csv", "summary.html",
    ]  # fmt: skip
    rows = place.rows()
    assert list(rows) == ["a", "b 2", "b 10"]
    assert {row["outcome"] for row in rows.values()} == {"normal"}
    assert (rows["b 10"]["metaphases"], rows["b 10"]["iscn"], rows["b 10"]["report"]) == (
        "3", "46,XX", "b_10/report.html",
    )  # fmt: skip

    alone = [sys.executable, "-m", "karyonet", "run", "cases/b 10", "--out", "alone", "--config", "trial.yaml"]
    subprocess.run(alone, cwd=place.folder, env=place.environment, check=True, capture_output=True)
    assert without_times(place.out / "b_10") == without_times(place.folder / "alone")
    assert {p.name for p in (place.out / "b_10").iterdir()} == {p.name for p in (place.folder / "alone").iterdir()}

    before = place.state("a", "b_2", "b_10")
    again = place.batch()
    assert again.returncode == 0, again.stderr
    assert "3 finished before" in again.stdout
    assert place.state("a", "b_2", "b_10") == before

    rods(place.folder / "cases" / "a" / "2.png", shade=120)
    third = place.batch()
    assert "2 finished before" in third.stdout
    after = place.state("a", "b_2", "b_10")
    assert {name.split("/")[0] for name in after if after[name] != before[name]} == {"a"}


def test_a_killed_batch_goes_on_where_it_was(place: Place) -> None:
    for name in ("a", "b", "wait1", "z"):
        place.case(name)
    process = place.start()
    place.reached("wait1")
    process.kill()
    process.communicate()
    finished = place.state("a", "b")
    assert len(finished) == 10
    assert not (place.out / "wait1").exists()
    assert not (place.out / "z").exists()

    (place.folder / "cases" / "wait1").rename(place.folder / "cases" / "w")
    result = place.batch()
    assert result.returncode == 0, result.stderr
    assert "4 of 4 cases (2 finished before)" in result.stdout
    assert place.state("a", "b") == finished
    assert (place.out / "w" / "report.json").is_file()
    assert (place.out / "z" / "report.json").is_file()
    assert not place.leftovers()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_batch_cleanly(place: Place, number: signal.Signals) -> None:
    for name in ("a", "wait1", "z"):
        place.case(name)
    process = place.start()
    place.reached("wait1")
    os.killpg(process.pid, number)  # as a terminal does
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "Traceback" not in errors
    assert number.name in errors
    assert {name: row["outcome"] for name, row in place.rows().items()} == {
        "a": "normal", "wait1": "not reached", "z": "not reached",
    }  # fmt: skip
    assert not place.leftovers()
    assert not (place.out / "wait1").exists()


def test_no_bad_case_or_image_stops_the_batch(place: Place) -> None:
    for name in ("a", "die1", "fail1", "z"):
        place.case(name)
    (place.folder / "cases" / "empty").mkdir()
    (place.case("half") / "broken.png").write_bytes(b"no image")
    precious = place.out / "taken" / "thesis.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("years of work")
    place.case("taken")
    rods(place.folder / "cases" / "stray.png")
    result = place.batch("--jobs", 2)
    assert result.returncode == 3
    rows = place.rows()
    assert {name: row["outcome"] for name, row in rows.items()} == {
        "a": "normal", "die1": "failed", "empty": "failed", "fail1": "failed", "half": "normal", "taken": "failed",
        "z": "normal",
    }  # fmt: skip
    codes = {
        "die1": "status 7",
        "empty": "K109",
        "fail1": "as it was told",
        "half": "broken.png: K103",
        "taken": "K210",
    }
    for name, code in codes.items():
        assert code in rows[name]["errors"]
        assert any(line.startswith(f"{name}: ") and code in line for line in result.stderr.splitlines()), name
    assert "1 image lies in cases itself" in result.stderr
    assert precious.read_text() == "years of work"
    assert not (place.out / "fail1").exists()
    page = (place.out / "summary.html").read_text()
    assert all(code.split(": ")[-1] in page for code in codes.values())
    assert [name for name in rows if f'href="{name}/report.html"' in page] == ["a", "half", "z"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("nowhere", "--out", "out"), "K101"),
        (("cases", "--out", "mine"), "K210"),
        (("cases", "--out", "out", "--set", "stages.karyotype.colour=red"), "K203"),
    ],
)
def test_unusable_input_is_2_and_nothing_is_written(place: Place, arguments: tuple[str, ...], code: str) -> None:
    place.case("a")
    (place.folder / "mine").mkdir()
    (place.folder / "mine" / "summary.csv").write_text("my own")
    before = sorted(place.folder.rglob("*"))
    command = [sys.executable, "-m", "karyonet", "batch", *arguments, "--config", "trial.yaml"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=place.folder, env=place.environment)
    assert result.returncode == 2
    assert result.stderr.startswith(f"{code}: ")
    assert len(result.stderr.strip().splitlines()) == 1
    assert [path for path in sorted(place.folder.rglob("*")) if "__pycache__" not in path.parts] == before
