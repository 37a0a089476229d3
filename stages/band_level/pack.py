"""The chromosomes of metaphases whose band level is known, in one file: what the learned estimator is trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from karyonet.case import FloatArray, Strip
from karyonet.geometry.region import Region
from karyonet.ideogram import FINEST_LEVEL
from karyonet.imaging.optical_density import to_optical_density
from karyonet.simulate import simulate
from karyonet.simulate.layout import LOWEST_LEVEL
from karyonet.simulate.plan import normal_complement
from karyonet.simulate.upright import draw_upright, lift
from karyonet.training.strip_pack import LabelledStrip, StripPack, pack_cell

SOURCE, UPRIGHT = "simulated", "upright"
Straighten = Callable[[FloatArray, list[Region]], list[Strip]]
"""From the optical density of an image and its regions to one strip a region, as the straightening stage does it."""
_GOLDEN = (5**0.5 - 1) / 2
_PART = 250
"""Metaphases in a file: what an interruption costs at most."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """A simulated metaphase: strips and names of its chromosomes, and its true band level in bphs."""

    strips: Sequence[Strip]
    labels: Sequence[str]
    level: float


@dataclass(frozen=True, eq=False)
class LevelPack(StripPack):
    """Strips of metaphases with their band level.

    Attributes:
        valid: bool, shape (sum of heights,): rows that show the chromosome alone.
        confidences: float32, shape (n,): of the strips.
        levels: float32, shape (n,): bphs of the metaphase.
    """

    kind: ClassVar[str] = "band level pack"

    valid: NDArray[np.bool_]
    confidences: NDArray[np.float32]
    levels: NDArray[np.float32]

    def shown(self, index: int) -> NDArray[np.bool_]:
        """Rows of a strip that show the chromosome alone: bool, shape (height,), a view."""
        return self.valid[self._rows[index] : self._rows[index + 1]]

    @cached_property
    def _rows(self) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum(self.heights, dtype=np.int64)])


def level_of(seed: int) -> float:
    """Band level of a seed's metaphase: those of any run of seeds are spread evenly over the simulator's 300–850."""
    return LOWEST_LEVEL + (FINEST_LEVEL - LOWEST_LEVEL) * (seed * _GOLDEN % 1.0)


def draw(seeds: Iterable[int], straighten: Straighten) -> Iterator[Drawn]:
    """Normal metaphases (G-bands, crowding 0.5), straightened from their true masks; 46,XX if the seed is even."""
    for seed in seeds:
        level = level_of(seed)
        metaphase = simulate("46,XY" if seed % 2 else "46,XX", seed, band_level=level).metaphases[0]
        density = to_optical_density((metaphase.image / np.float32(255)).astype(np.float32), "absorption")
        strips = straighten(density, [c.region for c in metaphase.chromosomes])
        yield Drawn(strips, [c.label for c in metaphase.chromosomes], level)


def draw_side_by_side(seeds: Iterable[int]) -> Iterator[Drawn]:
    """The same, but straight and upright (:mod:`karyonet.simulate.upright`), in a quarter of the time."""
    for seed in seeds:
        level, cell = level_of(seed), normal_complement("XY" if seed % 2 else "XX")
        image, regions = draw_upright(cell, np.random.default_rng(seed), level)
        density = to_optical_density((image / np.float32(255)).astype(np.float32), "absorption")
        yield Drawn([lift(density, region) for region in regions], [plan.label for plan in cell], level)


def pack_drawn(drawn: Drawn, cell: str) -> LevelPack:
    """Pack one metaphase."""
    strips = drawn.strips
    pack = pack_cell(
        [LabelledStrip(strip.optical_density, label) for strip, label in zip(strips, drawn.labels, strict=True)],
        case=cell, cell=cell, split="", source=SOURCE,
    )  # fmt: skip
    return LevelPack(
        **{name: getattr(pack, name) for name in StripPack.names()},
        valid=np.concatenate([np.zeros(0, dtype=np.bool_), *(strip.valid for strip in strips)]),
        confidences=np.array([strip.confidence for strip in strips], dtype=np.float32),
        levels=np.full(len(pack), drawn.level, dtype=np.float32),
    )


def simulated_pack(seeds: range, cache: Path, straighten: Straighten | None) -> LevelPack:
    """Draw the metaphases of some seeds, or read those that were drawn before.

    Args:
        seeds: one after the other, at least one.
        cache: folder of the packs.
        straighten: of the straightening stage; None draws chromosomes laid side by side instead.

    Raises:
        DataError: K401 for a file in the cache that cannot be read.
    """
    parts = []
    for first in track(seeds[::_PART], f"drawing {len(seeds)} metaphases"):
        part = range(first, min(first + _PART, seeds.stop))
        path = cache / f"{SOURCE if straighten else UPRIGHT}-{part.start}-{part.stop}.npz"
        if not path.is_file():
            drawn = zip(part, draw(part, straighten) if straighten else draw_side_by_side(part), strict=True)
            LevelPack.concatenate([pack_drawn(one, f"s{seed}") for seed, one in drawn]).write(path)
        parts.append(LevelPack.read(path))
    return LevelPack.concatenate(parts)
