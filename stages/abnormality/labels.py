"""Which chromosome types of which cases are known to be abnormal, and which to be normal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from karyonet.case import LABELS
from karyonet.data.tables import read_table

COLUMNS = ("bag", "chromosome", "abnormal", "cells")
_READ = ("normal", "structural")
"""Karyotypes of a metaphase table that say of every chromosome type whether its structure is normal."""


@dataclass(frozen=True)
class BagLabel:
    """What is known of a chromosome type in some metaphases of a case.

    Attributes:
        bag: its name.
        chromosome: the type.
        abnormal: whether its structure is.
        cells: metaphases, as the data set names them.
    """

    bag: str
    chromosome: str
    abnormal: bool
    cells: tuple[str, ...]


def read_labels(path: Path) -> list[BagLabel]:
    """The labels of a data set.

    Those of a folder are in its ``bags.csv`` (``bag, chromosome, abnormal, cells``, the cells separated by ``;``);
    without it, a folder of format metaphases states ``karyotype`` and ``affected`` in its ``cells.csv``. Those of a
    pack ``ours.npz`` are in ``ours.bags.csv`` beside it.

    Args:
        path: data set folder or pack.

    Returns:
        In the order of the table; none where there is no table.

    Raises:
        DataError: K401 if a column is missing, K402 if a row is wrong.
    """
    table = path.with_suffix(".bags.csv") if path.suffix == ".npz" else path / "bags.csv"
    if table.is_file():
        return list(_bags(table))
    if (path / "images").is_dir() and (path / "cells.csv").is_file():
        return list(_of_metaphases(path / "cells.csv"))
    return []


def _bags(table: Path) -> Iterable[BagLabel]:
    for row in read_table(table, "bags", COLUMNS):
        chromosome = row.text("chromosome")
        if chromosome not in LABELS:
            raise row.error(f"chromosome must be 1 to 22, X or Y, not {chromosome!r}")
        row.text("abnormal")  # a bag without an answer is a mistake, not a normal one
        cells = tuple(cell.strip() for cell in row.text("cells").split(";") if cell.strip())
        yield BagLabel(row.text("bag"), chromosome, row.flag("abnormal"), cells)


def _of_metaphases(table: Path) -> Iterable[BagLabel]:
    """One bag a type and case. The affected types of a structural karyotype are abnormal, all others normal.

    A case that is numerically abnormal, unlabelled, or structurally so without a chromosome named, is left out.
    """
    cases: dict[str, list[tuple[str, str, set[str]]]] = {}
    for row in read_table(table, "metaphases", ("image", "case")):
        affected = {name.strip() for name in (row.optional("affected") or "").split(",")} & set(LABELS)
        cases.setdefault(row.text("case"), []).append((row.text("image"), row.optional("karyotype") or "", affected))
    for case, metaphases in cases.items():
        if any(k not in _READ or (k == "structural" and not affected) for _, k, affected in metaphases):
            continue
        for label in LABELS:
            abnormal = tuple(image for image, _, affected in metaphases if label in affected)
            cells = abnormal or tuple(image for image, _, _ in metaphases)
            yield BagLabel(f"{case}:{label}", label, bool(abnormal), cells)
