"""Detection by the geometric stages on annotated metaphases, classes ignored.

    python tools/benchmarks/separation.py DATA --split validation --images 60

DATA is a directory of format ``metaphases``. Prints precision, recall and F1 at box IoU 0.5, matched one to one, the
share of metaphases with the exact count, and processor seconds a metaphase for each stage.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

import numpy as np

from karyonet.case import Metaphase
from karyonet.data.metaphases import read_metaphases
from karyonet.evaluation.matching import match_boxes
from karyonet.imaging.case_reader import read_case
from karyonet.stage import MetaphaseStage
from karyonet.stages.cluster_type import ShapeRules
from karyonet.stages.segmentation import ThresholdSegmenter
from karyonet.stages.separation import GeometricSeparator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="validation")
    parser.add_argument("--images", type=int, default=60, help="drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    annotated = read_metaphases(arguments.data, split=arguments.split)
    annotated = random.Random(arguments.seed).sample(annotated, min(arguments.images, len(annotated)))
    stages: dict[str, MetaphaseStage] = {
        "segmentation": ThresholdSegmenter(),
        "cluster_type": ShapeRules(),
        "separation": GeometricSeparator(),
    }
    seconds = dict.fromkeys(stages, 0.0)
    hits = predicted = truth = exact = 0
    for example in annotated:
        metaphase: Metaphase = read_case([example.path]).metaphases[0]
        for name, stage in stages.items():
            start = time.process_time()
            metaphase = stage.process(metaphase)
            seconds[name] += time.process_time() - start
        boxes = np.array([chromosome.region.bbox for chromosome in metaphase.chromosomes]).reshape(-1, 4)
        wanted = np.array([chromosome.bbox for chromosome in example.chromosomes]).reshape(-1, 4)
        hits += len(match_boxes(boxes, wanted).pairs)
        predicted, truth, exact = predicted + len(boxes), truth + len(wanted), exact + (len(boxes) == len(wanted))
    number = len(annotated)
    print(f"{number} metaphases of split {arguments.split}, {truth} chromosomes")
    print(
        f"precision {hits / max(predicted, 1):.3f}  recall {hits / max(truth, 1):.3f}  "
        f"F1 {2 * hits / max(predicted + truth, 1):.3f}  exact count {exact / number:.3f}"
    )
    print("seconds a metaphase: " + "  ".join(f"{name} {total / number:.2f}" for name, total in seconds.items()))


if __name__ == "__main__":
    main()
