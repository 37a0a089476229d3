"""From pictures of karyograms to a data set of format ``strips``, all or nothing."""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_dilation

from karyonet.data.karyogram import Karyogram, read_karyogram
from karyonet.data.pictures import image_files, read_grey
from karyonet.data.strips import FORMAT, read_strips
from karyonet.errors import ConfigError, DataError
from karyonet.geometry.region import BoundingBox

FloatArray = NDArray[np.float32]

MARGIN = 4
"""Pixels of background left around every chromosome."""
CHROMOSOMES, CELLS = "chromosomes.csv", "cells.csv"
_COLUMNS = {
    CHROMOSOMES: ("cell", "label", "homolog", "xmin", "ymin", "xmax", "ymax"),
    CELLS: ("cell", "case"),
}


@dataclass(frozen=True, eq=False)
class ImportedCell:
    """A picture that was taken into a data set: its cell and case, and what it shows."""

    cell: str
    case: str
    karyogram: Karyogram


def import_karyograms(
    paths: Sequence[Path], out: Path, layout: str | None = None, case_id: str | None = None
) -> list[ImportedCell]:
    """Add pictures of karyograms to a data set of format ``strips``; a new one is made where there is none.

    The picture itself is not copied: its chromosomes are laid side by side, nothing else of it is kept, so that no
    name or number of a patient gets into the data set. Nothing is written unless every picture can be read.

    Args:
        paths: one picture a cell; the cell is named as the file, without its ending.
        out: the data set's folder.
        layout: see :func:`karyonet.data.karyogram.read_karyogram`; of all the pictures.
        case_id: the case that all the pictures belong to; by default every cell is a case of its own.

    Raises:
        InputError: K1xx if a picture cannot be read.
        ConfigError: K209 if ``out`` is a file.
        DataError: K401–K404 if ``out`` holds something that is no such data set, K408–K410 as
            :func:`karyonet.data.karyogram.read_karyogram`, K411 if a cell exists or two pictures have one name.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError("K209", path=out)
    exists = out.is_dir() and any(out.iterdir())
    if exists:
        read_strips(out)  # what is there must be whole before anything is added
    names = set(image_files(out / "cells", FORMAT)) if exists else set()
    cells = []
    for path in paths:
        cell = path.stem.strip()
        if cell in names:
            raise DataError("K411", path=out, cell=cell)
        names.add(cell)
        karyogram = read_karyogram(read_grey(path), layout, path)
        cells.append(ImportedCell(cell, case_id or cell, karyogram))
    _add(cells, out, exists)
    return cells


def to_strips(karyogram: Karyogram) -> tuple[FloatArray, list[BoundingBox]]:
    """The chromosomes of a karyogram laid side by side on its background.

    A chromosome brings the pixels of its region and of a seam of two pixels around it, where no other region lies.

    Returns:
        float32, shape (height, width), 0–1; a box for every chromosome, with :data:`MARGIN` pixels around it.
    """
    regions = [chromosome.region for chromosome in karyogram.chromosomes]
    owners = np.zeros(karyogram.grey.shape, dtype=np.int32)
    for number, region in enumerate(regions, start=1):
        owners[region.slices][region.mask] = number
    tiles = []
    for region in regions:
        wide = region.with_margin(MARGIN, karyogram.grey.shape)
        seam = binary_dilation(wide.mask, np.ones((3, 3), dtype=bool), iterations=2)
        own = wide.mask | (seam & (owners[wide.slices] == 0))
        tiles.append(np.where(own, karyogram.grey[wide.slices], np.float32(karyogram.background)))
    height, width = max(len(tile) for tile in tiles), sum(tile.shape[1] for tile in tiles)
    picture = np.full((height, width), karyogram.background, dtype=np.float32)
    boxes: list[BoundingBox] = []
    left = 0
    for tile in tiles:
        picture[: len(tile), left : left + tile.shape[1]] = tile
        boxes.append((left, 0, left + tile.shape[1], len(tile)))
        left += tile.shape[1]
    return picture, boxes


def _add(cells: Sequence[ImportedCell], out: Path, exists: bool) -> None:
    """Write everything beside the data set, then move it there; what was moved is taken back if a move fails."""
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{out.resolve().name}-", dir=out.resolve().parent))
    try:
        _write(cells, scratch, out if exists else None)
        if not exists:
            if out.is_dir():
                out.rmdir()
            scratch.chmod(0o755)
            scratch.rename(out)
            return
        moved: list[Path] = []
        kept = {name: (out / name).read_bytes() if (out / name).exists() else None for name in _COLUMNS}
        try:
            for image in sorted((scratch / "cells").iterdir()):
                moved.append(out / "cells" / image.name)
                image.rename(moved[-1])
            for name in kept:
                (scratch / name).replace(out / name)
        except BaseException:
            for path in moved:
                path.unlink(missing_ok=True)
            for name, content in kept.items():
                if content is None:
                    (out / name).unlink(missing_ok=True)
                else:
                    (out / name).write_bytes(content)
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write(cells: Sequence[ImportedCell], folder: Path, before: Path | None) -> None:
    """The images, and the tables with the rows of the data set that was there ``before``."""
    (folder / "cells").mkdir()
    rows: dict[str, list[dict[str, object]]] = {name: [] for name in _COLUMNS}
    for cell in cells:
        picture, boxes = to_strips(cell.karyogram)
        grey = np.rint(picture * 255).astype(np.uint8)
        Image.fromarray(grey).save(folder / "cells" / f"{cell.cell}.png")
        rows[CELLS].append({"cell": cell.cell, "case": cell.case})
        for chromosome, box in zip(cell.karyogram.chromosomes, boxes, strict=True):
            values = (cell.cell, chromosome.label, chromosome.homolog, *box)
            rows[CHROMOSOMES].append(dict(zip(_COLUMNS[CHROMOSOMES], values, strict=True)))
    if before is not None and not (before / CELLS).exists():  # without this table every cell is a case of its own
        rows[CELLS][:0] = [{"cell": cell.id, "case": cell.case} for cell in read_strips(before)]
    for name, columns in _COLUMNS.items():
        _write_table(folder / name, columns, rows[name], before / name if before else None)


def _write_table(path: Path, columns: Sequence[str], rows: Sequence[dict[str, object]], before: Path | None) -> None:
    header, old = list(columns), []
    if before is not None and before.exists():
        with before.open(encoding="utf-8-sig", newline="") as file:
            header, *old = [row for row in csv.reader(file) if any(row)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([header, *old])
        writer.writerows([row.get(column.strip(), "") for column in header] for row in rows)
