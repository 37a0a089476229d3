"""A simulated case: the metaphases of one person."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from karyonet.errors import ArrayError
from karyonet.ideogram import FINEST_LEVEL, VARIABLE_BANDS
from karyonet.iscn.ast import Karyotype
from karyonet.simulate.karyotype import plan_karyotype
from karyonet.simulate.layout import LOWEST_LEVEL, Heteromorphism, Style
from karyonet.simulate.metaphase import SimulatedMetaphase, draw_metaphase
from karyonet.simulate.plan import ChromosomePlan, clones_of_metaphases

STYLES: tuple[Style, ...] = ("gband", "qband")
_PERSON, _CELL = 0, 1
"""Two independent streams of random numbers: what all cells of a person share, and each cell's own."""


@dataclass(frozen=True, eq=False)
class SimulatedCase:
    """Metaphases with their truth.

    Attributes:
        karyotype: of the case, as given.
        seed: what it was drawn with.
        metaphases: of the clones in their order.
    """

    karyotype: str
    seed: int
    metaphases: tuple[SimulatedMetaphase, ...]

    def save(self, folder: str | Path) -> Path:
        """Write images, ``truth.json``, ``chromosomes.coco.json`` and the tables of format ``metaphases``.

        All or nothing: the files are written beside the folder first. Files of an earlier case are replaced.

        Returns:
            The folder.

        Raises:
            ConfigError: K209 if the path is a file.
        """
        from karyonet.simulate.files import save_case

        return save_case(self, Path(folder))


def simulate(
    karyotype: str | Karyotype,
    seed: int = 1,
    band_level: float = 550,
    crowding: float = 0.5,
    style: Style = "gband",
    metaphases: int = 1,
    *,
    shape: tuple[int, int] = (800, 800),
    bit_depth: int = 8,
    progress: bool = False,
) -> SimulatedCase:
    """Draw metaphases of a karyotype; clones share them by their stated cell counts.

    The result depends on the arguments alone.

    Args:
        karyotype: ISCN, for example ``47,XY,+21``.
        seed: not negative.
        band_level: 300–850 bands per haploid set.
        crowding: 0 (every chromosome alone) to 1 (hardly one alone).
        style: ``gband`` (dark on light) or ``qband`` (light on dark).
        metaphases: how many.
        shape: height and width in pixels; an image grows if its chromosomes do not find room.
        bit_depth: 8 or 16.
        progress: show a progress bar on a terminal.

    Raises:
        IscnError: K601–K606 if the karyotype cannot be read, contradicts itself or cannot be drawn.
        ArrayError: K501 for any other argument out of range.
    """
    require_drawable(seed, band_level, crowding, style, metaphases, shape, bit_depth)
    clones = plan_karyotype(karyotype)
    text = karyotype.strip() if isinstance(karyotype, str) else "/".join(clone.iscn for clone in clones)
    person = _person(seed)
    drawn = []
    turns = clones_of_metaphases(clones, metaphases)
    quiet = not (progress and sys.stderr.isatty())
    for number, clone in enumerate(track(turns, "drawing", console=Console(stderr=True), disable=quiet)):
        chromosomes = clones[clone].chromosomes
        drawn.append(
            draw_metaphase(
                chromosomes,
                np.random.Generator(np.random.PCG64([seed, _CELL, number])),
                band_level=band_level,
                crowding=crowding,
                style=style,
                karyotype=clones[clone].iscn,
                heteromorphism=_variants(chromosomes, person),
                shape=shape,
                bit_depth=bit_depth,
            )
        )
    return SimulatedCase(text, seed, tuple(drawn))


def require_drawable(
    seed: int,
    band_level: float,
    crowding: float,
    style: str,
    metaphases: int,
    shape: tuple[int, int] = (800, 800),
    bit_depth: int = 8,
) -> None:
    """Refuse arguments out of range.

    Raises:
        ArrayError: K501.
    """
    for what, holds, expected, actual in (
        ("seed", seed >= 0, "0 or more", seed),
        (
            "band_level",
            LOWEST_LEVEL <= band_level <= FINEST_LEVEL,
            f"between {LOWEST_LEVEL} and {FINEST_LEVEL}",
            band_level,
        ),
        ("crowding", 0 <= crowding <= 1, "between 0 and 1", crowding),
        ("style", style in STYLES, " or ".join(STYLES), style),
        ("metaphases", metaphases >= 1, "1 or more", metaphases),
        ("shape", min(shape) >= 200 and max(shape) <= 8000, "between 200 and 8000 pixels a side", shape),
        ("bit_depth", bit_depth in (8, 16), "8 or 16", bit_depth),
    ):
        if not holds:
            raise ArrayError("K501", what=what, expected=expected, actual=actual)


def _person(seed: int) -> dict[str, list[float]]:
    """Lengths of a person's variable bands on up to eight homologs, relative to the ideogram's."""
    generator = np.random.Generator(np.random.PCG64([seed, _PERSON]))
    return {
        name + band: np.clip(np.exp(0.22 * generator.standard_normal(8)), 0.5, 1.8).round(4).tolist()
        for name, variable in VARIABLE_BANDS.items()
        for band in variable
    }


def _variants(chromosomes: Sequence[ChromosomePlan], person: dict[str, list[float]]) -> list[Heteromorphism]:
    """The variable bands of every chromosome: the person's own, or those that the karyotype states."""
    seen: dict[str, int] = {}
    variants: list[Heteromorphism] = []
    for plan in chromosomes:
        number = seen.get(plan.label, 0)
        seen[plan.label] = number + 1
        own = {band: lengths[number % len(lengths)] for band, lengths in person.items()}
        variants.append(own | dict(plan.variant))
    return variants
