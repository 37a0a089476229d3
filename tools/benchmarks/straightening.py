"""Measure straightening on real chromosomes; prints the figures of stages/straightening/README.md.

    python tools/benchmarks/straightening.py ../shared/data --images 60

pki3: single chromosomes from karyograms, each the pixels of its box below grey 250. gband: metaphases of the training
split, thresholded crudely; connected pieces that match the box of exactly one chromosome (intersection over union of
at least 0.7). Set OMP_NUM_THREADS=1 for times of a single thread.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import find_objects, label
from skimage.filters import threshold_otsu

from karyonet.case import Strip
from karyonet.geometry.region import Region, box_iou
from karyonet.geometry.straighten import straighten

FloatArray = NDArray[np.float32]
Example = tuple[str, FloatArray, Region, int]
"""Class, optical density, region, height of the annotated box."""
_GREY_OF_PAPER = 250
_MATCH = 0.7


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("data", type=Path, help="folder that holds pki3/ and gband_metaphases/")
    arguments.add_argument("--images", type=int, default=60, help="metaphases of each data set")
    arguments.add_argument("--seed", type=int, default=0)
    options = arguments.parse_args()
    rng = np.random.default_rng(options.seed)
    for name, metaphases in (("pki3", pki3), ("gband", gband)):
        report(name, [list(examples) for examples in metaphases(options.data, options.images, rng)])


def pki3(data: Path, images: int, rng: np.random.Generator) -> Iterator[Iterator[Example]]:
    boxes = _by(data / "pki3" / "chromosomes.csv", "cell")

    def examples(cell: str) -> Iterator[Example]:
        density, grey = _read(data / "pki3" / "cells" / f"{cell}.png", white=255.0)
        for row in boxes[cell]:
            xmin, ymin, xmax, ymax = _box(row)
            mask = grey[ymin:ymax, xmin:xmax] < _GREY_OF_PAPER
            yield row["label"], density, Region.from_mask(mask, offset=(xmin, ymin)), ymax - ymin

    return (examples(cell) for cell in rng.choice(sorted(boxes), images, replace=False))


def gband(data: Path, images: int, rng: np.random.Generator) -> Iterator[Iterator[Example]]:
    folder = data / "gband_metaphases"
    boxes = _by(folder / "chromosomes.csv", "image")
    training = sorted(row["image"] for row in _by(folder / "cells.csv", "split")["train"])

    def examples(image: str) -> Iterator[Example]:
        density, _ = _read(folder / "images" / f"{image}.webp")
        pieces, _ = label(density > 0.7 * threshold_otsu(density))  # type: ignore[no-untyped-call]
        places = find_objects(pieces)
        extents = np.array([(x.start, y.start, x.stop, y.stop) for y, x in places])
        overlap = box_iou(np.array([_box(row) for row in boxes[image]]), extents)
        for row, matches in zip(boxes[image], overlap, strict=True):
            best = int(matches.argmax())
            if matches[best] >= _MATCH and (overlap[:, best] >= 0.2).sum() == 1:
                y, x = places[best]
                region = Region.from_mask(pieces[y, x] == best + 1, offset=(x.start, y.start))
                yield row["label"], density, region, y.stop - y.start

    return (examples(image) for image in rng.choice(training, images, replace=False))


def report(name: str, metaphases: list[list[Example]]) -> None:
    seconds, kept, confidences, heights, lengths, homologs = [], [], [], [], [], []
    for examples in metaphases:
        by_class: dict[str, list[Strip]] = defaultdict(list)
        for chromosome, density, region, height in examples:
            start = time.process_time()
            strip = straighten(density, region)
            seconds.append(time.process_time() - start)
            kept.append(float(strip.optical_density.sum()) / max(float(region.crop(density).sum()), 1e-6))
            confidences.append(strip.confidence)
            heights.append(height)
            lengths.append(strip.length)
            by_class[chromosome].append(strip)
        pairs = (pair for strips in by_class.values() for pair in combinations(strips, 2))
        homologs += [abs(np.log(first.length / second.length)) for first, second in pairs]
    relative = np.array(lengths) / np.array(heights)
    figures = {
        "metaphases": len(metaphases),
        "chromosomes": len(lengths),
        "CPU milliseconds per chromosome, median": 1e3 * np.median(seconds),
        "CPU milliseconds per chromosome, 95th percentile": 1e3 * np.quantile(seconds, 0.95),
        "optical density in the strip / in the mask, median": np.median(kept),
        "the same, 5th and 95th percentile": np.quantile(kept, [0.05, 0.95]).round(3),
        "length of homologs differs by, median (%)": 100 * np.median(homologs),
        "confidence below 0.5 (%)": 100 * np.mean(np.array(confidences) < 0.5),
    }
    if name == "pki3":  # upright: the box is about as high as the chromosome is long
        figures["correlation of length and height of box"] = np.corrcoef(lengths, heights)[0, 1]
        figures["length / height of box, 5th, 50th, 95th percentile"] = np.quantile(relative, [0.05, 0.5, 0.95]).round(
            3
        )
    print(f"\n{name}")
    for figure, value in figures.items():
        print(f"  {figure}: {value if isinstance(value, int | np.ndarray) else format(value, '.3g')}")


def _by(table: Path, column: str) -> dict[str, list[dict[str, str]]]:
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    with table.open(newline="") as lines:
        for row in csv.DictReader(lines):
            rows[row[column]].append(row)
    return rows


def _box(row: dict[str, str]) -> tuple[int, int, int, int]:
    xmin, ymin, xmax, ymax = (max(int(float(row[key])), 0) for key in ("xmin", "ymin", "xmax", "ymax"))
    return xmin, ymin, xmax, ymax


def _read(path: Path, white: float | None = None) -> tuple[FloatArray, FloatArray]:
    """Optical density and grey; the background is the commonest light grey where no white is given."""
    grey = np.asarray(Image.open(path).convert("L"), dtype=np.float32)
    white = float(np.median(grey[grey >= np.median(grey)])) if white is None else white
    return np.maximum(-np.log10(np.clip(grey, 1, None) / white), 0).astype(np.float32), grey


if __name__ == "__main__":
    main()
