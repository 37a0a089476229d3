"""The formats of data sets, by the name that ``--format`` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from karyonet.data import cluster_objects, metaphases, mfish, strips
from karyonet.errors import DataError


@dataclass(frozen=True)
class DataFormat:
    """A layout of files and what reads it.

    Attributes:
        name: what ``--format`` takes.
        summary: what the data are, in a few words.
        mandatory: files and folders that must be there.
        columns: columns that must be there, by table.
        stages: what can be trained or evaluated on it.
        read: called with the directory, ``split`` and ``limit``; the items come in the order of their table.
    """

    name: str
    summary: str
    mandatory: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]
    stages: frozenset[str]
    read: Callable[..., list[Any]]


FORMATS: Mapping[str, DataFormat] = MappingProxyType(
    {
        description.name: description
        for description in (
            DataFormat(
                metaphases.FORMAT,
                "metaphase images with a box and a label for every chromosome",
                ("images", "cells.csv", "chromosomes.csv"),
                {
                    "cells.csv": ("image", "case"),
                    "chromosomes.csv": ("image", "label", "xmin", "ymin", "xmax", "ymax"),
                },
                frozenset({"pipeline", "segmentation", "separation", "classification", "abnormality", "karyotype"}),
                metaphases.read_metaphases,
            ),
            DataFormat(
                strips.FORMAT,
                "cut-out chromosomes side by side, one image a metaphase",
                ("cells", "chromosomes.csv"),
                {"chromosomes.csv": ("cell", "label", "xmin", "ymin", "xmax", "ymax")},
                frozenset({"classification", "straightening", "abnormality"}),
                strips.read_strips,
            ),
            DataFormat(
                mfish.FORMAT,
                "DAPI planes of M-FISH metaphases with the class of every pixel",
                ("cells.csv",),
                {"cells.csv": ("image",)},
                frozenset({"segmentation", "separation", "classification"}),
                mfish.read_mfish,
            ),
            DataFormat(
                cluster_objects.FORMAT,
                "cut-out segments, each one chromosome or a cluster",
                ("objects.csv",),
                {"objects.csv": ("image", "case", "kind")},
                frozenset({"cluster_type"}),
                cluster_objects.read_cluster_objects,
            ),
        )
    }
)


def read_format(
    directory: str | Path, format: str, *, stage: str, split: str | None = None, limit: int | None = None
) -> list[Any]:
    """Read a data set to train or evaluate a stage.

    Args:
        directory: the data set.
        format: one of :data:`FORMATS`.
        stage: ``pipeline`` or a stage's place in the pipeline.
        split: only this split.
        limit: whole cases with at most so many items together.

    Returns:
        Items of the format's own type, in the order of its table.

    Raises:
        DataError: K401 if something is missing, K402 if a row is wrong, K403 if there is no such split,
            K404 if an image is missing, K407 if the format cannot serve the stage.
    """
    usable = [name for name, known in FORMATS.items() if stage in known.stages]
    if format not in usable:
        raise DataError("K407", format=format, stage=stage, known=", ".join(usable) or "(none)")
    directory = Path(directory)
    if not directory.is_dir():
        raise DataError("K401", path=directory, format=format, missing="the directory itself")
    for name in FORMATS[format].mandatory:
        if not (directory / name).exists():
            raise DataError("K401", path=directory, format=format, missing=name)
    items = FORMATS[format].read(directory, split=split, limit=limit)
    if not items:
        raise DataError(
            "K401", path=directory, format=format, missing=f"at least one row in {FORMATS[format].mandatory[-1]}"
        )
    return items
