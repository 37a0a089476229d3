"""Straight chromosomes with one constriction, whose centromere is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from karyonet.stages.centromere.drawn import CentromerePack
from karyonet.training.strip_pack import LabelledStrip, pack_cell


def strip(
    length: int = 80, centromere: float = 0.3, half_width: float = 8.0, depth: float = 0.4, seed: int = 0
) -> NDArray[np.float32]:
    """A banded rod with round ends that is narrower at its centromere: float32, shape (length, width)."""
    generator = np.random.default_rng(seed)
    reach = int(half_width) + 2
    place = np.arange(length) + 0.5
    across = np.arange(-reach, reach + 1, dtype=float)
    beyond = np.clip(half_width - np.minimum(place, length - place), 0, None)
    width = np.sqrt(np.clip(half_width**2 - beyond**2, 1.0, None))
    width *= 1 - depth * np.exp(-0.5 * ((place - centromere * length) / (0.4 * half_width)) ** 2)
    bands = 1 + 0.3 * np.sin(place * 2 * np.pi / (1.6 * half_width) + generator.uniform(0, 6))
    soft = np.clip(width[:, None] - np.abs(across) + 0.5, 0, 1)
    return (0.3 * soft * bands[:, None]).astype(np.float32)


def pack(metaphases: int = 6, first: int = 0, split: str = "train") -> CentromerePack:
    """Metaphases of ten chromosomes 1 to 5 each, every other one upside down."""
    cells = []
    for number in range(first, first + metaphases):
        generator = np.random.default_rng(number)
        places = generator.uniform(0.15, 0.5, 10)
        strips, shown = [], []
        for row, place in enumerate(places):
            turned = row % 2
            image = strip(int(generator.integers(50, 90)), place, seed=10 * number + row)
            strips.append(LabelledStrip(image[::-1, ::-1] if turned else image, str(row // 2 + 1), 1 - turned))
            shown.append(1 - place if turned else place)
        cell = pack_cell(strips, case=f"p{number}", cell=f"m{number}", split=split, source="drawn")
        cells.append(CentromerePack.of(cell, np.array(shown, dtype=np.float32)))
    return CentromerePack.concatenate(cells)
