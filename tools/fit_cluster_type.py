"""Fit how probable several chromosomes are in a component of a real metaphase, and write it into a model card.

    python tools/fit_cluster_type.py DATA --weights runs/cluster_type/weights/supcam.safetensors

A network of cluster types is trained on examples most of which are clusters; in a metaphase most are lone chromosomes.
DATA is a directory of format ``metaphases``. The components that the default pipeline finds in every fourth metaphase
of its validation split, and the annotated boxes in each, give a logistic regression
(:class:`karyonet.stages.cluster_type.decision.Several`) and the threshold of rejection that keeps 99.9 % of the
chromosomes. Run it after every training. The weights themselves are not changed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from karyonet.evaluation.cluster_type import typing_stages
from karyonet.evaluation.cluster_type_results import SEVERAL
from karyonet.evaluation.cluster_type_truth import METAPHASES, read_known_clusters
from karyonet.pipeline import Pipeline
from karyonet.stages.cluster_type import SupCAM
from karyonet.stages.cluster_type.decision import Several
from karyonet.stages.cluster_type.kinds import KINDS, TYPES
from karyonet.stages.cluster_type.train import reject_threshold
from karyonet.weights import card_path, find

INSTANCE = KINDS[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", default="supcam", help="name of shipped weights, or a .safetensors file")
    parser.add_argument("--split", default="validation")
    parser.add_argument("--metaphases", type=int, default=400, help="whole cases until there are so many")
    parser.add_argument("--every", type=int, default=4, help="one in so many of them is looked at")
    arguments = parser.parse_args()

    weight = find("cluster_type", arguments.weights)
    settings = ["stages.cluster_type.use=supcam", f"stages.cluster_type.weights={weight.path}"]
    *before, (_, judge) = typing_stages(Pipeline.from_config("default", settings).stages).items()
    assert isinstance(judge, SupCAM)
    judge.network.several = Several()  # as the network says, whatever the card has
    sources = read_known_clusters(arguments.data, METAPHASES, dict(before), arguments.split, arguments.metaphases)

    said, several = [], []
    for source in track(sources[:: arguments.every], description="looking at metaphases", console=Console(stderr=True)):
        clusters = source.read()
        judged, types = judge.judge(clusters.metaphase, clusters.size)
        places = {cluster.id: place for place, cluster in enumerate(judged)}
        for known, cluster in zip(clusters.known, clusters.metaphase.clusters, strict=True):
            if known.kind in (INSTANCE, SEVERAL) and cluster.id in places:
                said.append(types.probabilities[places[cluster.id]])
                several.append(known.kind == SEVERAL)
    thresholds = fitted(np.array(said), np.array(several))

    card = weight.card.model_copy(update={"thresholds": weight.card.thresholds | thresholds})
    card_path(weight.path).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    print(f"{len(several)} components, {sum(several)} of them of several chromosomes")
    print(
        ", ".join(f"{name} {value:.4f}" for name, value in thresholds.items()), f"written to {card_path(weight.path)}"
    )


def fitted(probabilities: NDArray[np.float32], several: NDArray[np.bool_]) -> dict[str, float]:
    """Thresholds for a model card.

    Args:
        probabilities: shape (n, 6), of components with chromosomes, as
            :func:`~karyonet.stages.cluster_type.decision.decide` gives them where nothing is fitted.
        several: bool, shape (n,).
    """
    types = np.maximum(probabilities[:, :TYPES].astype(np.float64), 1e-12)
    log_odds = np.log(types[:, 1:].sum(axis=1) / types[:, 0])
    reject = reject_threshold(probabilities[:, TYPES:].sum(axis=1), several.astype(int))
    found: dict[str, float] = Several.fitted(log_odds, several).on_card()
    return {"reject": reject, **found}



if __name__ == "__main__":
    main()
