"""Measuring the names of annotated chromosomes: each decided alone, and all of a metaphase decided together."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from karyonet.assignment import assign as assign_jointly
from karyonet.case import LABELS, label_indices
from karyonet.data.metaphases import AnnotatedMetaphase
from karyonet.data.strips import AnnotatedCell
from karyonet.errors import ConfigError, WeightsError
from karyonet.evaluation import metrics
from karyonet.evaluation.annotated import Classified, StageClassifier
from karyonet.evaluation.bootstrap import bootstrap_interval
from karyonet.evaluation.report import Evaluation, Failure, Metric, class_metrics, reason_of, weights_in_use
from karyonet.stage import Stage

AnyCell = AnnotatedCell | AnnotatedMetaphase
Classifier = Callable[[Any], Classified | tuple[NDArray[np.floating], NDArray[np.bool_] | None]]
"""From a cell to :class:`~karyonet.evaluation.annotated.Classified`."""
Assigner = Callable[[NDArray[np.floating]], Sequence[str]]
"""From probabilities of shape (n, 24) to n labels."""

CLASSES = len(LABELS)


@dataclass(frozen=True, eq=False)
class CellResult:
    """What a classifier made of one cell.

    Attributes:
        cell, case: names in the data set.
        truth: int64, shape (n,): positions in :data:`karyonet.case.LABELS`.
        alone, joint: int64, shape (n,): the same of the names given; 24 where none was.
        confidence: float64, shape (n,): of the name given to each alone, 0 where none was.
        upright: bool, shape (n,): whether the short arm was said to lie up; None where that is not known.
        label_sets: by coverage in per cent, bool, shape (n, 24): the names that a chromosome may have.
        error: why the cell could not be classified.
        embeddings: float, shape (n, d), a row of NaN where there is none; None where the classifier gives none.
    """

    cell: str
    case: str
    truth: NDArray[np.int64]
    alone: NDArray[np.int64]
    joint: NDArray[np.int64]
    confidence: NDArray[np.float64]
    upright: NDArray[np.bool_] | None = None
    label_sets: Mapping[int, NDArray[np.bool_]] = field(default_factory=dict)
    error: str | None = None
    embeddings: NDArray[np.floating] | None = None

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Of the names decided together: shape (25, 25), the last column for those without a name."""
        return metrics.confusion_matrix(self.truth, self.joint, CLASSES + 1)


def evaluate_classification(
    classify: Classifier | Mapping[str, Stage],
    cells: Sequence[AnyCell],
    assign: Assigner | None = None,
    progress: bool = True,
    inspect: Callable[[Sequence[CellResult]], object] | None = None,
) -> Evaluation:
    """Classify annotated chromosomes and compare the names.

    Args:
        classify: from a cell to :class:`~karyonet.evaluation.annotated.Classified`, or the stages of a pipeline
            (:class:`~karyonet.evaluation.annotated.StageClassifier`).
        cells: of :func:`karyonet.data.strips.read_strips` or :func:`karyonet.data.metaphases.read_metaphases`. The
            chromosomes of strips are taken to be upright; nothing is known of how those of metaphases lie.
        assign: decides the names of a metaphase together; by default :func:`karyonet.assignment.assign`.
        progress: show a progress bar on a terminal.
        inspect: called with what was made of every cell, for what else one wants to measure of it.

    Returns:
        ``accuracy`` (each alone), ``accuracy_joint``, ``macro_f1`` (joint), ``ece`` (of each alone),
        ``polarity_accuracy`` where it is known; where the weights have thresholds for label sets, ``coverage_95`` and
        ``coverage_99`` (share of the chromosomes whose true name is in its set) and ``label_set_size`` (mean number of
        names in the largest sets, those of 99 %); the confusion matrix and the figures by class are of the names
        decided together.

    Raises:
        ConfigError, WeightsError: K2xx, K3xx; a cell that fails otherwise counts as wrong and is named in the
            evaluation.
    """
    from rich.progress import track

    weights = weights_in_use(classify.items()) if isinstance(classify, Mapping) else ()
    classifier = StageClassifier(classify) if isinstance(classify, Mapping) else classify
    together = assign or (lambda probabilities: assign_jointly(probabilities).labels)
    quiet = not (progress and sys.stderr.isatty())
    results = [
        _classified(classifier, together, cell) for cell in track(cells, description="evaluating", disable=quiet)
    ]
    if inspect is not None:
        inspect(results)
    return summarise(results).model_copy(update={"weights": weights})


def compare(cell: AnyCell, classified: Classified, assign: Assigner) -> CellResult:
    """Compare what a classifier said with the annotations.

    Args:
        cell: the truth.
        classified: in the order of the cell's chromosomes.
        assign: decides the names together.
    """
    truth = label_indices([chromosome.label for chromosome in cell.chromosomes])
    probabilities = np.asarray(classified.probabilities, dtype=float).reshape(-1, CLASSES)
    if len(probabilities) != len(truth):
        raise ValueError(f"{len(probabilities)} rows of probabilities for {len(truth)} chromosomes")
    given = np.isfinite(probabilities).all(axis=1)
    alone = np.full(len(truth), CLASSES, dtype=np.int64)
    joint, confidence = alone.copy(), np.zeros(len(truth))
    alone[given] = probabilities[given].argmax(axis=1)
    confidence[given] = probabilities[given].max(axis=1)
    if given.any():
        joint[given] = label_indices(assign(probabilities[given]))
    known = classified.p_arm_up is not None and isinstance(cell, AnnotatedCell)
    upright = np.asarray(classified.p_arm_up, dtype=bool) if known else None
    sets = {level: np.asarray(names, dtype=bool) for level, names in (classified.label_sets or {}).items()}
    embeddings = classified.embeddings
    return CellResult(cell.id, cell.case, truth, alone, joint, confidence, upright, sets, embeddings=embeddings)


