"""Measuring a cluster-type stage: is a component one chromosome or several, how do they lie, how many are they?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from karyonet.case import Case, Cluster, FloatArray, Metaphase
from karyonet.errors import ConfigError, StageError, WeightsError
from karyonet.evaluation.cluster_type_figures import ClusterTypeEvaluation, summarise
from karyonet.evaluation.cluster_type_results import TYPES, Answer, ComponentResult
from karyonet.evaluation.cluster_type_truth import TruthSource
from karyonet.evaluation.report import Failure, reason_of, weights_in_use
from karyonet.stage import Stage, candidates


class Judgement(Protocol):
    """What is said of n clusters beyond their types."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Of each, a :data:`~karyonet.case.ClusterType`, or what it was rejected as."""

    @property
    def probabilities(self) -> FloatArray:
        """float32, shape (n, k): of the types, in the order of :data:`~karyonet.case.ClusterType`, then of what is no
        chromosome; they add up to 1."""

    @property
    def counts(self) -> NDArray[np.int64]:
        """int64, shape (n,): chromosomes in each, 0 of what is rejected."""

    @property
    def count_probabilities(self) -> FloatArray:
        """float32, shape (n, most), of 1, 2, … chromosomes; the last number means so many or more."""

    @property
    def rejected(self) -> NDArray[np.bool_]:
        """bool, shape (n,): no chromosome at all."""


@runtime_checkable
class ClusterJudge(Protocol):
    """What a cluster-type stage may offer besides: how many chromosomes are in a cluster, and whether any are."""

    def judge(self, metaphase: Metaphase, size: float | None = None) -> tuple[Sequence[Cluster], Judgement]:
        """Say of the clusters of a metaphase what the stage writes into them, and more.

        Args:
            metaphase: after a segmentation.
            size: median of the longer sides of the boxes of its chromosomes in pixels, where it is known.

        Returns:
            The clusters that can be judged, and what each of them is, in the same order.
        """


def typing_stages(stages: Mapping[str, Stage]) -> dict[str, Stage]:
    """The stages of a pipeline up to the one that says what clusters are, which comes last.

    Raises:
        ConfigError: K205 if there is none.
    """
    typing = [name for name, step in stages.items() if "cluster.type" in step.assigns]
    if not typing:
        field, givers = "cluster.type", ", ".join(candidates("cluster.type"))
        raise ConfigError("K205", stage="evaluate cluster-type", field=field, candidates=givers)
    names = list(stages)
    return {name: stages[name] for name in names[: names.index(typing[-1]) + 1]}


def evaluate_cluster_type(
    stages: Mapping[str, Stage],
    sources: Sequence[TruthSource],
    progress: bool = True,
    inspect: Callable[[Sequence[ComponentResult]], object] | None = None,
) -> ClusterTypeEvaluation:
    """Ask a stage about known components, and compare what it says.

    Args:
        stages: that take part, whose weights are named; the last one is asked (:func:`typing_stages`).
        sources: of :func:`karyonet.evaluation.cluster_type_truth.read_known_clusters`.
        progress: show a progress bar on a terminal.
        inspect: called with all results in the order of the sources.

    Returns:
        The metrics of :func:`~karyonet.evaluation.cluster_type_figures.summarise`.

    Raises:
        ConfigError, WeightsError: K2xx, K3xx; an image that fails otherwise is named in the evaluation, and what was
            listed in it counts as not found.
    """
    from rich.progress import track

    results: list[ComponentResult] = []
    failures: list[Failure] = []
    for source in track(sources, description="evaluating", disable=not (progress and sys.stderr.isatty())):
        try:
            results += _compared(stages, source)
        except (ConfigError, WeightsError):  # it would fail on every image
            raise
        except Exception as fault:
            failures.append(Failure(metaphase=source.id, reason=reason_of(fault)))
            results += [ComponentResult(known, None) for known in source.listed]
    if inspect is not None:
        inspect(results)
    about = {
        "cases": len({source.case for source in sources}),
        "metaphases": len(sources),
        "chromosomes": sum(source.chromosomes for source in sources),
        "weights": weights_in_use(stages.items()),
        "failures": tuple(failures),
    }
    return summarise(results).model_copy(update=about)


def answers(stage: Stage, metaphase: Metaphase, size: float | None = None) -> list[Answer]:
    """What a stage says of the clusters of a metaphase, in their order.

    Args:
        stage: a :class:`ClusterJudge` is asked as such; of any other, a cluster without a type is one of which it says
            nothing.
        metaphase: after a segmentation.
        size: as for :meth:`ClusterJudge.judge`.

    Raises:
        KaryonetError: of the stage.
    """
    if isinstance(stage, ClusterJudge):
        judged, said = stage.judge(metaphase, size)
        places = {cluster.id: place for place, cluster in enumerate(judged)}
        return [_answer(said, places[c.id]) if c.id in places else Answer() for c in metaphase.clusters]
    case = stage(Case("measured", (metaphase,)))
    if not case.metaphases:
        reason = case.errors[-1].message
        raise StageError("K901", stage="cluster_type", image=metaphase.image, reason=reason)
    return [Answer(cluster.type, cluster.probability) for cluster in case.metaphases[0].clusters]


def _answer(said: Judgement, place: int) -> Answer:
    rejected, probabilities = bool(said.rejected[place]), said.probabilities[place].astype(np.float64)
    return Answer(
        kind=said.kinds[place],
        # The two are of the kinds in one order: first the types, then what is rejected.
        probability=float((probabilities[len(TYPES) :] if rejected else probabilities[: len(TYPES)]).max()),
        rejected=rejected,
        rejection=float(probabilities[len(TYPES) :].sum()),
        chromosomes=int(said.counts[place]),
        most=said.count_probabilities.shape[1],
    )


def seen_by(stages: Mapping[str, Stage], metaphase: Metaphase) -> Metaphase:
    """A metaphase of which the components were given, with the chromosomes that a segmentation among the stages sees.

    Its components stay what they are; where no stage sees chromosomes, and where one has, it comes back as it is.
    """
    finders = [step for step in stages.values() if "metaphase.instances" in step.assigns]
    if metaphase.instances or not finders:
        return metaphase
    case = finders[0](Case("given", (metaphase,)))
    return replace(metaphase, instances=case.metaphases[0].instances) if case.metaphases else metaphase


def _compared(stages: Mapping[str, Stage], source: TruthSource) -> list[ComponentResult]:
    clusters = source.read()
    said = answers(list(stages.values())[-1], seen_by(stages, clusters.metaphase), clusters.size)
    return [
        ComponentResult(known, None if place is None else said[place])
        for known, place in zip(clusters.known, clusters.places, strict=True)
    ]
