"""Format ``mfish``: DAPI planes of M-FISH metaphases with the class of every pixel.

``<image>_dapi.<ending>``, ``<image>_classes.<ending>`` (8 bits: 0 background, 1–22, 23 = X, 24 = Y, 255 = overlap) and
``cells.csv`` (``image``; optional ``slide, iscn, split``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from karyonet.case import LABELS
from karyonet.data.boxes import components_of, drawn_boxes
from karyonet.data.metaphases import AnnotatedChromosome, AnnotatedMetaphase
from karyonet.data.pictures import image_files, missing_image, read_classes
from karyonet.data.selection import in_split, limited
from karyonet.data.tables import read_table
from karyonet.errors import DataError
from karyonet.geometry.region import Region

FORMAT = "mfish"
OVERLAP = 255
"""Value of pixels that belong to more than one chromosome."""
SMALLEST = 20
"""Objects of fewer pixels are specks of the annotation."""


@dataclass(frozen=True)
class MfishMetaphase:
    """A metaphase with a class map.

    Attributes:
        id: the image's name.
        slide: metaphases of one slide come from one person.
        dapi: the grey image, light on black.
        classes: the class map.
        iscn: karyotype as the laboratory wrote it, None where nothing is stated.
        split: ``train``, ``validation`` or ``test``.
    """

    id: str
    slide: str
    dapi: Path
    classes: Path
    iscn: str | None
    split: str | None

    @property
    def case(self) -> str:
        """The slide: what must not be torn apart by a split."""
        return self.slide


@dataclass(frozen=True, eq=False)
class ClassRegions:
    """The pixels of a class map.

    Attributes:
        regions: for every label that occurs its components, largest first. A component can be several chromosomes
            that touch, and a chromosome that is crossed by another can be several components.
        overlap: bool, shape (height, width): pixels of more than one chromosome, in no component.
    """

    regions: dict[str, list[Region]]
    overlap: NDArray[np.bool_]


def read_mfish(directory: str | Path, split: str | None = None, limit: int | None = None) -> list[MfishMetaphase]:
    """Read a data set of M-FISH metaphases.

    Args:
        directory: laid out as the module says.
        split: only the metaphases of this split.
        limit: whole slides with at most so many metaphases together.

    Raises:
        DataError: K401 if a file or column is missing, K402 if a row is wrong, K403 if there is no such split,
            K404 if an image is missing.
    """
    directory = Path(directory)
    table = directory / "cells.csv"
    found: dict[str, MfishMetaphase] = {}
    images = image_files(directory, FORMAT)
    for row in read_table(table, FORMAT, ("image",)):
        image = row.text("image")
        if image in found:
            raise row.error(f"the image {image} was named before; remove one of the rows")
        for name in (f"{image}_dapi", f"{image}_classes"):
            if name not in images:
                raise missing_image(name, table)
        found[image] = MfishMetaphase(
            id=image,
            slide=row.optional("slide") or image,
            dapi=images[f"{image}_dapi"],
            classes=images[f"{image}_classes"],
            iscn=_cleaned(row.optional("iscn")),
            split=row.optional("split"),
        )
    chosen = in_split(found.values(), split, lambda metaphase: [metaphase.split] if metaphase.split else [], table)
    return limited(chosen, limit)


def class_regions(metaphase: MfishMetaphase, smallest: int = SMALLEST) -> ClassRegions:
    """Read a class map and take it apart.

    Args:
        metaphase: of :func:`read_mfish`.
        smallest: components of fewer pixels are specks and left out.

    Raises:
        DataError: K402 if the map holds a value that stands for no class.
        InputError: K1xx if it cannot be read.
    """
    classes = read_classes(metaphase.classes)
    known = np.r_[0 : len(LABELS) + 1, OVERLAP]
    unknown = np.setdiff1d(classes, known)
    if unknown.size:
        row, column = np.argwhere(classes == unknown[0])[0]
        reason = f"column {column + 1} has the class {unknown[0]}; classes are 0 to 24 and 255"
        raise DataError("K402", path=metaphase.classes, line=row + 1, reason=reason)
    return regions_by_class(classes, smallest)


def regions_by_class(classes: NDArray[np.uint8], smallest: int = 1) -> ClassRegions:
    """The components of every class of a class map.

    Args:
        classes: uint8, shape (height, width), values as the module says.
        smallest: components of fewer pixels are left out.
    """
    regions: dict[str, list[Region]] = {}
    for value, label in enumerate(LABELS, start=1):
        components = components_of(classes == value, smallest)
        if components:
            regions[label] = sorted(components, key=lambda region: region.area, reverse=True)
    return ClassRegions(regions, classes == OVERLAP)


def objects_of_classes(found: ClassRegions, smallest: int = SMALLEST) -> list[tuple[str, Region]]:
    """The chromosomes of a class map, whole where they cross others.

    A chromosome is a connected piece (8 neighbours) of one class together with the overlaps that border on it: an
    overlap (value 255) is of no class, tears chromosomes apart, and belongs to every chromosome next to it. Two
    homologs that touch are one piece, because the map does not tell them apart; a rearranged chromosome that shows
    two classes is two.

    Args:
        found: all pixels of the map (:func:`class_regions` with ``smallest=1``).
        smallest: pieces of fewer pixels are left out.

    Returns:
        The pieces with their labels, class by class.
    """
    around = np.ones((3, 3), dtype=bool)
    overlaps, _ = ndimage.label(found.overlap, structure=around)
    whole: list[tuple[str, Region]] = []
    for label, regions in found.regions.items():
        own = np.zeros_like(found.overlap)
        for region in regions:
            own[region.slices] |= region.mask
        bordering = np.setdiff1d(overlaps[ndimage.binary_dilation(own, structure=around)], [0])
        whole += [(label, region) for region in components_of(own | np.isin(overlaps, bordering), smallest)]
    return whole


def boxed(metaphase: MfishMetaphase) -> AnnotatedMetaphase:
    """A metaphase with boxes, as people draw them, around the objects of its class map (:func:`objects_of_classes`).

    Raises:
        DataError, InputError: as :func:`class_regions`.
    """
    found = class_regions(metaphase, smallest=1)
    height, width = found.overlap.shape
    named = objects_of_classes(found)
    boxes = drawn_boxes([region for _, region in named], (height, width))
    chromosomes = tuple(AnnotatedChromosome(label, box) for (label, _), box in zip(named, boxes, strict=True))
    return AnnotatedMetaphase(
        metaphase.id, metaphase.case, metaphase.dapi, width, height, chromosomes, split=metaphase.split
    )


def _cleaned(iscn: str | None) -> str | None:
    """The first line of a field that was cut out of a fixed-length buffer."""
    return re.split(r"[\0\r\n]", iscn or "")[0].strip() or None
