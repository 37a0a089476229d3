"""Real chromosomes, real debris and real clusters, taken by a classifier as if each were one chromosome."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from karyonet.case import Case, Chromosome
from karyonet.data.metaphases import AnnotatedMetaphase
from karyonet.data.objects import ForegroundObject, foreground_objects
from karyonet.data.strips import AnnotatedCell
from karyonet.evaluation.annotated import StageClassifier
from karyonet.stage import BoxSegmenter, Stage


class SeenObjects(NamedTuple):
    """What a classifier saw in the foreground of annotated metaphases, n objects.

    Attributes:
        features: float64, shape (n, k), what outliers are told by.
        scores: float64, shape (n,), how little each looks like one chromosome; NaN where the weights cannot say.
        kinds: str, shape (n,), see :class:`~karyonet.data.objects.ForegroundObject`.
        lone: bool, shape (n,), of chromosomes.
        cases: str, shape (n,).
    """

    features: NDArray[np.float64]
    scores: NDArray[np.float64]
    kinds: NDArray[np.str_]
    lone: NDArray[np.bool_]
    cases: NDArray[np.str_]


def see_objects(stages: Mapping[str, Stage], metaphases: Iterable[AnnotatedMetaphase | AnnotatedCell]) -> SeenObjects:
    """Segment, straighten and classify all that stands in the foreground of annotated metaphases.

    Chromosomes are what the segmentation says of their boxes, debris and clusters are whole components; all of a
    metaphase are straightened and classified together, as in a pipeline. Cut-out chromosomes are chromosomes.

    Args:
        stages: of a pipeline; those named ``segmentation``, ``straightening`` and ``classification`` are used, the
            last with ``classify`` of :class:`karyonet.stages.classification.ProxyClassifier`.
        metaphases: annotated metaphases, or the cells of strip images.
    """
    from rich.progress import track

    seen = [
        _see_cut_out(stages, item) if isinstance(item, AnnotatedCell) else _see(stages, item)
        for item in track(list(metaphases), "looking", disable=not sys.stderr.isatty())
    ]
    return SeenObjects(*(np.concatenate(parts) for parts in zip(*[s for s in seen if s is not None], strict=True)))


def _see(stages: Mapping[str, Stage], annotated: AnnotatedMetaphase) -> SeenObjects | None:
    case = stages["segmentation"](Case.read(annotated.path, case_id=annotated.id))
    metaphase = case.metaphases[0] if case.metaphases else None
    if metaphase is None or metaphase.foreground is None:
        return None
    boxes, segmentation = [c.bbox for c in annotated.chromosomes], stages["segmentation"]
    regions = segmentation.regions_in_boxes(metaphase, boxes) if isinstance(segmentation, BoxSegmenter) else None
    found = foreground_objects(metaphase.foreground, boxes, chromosomes=regions)
    chromosomes = tuple(Chromosome(f"c{number}", item.region) for number, item in enumerate(found, start=1))
    case = stages["straightening"](replace(case, metaphases=(replace(metaphase, chromosomes=chromosomes),)))
    return _seen(stages["classification"], case, found, annotated.case)


def _see_cut_out(stages: Mapping[str, Stage], cell: AnnotatedCell) -> SeenObjects | None:
    chromosomes = StageClassifier({"straightening": stages["straightening"]}).chromosomes(cell)
    case = Case.read(cell.path, case_id=cell.id)
    case = replace(case, metaphases=(replace(case.metaphases[0], chromosomes=chromosomes),))
    found = [ForegroundObject(chromosome.region, "chromosome") for chromosome in chromosomes]
    return _seen(stages["classification"], case, found, cell.case)


def _seen(classifier: Any, case: Case, found: Sequence[ForegroundObject], patient: str) -> SeenObjects | None:
    strips = [c.strip.optical_density for c in case.metaphases[0].chromosomes if c.strip is not None]
    shown = [number for number, strip in enumerate(strips) if strip.max() > max(float(strip.min()), 0)]
    if len(strips) != len(found) or not shown:
        return None
    said = classifier.classify([strips[number] for number in shown])
    kept = [found[number] for number in shown]
    return SeenObjects(
        said.outlier_features,
        np.full(len(kept), np.nan) if said.outliers is None else said.outliers.astype(np.float64),
        np.array([item.kind for item in kept]),
        np.array([item.lone for item in kept]),
        np.full(len(kept), patient),
    )


def separation(
    scores: NDArray[np.floating], outlier: NDArray[np.bool_], cases: NDArray[np.str_], n: int = 300
) -> tuple[float, tuple[float, float]]:
    """Area under the ROC curve with its 95 % interval, bootstrapped over cases.

    Args:
        scores: shape (n,), larger for outliers.
        outlier: bool, shape (n,).
        cases: shape (n,).
        n: number of resamples.
    """
    from sklearn.metrics import roc_auc_score

    names, members = np.unique(cases, return_inverse=True)
    drawn = np.random.default_rng(0).multinomial(len(names), np.full(len(names), 1 / len(names)), size=n)[:, members]
    both = [weights for weights in drawn if np.unique(outlier[weights > 0]).size == 2]
    low, high = np.percentile([roc_auc_score(outlier, scores, sample_weight=weights) for weights in both], (2.5, 97.5))
    return float(roc_auc_score(outlier, scores)), (float(low), float(high))
