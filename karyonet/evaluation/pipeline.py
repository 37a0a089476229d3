"""Measuring the whole pipeline: every annotated metaphase goes through it as a case of its own."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from karyonet.case import LABELS, Case, Chromosome, label_indices
from karyonet.data.metaphases import AnnotatedMetaphase
from karyonet.errors import ConfigError, WeightsError
from karyonet.evaluation.bootstrap import bootstrap_interval, bootstrap_median
from karyonet.evaluation.matching import box_region, count_splits_and_merges, match_boxes
from karyonet.evaluation.metrics import f1, ratio
from karyonet.evaluation.report import Evaluation, Failure, Metric, class_metrics, reason_of, weights_in_use

PipelineCallable = Callable[[Case], Any]
"""From a case to something whose ``case`` is the case after all stages."""

CLASSES = len(LABELS)
ROW_COLUMNS = (
    "metaphase", "case", "truth", "predicted", "counted", "matched", "right", "splits", "merges", "edits", "review",
    "review_wrong", "seconds", "error",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class MetaphaseResult:
    """What the pipeline made of one metaphase.

    Attributes:
        metaphase, case: names in the data set.
        truth: number of annotated chromosomes.
        predicted: number of chromosomes found.
        counted: the count that the pipeline states.
        matched: chromosomes found, IoU at least 0.5, one to one.
        right: those of them with the right label.
        splits, merges: chromosomes cut into pieces, predictions that join several chromosomes.
        review: predictions that a person is asked to look at.
        review_wrong: those of them that have the wrong name or are no chromosome.
        seconds: from reading the file to the end of the last stage.
        error: why it could not be processed.
        class_counts: int64, shape (3, 24): right, predicted and true chromosomes of every label.
        confusion: int64, shape (24, 24): the matched chromosomes, a row for each true label.
    """

    metaphase: str
    case: str
    truth: int
    predicted: int
    counted: int
    matched: int
    right: int
    splits: int
    merges: int
    seconds: float
    review: int = 0
    review_wrong: int = 0
    error: str | None = None
    class_counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros((3, CLASSES), dtype=np.int64), repr=False)
    confusion: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((CLASSES, CLASSES), dtype=np.int64), repr=False
    )

    @property
    def edits(self) -> int:
        """Corrections that a person has to make: boxes to add, boxes to remove, labels to change."""
        return (self.truth - self.matched) + (self.predicted - self.matched) + (self.matched - self.right)


def evaluate_pipeline(
    pipeline: PipelineCallable,
    dataset: Sequence[AnnotatedMetaphase],
    progress: bool = True,
    rows: str | Path | None = None,
) -> Evaluation:
    """Run a pipeline over annotated metaphases and compare what it finds.

    Args:
        pipeline: for example :class:`karyonet.Pipeline`.
        dataset: of :func:`karyonet.data.metaphases.read_metaphases`.
        progress: show a progress bar on a terminal.
        rows: write one CSV row a metaphase to this file.

    Raises:
        ConfigError, WeightsError: K2xx, K3xx; anything else that goes wrong counts as a metaphase in which nothing
            was found, and is named in the evaluation.
    """
    results = run_metaphases(pipeline, dataset, progress)
    if rows is not None:
        write_rows(results, rows)
    evaluation = summarise(results)
    return evaluation.model_copy(update={"weights": weights_in_use(getattr(pipeline, "stages", {}).items())})


def run_metaphases(
    pipeline: PipelineCallable, dataset: Sequence[AnnotatedMetaphase], progress: bool = True
) -> list[MetaphaseResult]:
    """The result of every metaphase, in the order of the data set; errors as :func:`evaluate_pipeline`."""
    from rich.progress import track

    return [
        _run(pipeline, annotated)
        for annotated in track(dataset, description="evaluating", disable=not (progress and sys.stderr.isatty()))
    ]


def compare(
    annotated: AnnotatedMetaphase,
    chromosomes: Sequence[Chromosome],
    count: int | None = None,
    seconds: float = 0.0,
    error: str | None = None,
) -> MetaphaseResult:
    """Compare predicted chromosomes with the annotated ones.

    Args:
        annotated: the truth.
        chromosomes: predictions; one without a label is found but never right.
        count: the stated count, by default the number of predictions.
        seconds: that the prediction took.
        error: why there is no prediction.
    """
    truth_boxes = [chromosome.bbox for chromosome in annotated.chromosomes]
    boxes = [chromosome.region.bbox for chromosome in chromosomes]
    truth = label_indices([chromosome.label for chromosome in annotated.chromosomes])
    # A chromosome without a label belongs to a class of its own behind the others.
    named = np.array([CLASSES if c.label is None else LABELS.index(c.label) for c in chromosomes], dtype=np.int64)
    matches = match_boxes(boxes, truth_boxes)
    true_of_pair, named_of_pair = truth[matches.pairs[:, 1]], named[matches.pairs[:, 0]]
    confusion = np.zeros((CLASSES, CLASSES + 1), dtype=np.int64)
    np.add.at(confusion, (true_of_pair, named_of_pair), 1)
    confusion = confusion[:, :CLASSES]
    wrong = np.ones(len(named), dtype=bool)
    wrong[matches.pairs[:, 0]] = true_of_pair != named_of_pair
    review = np.array([chromosome.review for chromosome in chromosomes], dtype=bool)
    splits, merges = count_splits_and_merges([*map(box_region, boxes)], [*map(box_region, truth_boxes)], matches)
    return MetaphaseResult(
        metaphase=annotated.id,
        case=annotated.case,
        truth=len(truth),
        predicted=len(named),
        counted=len(named) if count is None else count,
        matched=len(matches.pairs),
        right=int((true_of_pair == named_of_pair).sum()),
        splits=splits,
        merges=merges,
        seconds=seconds,
        review=int(review.sum()),
        review_wrong=int((review & wrong).sum()),
        error=error,
        class_counts=np.stack(
            [
                np.diagonal(confusion),
                np.bincount(named, minlength=CLASSES + 1)[:CLASSES],
                np.bincount(truth, minlength=CLASSES),
            ]
        ),
        confusion=confusion,
    )


def summarise(results: Sequence[MetaphaseResult]) -> Evaluation:
    """Figures with intervals; the order of the results changes nothing.

    ``review_recall`` is the share of the predictions with a wrong name, or of no chromosome, that a person is asked to
    look at; ``review_precision`` the share of those looked at that are wrong.

    Args:
        results: at least one.
    """
    results = sorted(results, key=lambda result: (result.case, result.metaphase))
    names, members = np.unique([result.case for result in results], return_inverse=True)
    table = np.array([_sums(result) for result in results], dtype=float)
    per_case = np.zeros((len(names), table.shape[1]))
    np.add.at(per_case, members, table)
    statistics: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
        "detection_precision": lambda s: ratio(s[..., 3], s[..., 2]),
        "detection_recall": lambda s: ratio(s[..., 3], s[..., 1]),
        "detection_f1": lambda s: f1(s[..., 3], s[..., 2], s[..., 1]),
        "identification_precision": lambda s: ratio(s[..., 4], s[..., 2]),
        "identification_recall": lambda s: ratio(s[..., 4], s[..., 1]),
        "identification_f1": lambda s: f1(s[..., 4], s[..., 2], s[..., 1]),
        "exact_count_share": lambda s: ratio(s[..., 5], s[..., 0]),
        "mean_absolute_count_error": lambda s: ratio(s[..., 6], s[..., 0]),
        "all_correct_share": lambda s: ratio(s[..., 7], s[..., 0]),
        "edits_mean": lambda s: ratio(s[..., 8], s[..., 0]),
        "splits_merges_per_metaphase": lambda s: ratio(s[..., 9], s[..., 0]),
        "review_mean": lambda s: ratio(s[..., 10], s[..., 0]),
        "review_recall": lambda s: ratio(s[..., 11], s[..., 2] - s[..., 4]),
        "review_precision": lambda s: ratio(s[..., 11], s[..., 10]),
    }
    sums = per_case.sum(axis=0)
    metrics = {
        name: Metric(value=float(statistic(sums)), interval=bootstrap_interval(statistic, per_case))
        for name, statistic in statistics.items()
    }
    for name, values in (
        ("edits_median", [result.edits for result in results]),
        ("seconds_per_metaphase", [result.seconds for result in results]),
    ):
        metrics[name] = Metric(value=float(np.median(values)), interval=bootstrap_median(values, members))
    if (peak := peak_memory_mb()) is not None:
        metrics["peak_memory_mb"] = Metric(value=peak, interval=(peak, peak))  # one process, one measurement
    confusion = np.sum([result.confusion for result in results], axis=0)
    return Evaluation(
        stage="pipeline",
        cases=len(names),
        metaphases=len(results),
        chromosomes=int(sums[1]),
        metrics=metrics,
        per_class=class_metrics(np.sum([result.class_counts for result in results], axis=0)),
        confusion_matrix=confusion.tolist(),
        failures=tuple(Failure(metaphase=r.metaphase, reason=r.error) for r in results if r.error is not None),
    )


def worst(results: Iterable[MetaphaseResult], number: int = 20) -> list[MetaphaseResult]:
    """The metaphases that need the most corrections, worst first."""
    return sorted(results, key=lambda result: (-result.edits, result.metaphase))[:number]


def write_rows(results: Iterable[MetaphaseResult], path: str | Path) -> None:
    """Write one CSV row a metaphase, the columns being :data:`ROW_COLUMNS`."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(ROW_COLUMNS)
        for result in results:
            values = {name: getattr(result, name) for name in ROW_COLUMNS}
            writer.writerow({**values, "seconds": f"{result.seconds:.3f}"}.values())


