"""Measure straightening on real and simulated chromosomes; prints the figures of stages/straightening/README.md.

    python tools/benchmarks/straightening.py ../shared/data --images 60
    python tools/benchmarks/straightening.py --simulated 60

pki3: single chromosomes from karyograms, each the pixels of its box below grey 250. gband: metaphases of the training
split, thresholded crudely; connected pieces that match the box of exactly one chromosome (intersection over union of
at least 0.7). Simulated: whole metaphases with true masks, against the axis along which the simulator drew: its length,
the image along it, and the stain that was laid out there before texture and optics; hidden is what others cover over
more than a tenth. Set OMP_NUM_THREADS=1 for times of a single thread.
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
from rich.progress import track
from scipy.ndimage import find_objects, gaussian_filter1d, label, map_coordinates
from skimage.filters import threshold_otsu

from karyonet.case import Strip
from karyonet.geometry.folds import usual_half_width
from karyonet.geometry.region import Region, box_iou
from karyonet.geometry.straighten import straighten
from karyonet.imaging import to_optical_density
from karyonet.simulate import simulate
from karyonet.simulate.layout import Layout, lay_out
from karyonet.stages.straightening import MedialAxisStraightener

FloatArray = NDArray[np.float32]
Example = tuple[str, FloatArray, Region, int]
"""Class, optical density, region, height of the annotated box."""
_GREY_OF_PAPER = 250
_MATCH = 0.7
_HIDDEN = 0.1
_FIRST_SEED = 60_000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("data", type=Path, nargs="?", help="folder that holds pki3/ and gband_metaphases/")
    arguments.add_argument("--simulated", type=int, default=0, help="metaphases to draw instead")
    arguments.add_argument("--images", type=int, default=60, help="metaphases of each data set")
    arguments.add_argument("--seed", type=int, default=0)
    options = arguments.parse_args()
    if options.simulated:
        report_simulated(options.simulated)
        return
    if options.data is None:
        arguments.error("give the folder of the data sets, or --simulated")
    rng = np.random.default_rng(options.seed)
    for name, metaphases in (("pki3", pki3), ("gband", gband)):
        report(name, [list(examples) for examples in metaphases(options.data, options.images, rng)])


def report_simulated(metaphases: int) -> None:
    """Length and profile against the simulator's truth."""
    straightener = MedialAxisStraightener()
    errors, hidden, seconds = list[float](), 0, list[float]()
    along_axis, laid_out = list[float](), list[float]()
    for number in track(range(metaphases), "drawing"):
        level = 400 + 450 * (number + 0.5) / metaphases
        drawn = simulate("46,XY" if number % 2 else "46,XX", _FIRST_SEED + number, band_level=level).metaphases[0]
        density = to_optical_density((drawn.image / np.float32(255)).astype(np.float32), "absorption")
        start = time.process_time()
        strips = straightener.straighten_regions(density, [one.region for one in drawn.chromosomes])
        seconds.append(time.process_time() - start)
        for one, strip in zip(drawn.chromosomes, strips, strict=True):
            if strip.valid.mean() < 1 - _HIDDEN:
                hidden += 1
                continue
            true = float(np.linalg.norm(np.diff(one.axis, axis=0), axis=1).sum())
            errors.append(abs(strip.length / true - 1))
            if one.p_arm_up is not None:
                profile = _profile(strip, one.p_arm_up, drawn.look.width)
                tip = max(round(0.4 * drawn.look.width), 1)
                for truth, into in (
                    (_image_along(density, one.axis, drawn.look.width), along_axis),
                    (_stain(lay_out(one.plan.segments, level), len(profile), drawn.look.width), laid_out),
                ):
                    there = np.interp(np.linspace(0, 1, len(profile)), np.linspace(0, 1, len(truth)), truth)
                    into.append(float(np.corrcoef(profile[tip:-tip], there[tip:-tip])[0, 1]))
    print(f"\nsimulated, {metaphases} metaphases, 400-850 bands, crowding 0.5; {hidden} hidden chromosomes left out")
    print(f"  chromosomes: {len(errors)}")
    low, middle, high = 100 * np.quantile(errors, [0.25, 0.5, 0.95])
    print(f"  error of the length, median (%): {middle:.2f}; 95th percentile: {high:.2f}")
    for name, found in (("image along the true axis", along_axis), ("stain laid out", laid_out)):
        low, middle = np.quantile(found, [0.05, 0.5])
        print(f"  correlation of the profile with the {name}, median: {middle:.3f}; 5th percentile: {low:.3f}")
    print(f"  CPU seconds a metaphase, median: {np.median(seconds):.2f}")


def _profile(strip: Strip, p_arm_up: bool, width: float) -> NDArray[np.float64]:
    """Mean over the middle 60 % of the width, from the end of the short arm."""
    rows = strip.optical_density if p_arm_up else strip.optical_density[::-1]
    side = round(rows.shape[1] / 2 - 0.3 * width)
    return np.asarray(rows[:, side : rows.shape[1] - side].mean(axis=1), dtype=np.float64)


def _image_along(density: FloatArray, axis: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """The same of the image, along an axis of rows and columns."""
    along = np.gradient(gaussian_filter1d(axis, 2, axis=0, mode="nearest"), axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    across = np.arange(-0.3 * width, 0.3 * width + 0.5)
    places = axis[:, None] + across[None, :, None] * np.stack([-along[:, 1], along[:, 0]], axis=1)[:, None]
    return np.asarray(map_coordinates(density, np.moveaxis(places, -1, 0), order=1).mean(axis=1), dtype=np.float64)


def _stain(layout: Layout, samples: int, width: float) -> NDArray[np.float64]:
    """What was laid out, blurred by a sixth of a width."""
    fine = np.linspace(0, layout.length, 4 * samples)
    steps = np.clip(np.searchsorted(layout.edges, fine, side="right") - 1, 0, len(layout.stain) - 1)
    return np.asarray(gaussian_filter1d(layout.stain[steps], 4 * width / 6, mode="nearest"), dtype=np.float64)


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
        usual = usual_half_width([region.mask for _, _, region, _ in examples])
        for chromosome, density, region, height in examples:
            start = time.process_time()
            strip = straighten(density, region, usual=usual)
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
