"""Format ``clusters``: cut-out segments of metaphases, each one chromosome or a cluster of several.

``objects.csv`` (``image, case, kind``); ``image`` is a path from the table's folder, ``kind`` is ``chromosome`` or
``cluster`` or one of the cluster types of :data:`karyonet.case.ClusterType`; optional ``split``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from karyonet.case import ClusterType
from karyonet.data.pictures import missing_image
from karyonet.data.selection import in_split, limited
from karyonet.data.tables import read_table

FORMAT = "clusters"
KINDS: tuple[str, ...] = ("chromosome", "cluster", *get_args(ClusterType))


@dataclass(frozen=True)
class ClusterObject:
    """A segment that a person sorted.

    Attributes:
        id: the image as the table names it.
        case: patient or culture.
        path: the image file.
        kind: one of :data:`KINDS`.
        split: what the data set calls it, None where it has none.
    """

    id: str
    case: str
    path: Path
    kind: str
    split: str | None = None


def read_cluster_objects(
    directory: str | Path, split: str | None = None, limit: int | None = None
) -> list[ClusterObject]:
    """Read a data set of segments.

    Args:
        directory: laid out as the module says.
        split: only the segments of this split.
        limit: whole cases with at most so many segments together.

    Raises:
        DataError: K401 if a file or column is missing, K402 if a row is wrong, K403 if there is no such split,
            K404 if an image is missing.
    """
    directory = Path(directory)
    table = directory / "objects.csv"
    found: list[ClusterObject] = []
    for row in read_table(table, FORMAT, ("image", "case", "kind")):
        image, kind = row.text("image"), row.text("kind")
        if kind not in KINDS:
            raise row.error(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
        path = directory / image
        if not path.is_file():
            raise missing_image(image, table)
        found.append(ClusterObject(image, row.text("case"), path, kind, row.optional("split")))
    chosen = in_split(found, split, lambda item: [item.split] if item.split else [], table)
    return limited(chosen, limit)
