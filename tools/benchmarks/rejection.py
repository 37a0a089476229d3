"""Are debris and clusters told from chromosomes? On real metaphases, with the pipeline's own straightener.

    python tools/benchmarks/rejection.py DATA --split validation --metaphases 60

DATA is a directory of format ``metaphases``. Debris is a component of the pipeline's foreground that touches no
annotated box; a cluster is a component that holds two or more boxed chromosomes, taken as if it were one. Prints the
area under the ROC curve of the score of the model card, and of the distance to the nearest proxy alone, with 95 %
intervals bootstrapped over cases, and how many chromosomes, debris and clusters the threshold keeps. Chromosomes are
``lone`` (components that hold one box) and, beside them, cut out of clusters by their boxes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from karyonet.data.metaphases import read_metaphases
from karyonet.evaluation.outliers import see_objects, separation
from karyonet.pipeline import Pipeline
from karyonet.stages.classification.rejection import FEATURES, REJECT
from karyonet.weights import find


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="validation")
    parser.add_argument("--metaphases", type=int, default=60, help="whole cases until there are so many")
    parser.add_argument("--weights", default="gband", help="name of shipped weights, or a .safetensors file")
    arguments = parser.parse_args()

    weight = find("classification", arguments.weights)
    stages = Pipeline.from_config("default", [f"stages.classification.weights={weight.path}"]).stages
    metaphases = read_metaphases(arguments.data, arguments.split, arguments.metaphases)
    seen = see_objects(stages, metaphases)
    chromosome, lone = seen.kinds == "chromosome", (seen.kinds == "chromosome") & seen.lone
    others = {"debris": seen.kinds == "debris", "clusters": seen.kinds == "cluster", "both": ~chromosome}
    print(f"{len(metaphases)} metaphases of {len(np.unique(seen.cases))} cases, split {arguments.split}: "
          f"{lone.sum()} lone chromosomes, {(chromosome & ~lone).sum()} cut out of clusters, "
          f"{others['debris'].sum()} debris, {others['clusters'].sum()} clusters")  # fmt: skip
    distance, margin = (seen.features[:, FEATURES.index(name)] for name in ("distance", "margin"))
    columns = {"distance to the nearest proxy": distance, "margin of the proxies": -margin, "model card": seen.scores}
    for score, values in columns.items():
        if np.isnan(values).any():
            print(f"{score}: these weights have no coefficients; run tools/fit_rejection.py")
            continue
        for known, chosen in (("lone", lone), ("all", chromosome)):
            areas = []
            for name, other in others.items():
                rows = chosen | other
                area, (low, high) = separation(values[rows], other[rows], seen.cases[rows])
                areas.append(f"{name} {area:.4f} ({low:.4f}-{high:.4f})")
            print(f"{score}, AUROC against {known} chromosomes: " + "  ".join(areas))
    limit = weight.card.thresholds.get(REJECT)
    if limit is not None:
        parts = {"lone": lone, "cut out": chromosome & ~lone, "all chromosomes": chromosome, **others}
        shares = "  ".join(f"{name} {(seen.scores[rows] <= limit).mean():.4f}" for name, rows in parts.items())
        print(f"kept at {limit:.4f}: {shares}")


if __name__ == "__main__":
    main()
