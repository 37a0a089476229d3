"""Fit the two logistic rules of the geometric stages on annotated metaphases.

    python tools/benchmarks/fit_shape_rules.py DATA --split train --images 90

DATA is a directory of format ``metaphases``. Prints intercept and coefficients, in the order of
``karyonet.geometry.shape.DESCRIPTOR``, for ``stages/cluster_type/rules.py`` (does one annotated box lie in a component,
or more?) and for ``stages/separation/plausibility.py`` (does the box of a component, or of a piece of it, overlap an
annotated box by half?), with the area under the ROC curve over five folds of metaphases.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from karyonet.data.metaphases import AnnotatedMetaphase, read_metaphases
from karyonet.geometry.region import Region, box_iou
from karyonet.geometry.shape import measure_scale, measure_shape
from karyonet.imaging.case_reader import read_case
from karyonet.stages.segmentation import ThresholdSegmenter
from karyonet.stages.separation import separate_overlapping, separate_touching

Example = tuple[NDArray[np.float64], bool]
"""Descriptor, and whether it is right."""


def examples_of(annotated: AnnotatedMetaphase) -> tuple[list[Example], list[Example]]:
    """Examples for the two rules: of clusters, and of pieces."""
    metaphase = ThresholdSegmenter().process(read_case([annotated.path]).metaphases[0])
    boxes = np.array([chromosome.bbox for chromosome in annotated.chromosomes], dtype=int).reshape(-1, 4)
    if not metaphase.clusters or not len(boxes):
        return [], []
    scale = measure_scale([cluster.region for cluster in metaphase.clusters], metaphase.optical_density)
    labels = np.zeros(metaphase.optical_density.shape, dtype=int)
    for number, cluster in enumerate(metaphase.clusters, start=1):
        labels[cluster.region.slices][cluster.region.mask] = number
    held = np.zeros(len(metaphase.clusters) + 1, dtype=int)
    for xmin, ymin, xmax, ymax in boxes:
        pixels = np.bincount(labels[ymin:ymax, xmin:xmax].ravel(), minlength=len(held))
        pixels[0] = 0
        held[pixels.argmax()] += pixels.any()
    clusters: list[Example] = []
    pieces: list[Example] = []
    for number, cluster in enumerate(metaphase.clusters, start=1):
        mask = np.pad(cluster.region.mask, 1)
        density = np.pad(cluster.region.crop(metaphase.optical_density), 1)
        parts = separate_overlapping(mask, scale.width)
        offered = parts if len(parts) > 1 else []
        for part in parts:
            halves = separate_touching(part, density, scale.width, worst_score=-0.2)
            offered = offered + (halves if len(halves) > 1 else [])
        for piece in [mask, *offered]:
            descriptor = measure_shape(piece, density, scale.width).descriptor(scale)
            xmin, ymin, _, _ = cluster.region.bbox
            box = np.array([Region.from_mask(piece, (xmin - 1, ymin - 1)).bbox])
            pieces.append((descriptor, bool(box_iou(box, boxes).max() >= 0.5)))
            if piece is mask and held[number]:
                clusters.append((descriptor, bool(held[number] == 1)))
    return clusters, pieces


def fit(name: str, examples: list[Example], groups: list[int]) -> None:
    """Fit one rule and print it."""
    features, target = np.array([e[0] for e in examples]), np.array([e[1] for e in examples])
    model = make_pipeline(StandardScaler(), LogisticRegression())
    predicted = cross_val_predict(model, features, target, groups=groups, cv=GroupKFold(5), method="predict_proba")[
        :, 1
    ]
    model.fit(features, target)
    coefficients = model[-1].coef_[0] / model[0].scale_
    intercept = float(model[-1].intercept_[0] - coefficients @ model[0].mean_)
    print(
        f"{name}: {len(target)} examples, {target.mean():.3f} right, area under the curve "
        f"{roc_auc_score(target, predicted):.3f}, log loss {log_loss(target, predicted):.3f}, "
        f"accuracy {((predicted > 0.5) == target).mean():.3f}"
    )
    print(f"INTERCEPT = {intercept:.3f}\nCOEFFICIENTS = np.array({coefficients.round(3).tolist()})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="train")
    parser.add_argument("--images", type=int, default=90, help="drawn at random")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    annotated = read_metaphases(arguments.data, split=arguments.split)
    annotated = random.Random(arguments.seed).sample(annotated, min(arguments.images, len(annotated)))
    both: tuple[list[Example], list[Example]] = ([], [])
    groups: tuple[list[int], list[int]] = ([], [])
    for number, metaphase in enumerate(annotated):
        for found, all_of, group in zip(examples_of(metaphase), both, groups, strict=True):
            all_of.extend(found)
            group.extend([number] * len(found))
    fit("stages/cluster_type/rules.py", both[0], groups[0])
    fit("stages/separation/plausibility.py", both[1], groups[1])


if __name__ == "__main__":
    main()