def peak_memory_mb() -> float | None:
    """The most memory that this process held so far, in MB; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3 / 1.024), 1)


def _run(pipeline: PipelineCallable, annotated: AnnotatedMetaphase) -> MetaphaseResult:
    start = time.perf_counter()
    try:
        case = pipeline(Case.read(annotated.path, case_id=annotated.id)).case
    except (ConfigError, WeightsError):  # it would fail on every metaphase
        raise
    except Exception as fault:
        return compare(annotated, (), seconds=time.perf_counter() - start, error=reason_of(fault))
    seconds = time.perf_counter() - start
    if not case.metaphases:
        reasons = "; ".join(error.message for error in case.errors) or "no metaphase came out of the pipeline"
        return compare(annotated, (), seconds=seconds, error=reasons)
    metaphase = case.metaphases[0]
    return compare(annotated, metaphase.chromosomes, metaphase.count, seconds)


def _sums(result: MetaphaseResult) -> tuple[float, ...]:
    """What a metaphase adds to the sums that the metrics are ratios of."""
    return (
        1,
        result.truth,
        result.predicted,
        result.matched,
        result.right,
        result.counted == result.truth and result.error is None,
        abs(result.counted - result.truth),
        result.edits == 0 and result.error is None,
        result.edits,
        result.splits + result.merges,
        result.review,
        result.review_wrong,
    )
