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

from karyonet.case import FloatArray
from karyonet.evaluation.cluster_type import typing_stages
from karyonet.evaluation.cluster_type_truth import METAPHASES, read_known_clusters
from karyonet.pipeline import Pipeline
from karyonet.stages.cluster_type import SupCAM
from karyonet.stages.cluster_type.decision import Several
from karyonet.stages.cluster_type.kinds import TYPES
from karyonet.stages.cluster_type.network_stage import seen_in
from karyonet.stages.cluster_type.train import reject_threshold
from karyonet.weights import card_path, find


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
    sources = read_known_clusters(arguments.data, METAPHASES, dict(before), arguments.split, arguments.metaphases)

    said: list[tuple[FloatArray, FloatArray]] = []
    seen, true = [], []
    for source in track(sources[:: arguments.every], description="looking at metaphases", console=Console(stderr=True)):
        clusters = source.read()
        metaphase = clusters.metaphase
        judged, size = judge.judgeable(metaphase, clusters.size)
        holding = {cluster.id: k.chromosomes for cluster, k in zip(metaphase.clusters, clusters.known, strict=True)}
        chromosomes = [cluster for cluster in judged if holding[cluster.id]]
        regions = [cluster.region for cluster in chromosomes]
        in_each = seen_in(metaphase, regions)
        if regions and in_each is not None:
            said.append(judge.network.probabilities(metaphase.optical_density, regions, size))
            seen.append(in_each)
            true += [holding[cluster.id] or 0 for cluster in chromosomes]
    if not true:
        raise SystemExit(f"{arguments.data}: no component of the split {arguments.split} holds a chromosome")
    kinds, counts = (np.concatenate(parts) for parts in zip(*said, strict=True))
    thresholds = fitted(kinds, counts, np.concatenate(seen), np.array(true))

    card = weight.card.model_copy(update={"thresholds": weight.card.thresholds | thresholds})
    card_path(weight.path).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    print(f"{len(true)} components, {sum(number > 1 for number in true)} of them of several chromosomes")
    print(
        ", ".join(f"{name} {value:.4f}" for name, value in thresholds.items()), f"written to {card_path(weight.path)}"
    )


def fitted(kinds: FloatArray, counts: FloatArray, seen: NDArray[np.int64], true: NDArray[np.int64]) -> dict[str, float]:
    """Thresholds for a model card.

    Args:
        kinds, counts, seen: of components with chromosomes, as for
            :func:`~karyonet.stages.cluster_type.decision.decide`.
        true: int64, shape (n,), how many are in each.
    """
    reject = reject_threshold(kinds[:, TYPES:].sum(axis=1), (true > 1).astype(int))
    return {"reject": reject, **Several.fitted(kinds, counts, seen, true).on_card()}


if __name__ == "__main__":
    main()
