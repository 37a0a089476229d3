"""Many examples in one file: images laid end to end, and one row of facts for each."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import IO, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from karyonet.errors import DataError

_DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile)
"""What reading an ``.npz`` file that is none, or is damaged, can raise."""


@dataclass(frozen=True, eq=False)
class Pack:
    """Base of every pack: a frozen dataclass whose fields are all arrays, kept as ``.npz``.

    Attributes:
        pixels: uint8, shape (sum of height * width,): density relative to the metaphase, in 1/64.
        heights, widths: int32, shape (n,), of the images in pixels.
        labels: int8, of every chromosome in the images, index in :data:`karyonet.case.LABELS`.
        cases, cells, splits: str, shape (n,): patient, metaphase and split, as the data set names them.
    """

    kind: ClassVar[str] = "pack"
    """What an error message calls it."""

    pixels: NDArray[np.uint8]
    heights: NDArray[np.int32]
    widths: NDArray[np.int32]
    labels: NDArray[np.int8]
    cases: NDArray[np.str_]
    cells: NDArray[np.str_]
    splits: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.heights)

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """Where each image starts, and where the last one ends."""
        return np.concatenate([[0], np.cumsum(self.heights.astype(np.int64) * self.widths)])

    def part(self, values: NDArray[np.uint8], index: int) -> NDArray[np.uint8]:
        """What belongs to one image, uint8, shape (height, width): a view.

        Args:
            values: laid out like ``pixels``.
            index: of the image.
        """
        return values[self._starts[index] : self._starts[index + 1]].reshape(self.heights[index], self.widths[index])

    def of_split(self, split: str) -> NDArray[np.int64]:
        """Indices of a split's images."""
        return np.flatnonzero(self.splits == split)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Of the arrays."""
        return tuple(f.name for f in fields(cls))

    @classmethod
    def concatenate(cls, packs: Sequence[Self]) -> Self:
        """The images of several packs, in order.

        Args:
            packs: at least one.
        """
        if len(packs) == 1:  # a copy of gigabytes is spared
            return packs[0]
        return cls(**{name: np.concatenate([getattr(pack, name) for pack in packs]) for name in cls.names()})

    def write(self, path: str | Path) -> None:
        """Write the pack; the file appears when it is complete."""
        with appearing(Path(path)) as stream:
            np.savez(stream, **{name: getattr(self, name) for name in self.names()})

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a pack.

        Raises:
            DataError: K401 if the file is not there or is no such pack.
        """
        with arrays_in(Path(path), cls.kind) as arrays:
            return cls(**{name: arrays[name] for name in cls.names()})


@contextmanager
def appearing(path: Path) -> Iterator[IO[bytes]]:
    """A new file, and its folder, that takes its name when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two processes may write the same file.
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as stream:
            yield stream
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def arrays_in(path: Path, kind: str) -> Iterator[Mapping[str, NDArray[Any]]]:
    """The arrays of an ``.npz`` file by name, read when they are asked for.

    Args:
        path: the file.
        kind: what it should be, for the error message.

    Raises:
        DataError: K401 if it cannot be read, or not as the ``with`` block reads it.
    """
    try:
        # Opened here, since numpy leaves a file open that turns out to be no archive.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            yield arrays
    except _DAMAGE as fault:
        raise DataError("K401", path=path, format=kind, missing=f"a readable {kind} ({fault})") from fault
