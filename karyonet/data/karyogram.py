"""Reading the picture of a karyogram: chromosomes in rows on an even background, a printed name at every slot.

The chromosomes are the thick objects of a picture; lines, lettering and marks are thin or small. They stand in rows,
and the names printed under (or above) a row say which slots it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_opening, label

from karyonet.case import LABELS
from karyonet.data.karyogram_names import name_slots
from karyonet.data.karyogram_objects import chromosomes_and_marks, no_karyogram, touching_parted
from karyonet.data.printed_labels import text_lines
from karyonet.errors import DataError
from karyonet.geometry.region import Region

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

INK = 0.08
"""Share of the contrast from which a pixel is not background."""
EVEN = 0.4
"""Share of the pixels that the background of a karyogram covers at least."""


@dataclass(frozen=True, eq=False)
class KaryogramChromosome:
    """A chromosome of a karyogram.

    Attributes:
        label: one of :data:`karyonet.case.LABELS`.
        homolog: which of its slot, from 1, from left to right.
        region: its pixels in the picture.
    """

    label: str
    homolog: int
    region: Region


@dataclass(frozen=True, eq=False)
class Karyogram:
    """What a picture of a karyogram shows.

    Attributes:
        grey: float32, shape (height, width), 0–1; lines that ran across chromosomes are painted over.
        background: grey value of the paper.
        chromosomes: by label, then from left to right.
        unnamed: chromosomes that stand in a slot or row without a name 1–22, X or Y; they are left out.
    """

    grey: FloatArray
    background: float
    chromosomes: tuple[KaryogramChromosome, ...]
    unnamed: int = 0


def read_karyogram(grey: FloatArray, layout: str | None = None, path: str | Path = "the picture") -> Karyogram:
    """Find the chromosomes of a karyogram and their names.

    Args:
        grey: float32, shape (height, width), 0–1; dark on light or light on dark.
        layout: names of the slots row by row, ``"1 2 3 4 5/6 7 …"``, ``-`` for a slot without chromosomes and ``?``
            for one to leave out; by default they are read from the picture.
        path: for error messages.

    Raises:
        DataError: K408 if the picture does not look like a karyogram, K409 if a slot's name or chromosomes cannot be
            told, K410 if the layout is wrong.
    """
    stated = None if layout is None else parse_layout(layout)
    background, depth = stain(grey, path)
    foreground, crossed, thickness = without_rules(depth > INK)
    bodies, rest = chromosomes_and_marks(foreground, depth, path)
    rows = rows_of(bodies)
    if stated is None and len(bodies) < 10:
        raise no_karyogram(path, f"it has {len(bodies)} objects like chromosomes")
    slots, unnamed = name_slots(rows, text_lines(rest, depth), stated, path)
    named = [
        KaryogramChromosome(name, number, region)
        for name, regions in touching_parted(slots).items()
        for number, region in enumerate(regions, start=1)
    ]
    return Karyogram(_painted_over(grey, crossed, thickness), background, tuple(named), unnamed)


def parse_layout(layout: str) -> list[list[str]]:
    """The names of the slots, row by row.

    Raises:
        DataError: K410 if a name is unknown or stands twice, or there is none.
    """
    rows = [row.split() for row in layout.split("/")]
    rows = [row for row in rows if row]
    names = [name for row in rows for name in row if name not in "-?"]
    for name in names:
        if name not in LABELS:
            raise DataError("K410", layout=layout, reason=f"{name} is no chromosome")
        if names.count(name) > 1:
            raise DataError("K410", layout=layout, reason=f"{name} stands twice")
    if not names:
        raise DataError("K410", layout=layout, reason="it names no chromosome")
    return rows


def stain(grey: FloatArray, path: str | Path = "the picture") -> tuple[float, FloatArray]:
    """Background and depth of the drawing.

    Args:
        grey: float32, shape (height, width), 0–1.
        path: for error messages.

    Returns:
        The most frequent grey value, and how far every pixel is from it on the side of the drawing: float32, 0–1.

    Raises:
        DataError: K408 if the background is not even or there is nothing on it.
    """
    levels = np.rint(grey * 255).astype(np.intp)
    counts = np.bincount(levels.ravel(), minlength=256)
    background = int(counts.argmax())
    if counts[max(background - 8, 0) : background + 9].sum() < EVEN * levels.size:
        raise no_karyogram(path, "its background is not even")
    distance = (grey - np.float32(background / 255)).astype(np.float32)
    side = 1 if np.square(np.maximum(distance, 0)).sum() > np.square(np.minimum(distance, 0)).sum() else -1
    depth = np.maximum(side * distance, 0)
    full = float(depth.max())
    if full < 0.1:
        raise no_karyogram(path, "nothing stands out from its background")
    return background / 255, np.asarray(depth / full, dtype=np.float32)


def without_rules(foreground: BoolArray) -> tuple[BoolArray, BoolArray, int]:
    """Take out long lines: under rows, between groups, at the centromeres, and frames.

    A horizontal line is what belongs to columns of few pixels, and to rows that hold many of these side by side. Where
    it runs across a chromosome, the chromosome stays whole.

    Args:
        foreground: bool, shape (height, width).

    Returns:
        The foreground without lines; the pixels of chromosomes that a horizontal line crosses; the greatest thickness
        of a line in pixels.
    """
    thickness = max(3, round(0.004 * min(foreground.shape)))
    # Shorter lines, as under a single slot, are thin objects by themselves; the foot of a 2 must not pass for a line.
    shortest = [max(12 * thickness, round(0.05 * side)) for side in foreground.shape]
    horizontal, crossed = _lines(foreground, thickness, shortest[1])
    vertical, _ = _lines(foreground.T, thickness, shortest[0])
    return foreground & ~horizontal & ~vertical.T, crossed, thickness


def _lines(foreground: BoolArray, thickness: int, length: int) -> tuple[BoolArray, BoolArray]:
    thin = foreground & ~binary_opening(foreground, np.ones((thickness + 1, 1), dtype=bool))
    runs, count = label(foreground, structure=[[0, 0, 0], [1, 1, 1], [0, 0, 0]])
    drawn = np.bincount(runs[thin], minlength=count + 1) >= length
    drawn[0] = False
    on_line = drawn[runs]
    # The blurred seams of a line come in shorter runs.
    line = binary_dilation(thin & on_line, np.ones((3, 3), dtype=bool), iterations=thickness, mask=thin)
    return line, foreground & on_line & ~thin


def _painted_over(grey: FloatArray, crossed: BoolArray, thickness: int) -> FloatArray:
    """Pixels of a chromosome that a line crosses, from those above and below the line."""
    rows, columns = np.nonzero(crossed)
    above = grey[np.maximum(rows - thickness, 0), columns]
    below = grey[np.minimum(rows + thickness, len(grey) - 1), columns]
    healed = grey.copy()
    healed[rows, columns] = (above + below) / 2
    return healed


def rows_of(chromosomes: Sequence[Region]) -> list[list[Region]]:
    """Rows from top to bottom, each from left to right; chromosomes of a row share most of their height."""
    rows: list[list[Region]] = []
    spans: list[tuple[int, int]] = []
    for region in sorted(chromosomes, key=lambda region: -region.mask.shape[0]):
        _, top, _, bottom = region.bbox
        shares = [min(bottom, low) - max(top, high) for high, low in spans]
        best = int(np.argmax(shares)) if shares else -1
        if best >= 0 and shares[best] >= 0.5 * (bottom - top):
            rows[best].append(region)
        else:
            rows.append([region])
            spans.append((top, bottom))
    order = sorted(range(len(rows)), key=lambda row: sum(spans[row]))
    return [sorted(rows[row], key=lambda region: region.bbox[0] + region.bbox[2]) for row in order]
