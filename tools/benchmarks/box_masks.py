"""Does a mask fill the box that it was found in? On annotated metaphases, for the mask network and the foreground.

    python tools/benchmarks/box_masks.py DATA --split validation --metaphases 24

DATA is a directory of format ``metaphases``. The box of a mask, widened by the 5 pixels that annotators leave, is
compared with the annotated one; a mask with an overlap (IoU) below 0.7 has lost a part of its chromosome, or holds one
of a neighbour. Prints the share of such masks with 95 % intervals bootstrapped over cases, for the mask network and for
the foreground of the threshold segmenter in the box, of chromosomes alone (no other box shares their piece of
foreground) and in clusters; and processor seconds a metaphase of the network.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from karyonet.data.boxes import region_in_box
from karyonet.data.metaphases import AnnotatedMetaphase, read_metaphases
from karyonet.evaluation.bootstrap import bootstrap_interval
from karyonet.geometry.region import BoundingBox, Region, box_iou
from karyonet.imaging.case_reader import read_case
from karyonet.stages.segmentation import ThresholdSegmenter
from karyonet.stages.segmentation.masks import BoxMasks
from karyonet.training.lone import lone_chromosomes
from karyonet.weights import find

MARGIN = 5
"""Pixels that annotators leave around a chromosome."""
LEAST = 0.7


def overlaps(regions: Sequence[Region | None], boxes: Sequence[BoundingBox]) -> NDArray[np.float64]:
    """IoU of each region's widened box with the annotated one, shape (n,); 0 where there is no region."""
    around = np.array([-MARGIN, -MARGIN, MARGIN, MARGIN])
    found = [
        0.0 if region is None else float(box_iou(np.array([region.bbox]) + around, np.array([box]))[0, 0])
        for region, box in zip(regions, boxes, strict=True)
    ]
    return np.array(found)


def examine(annotated: AnnotatedMetaphase, masks: BoxMasks) -> tuple[NDArray[np.float64], float]:
    """Whether a chromosome lies alone and the overlaps of both masks, shape (n, 3); seconds of the network."""
    metaphase = ThresholdSegmenter().process(read_case([annotated.path]).metaphases[0])
    assert metaphase.foreground is not None  # the segmenter fills it
    boxes = [chromosome.bbox for chromosome in annotated.chromosomes]
    alone = [region is not None for region in lone_chromosomes(metaphase.foreground, boxes, MARGIN, min_iou=0.0)]
    start = time.process_time()
    by_network = masks(metaphase.optical_density, boxes)
    seconds = time.process_time() - start
    by_foreground = [region_in_box(metaphase.foreground, box) for box in boxes]
    return np.stack([alone, overlaps(by_network, boxes), overlaps(by_foreground, boxes)], axis=1), seconds


def share_below(overlap: NDArray[np.float64], cases: NDArray[np.str_]) -> str:
    """The share of masks that overlap too little, with its interval, in per cent."""

    def share(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(sums[..., 0] / np.maximum(sums[..., 1], 1))

    names, case_of = np.unique(cases, return_inverse=True)
    per_case = np.zeros((len(names), 2))
    np.add.at(per_case, case_of, np.stack([overlap < LEAST, np.ones(len(overlap))], axis=1))
    low, high = bootstrap_interval(share, per_case)
    return f"{100 * (overlap < LEAST).mean():.1f} % ({100 * low:.1f}–{100 * high:.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="validation")
    parser.add_argument("--metaphases", type=int, default=24, help="whole cases until there are so many")
    parser.add_argument("--weights", default="box_masks", help="name of shipped weights, or a .safetensors file")
    arguments = parser.parse_args()

    masks = BoxMasks(find("segmentation", arguments.weights))
    metaphases = read_metaphases(arguments.data, arguments.split, arguments.metaphases)
    examined = [examine(annotated, masks) for annotated in track(metaphases, "finding masks")]
    rows = np.concatenate([found for found, _ in examined])
    cases = np.repeat([annotated.case for annotated in metaphases], [len(found) for found, _ in examined])
    print(f"{len(metaphases)} metaphases of {len(np.unique(cases))} cases, split {arguments.split}; "
          f"{np.median([seconds for _, seconds in examined]):.2f} s of the network a metaphase")  # fmt: skip
    print(f"| IoU below {LEAST} | chromosomes | network | foreground |\n|---|---|---|---|")
    alone = rows[:, 0] == 1
    for name, chosen in (("alone", alone), ("in clusters", ~alone), ("all", np.ones(len(rows), dtype=bool))):
        shares = [share_below(rows[chosen, column], cases[chosen]) for column in (1, 2)]
        print(f"| {name} | {chosen.sum()} | {' | '.join(shares)} |")


if __name__ == "__main__":
    main()
