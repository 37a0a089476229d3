"""Draw the simulated cases that ship under ``tests/data``, the same files every time.

python tools/draw_examples.py [--out tests/data]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

from karyonet.simulate import SimulatedCase, simulate
from karyonet.simulate.layout import Style

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "data"
SIDE = 600
"""Pixels; an image grows where its chromosomes do not find room."""


class Example(NamedTuple):
    """Arguments of :func:`karyonet.simulate.simulate`."""

    karyotype: str
    seed: int
    metaphases: int = 1
    crowding: float = 0.1
    style: Style = "gband"

    def draw(self) -> SimulatedCase:
        """The case, nothing written."""
        return simulate(
            self.karyotype,
            self.seed,
            crowding=self.crowding,
            style=self.style,
            metaphases=self.metaphases,
            shape=(SIDE, SIDE),
        )


EXAMPLES = {
    "trisomy21": Example("47,XY,+21", seed=3, metaphases=5),
    "normal_female": Example("46,XX", seed=1, crowding=0.0),
    "qband_male": Example("46,XY", seed=1, style="qband"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=FOLDER)
    folder = parser.parse_args().out
    for name, example in EXAMPLES.items():
        written = example.draw().save(folder / name)
        size = sum(file.stat().st_size for file in written.rglob("*") if file.is_file())
        print(f"{written}  {example.karyotype}  {example.metaphases} metaphases  {size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
