"""Tables of a data set: CSV files whose every fault is reported with file and line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from karyonet.case import LABELS
from karyonet.errors import DataError
from karyonet.geometry.region import BoundingBox

_LABELS = frozenset(LABELS)
_BOX = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Attributes:
        path: the table.
        line: line of the file on which the row ends, from 1.
        values: the row's text by column, without blanks around it.
    """

    path: Path
    line: int
    values: dict[str, str]

    def error(self, reason: str) -> DataError:
        """The error K402 that names this row."""
        return DataError("K402", path=self.path, line=self.line, reason=reason)

    def text(self, column: str) -> str:
        """A value that must not be empty.

        Raises:
            DataError: K402 if it is.
        """
        value = self.values[column]
        if not value:
            raise self.error(f"{column} is empty; fill it in or remove the row")
        return value

    def optional(self, column: str) -> str | None:
        """A value, None where the column or the value is missing."""
        return self.values.get(column) or None

    def integer(self, column: str) -> int:
        """A whole number.

        Raises:
            DataError: K402 if the value is none.
        """
        value = self.text(column)
        try:
            return int(value)
        except ValueError:
            raise self.error(f"{column} must be a whole number, not {value!r}") from None

    def optional_integer(self, column: str) -> int | None:
        """A whole number, None where the column or the value is missing."""
        return self.integer(column) if self.optional(column) else None

    def flag(self, column: str) -> bool:
        """A value of 0 or 1 (also ``false`` and ``true``), False where it is missing."""
        value = (self.optional(column) or "0").lower()
        if value not in {"0", "1", "false", "true"}:
            raise self.error(f"{column} must be 0 or 1, not {value!r}")
        return value in {"1", "true"}

    def label(self) -> str:
        """The value of ``label``, one of :data:`karyonet.case.LABELS`.

        Raises:
            DataError: K402 if it is none.
        """
        value = self.text("label")
        if value not in _LABELS:
            raise self.error(f"label must be 1 to 22, X or Y, not {value!r}")
        return value

    def box(self, width: int, height: int) -> BoundingBox:
        """The box in the columns ``xmin, ymin, xmax, ymax``, clipped to an image of ``width`` × ``height`` pixels.

        Raises:
            DataError: K402 if a value is no whole number, or the box is empty or outside the image.
        """
        xmin, ymin, xmax, ymax = (self.integer(column) for column in _BOX)
        if xmax <= xmin or ymax <= ymin:
            raise self.error(f"the box {xmin},{ymin},{xmax},{ymax} is empty; xmax and ymax must exceed xmin and ymin")
        clipped = (max(xmin, 0), max(ymin, 0), min(xmax, width), min(ymax, height))
        if clipped[2] <= clipped[0] or clipped[3] <= clipped[1]:
            raise self.error(f"the box {xmin},{ymin},{xmax},{ymax} lies outside the image of {width}×{height} pixels")
        return clipped


def read_table(path: Path, format: str, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a CSV file (UTF-8, comma, first row names the columns).

    Args:
        path: the file.
        format: name of the data set's format, for error messages.
        columns: those that must be there; others may be.

    Raises:
        DataError: K401 if the file or a column is missing, K402 if it is not UTF-8 or a row has too few
            or too many values.
    """
    if not path.is_file():
        raise DataError("K401", path=path.parent, format=format, missing=path.name)
    line = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            for column in columns:
                if column not in header:
                    raise DataError("K401", path=path, format=format, missing=f"the column {column}")
            for values in reader:
                line = reader.line_num
                if not any(values):
                    continue
                if len(values) != len(header):
                    reason = f"the row has {len(values)} values, the table has {len(header)} columns"
                    raise DataError("K402", path=path, line=line, reason=reason)
                yield Row(path, line, dict(zip(header, map(str.strip, values), strict=True)))
    except (UnicodeDecodeError, csv.Error) as fault:
        reason = f"the table cannot be read ({fault}); save it as CSV in UTF-8"
        raise DataError("K402", path=path, line=line + 1, reason=reason) from fault
