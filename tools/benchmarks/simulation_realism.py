"""How well a classifier tells patches of simulated metaphases from real ones.

    python tools/benchmarks/simulation_realism.py DATA [--split train] [--images 80] [--seed 1]

DATA is a data set of format ``metaphases``. Patches of 64 pixels around chromosomes (and, apart from them, of the
background) are described by grey values, gradients, their power spectrum and local binary patterns. The area under
the ROC curve (0.5: they cannot be told apart, 1: always) is cross-validated with whole images kept together.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import local_binary_pattern
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from karyonet.data.metaphases import read_metaphases
from karyonet.data.pictures import read_grey
from karyonet.simulate import simulate

SIDE = 64
LEVELS = (400, 450, 500, 550)
FloatArray = NDArray[np.float64]
Boxes = list[tuple[int, int, int, int]]


def describe(patch: FloatArray) -> dict[str, FloatArray]:
    """Groups of features of a patch, float64, shape (64, 64), 0–1."""
    fine = patch - ndimage.gaussian_filter(patch, 1.0)
    slope = np.hypot(ndimage.sobel(patch, 0), ndimage.sobel(patch, 1)) / 8
    spectrum = np.log10(np.abs(np.fft.rfft2(patch * np.hanning(SIDE)[:, None] * np.hanning(SIDE))) ** 2 + 1e-8)
    radius = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None, :])
    rings = np.clip((radius * 32).astype(int), 0, 15)
    power = np.bincount(rings.ravel(), spectrum.ravel(), 16) / np.bincount(rings.ravel(), minlength=16)
    pattern = local_binary_pattern((patch * 255).astype(np.uint8), 8, 1, "uniform")
    shares = (1, 5, 25, 50, 75, 95, 99)
    return {
        "grey values": np.percentile(patch, shares),
        "gradients": np.concatenate([np.percentile(slope, shares), [fine.std()]]),
        "spectrum": power,
        "local patterns": np.bincount(pattern.astype(int).ravel(), minlength=10) / pattern.size,
    }


def patches(
    grey: FloatArray, boxes: Boxes, number: int, factor: int, generator: np.random.Generator
) -> list[FloatArray]:
    """Patches around the middles of randomly chosen boxes, of the image reduced by a factor."""
    found: list[FloatArray] = []
    height, width = grey.shape[0] // factor, grey.shape[1] // factor
    grey = grey[: height * factor, : width * factor].reshape(height, factor, width, factor).mean(axis=(1, 3))
    if min(height, width) < SIDE:
        return found
    for index in generator.permutation(len(boxes))[:number]:
        xmin, ymin, xmax, ymax = boxes[int(index)]
        row = int(np.clip((ymin + ymax) // 2 // factor - SIDE // 2, 0, grey.shape[0] - SIDE))
        column = int(np.clip((xmin + xmax) // 2 // factor - SIDE // 2, 0, grey.shape[1] - SIDE))
        found.append(grey[row : row + SIDE, column : column + SIDE].astype(np.float64))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="train")
    parser.add_argument("--images", type=int, default=80)
    parser.add_argument("--patches", type=int, default=10, help="of every image")
    parser.add_argument("--reduce", type=int, default=1, help="reduce the images by this factor first")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    generator = np.random.Generator(np.random.PCG64(arguments.seed))
    rows: list[dict[str, FloatArray]] = []
    simulated: list[int] = []
    groups: list[int] = []
    real = read_metaphases(arguments.data, arguments.split)
    for metaphase in real[:: max(1, len(real) // arguments.images)][: arguments.images]:
        boxes = [c.bbox for c in metaphase.chromosomes]
        grey = read_grey(metaphase.path).astype(np.float64)
        found = patches(grey, boxes, arguments.patches, arguments.reduce, generator)
        rows += [describe(patch) for patch in found]
        simulated += [0] * len(found)
        groups += [len(set(groups))] * len(found)
    for number in range(arguments.images):
        drawn = simulate(("46,XX", "46,XY")[number % 2], arguments.seed + number, LEVELS[number % len(LEVELS)])
        grey = drawn.metaphases[0].image / 255.0
        boxes = [c.region.bbox for c in drawn.metaphases[0].chromosomes]
        found = patches(grey, boxes, arguments.patches, arguments.reduce, generator)
        rows += [describe(patch) for patch in found]
        simulated += [1] * len(found)
        groups += [len(set(groups))] * len(found)
    truth, of_image = np.array(simulated), np.array(groups)
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=arguments.seed)
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    columns["all"] = np.concatenate(list(columns.values()), axis=1)
    print(f"{len(truth)} patches of {len(set(groups))} images; area under the ROC curve of real against simulated")
    for name, features in columns.items():
        line = f"  {name:15}"
        for kind, model in (
            ("logistic regression", make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000))),
            ("random forest", RandomForestClassifier(200, min_samples_leaf=3, random_state=0)),
        ):
            score = cross_val_predict(model, features, truth, cv=folds, groups=of_image, method="predict_proba")[:, 1]
            line += f"  {kind} {roc_auc_score(truth, score):.3f}"
        print(line)


if __name__ == "__main__":
    main()
