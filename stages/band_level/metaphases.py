"""Metaphases out of packs of strips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from karyonet.case import LABELS, Strip
from karyonet.training.strip_pack import LEVELS, StripPack

from .pack import Drawn, LevelPack
from .ribbon import Preprocessing, Ribbon, lay_ribbon

_FEWEST = 20
"""Chromosomes of a real metaphase that takes part."""
_LEAST_ROWS = 16
"""Of a chromosome that counts towards them."""


@dataclass(frozen=True, eq=False)
class PackedMetaphase:
    """A metaphase in a pack.

    Attributes:
        pack: of many. rows: int64, shape (n,), its strips. level: in bphs, NaN where nobody knows.
    """

    pack: StripPack
    rows: NDArray[np.int64]
    level: float

    def read(self) -> tuple[Sequence[Strip], Sequence[str]]:
        """Its strips, in density relative to the metaphase, and their names."""
        return [self._strip(row) for row in self.rows.tolist()], [LABELS[self.pack.labels[row]] for row in self.rows]

    def drawn(self) -> Drawn:
        """The same with its level."""
        return Drawn(*self.read(), self.level)

    def lay(self, settings: Preprocessing) -> Ribbon:
        """As it is, on a ribbon."""
        return lay_ribbon(*self.read(), settings)

    def _strip(self, row: int) -> Strip:
        pack = self.pack
        density: NDArray[np.float32] = pack.strip(row).astype(np.float32) / np.float32(LEVELS)
        valid, confidence = np.ones(len(density), dtype=bool), 1.0
        if isinstance(pack, LevelPack):
            valid, confidence = pack.shown(row), float(pack.confidences[row])
        return Strip(density, valid, np.zeros((2, 0), np.float32), np.zeros((len(density), 0), np.float32), confidence)


def metaphases_of(pack: StripPack, rows: NDArray[np.int64] | None = None) -> list[PackedMetaphase]:
    """The metaphases of a pack, in the order of their names.

    Args:
        rows: strips that take part; None takes all.
    """
    rows = np.arange(len(pack)) if rows is None else rows
    names, members = np.unique(pack.metaphases[rows], return_inverse=True)
    order = np.argsort(members, kind="stable")
    groups = np.split(rows[order], np.flatnonzero(np.diff(members[order])) + 1) if len(names) else []
    levels = pack.levels if isinstance(pack, LevelPack) else np.full(len(pack), np.nan)
    return [PackedMetaphase(pack, group, float(levels[group[0]])) for group in groups]


def cases_of(pack: StripPack, split: str, fewest: int) -> list[list[PackedMetaphase]]:
    """The metaphases of a split, of 20 chromosomes at least, by case, of cases that have so many of them."""
    members: dict[str, list[PackedMetaphase]] = {}
    patients = pack.patients
    for one in metaphases_of(pack, pack.of_split(split)):
        if (pack.heights[one.rows] >= _LEAST_ROWS).sum() >= _FEWEST:
            members.setdefault(str(patients[one.rows[0]]), []).append(one)
    return [case for case in members.values() if len(case) >= fewest]
