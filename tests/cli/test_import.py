from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from PIL import Image

from ..data.drawn_karyogram import LAYOUT, MALE, Style, draw


def karyonet(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "karyonet", *map(str, arguments)], capture_output=True, text=True)


def test_an_import_says_what_it_found(tmp_path: Path) -> None:
    draw({**MALE, "21": 3})[0].save(tmp_path / "down.png")
    result = karyonet("import", "karyogram", tmp_path / "down.png", "--out", tmp_path / "d", "--case-id", "7")
    assert result.returncode == 0, result.stderr
    assert "down  47 chromosomes, XY; not two of 21: 3\n" in result.stdout
    assert (tmp_path / "d" / "cells.csv").read_text() == "cell,case\ndown,7\n"


def test_something_else_is_2_and_nothing_is_written(tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), "white").save(tmp_path / "blank.png")
    result = karyonet("import", "karyogram", tmp_path / "blank.png", "--out", tmp_path / "d")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("K408: ") and len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "d").exists()


def test_layout_names_what_cannot_be_read(tmp_path: Path) -> None:
    draw(MALE, Style(renamed={"8": "#"}))[0].save(tmp_path / "k.png")
    arguments = ("import", "karyogram", tmp_path / "k.png", "--out", tmp_path / "d")
    refused = karyonet(*arguments)
    assert refused.returncode == 2
    assert refused.stderr.startswith("K409: ") and "--layout" in refused.stderr
    assert karyonet(*arguments, "--layout", LAYOUT).returncode == 0
