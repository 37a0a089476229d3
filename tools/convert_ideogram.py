"""Convert NCBI's ideogram tables to the file of karyonet.ideogram.

    python tools/convert_ideogram.py DIRECTORY [--out karyonet/ideogram/bands.json]

DIRECTORY holds ``bands_400.tsv``, ``bands_550.tsv`` and ``bands_850.tsv`` of the NCBI Genome Decoration Page (public
domain) with the columns chromosome, arm, band, iscn_start, iscn_stop, bp_start, bp_stop, stain, density.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
from pathlib import Path
from typing import Any

LEVELS = (400, 550, 850)
Row = dict[str, str]


def read_rows(path: Path) -> dict[str, list[Row]]:
    """Rows of one table by chromosome, from the end of the short arm on."""
    rows: dict[str, list[Row]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            rows.setdefault(row["chromosome"], []).append(row)
    for found in rows.values():
        found.sort(key=lambda row: int(row["iscn_start"]))
    return rows


def close_gaps(rows: list[Row], coarse: list[Row]) -> None:
    """Let the bands of a chromosome follow each other without gaps, in place.

    The 550 table leaves eight stretches without a band. Each goes to the neighbour that is a part of the band which
    the 400 table has there.
    """
    for before, after in itertools.pairwise(rows):
        end, start = int(before["iscn_stop"]), int(after["iscn_start"])
        if start == end:
            continue
        over = next(row for row in coarse if int(row["iscn_start"]) <= end < int(row["iscn_stop"]))
        if after["arm"] == over["arm"] and after["band"].startswith(over["band"]):
            after["iscn_start"] = before["iscn_stop"]
        else:
            before["iscn_stop"] = after["iscn_start"]


def compact(rows: list[Row]) -> list[list[Any]]:
    """``[arm + band, iscn_stop, bp_stop, stain]`` of every band; a band starts where the one before it stops."""
    return [
        [row["arm"] + row["band"], int(row["iscn_stop"]), int(row["bp_stop"]), row["stain"] + row["density"]]
        for row in rows
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--out", type=Path, default=Path("karyonet/ideogram/bands.json"))
    arguments = parser.parse_args()
    tables = {level: read_rows(arguments.directory / f"bands_{level}.tsv") for level in LEVELS}
    for level in LEVELS:
        for chromosome, rows in tables[level].items():
            close_gaps(rows, tables[LEVELS[0]][chromosome])
    lines = [
        f'"{level}": {{\n'
        + ",\n".join(f'"{name}": {json.dumps(compact(rows), separators=(",", ":"))}' for name, rows in table.items())
        + "\n}"
        for level, table in tables.items()
    ]
    arguments.out.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
