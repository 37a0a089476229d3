"""The karyotypes of ``karyotypes/*.tsv``: composed for these tests, each with what it should be found to be."""

from __future__ import annotations

from pathlib import Path

ROWS: list[tuple[str, str, str, str]] = []
"""File, string, expectation (``good``, ``warning``, ``error``, ``syntax``), canonical form or nothing."""

for _file in sorted((Path(__file__).parent / "karyotypes").glob("*.tsv")):
    for _line in _file.read_text(encoding="utf-8").splitlines():
        _text, _expected, _canonical = (*_line.split("\t"), "")[:3]
        ROWS.append((_file.stem, _text, _expected, _canonical))