def summarise(results: Sequence[CellResult]) -> Evaluation:
    """Figures with intervals; the order of the results changes nothing.

    Args:
        results: at least one.
    """
    results = sorted(results, key=lambda result: (result.case, result.cell))
    names, members = np.unique([result.case for result in results], return_inverse=True)
    counts = _per_case([_counts(result) for result in results], members)
    classes = _per_case([_class_counts(result) for result in results], members)
    bins = _per_case([metrics.calibration_counts(r.confidence, r.alone == r.truth) for r in results], members)
    figures = {
        "accuracy": _metric(lambda s: metrics.ratio(s[..., 1], s[..., 0]), counts),
        "accuracy_joint": _metric(lambda s: metrics.ratio(s[..., 2], s[..., 0]), counts),
        "macro_f1": _metric(lambda s: metrics.macro_f1(s.reshape(*s.shape[:-1], 3, CLASSES)), classes),
        "ece": _metric(lambda s: metrics.expected_calibration_error(s.reshape(*s.shape[:-1], 3, metrics.BINS)), bins),
        "all_correct_share": _metric(lambda s: metrics.ratio(s[..., 3], s[..., 4]), counts),
    }
    if counts[:, 6].any():
        figures["polarity_accuracy"] = _metric(lambda s: metrics.ratio(s[..., 5], s[..., 6]), counts)
    figures |= _set_figures(results, members)
    confusion = np.sum([result.confusion for result in results], axis=0)[:CLASSES, :CLASSES]
    return Evaluation(
        stage="classification",
        cases=len(names),
        metaphases=len(results),
        chromosomes=int(counts[:, 0].sum()),
        metrics=figures,
        per_class=class_metrics(classes.sum(axis=0).reshape(3, CLASSES)),
        confusion_matrix=confusion.tolist(),
        failures=tuple(Failure(metaphase=r.cell, reason=r.error) for r in results if r.error is not None),
    )


def _classified(classify: Classifier, assign: Assigner, cell: AnyCell) -> CellResult:
    try:
        return compare(cell, Classified(*classify(cell)), assign)
    except (ConfigError, WeightsError):  # it would fail on every cell
        raise
    except Exception as fault:
        nothing = Classified(np.full((len(cell.chromosomes), CLASSES), np.nan))
        return replace(compare(cell, nothing, assign), error=reason_of(fault))


def _metric(statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]], per_case: NDArray[np.float64]) -> Metric:
    return Metric(value=float(statistic(per_case.sum(axis=0))), interval=bootstrap_interval(statistic, per_case))


def _per_case(rows: Sequence[Any], members: NDArray[np.intp]) -> NDArray[np.float64]:
    """Sums of the rows of every case, each row flattened: float64, shape (cases, k)."""
    flat = np.array([np.ravel(row) for row in rows], dtype=float)
    sums = np.zeros((int(members.max()) + 1, flat.shape[1]))
    np.add.at(sums, members, flat)
    return sums


def _counts(r: CellResult) -> tuple[float, ...]:
    """Chromosomes, right alone, right together, cells all right, cells, right polarities, polarities known."""
    right = r.joint == r.truth
    upright = (0, 0) if r.upright is None else (int(r.upright.sum()), r.upright.size)
    return (r.truth.size, int((r.alone == r.truth).sum()), int(right.sum()), bool(right.all()), 1, *upright)


def _set_figures(results: Sequence[CellResult], members: NDArray[np.intp]) -> dict[str, Metric]:
    """Coverage and size of the label sets; a chromosome without a set is not covered and has no size."""
    figures: dict[str, Metric] = {}
    for level in sorted({level for result in results for level in result.label_sets}):
        counts = _per_case([_set_counts(result, level) for result in results], members)
        figures[f"coverage_{level}"] = _metric(lambda s: metrics.ratio(s[..., 1], s[..., 0]), counts)
        figures["label_set_size"] = _metric(lambda s: metrics.ratio(s[..., 3], s[..., 2]), counts)
    return figures


def _set_counts(r: CellResult, level: int) -> tuple[int, int, int, int]:
    """Chromosomes, those whose true name is in the set, sets, names in them."""
    sets = r.label_sets.get(level, np.zeros((r.truth.size, CLASSES), dtype=bool))
    sizes = sets.sum(axis=1)
    return r.truth.size, int(sets[np.arange(r.truth.size), r.truth].sum()), int((sizes > 0).sum()), int(sizes.sum())


def _class_counts(result: CellResult) -> NDArray[np.float64]:
    return metrics.class_counts(result.confusion)[:, :CLASSES]
