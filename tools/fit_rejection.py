"""Fit what tells debris and clusters from chromosomes, and write it into the model card of a classifier.

    python tools/fit_rejection.py DATA --strips CUT_OUT --weights runs/gband/weights/gband.safetensors --metaphases 300

DATA is a directory of format ``metaphases``, CUT_OUT one of format ``strips``, whose chromosomes were cut out by people
and look different at their edges. The coefficients are fitted on split ``train`` (``--fit``), the threshold
that keeps 99 % of the chromosomes is set on split ``validation`` (``--threshold``). Run it after every training: the
distances to the proxies belong to the weights. The weights themselves are not changed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from karyonet.data.metaphases import read_metaphases
from karyonet.data.strips import read_strips
from karyonet.evaluation.outliers import SeenObjects, see_objects
from karyonet.pipeline import Pipeline
from karyonet.stages.classification.rejection import PREFIX, REJECT, fit_outliers, outlier_scores, reject_threshold
from karyonet.weights import card_path, find


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--strips", type=Path, help="directory of format strips: further chromosomes")
    parser.add_argument("--weights", default="gband", help="name of shipped weights, or a .safetensors file")
    parser.add_argument("--fit", default="train", help="split that the coefficients are fitted on")
    parser.add_argument("--threshold", default="validation", help="split that the threshold is set on")
    parser.add_argument(
        "--metaphases", type=int, default=300, help="whole cases until there are so many, of each split"
    )
    parser.add_argument("--kept", type=float, default=0.99, help="share of the chromosomes that are not rejected")
    arguments = parser.parse_args()

    weight = find("classification", arguments.weights)
    stages = Pipeline.from_config("default", [f"stages.classification.weights={weight.path}"]).stages

    def read(split: str) -> SeenObjects:
        cells = [] if arguments.strips is None else read_strips(arguments.strips, split, arguments.metaphases // 3)
        return see_objects(stages, [*read_metaphases(arguments.data, split, arguments.metaphases), *cells])

    seen = read(arguments.fit)
    coefficients = fit_outliers(seen.features, seen.kinds)
    held_out = read(arguments.threshold)
    chromosome = held_out.kinds == "chromosome"
    scores = outlier_scores(held_out.features, coefficients)
    assert scores is not None
    limit = reject_threshold(scores[chromosome], held_out.cases[chromosome], arguments.kept)

    kept = {name: value for name, value in weight.card.thresholds.items() if not name.startswith(PREFIX)}
    card = weight.card.model_copy(update={"thresholds": kept | coefficients | {REJECT: limit}})
    card_path(weight.path).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    for split, part in ((arguments.fit, seen), (arguments.threshold, held_out)):
        numbers = ", ".join(f"{n} {kind}" for kind, n in zip(*np.unique(part.kinds, return_counts=True), strict=True))
        print(f"{split}: {numbers}, of {len(np.unique(part.cases))} cases")
    print(f"{REJECT}: {limit:.4f}, written to {card_path(weight.path)}")


if __name__ == "__main__":
    main()
