"""Format ``metaphases``: whole metaphase images with a box and a label for every chromosome.

``images/<image>.<ending>``, ``cells.csv`` (``image, case``; optional ``width, height, karyotype, stated_count,
affected, difficult, split``) and ``chromosomes.csv`` (``image, label, xmin, ymin, xmax, ymax``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from karyonet.data.pictures import image_files, image_size, missing_image
from karyonet.data.selection import in_split, limited
from karyonet.data.tables import Row, read_table
from karyonet.geometry.region import BoundingBox

FORMAT = "metaphases"


@dataclass(frozen=True, slots=True)
class AnnotatedChromosome:
    """A chromosome that a person named.

    Attributes:
        label: one of :data:`karyonet.case.LABELS`.
        bbox: ``(xmin, ymin, xmax, ymax)`` in pixels, inside the image.
    """

    label: str
    bbox: BoundingBox


@dataclass(frozen=True)
class AnnotatedMetaphase:
    """A metaphase image and what people said of it.

    Attributes:
        id: the image's name, unique in the data set.
        case: patient or culture.
        path: the image file.
        width, height: in pixels.
        chromosomes: those that were boxed.
        karyotype: ``normal``, ``numerical``, ``structural`` or ``unlabelled``; None where nothing is stated.
        stated_count: number of chromosomes that the laboratory counted.
        affected: the chromosomes that depart from normal, as the laboratory wrote them.
        difficult: hard to read.
        split: ``train``, ``validation``, ``test`` or what the data set calls it.
    """

    id: str
    case: str
    path: Path
    width: int
    height: int
    chromosomes: tuple[AnnotatedChromosome, ...]
    karyotype: str | None = None
    stated_count: int | None = None
    affected: tuple[str, ...] = ()
    difficult: bool = False
    split: str | None = None


def read_metaphases(
    directory: str | Path, split: str | None = None, limit: int | None = None
) -> list[AnnotatedMetaphase]:
    """Read a data set of annotated metaphases, in the order of its ``cells.csv``.

    Args:
        directory: laid out as the module says.
        split: only the metaphases of this split.
        limit: whole cases with at most so many metaphases together (:func:`karyonet.data.selection.limited`).

    Raises:
        DataError: K401 if a file or column is missing, K402 if a row is wrong, K403 if there is no such split,
            K404 if an image is missing.
    """
    directory = Path(directory)
    cells_path, chromosomes_path = directory / "cells.csv", directory / "chromosomes.csv"
    images = image_files(directory / "images", FORMAT)
    cells: dict[str, Row] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for row in read_table(cells_path, FORMAT, ("image", "case")):
        image = row.text("image")
        if image in cells:
            raise row.error(f"the image {image} was named before; remove one of the rows")
        if image not in images:
            raise missing_image(image, cells_path)
        cells[image] = row
        sizes[image] = _size(row, images[image])
    found: dict[str, list[AnnotatedChromosome]] = {image: [] for image in cells}
    for row in read_table(chromosomes_path, FORMAT, ("image", "label", "xmin", "ymin", "xmax", "ymax")):
        image = row.text("image")
        if image not in found:
            raise row.error(f"the image {image} is not in cells.csv; add it there or remove the row")
        found[image].append(AnnotatedChromosome(row.label(), row.box(*sizes[image])))
    metaphases = [_metaphase(row, images[image], sizes[image], tuple(found[image])) for image, row in cells.items()]
    chosen = in_split(metaphases, split, lambda metaphase: [metaphase.split] if metaphase.split else [], cells_path)
    return limited(chosen, limit)


def _size(row: Row, path: Path) -> tuple[int, int]:
    """Width and height as the table states them, from the image where it does not."""
    width, height = row.optional_integer("width"), row.optional_integer("height")
    if width is None or height is None:
        return image_size(path)
    if width <= 0 or height <= 0:
        raise row.error(f"width and height must be positive, not {width} and {height}")
    return width, height


def _metaphase(
    row: Row, path: Path, size: tuple[int, int], chromosomes: tuple[AnnotatedChromosome, ...]
) -> AnnotatedMetaphase:
    affected = (name.strip() for name in (row.optional("affected") or "").split(","))
    return AnnotatedMetaphase(
        id=row.text("image"),
        case=row.text("case"),
        path=path,
        width=size[0],
        height=size[1],
        chromosomes=chromosomes,
        karyotype=row.optional("karyotype"),
        stated_count=row.optional_integer("stated_count"),
        affected=tuple(name for name in affected if name),
        difficult=row.flag("difficult"),
        split=row.optional("split"),
    )
