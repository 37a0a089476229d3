"""From segments to what lies where along a chromosome: stain, waist, centromere, breakpoints.

A layout is in ISCN units. How dark a band is and how long it is drawn was fitted to real
chromosomes (``stain.json``; the ideogram knows four densities).
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

from karyonet.ideogram import ACROCENTRIC, FINEST_LEVEL, LEVELS, Segment, bands
from karyonet.ideogram.queries import neighbouring_levels

Style = Literal["gband", "qband"]
FloatArray = NDArray[np.float64]

_WAIST = {"stalk": 0.72, "acen": 0.92}
_SATELLITE_WAIST = 0.9
LOWEST_LEVEL = 300
"""bphs; the highest is that of the finest table."""
_MERGING = {400: 0.4, 550: 0.12, 850: 0.0}
"""How far the parts of a band lose their difference. Not wholly: in images of 400 bands an observer who knows a band's
parts still sees them, and a chromosome is recognised by them."""
_MERGING_BELOW = (_MERGING[400] - _MERGING[550]) / (550 - 400)
"""What a band less adds to that below 400 bands. No table says which bands of 400 merge there, so those stay, and their
parts go on losing their difference as they do from 550 to 400."""
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
        level: 300–850.
        style: Q-bands stain heterochromatin otherwise than G-bands.
        heteromorphism: lengths of variable bands.

    Raises:
        ArrayError: K501 for an unknown chromosome or a level outside 300–850.
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
    """Widths, stain, waist and whether it is centromere, of every band of a segment in the order drawn."""
    known = bands(segment.chromosome, FINEST_LEVEL)
    edges = np.array([0, *(band.iscn_stop for band in known)], dtype=float)
    first = int(np.searchsorted(edges, segment.start, side="right")) - 1
    last = int(np.searchsorted(edges, segment.stop, side="left"))
    widths = np.diff(np.concatenate([[segment.start], edges[first + 1 : last], [segment.stop]]))
    factors = np.array([heteromorphism.get(band.chromosome + band.name, 1.0) for band in known[first:last]])
    stain, waist, centric, drawn = (column[first:last] for column in _columns(segment.chromosome, level, style))
    row = (widths * factors * drawn, stain, waist, centric.astype(bool))
    return tuple(array[::-1] for array in row) if segment.reversed else row  # type: ignore[return-value]


@cache
def _columns(name: str, level: float, style: Style) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Stain, waist, centromere (0 or 1) and relative length of every finest band of a whole chromosome."""
    known = bands(name, FINEST_LEVEL)
    waist = [
        _SATELLITE_WAIST
        if name in ACROCENTRIC and band.arm == "p" and band.stain == "gvar"
        else _WAIST.get(band.stain, 1.0)
        for band in known
    ]
    centric = np.array([band.stain == "acen" for band in known], dtype=float)
    fitted = _fitted().get(name)
    drawn = np.array(fitted["length"]) if fitted else np.where(centric, _DRAWN_CENTROMERE, 1.0)
    return stain_at_level(name, level, style), np.array(waist), centric, drawn


def stain_at_level(name: str, level: float, style: Style) -> FloatArray:
    """Stain of the finest bands in a preparation of a lower level: bands that the level's table merges grow alike.

    Returns:
        float64, shape (bands of the finest level,).

    Raises:
        ArrayError: K501 for a level outside 300–850.
    """
    if LOWEST_LEVEL <= level < LEVELS[0]:
        return _merged(name, LEVELS[0], style, _MERGING[LEVELS[0]] + _MERGING_BELOW * (LEVELS[0] - level))
    low, high, weight = neighbouring_levels(level)
    return (1 - weight) * _merged(name, low, style, _MERGING[low]) + weight * _merged(name, high, style, _MERGING[high])


@cache
def _merged(name: str, level: int, style: Style, merging: float) -> FloatArray:
    finest, own = bands(name, FINEST_LEVEL), finest_stain(name, style)
    lengths = np.array([band.iscn_stop - band.iscn_start for band in finest], dtype=float)
    middles = [(band.bp_start + band.bp_stop) / 2 for band in finest]
    group = np.searchsorted([band.bp_stop for band in bands(name, level)], middles, side="right")
    means = np.bincount(group, lengths * own) / np.maximum(np.bincount(group, lengths), 1e-9)
    return own + merging * (means[group] - own)


@cache
def finest_stain(name: str, style: Style) -> FloatArray:
    """Stain of the bands of the finest level: float64, shape (bands,), 0–1."""
    known = bands(name, FINEST_LEVEL)
    fitted = _fitted().get(name)
    stain = np.array(fitted["stain"] if fitted else [band.density for band in known], dtype=float)
    if style == "gband":
        return stain
    fluorescence = {("gvar", "Y"): 1.6, ("gvar", "3"): 1.1, ("stalk", name): 0.1, ("acen", name): 0.35}
    dim = {"1": 0.25, "9": 0.2, "16": 0.3, "19": 0.3}
    for number, band in enumerate(known):
        default = dim.get(name, 0.9 if name in ACROCENTRIC else 0.5) if band.stain == "gvar" else stain[number]
        stain[number] = fluorescence.get((band.stain, name), default)
    return stain


@cache
def _fitted() -> dict[str, dict[str, list[float]]]:
    source = files("karyonet.simulate").joinpath("stain.json")
    return dict(json.loads(source.read_text(encoding="utf-8"))) if source.is_file() else {}
