"""Many straightened strips with their labels in one file: what the chromosome classifier is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from karyonet.case import LABELS, FloatArray
from karyonet.training.pack import Pack

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
class StripPack(Pack):
    """Strips and what is known of each.

    Attributes:
        pixels: uint8: density relative to ``density``, in 1/64.
        median_length: float32, shape (n,): median strip length of its metaphase in pixels.
        density: float32, shape (n,): optical density of a typical strip of its metaphase.
        polarity: int8, shape (n,): 1 short arm at row 0, 0 at the last row, -1 unknown.
        sources: str, shape (n,): data set.
        heights, widths, labels, cases, cells, splits: as in every pack, shape (n,).
    """

    kind: ClassVar[str] = "strip pack"

    median_length: NDArray[np.float32]
    density: NDArray[np.float32]
    polarity: NDArray[np.int8]
    sources: NDArray[np.str_]

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
        return self.part(self.pixels, index)

    def optical_density(self, index: int) -> FloatArray:
        """The strip as it was measured, float32, shape (height, width)."""
        measured: FloatArray = (self.strip(index) * (self.density[index] / LEVELS)).astype(np.float32)
        return measured

    def take(self, indices: NDArray[np.integer]) -> StripPack:
        """A pack of some of the strips, in the order given."""
        pixels = [self.strip(int(index)).ravel() for index in indices]
        rows = {name: getattr(self, name)[indices] for name in self.names() if name != "pixels"}
        return StripPack(pixels=np.concatenate([np.zeros(0, np.uint8), *pixels]), **rows)

    def select(self, split: str | None = None, source: str | None = None) -> StripPack:
        """The strips of a split and of a data set."""
        chosen = np.ones(len(self), dtype=bool)
        if split is not None:
            chosen &= self.splits == split
        if source is not None:
            chosen &= self.sources == source
        return self.take(np.flatnonzero(chosen))


def concatenate(packs: Sequence[StripPack]) -> StripPack:
    """The strips of several packs, in order; none make an empty pack."""
    return StripPack.concatenate(packs or [pack_cell([], case="", cell="", split="", source="")])


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
