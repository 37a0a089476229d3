"""Format ``strips``: the chromosomes of a metaphase cut out and laid side by side in one image.

``cells/<cell>.<ending>``, ``chromosomes.csv`` (``cell, label, xmin, ymin, xmax, ymax``; optional ``homolog``) and
optionally ``cells.csv`` (``cell``; optional ``case, fold, split``). Without ``cells.csv`` every cell is a case.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from karyonet.data.pictures import image_files, image_size, missing_image, read_grey
from karyonet.data.selection import in_split, limited
from karyonet.data.tables import Row, read_table
from karyonet.geometry.region import BoundingBox, Region

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMAT = "strips"
EDGE = 0.05
"""Share of the contrast by which a chromosome's pixels differ at least from the background."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AnnotatedStripChromosome:
    """A chromosome of a strip image.

    Attributes:
        label: one of :data:`karyonet.case.LABELS`.
        homolog: which of its type, as the data set names them; None where it does not.
        bbox: ``(xmin, ymin, xmax, ymax)`` in pixels of the strip image.
    """

    label: str
    homolog: str | None
    bbox: BoundingBox


@dataclass(frozen=True)
class AnnotatedCell:
    """The cut-out chromosomes of one metaphase.

    Attributes:
        id: name of the cell, unique in the data set.
        case: patient or culture.
        path: the strip image.
        fold: fold of a cross-validation.
        split: ``train``, ``validation`` or ``test``; where the data set has folds only, fold 0 is the test,
            fold 1 the validation and the rest the training part.
        chromosomes: from left to right as in the table.
    """

    id: str
    case: str
    path: Path
    fold: int | None
    split: str | None
    chromosomes: tuple[AnnotatedStripChromosome, ...]


def read_strips(directory: str | Path, split: str | None = None, limit: int | None = None) -> list[AnnotatedCell]:
    """Read a data set of cut-out chromosomes.

    Args:
        directory: laid out as the module says.
        split: only the cells of this split; ``fold3`` takes one fold.
        limit: whole cases with at most so many cells together (:func:`karyonet.data.selection.limited`).

    Raises:
        DataError: K401 if a file or column is missing, K402 if a row is wrong, K403 if there is no such split,
            K404 if an image is missing.
    """
    directory = Path(directory)
    images = image_files(directory / "cells", FORMAT)
    cells = _read_cells(directory / "cells.csv", images)
    listed = cells is not None
    found: dict[str, list[AnnotatedStripChromosome]] = {cell: [] for cell in cells or {}}
    sizes: dict[str, tuple[int, int]] = {}
    table = directory / "chromosomes.csv"
    for row in read_table(table, FORMAT, ("cell", "label", "xmin", "ymin", "xmax", "ymax")):
        cell = row.text("cell")
        if cell not in sizes:
            if listed and cell not in found:
                raise row.error(f"the cell {cell} is not in cells.csv; add it there or remove the row")
            if cell not in images:
                raise missing_image(cell, table)
            sizes[cell] = image_size(images[cell])
        chromosome = AnnotatedStripChromosome(row.label(), row.optional("homolog"), row.box(*sizes[cell]))
        found.setdefault(cell, []).append(chromosome)
    if cells is None:
        cells = {cell: AnnotatedCell(cell, cell, images[cell], None, None, ()) for cell in found}
    filled = [replace(cell, chromosomes=_sex_chromosomes_named(cell.id, found[name])) for name, cell in cells.items()]
    return limited(in_split(filled, split, _split_names, table), limit)


def crop_chromosomes(cell: AnnotatedCell) -> list[NDArray[np.float32]]:
    """The boxes of a cell's chromosomes cut out of its image: float32, shape (height, width), 0–1, as recorded."""
    grey = read_grey(cell.path)
    return [grey[ymin:ymax, xmin:xmax] for xmin, ymin, xmax, ymax in (c.bbox for c in cell.chromosomes)]


def chromosome_regions(cell: AnnotatedCell) -> tuple[NDArray[np.float32], list[Region]]:
    """Optical density and the pixels of every chromosome of a cell, ready to be straightened.

    Inside its box a chromosome is the foreground (:func:`strip_foreground`): its largest component, pieces of at
    least a quarter of that size, and the holes in them.

    Returns:
        float32, shape (height, width), 0 is background; one region a chromosome, in the order of the cell.

    Raises:
        InputError: K1xx if the image cannot be read.
    """
    from karyonet.data.boxes import solid_region
    from karyonet.imaging import recognise_contrast, to_optical_density

    grey = read_grey(cell.path)
    foreground = strip_foreground(grey)
    regions = [solid_region(foreground, chromosome.bbox) for chromosome in cell.chromosomes]
    return to_optical_density(grey, recognise_contrast(grey)), regions


def strip_foreground(grey: NDArray[np.float32]) -> NDArray[np.bool_]:
    """What is not background in a strip image, where the background is one even grey value: the most frequent one.

    Args:
        grey: float32, shape (height, width), 0–1, dark on light or light on dark.

    Returns:
        bool, shape (height, width): the pixels that differ from the background by more than a twentieth of the
        contrast, so that compression noise and the faint halo of glowing stain stay out.
    """
    import numpy as np

    levels = np.rint(grey * 255).astype(np.intp)
    distance = np.abs(grey - np.float32(np.bincount(levels.ravel()).argmax() / 255))
    return np.asarray(distance > EDGE * max(float(distance.max()), 1 / 255))


def _read_cells(path: Path, images: dict[str, Path]) -> dict[str, AnnotatedCell] | None:
    """The cells of ``cells.csv`` without chromosomes; None where there is no such table."""
    if not path.is_file():
        return None
    cells: dict[str, AnnotatedCell] = {}
    for row in read_table(path, FORMAT, ("cell",)):
        name = row.text("cell")
        if name in cells:
            raise row.error(f"the cell {name} was named before; remove one of the rows")
        if name not in images:
            raise missing_image(name, path)
        fold = row.optional_integer("fold")
        cells[name] = AnnotatedCell(name, row.optional("case") or name, images[name], fold, _split(row, fold), ())
    return cells


def _split(row: Row, fold: int | None) -> str | None:
    """The split that a row states, or the one that its fold stands for."""
    if "split" in row.values or fold is None:
        return row.optional("split")
    return {0: "test", 1: "validation"}.get(fold, "train")


def _split_names(cell: AnnotatedCell) -> list[str]:
    names = [cell.split] if cell.split else []
    return names if cell.fold is None else [*names, f"fold{cell.fold}"]


def _sex_chromosomes_named(
    cell: str, chromosomes: list[AnnotatedStripChromosome]
) -> tuple[AnnotatedStripChromosome, ...]:
    """Undo a misreading in tables that were made of the BioImLab file names.

    There the sex chromosomes of a man are called 23 and 24 without a homolog letter, which was taken for
    chromosome 2, homologs 3 and 4. Only a cell that has 2a and 2b besides is mended.
    """
    if not {("2", "a"), ("2", "b")} <= {(c.label, c.homolog) for c in chromosomes}:
        return tuple(chromosomes)
    meant = {("2", "3"): "X", ("2", "4"): "Y"}
    names = [meant.get((c.label, c.homolog or "")) for c in chromosomes]
    mended = tuple(
        c if name is None else replace(c, label=name, homolog="a") for c, name in zip(chromosomes, names, strict=True)
    )
    if any(names):
        logger.info("cell %s: chromosome 2, homologs 3 and 4, read as X and Y (named 23 and 24 at the source)", cell)
    return mended
