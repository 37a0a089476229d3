"""Many straightened strips with their labels in one file: what the chromosome classifier is trained on."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from karyonet.case import LABELS, FloatArray
from karyonet.errors import DataError

LEVELS = 64
"""Grey levels of the mean density of a metaphase; 255 is four times as dense."""


@dataclass(frozen=True)
class LabelledStrip:
    """One strip on its way into a pack.

    Attributes:
        optical_density: float32, shape (length, width); 0 is background.
        label: one of :data:`karyonet.case.LABELS`.
        polarity: 1 if the short arm is at row 0, 0 if it is at the last row, -1 if that is not known.
    """

    optical_density: FloatArray
    label: str
    polarity: int = -1


@dataclass(frozen=True, eq=False)
class StripPack:
    """Strips laid end to end, quantised to 8 bits, and one row of facts for each.

    Attributes:
        pixels: uint8, shape (sum of height * width,): density relative to ``density``, in 1/64.
        heights, widths: int32, shape (n,), in pixels of the image.
        median_length: float32, shape (n,): median strip length of its metaphase in pixels.
        density: float32, shape (n,): optical density of a typical strip of its metaphase.
        labels: int8, shape (n,), index in :data:`karyonet.case.LABELS`.
        polarity: int8, shape (n,): 1 short arm at row 0, 0 at the last row, -1 unknown.
        cases, cells: str, shape (n,): patient and metaphase, as the data set names them.
        splits, sources: str, shape (n,): split and data set.
    """

    pixels: NDArray[np.uint8]
    heights: NDArray[np.int32]
    widths: NDArray[np.int32]
    median_length: NDArray[np.float32]
    density: NDArray[np.float32]
    labels: NDArray[np.int8]
    polarity: NDArray[np.int8]
    cases: NDArray[np.str_]
    cells: NDArray[np.str_]
    splits: NDArray[np.str_]
    sources: NDArray[np.str_]

    def __post_init__(self) -> None:
        starts = np.concatenate([[0], np.cumsum(self.heights.astype(np.int64) * self.widths)])
        object.__setattr__(self, "_starts", starts)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def patients(self) -> NDArray[np.str_]:
        """Case of every strip with its data set before it: two data sets may use the same names."""
        return np.char.add(np.char.add(self.sources, "/"), self.cases)

    @property
    def metaphases(self) -> NDArray[np.str_]:
        """Metaphase of every strip with its data set before it."""
        return np.char.add(np.char.add(self.sources, "/"), self.cells)

    def strip(self, index: int) -> NDArray[np.uint8]:
        """Density relative to the metaphase in 1/64, uint8, shape (height, width): a view."""
        starts: NDArray[np.int64] = self._starts  # type: ignore[attr-defined]
        return self.pixels[starts[index] : starts[index + 1]].reshape(self.heights[index], self.widths[index])

    def optical_density(self, index: int) -> FloatArray:
        """The strip as it was measured, float32, shape (height, width)."""
        measured: FloatArray = (self.strip(index) * (self.density[index] / LEVELS)).astype(np.float32)
        return measured

    def take(self, indices: NDArray[np.integer]) -> StripPack:
        """A pack of some of the strips, in the order given."""
        pixels = [self.strip(int(index)).ravel() for index in indices]
        rows = {f.name: getattr(self, f.name)[indices] for f in fields(self) if f.name != "pixels"}
        return StripPack(pixels=np.concatenate([np.zeros(0, np.uint8), *pixels]), **rows)

    def select(self, split: str | None = None, source: str | None = None) -> StripPack:
        """The strips of a split and of a data set."""
        chosen = np.ones(len(self), dtype=bool)
        if split is not None:
            chosen &= self.splits == split
        if source is not None:
            chosen &= self.sources == source
        return self.take(np.flatnonzero(chosen))

    def write(self, path: str | Path) -> None:
        """Write the pack as ``.npz``; the file appears when it is complete."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as stream:
            np.savez(stream, **{f.name: getattr(self, f.name) for f in fields(self)})
        partial.replace(path)

    @classmethod
    def read(cls, path: str | Path) -> StripPack:
        """Read a pack.

        Raises:
            DataError: K401 if the file is not there or is no strip pack.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(**{f.name: file[f.name] for f in fields(cls)})
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as fault:
            raise DataError("K401", path=path, format="strip pack", missing=f"a readable pack ({fault})") from fault


def concatenate(packs: Sequence[StripPack]) -> StripPack:
    """The strips of several packs, in order."""
    packs = packs or [pack_cell([], case="", cell="", split="", source="")]
    return StripPack(**{f.name: np.concatenate([getattr(pack, f.name) for pack in packs]) for f in fields(StripPack)})


def pack_cell(
    strips: Sequence[LabelledStrip],
    *,
    case: str,
    cell: str,
    split: str,
    source: str,
    median_length: float | None = None,
    density: float | None = None,
) -> StripPack:
    """Pack strips of one metaphase.

    Args:
        median_length, density: of the whole metaphase, where more of its strips are known than are packed.
    """
    images = [np.asarray(strip.optical_density, dtype=np.float32) for strip in strips]
    if median_length is None:
        median_length = median_strip_length(images)
    if density is None:
        density = typical_density(images)
    quantised = [np.clip(np.rint(image * (LEVELS / density)), 0, 255).astype(np.uint8).ravel() for image in images]
    count = len(images)

    def repeated(text: str) -> NDArray[np.str_]:
        return np.array([text] * count, dtype=np.str_)

    return StripPack(
        pixels=np.concatenate([np.zeros(0, np.uint8), *quantised]),
        heights=np.array([len(image) for image in images], dtype=np.int32),
        widths=np.array([image.shape[1] for image in images], dtype=np.int32),
        median_length=np.full(count, median_length, dtype=np.float32),
        density=np.full(count, density, dtype=np.float32),
        labels=np.array([LABELS.index(strip.label) for strip in strips], dtype=np.int8),
        polarity=np.array([strip.polarity for strip in strips], dtype=np.int8),
        cases=repeated(case),
        cells=repeated(cell),
        splits=repeated(split),
        sources=repeated(source),
    )


def median_strip_length(strips: Sequence[FloatArray]) -> float:
    """Median number of rows of a metaphase's strips, in pixels."""
    return float(np.median([len(strip) for strip in strips])) if len(strips) else 1.0


def typical_density(strips: Sequence[FloatArray]) -> float:
    """Optical density of a typical strip of a metaphase: the median over strips of the mean over stained pixels."""
    means = [float(strip[strip > 0].mean()) for strip in strips if (strip > 0).any()]
    return float(np.median(means)) if means else 1.0
