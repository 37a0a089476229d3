"""The band tables."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from karyonet.errors import ArrayError

CHROMOSOMES: tuple[str, ...] = (*(str(number) for number in range(1, 23)), "X", "Y")
LEVELS: tuple[int, ...] = (400, 550, 850)
"""Bands per haploid set of the three tables."""
FINEST_LEVEL = 850

Stain = Literal["gneg", "gpos", "acen", "gvar", "stalk"]
_DENSITY: dict[str, float] = {"gneg": 0.0, "acen": 0.5, "gvar": 0.5, "stalk": 0.0}
"""The tables give a density to G-positive bands alone. Centromeres and variable heterochromatin stain in between."""


@dataclass(frozen=True, slots=True)
class Band:
    """A band of the ideogram.

    Attributes:
        chromosome: one of :data:`CHROMOSOMES`.
        arm: ``p`` or ``q``.
        name: with its arm, as ISCN writes it: ``q34.1``.
        level: of the table, one of :data:`LEVELS`.
        iscn_start, iscn_stop: ISCN units from the end of the short arm; a band starts where the one before it stops.
        stain: ``gneg``, ``gpos``, ``acen`` (centromere), ``gvar`` (variable heterochromatin) or ``stalk``.
        density: 0–1, expected G-stain.
        bp_start, bp_stop: base pairs, from 0, the stop exclusive.
    """

    chromosome: str
    arm: Literal["p", "q"]
    name: str
    level: int
    iscn_start: int
    iscn_stop: int
    stain: Stain
    density: float
    bp_start: int
    bp_stop: int


@cache
def _table() -> dict[str, dict[str, list[list[Any]]]]:
    text = files("karyonet.ideogram").joinpath("bands.json").read_text(encoding="utf-8")
    table: dict[str, dict[str, list[list[Any]]]] = json.loads(text)
    return table


@cache
def bands(chromosome: str, level: int = FINEST_LEVEL) -> tuple[Band, ...]:
    """The bands of a chromosome from the end of the short arm to that of the long one.

    Args:
        chromosome: one of :data:`CHROMOSOMES`.
        level: one of :data:`LEVELS`.

    Raises:
        ArrayError: K501 for another chromosome or level.
    """
    if chromosome not in CHROMOSOMES:
        raise ArrayError("K501", what="chromosome", expected="1 to 22, X or Y", actual=repr(chromosome))
    if level not in LEVELS:
        raise ArrayError("K501", what="level", expected=f"one of {LEVELS}", actual=level)
    found: list[Band] = []
    iscn = bp = 0
    for name, iscn_stop, bp_stop, stain in _table()[str(level)][chromosome]:
        kind: Stain = "gpos" if stain.startswith("gpos") else stain
        density = int(stain[4:]) / 100 if kind == "gpos" else _DENSITY[kind]
        found.append(Band(chromosome, name[0], name, level, iscn, iscn_stop, kind, density, bp, bp_stop))
        iscn, bp = iscn_stop, bp_stop
    return tuple(found)
