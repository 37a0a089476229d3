"""Drawn chromosomes with bands of their type, for the tests of this stage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from karyonet.case import LABELS
from karyonet.training.strip_pack import LabelledStrip, StripPack, concatenate, pack_cell

TYPES = ("1", "2", "13", "14", "21", "22")
_LENGTHS = {"1": 80, "2": 76, "13": 48, "14": 46, "21": 30, "22": 32}


def strip(label: str, generator: np.random.Generator, polarity: int = 1) -> LabelledStrip:
    """A strip with three dark bands at places that only its type has."""
    length = _LENGTHS[label] + int(generator.integers(-1, 2))
    places = np.random.default_rng(LABELS.index(label)).uniform(0.15, 0.95, 3)
    rows = (np.arange(length) + 0.5) / length
    density = 0.4 + sum(0.8 * np.exp(-(((rows - place) / 0.04) ** 2)) for place in places)
    image = np.zeros((length, 13), np.float32)
    image[:, 2:-2] = density[:, None] + generator.normal(0, 0.02, (length, 9))
    return LabelledStrip(np.ascontiguousarray(image[::-1, ::-1] if polarity == 0 else image), label, polarity)


def pack(
    cases: int = 20, cells: int = 2, source: str = "drawn", polarity: tuple[int, ...] = (1, 0), seed: int = 0
) -> StripPack:
    """Normal metaphases of six types; every fourth case is validation material."""
    generator = np.random.default_rng(seed)
    return concatenate(
        [
            pack_cell(
                [strip(label, generator, int(generator.choice(polarity))) for label in TYPES * 2],
                case=f"p{case}", cell=f"p{case}m{cell}", split="train" if case % 4 else "validation", source=source,
            )
            for case in range(cases)
            for cell in range(cells)
        ]
    )  # fmt: skip


def strips_folder(folder: Path, cases: int, cells: int = 3) -> Path:
    """The same as a data set of format strips, short arm up: the first half of the cases for validation."""
    (folder / "cells").mkdir()
    generator = np.random.default_rng(0)
    boxes, rows = ["cell,label,xmin,ymin,xmax,ymax"], ["cell,case,split"]
    for number in range(cases * cells):
        case, name = number // cells, f"p{number // cells}m{number % cells}"
        density = np.zeros((90, 20 * 2 * len(TYPES)), dtype=np.float32)
        for place, label in enumerate(TYPES * 2):
            image = strip(label, generator).optical_density
            density[4 : 4 + len(image), 20 * place + 3 : 20 * place + 16] = image
            boxes.append(f"{name},{label},{20 * place},0,{20 * place + 20},90")
        rows.append(f"{name},p{case},{'validation' if 2 * case < cases else 'test'}")
        Image.fromarray(np.rint(255 * 10**-density).astype(np.uint8)).save(folder / "cells" / f"{name}.png")
    (folder / "chromosomes.csv").write_text("\n".join(boxes) + "\n")
    (folder / "cells.csv").write_text("\n".join(rows) + "\n")
    return folder
