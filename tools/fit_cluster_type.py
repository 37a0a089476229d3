"""Fit how probable several chromosomes are in a component of a real metaphase, and write it into a model card.

    python tools/fit_cluster_type.py DATA --weights runs/cluster_type/weights/supcam.safetensors [--list CLUSTERS.csv]

A network of cluster types is trained on examples most of which are clusters; in a metaphase most are lone chromosomes.
DATA is a directory of format ``metaphases``. The components that the default pipeline finds in every fourth metaphase
of its validation split, and the annotated boxes in each, give a logistic regression
(:class:`karyonet.stages.cluster_type.decision.Several`) and the threshold of rejection that keeps 99.9 % of the
chromosomes. With a list of clusters of which someone has said how they lie, what the drawn chromosomes tell of that is
fitted, too (:class:`karyonet.stages.cluster_type.seen.Laid`); without one it is left as the card has it. Run it after
every training, and after every change of the segmentation. The weights themselves are not changed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from karyonet.case import FloatArray
from karyonet.evaluation.cluster_type import typing_stages
from karyonet.evaluation.cluster_type_results import KnownComponent
from karyonet.evaluation.cluster_type_truth import METAPHASES, TruthSource, read_known_clusters
from karyonet.pipeline import Pipeline
from karyonet.stages.cluster_type import SupCAM
from karyonet.stages.cluster_type.decision import Several, agreeing
from karyonet.stages.cluster_type.kinds import KINDS, TYPES
from karyonet.stages.cluster_type.seen import Laid, Seen
from karyonet.stages.cluster_type.train import reject_threshold
from karyonet.weights import card_path, find

SEVERAL_TYPES = KINDS[1:TYPES]


class Looked(NamedTuple):
    """A known component and what is said of it: kinds, numbers and what is seen, one row each."""

    known: KnownComponent
    kinds: FloatArray
    counts: FloatArray
    seen: Seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", default="supcam", help="name of shipped weights, or a .safetensors file")
    parser.add_argument("--split", default="validation")
    parser.add_argument("--metaphases", type=int, default=400, help="whole cases until there are so many")
    parser.add_argument("--every", type=int, default=4, help="one in so many of them is looked at")
    parser.add_argument("--list", type=Path, help="clusters of that split whose type is known (CSV)")
    arguments = parser.parse_args()

    weight = find("cluster_type", arguments.weights)
    settings = ["stages.cluster_type.use=supcam", f"stages.cluster_type.weights={weight.path}"]
    *before, (_, judge) = typing_stages(Pipeline.from_config("default", settings).stages).items()
    assert isinstance(judge, SupCAM)
    sources = read_known_clusters(arguments.data, METAPHASES, dict(before), arguments.split, arguments.metaphases)

    counted = look(judge, sources[:: arguments.every])
    holding = [one for one in counted if one.known.chromosomes]
    if not holding:
        raise SystemExit(f"{arguments.data}: no component of the split {arguments.split} holds a chromosome")
    true = [one.known.chromosomes or 0 for one in holding]
    thresholds = fitted(*together(holding), np.array(true))
    typed: list[Looked] = []
    if arguments.list is not None:
        listed = read_known_clusters(arguments.data, METAPHASES, dict(before), arguments.split, truth=arguments.list)
        typed = [one for one in look(judge, listed) if one.known.kind in SEVERAL_TYPES]
        if not typed:
            raise SystemExit(f"{arguments.list}: none of its clusters was found; list touching and overlapping ones")
        thresholds |= fitted_types(*together(typed), [one.known.kind for one in typed], Several.of(thresholds))

    card = weight.card.model_copy(update={"thresholds": weight.card.thresholds | thresholds})
    card_path(weight.path).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    several = sum(number > 1 for number in true)
    print(f"{len(true)} components, {several} of them of several chromosomes; {len(typed)} listed clusters")
    print(
        ", ".join(f"{name} {value:.4f}" for name, value in thresholds.items()), f"written to {card_path(weight.path)}"
    )


def look(judge: SupCAM, sources: Sequence[TruthSource]) -> list[Looked]:
    """What the network says of known components, where the segmentation sees chromosomes one by one."""
    found = []
    for source in track(sources, description="looking at metaphases", console=Console(stderr=True)):
        clusters = source.read()
        metaphase = clusters.metaphase
        judged, size = judge.judgeable(metaphase, clusters.size)
        regions = [cluster.region for cluster in judged]
        seen = Seen.of(metaphase, regions, size)
        if not regions or seen is None:
            continue
        places = {cluster.id: place for place, cluster in enumerate(judged)}
        kinds, counts = judge.network.probabilities(metaphase.optical_density, regions, size)
        for known, cluster in zip(clusters.known, clusters.places, strict=True):
            place = None if cluster is None else places.get(metaphase.clusters[cluster].id)
            if place is not None:
                one = slice(place, place + 1)
                found.append(Looked(known, kinds[one], counts[one], Seen(seen.numbers[one], seen.meetings[one])))
    return found


def together(looked: Sequence[Looked]) -> tuple[FloatArray, FloatArray, Seen]:
    """Kinds, numbers and what is seen, of all components."""
    kinds, counts = (np.concatenate(parts) for parts in zip(*((o.kinds, o.counts) for o in looked), strict=True))
    meetings = tuple(one.seen.meetings[0] for one in looked)
    return kinds, counts, Seen(np.concatenate([one.seen.numbers for one in looked]), meetings)


def fitted_types(
    kinds: FloatArray, counts: FloatArray, seen: Seen, types: Sequence[str], several: Several
) -> dict[str, float]:
    """How the drawn chromosomes lie, for a model card.

    Args:
        kinds, counts, seen: of clusters, as for :func:`fitted`.
        types: of each, as a person has said.
        several: fitted before.
    """
    numbers = agreeing(counts, seen.numbers, several.agreement)[:, 1:]
    more = np.log(np.maximum(numbers[:, 1:].sum(axis=1), 1e-9) / np.maximum(numbers.sum(axis=1), 1e-9))
    said = np.log(np.maximum(kinds[:, 1:TYPES], 1e-30))
    true = np.array([SEVERAL_TYPES.index(name) for name in types])
    thresholds: dict[str, float] = Laid.fitted(said, more, seen.meetings, true).on_card()
    return thresholds


def fitted(kinds: FloatArray, counts: FloatArray, seen: Seen, true: NDArray[np.int64]) -> dict[str, float]:
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
