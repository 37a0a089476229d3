"""From segments to what lies where along a chromosome: stain, waist, centromere, breakpoints.

A layout is in ISCN units of the band level drawn. The stain of a band is the one fitted to real chromosomes
(``stain.json``) where there is one, otherwise the ideogram's; a band of a coarser level shows the mean of its parts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from karyonet.ideogram import FINEST_LEVEL, Segment, bands
from karyonet.ideogram.queries import borders, map_positions, neighbouring_levels

Style = Literal["gband", "qband"]
FloatArray = NDArray[np.float64]

ACROCENTRIC = ("13", "14", "15", "21", "22")
VARIABLE = {
    "1": ("q12",),
    "9": ("q12",),
    "16": ("q11.2",),
    "Y": ("q12",),
    **dict.fromkeys(ACROCENTRIC, ("p13", "p12", "p11.2")),
}
"""Bands whose length differs between people: heterochromatin, and the short arms of the acrocentrics."""

_WAIST = {"stalk": 0.45, "acen": 0.88}
_SATELLITE_WAIST = 0.8
_DRAWN_CENTROMERE = 0.55
"""Share of its drawn length that a centromere takes in an image: ideograms draw it wide enough to be seen."""


@dataclass(frozen=True, eq=False)
class Layout:
    """A chromosome before it has a size.

    Attributes:
        edges: float64, shape (n + 1,): where its steps start and stop, from 0.
        stain: float64, shape (n,): 0–1.
        waist: float64, shape (n,): relative width.
        centromeres: positions; none in a fragment, two in a dicentric chromosome.
        junctions: positions where two segments are joined.
    """

    edges: FloatArray
    stain: FloatArray
    waist: FloatArray
    centromeres: tuple[float, ...]
    junctions: tuple[float, ...]

    @property
    def length(self) -> float:
        """In ISCN units."""
        return float(self.edges[-1])


Heteromorphism = Mapping[str, float]
"""Length of a chromosome's variable bands relative to the ideogram's, by ``chromosome`` + band name."""


def lay_out(
    segments: Sequence[Segment], level: float, style: Style = "gband", heteromorphism: Heteromorphism | None = None
) -> Layout:
    """Join segments.

    Args:
        segments: ISCN units of the finest level, from the first end drawn to the last.
        level: 400–850.
        style: Q-bands stain heterochromatin otherwise than G-bands.
        heteromorphism: lengths of variable bands.

    Raises:
        ArrayError: K501 for an unknown chromosome or a level outside 400–850.
    """
    parts = [_cut(segment, level, style, heteromorphism or {}) for segment in segments]
    widths, stain, waist, centric = (np.concatenate(column) for column in zip(*parts, strict=True))
    edges = np.concatenate([[0.0], np.cumsum(widths)])
    ends = np.cumsum([part[0].sum() for part in parts])[:-1]
    changes = np.flatnonzero(np.diff(np.concatenate([[0], centric.astype(np.int8), [0]])))
    centromeres = tuple(float((edges[a] + edges[b]) / 2) for a, b in changes.reshape(-1, 2))
    return Layout(edges, stain, waist, centromeres, tuple(float(end) for end in ends))


def _cut(
    segment: Segment, level: float, style: Style, heteromorphism: Heteromorphism
) -> tuple[FloatArray, FloatArray, FloatArray, NDArray[np.bool_]]:
    """Widths, stain, waist and whether it is centromere, of every step of a segment in the order drawn."""
    name = segment.chromosome
    edges, stain, waist, centric, band = _steps(name, level, style)
    ends = map_positions(name, np.array([segment.start, segment.stop], dtype=float), level, FINEST_LEVEL)
    first, last = int(np.searchsorted(edges, ends[0], side="right")), int(np.searchsorted(edges, ends[1], side="left"))
    widths = np.diff(np.concatenate([ends[:1], edges[first:last], ends[1:]]))
    inside = slice(first - 1, last)
    factors = np.array([heteromorphism.get(name + b, 1.0) for b in band[inside]])
    widths = widths * factors * np.where(centric[inside], _DRAWN_CENTROMERE, 1.0)
    row = (widths, stain[inside], waist[inside], centric[inside])
    return tuple(array[::-1] for array in row) if segment.reversed else row  # type: ignore[return-value]


@cache
def _steps(
    name: str, level: float, style: Style
) -> tuple[FloatArray, FloatArray, FloatArray, NDArray[np.bool_], tuple[str, ...]]:
    """Edges, stain, waist, centromere and finest band of every step of a whole chromosome."""
    bp, edges = borders(name, level)
    low, high, weight = neighbouring_levels(level)
    middles = (bp[1:] + bp[:-1]) / 2
    stain = (1 - weight) * _stain_at(name, low, style, middles) + weight * _stain_at(name, high, style, middles)
    finest = bands(name, FINEST_LEVEL)
    numbers = np.searchsorted([band.bp_stop for band in finest], middles, side="right")
    kinds = [finest[number] for number in numbers]
    waist = np.array([_WAIST.get(band.stain, 1.0) for band in kinds])
    if name in ACROCENTRIC:
        waist = np.array(
            [_SATELLITE_WAIST if b.arm == "p" and b.stain == "gvar" else w for b, w in zip(kinds, waist, strict=True)]
        )
    centric = np.array([band.stain == "acen" for band in kinds])
    return edges, stain, waist, centric, tuple(band.name for band in kinds)


def _stain_at(name: str, level: int, style: Style, bp: FloatArray) -> FloatArray:
    """Stain of a table's bands at positions: the mean, over base pairs, of the finest bands inside."""
    known, finest = bands(name, level), bands(name, FINEST_LEVEL)
    stops = np.array([0, *(band.bp_stop for band in finest)], dtype=float)
    amount = np.concatenate([[0.0], np.cumsum(np.diff(stops) * finest_stain(name, style))])
    edges = np.array([0, *(band.bp_stop for band in known)], dtype=float)
    means = np.diff(np.interp(edges, stops, amount)) / np.diff(edges)
    result: FloatArray = means[np.searchsorted(edges[1:], bp, side="right")]
    return result


@cache
def finest_stain(name: str, style: Style) -> FloatArray:
    """Stain of the bands of the finest level: float64, shape (bands,), 0–1."""
    known = bands(name, FINEST_LEVEL)
    fitted = _fitted().get(name)
    stain = np.array(fitted if fitted else [band.density for band in known], dtype=float)
    if style == "gband":
        return stain
    fluorescence = {("gvar", "Y"): 1.6, ("gvar", "3"): 1.1, ("stalk", name): 0.1, ("acen", name): 0.35}
    dim = {"1": 0.25, "9": 0.2, "16": 0.3, "19": 0.3}
    for number, band in enumerate(known):
        default = dim.get(name, 0.9 if name in ACROCENTRIC else 0.5) if band.stain == "gvar" else stain[number]
        stain[number] = fluorescence.get((band.stain, name), default)
    return stain


@cache
def _fitted() -> dict[str, list[float]]:
    source = files("karyonet.simulate").joinpath("stain.json")
    return dict(json.loads(source.read_text(encoding="utf-8"))) if source.is_file() else {}
