"""Choose what an unusual width costs where `karyonet similar` guesses the scale of a picture of one chromosome.

    python tools/fit_scale_penalty.py DATA --split validation --chromosomes 600

DATA is a directory of format ``strips``. Chromosomes at regular intervals are cut out and looked for among all those of
other cases of the same split, with the scale of their metaphase and with every scale that may be tried without it.
Prints, for the known scale and for each penalty (``UNUSUAL`` in ``karyonet/similar/search.py``), the share of right
names by the nearest chromosome, by the vote of eight and by the classifier, and the median error of the guessed scale.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from rich.progress import track

from karyonet.data.pictures import read_grey
from karyonet.data.strips import AnnotatedCell, crop_chromosomes, read_strips
from karyonet.errors import InputError
from karyonet.pipeline import Pipeline
from karyonet.similar.crop import Crop, find_chromosome
from karyonet.similar.gallery import key_of, make_gallery
from karyonet.similar.search import DEVIATIONS, UNUSUAL, Sighting, closeness, plausible_scales, see_crop

PENALTIES = (0.0, 0.001, 0.003, UNUSUAL, 0.01, 0.03, 0.1)
BORDER = 8
"""Pixels of background around a chromosome that is cut out."""


def pictures(cell: AnnotatedCell) -> Iterator[tuple[str, Crop | None]]:
    """Label and picture of every chromosome of a cell; None where the picture does not show one."""
    levels = np.bincount(np.rint(read_grey(cell.path) * 255).astype(int).ravel())
    for chromosome, grey in zip(cell.chromosomes, crop_chromosomes(cell), strict=True):
        padded = np.pad(grey, BORDER, constant_values=float(levels.argmax()) / 255)
        try:
            yield chromosome.label, find_chromosome(padded)
        except InputError:
            yield chromosome.label, None


def row(name: str, found: Sequence[Sighting], labels: Sequence[str], scales: Sequence[float]) -> str:
    """A line of the table."""
    shares = [
        np.mean([sighting.neighbours[0].label == label for sighting, label in zip(found, labels, strict=True)]),
        np.mean([sighting.votes[0].label == label for sighting, label in zip(found, labels, strict=True)]),
        np.mean([sighting.label == label for sighting, label in zip(found, labels, strict=True)]),
    ]
    error = np.median([abs(sighting.scale / scale - 1) for sighting, scale in zip(found, scales, strict=True)])
    return f"| {name} | " + " | ".join(f"{100 * share:.2f} %" for share in shares) + f" | {100 * error:.0f} % |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="validation")
    parser.add_argument("--chromosomes", type=int, default=600, help="about so many")
    arguments = parser.parse_args()

    stages = Pipeline.from_config("default").stages
    cells = read_strips(arguments.data, split=arguments.split)
    gallery = make_gallery(stages, cells, key_of(stages, cells))
    median_length = dict(zip(gallery.pack.cells, gallery.pack.median_length, strict=True))
    offered = [(cell, label, crop) for cell in cells for label, crop in pictures(cell) if cell.id in median_length]
    every = max(len(offered) // arguments.chromosomes, 1)
    labels: list[str] = []
    scales: list[float] = []
    known: list[Sighting] = []
    tried: list[list[Sighting]] = []
    for cell, label, crop in track(offered[::every], "looking for chromosomes"):
        if crop is None:
            continue
        scale = float(median_length[cell.id])
        seen = see_crop(stages, crop, gallery, 8, scale, cell.case)
        guesses = plausible_scales(seen.strip, gallery)
        tried.append([see_crop(stages, crop, gallery, 8, guess, cell.case) for guess in guesses])
        labels.append(label)
        scales.append(scale)
        known.append(seen)
    cases, refused = len({cell.case for cell in cells}), len(offered[::every]) - len(labels)
    print(f"{len(labels)} of {len(gallery)} chromosomes, {cases} cases, split {arguments.split}; {refused} refused")
    print("| penalty | nearest | vote of 8 | classifier | error of the scale |\n|---|---|---|---|---|")
    print(row("scale known", known, labels, scales))
    for penalty in sorted(set(PENALTIES)):
        costs = penalty * np.square(DEVIATIONS)
        best = [seen[int(np.argmax([closeness(s) for s in seen] - costs))] for seen in tried]
        print(row(f"{penalty:g}", best, labels, scales))


if __name__ == "__main__":
    main()
