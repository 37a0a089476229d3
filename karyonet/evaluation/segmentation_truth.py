"""What the segmentation of an image is measured against: its annotated chromosomes as boxes or as masks."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from karyonet.data import read_format
from karyonet.data.metaphases import AnnotatedMetaphase
from karyonet.data.mfish import MfishMetaphase, class_regions, objects_of_classes
from karyonet.data.pictures import image_files, missing_image
from karyonet.data.selection import in_split, limited
from karyonet.data.tables import read_table
from karyonet.errors import ArrayError, DataError
from karyonet.evaluation.matching import box_region
from karyonet.geometry.region import Region
from karyonet.report import rle

SIMULATED = "simulated"
FORMATS = ("metaphases", "mfish", SIMULATED)


@dataclass(frozen=True, eq=False)
class AnnotatedImage:
    """An image with its true chromosomes.

    Attributes:
        id: unique in the data set.
        case: what a split must not tear apart.
        path: the image file.
        masks: whether the truth is masks; otherwise it is boxes.
        read_truth: picklable; reads the true chromosomes, boxes as :func:`~karyonet.evaluation.matching.box_region`.
        difficult: hard to read; None where the data set does not say.
        split: as the data set calls it.
    """

    id: str
    case: str
    path: Path
    masks: bool
    read_truth: Callable[[], Sequence[Region]]
    difficult: bool | None = None
    split: str | None = None


def read_annotated_images(
    directory: str | Path, format: str, split: str | None = None, limit: int | None = None
) -> list[AnnotatedImage]:
    """Read a data set to measure what is found in its images.

    Args:
        directory: the data set.
        format: ``metaphases`` (boxes), ``mfish`` (masks: :func:`~karyonet.data.mfish.objects_of_classes`), or
            ``simulated`` (masks): a folder that ``karyonet simulate`` wrote, or a folder of such folders.
        split: only this split.
        limit: whole cases with at most so many images together.

    Raises:
        DataError: K401 if something is missing, K402 if a row is wrong, K403 if there is no such split,
            K404 if an image is missing, K407 for another format.
    """
    directory = Path(directory)
    if format not in FORMATS:
        raise DataError("K407", format=format, stage="segmentation", known=", ".join(FORMATS))
    if format == SIMULATED:
        return limited(_simulated(directory, split), limit)
    items = read_format(directory, format, stage="segmentation", split=split, limit=limit)
    if format == "mfish":
        return [_mfish(item) for item in items]
    told = any(item.difficult for item in items)
    return [_boxed(item, told) for item in items]


def _boxed(item: AnnotatedMetaphase, told: bool) -> AnnotatedImage:
    read = partial(_boxes, item)
    return AnnotatedImage(item.id, item.case, item.path, False, read, item.difficult if told else None, item.split)


def _mfish(item: MfishMetaphase) -> AnnotatedImage:
    return AnnotatedImage(item.id, item.case, item.dapi, True, partial(_class_map, item), None, item.split)


def _boxes(item: AnnotatedMetaphase) -> list[Region]:
    return [box_region(chromosome.bbox) for chromosome in item.chromosomes]


def _class_map(item: MfishMetaphase) -> list[Region]:
    return [region for _, region in objects_of_classes(class_regions(item, smallest=1))]


def _simulated(directory: Path, split: str | None) -> list[AnnotatedImage]:
    """The images of one simulated case, or of all in a folder, with the masks of ``chromosomes.coco.json``."""
    name = "chromosomes.coco.json"
    if not directory.is_dir():
        raise DataError("K401", path=directory, format=SIMULATED, missing="the directory itself")
    folders = (
        [directory] if (directory / name).is_file() else sorted(path.parent for path in directory.glob(f"*/{name}"))
    )
    images = [image for folder in folders for image in _simulated_case(folder, folder / name, len(folders) > 1)]
    if not images:
        raise DataError("K401", path=directory, format=SIMULATED, missing=name)
    return in_split(images, split, lambda image: [image.split] if image.split else [], directory)


def _simulated_case(folder: Path, table: Path, several: bool) -> list[AnnotatedImage]:
    cells = {row.text("image"): row for row in read_table(folder / "cells.csv", SIMULATED, ("image", "case"))}
    files = image_files(folder / "images", SIMULATED)
    images: list[AnnotatedImage] = []
    for name, segmentations in _coco(table):
        row = cells.get(name)
        if row is None:
            raise DataError("K402", path=folder / "cells.csv", line=1, reason=f"the image {name} has no row; add one")
        if name not in files:
            raise missing_image(name, table)
        read = partial(_masks, table, segmentations)
        shown = f"{folder.name}/{name}" if several else name
        images.append(AnnotatedImage(shown, row.text("case"), files[name], True, read, None, row.optional("split")))
    return images


def _coco(table: Path) -> list[tuple[str, list[Any]]]:
    """Of every image its name without ending, and its masks as run lengths."""
    try:
        content = json.loads(table.read_text(encoding="utf-8"))
        masks: dict[int, list[Any]] = {image["id"]: [] for image in content["images"]}
        for annotation in content["annotations"]:
            masks[annotation["image_id"]].append(annotation["segmentation"])
        return [(Path(image["file_name"]).stem, masks[image["id"]]) for image in content["images"]]
    except (ValueError, KeyError, TypeError) as fault:
        raise _damaged(table, fault) from fault


def _masks(table: Path, segmentations: Sequence[Any]) -> list[Region]:
    try:
        return [Region.from_mask(rle.decode(one["counts"], (one["size"][0], one["size"][1]))) for one in segmentations]
    except (ArrayError, KeyError, TypeError, IndexError) as fault:
        raise _damaged(table, fault) from fault


def _damaged(table: Path, fault: Exception) -> DataError:
    line = getattr(fault, "lineno", 1)
    reason = f"the file is not what the simulator writes ({type(fault).__name__}: {fault}); draw the case again"
    return DataError("K402", path=table, line=line, reason=reason)
