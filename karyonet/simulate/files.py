"""Writing a simulated case, all or nothing."""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from karyonet.errors import ConfigError
from karyonet.simulate.truth import CELL_COLUMNS, CHROMOSOME_COLUMNS, image_name, to_coco, to_tables, to_truth

if TYPE_CHECKING:
    from karyonet.simulate.case import SimulatedCase

NAMES = ("images", "cells.csv", "chromosomes.csv", "truth.json", "chromosomes.coco.json")
"""What a folder of a simulated case holds."""


def save_case(case: SimulatedCase, folder: Path) -> Path:
    """Write a case into a folder; what it holds of an earlier case is replaced, everything else stays.

    Raises:
        ConfigError: K209 if the path is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError("K209", path=folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _write(case, scratch, folder.resolve().name)
        if not folder.exists():
            scratch.chmod(0o755)
            scratch.rename(folder)
            return folder
        for name in NAMES:
            _replace(scratch / name, folder / name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def _replace(new: Path, old: Path) -> None:
    if old.is_dir():
        shutil.rmtree(old)
    new.replace(old)


def _write(case: SimulatedCase, folder: Path, name: str) -> None:
    (folder / "images").mkdir()
    for number, metaphase in enumerate(case.metaphases):
        Image.fromarray(metaphase.image).save(folder / "images" / f"{image_name(number)}.png", compress_level=6)
    cells, boxes = to_tables(case, name)
    _write_table(folder / "cells.csv", CELL_COLUMNS, cells)
    _write_table(folder / "chromosomes.csv", CHROMOSOME_COLUMNS, boxes)
    (folder / "truth.json").write_text(json.dumps(to_truth(case), separators=(",", ":")) + "\n", encoding="utf-8")
    coco = json.dumps(to_coco(case), separators=(",", ":"))
    (folder / "chromosomes.coco.json").write_text(coco + "\n", encoding="utf-8")


def _write_table(path: Path, columns: Sequence[str], rows: Sequence[dict[str, object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
