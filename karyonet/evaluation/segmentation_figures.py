"""The figures of a segmentation: what was found in every image, and what that is over a data set."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from karyonet.evaluation.average_precision import RankedMatches, average_precision
from karyonet.evaluation.bootstrap import bootstrap_interval, bootstrap_median, draws, percentile_interval
from karyonet.evaluation.metrics import f1, ratio
from karyonet.evaluation.report import Evaluation, Failure, GroupMetric, Metric

FloatArray = NDArray[np.float64]
Members = NDArray[np.intp]
"""Of every result the number of its case."""
GROUPS: Mapping[str, tuple[int, int]] = {
    "alone": (1, 1),
    "groups of 2": (2, 2),
    "groups of 3 to 5": (3, 5),
    "groups of 6 or more": (6, sys.maxsize),
}
"""Fewest and most chromosomes that lie together (:func:`karyonet.evaluation.matching.group_sizes`)."""
ROW_COLUMNS = (
    "metaphase", "case", "truth", "found", "matched_50", "matched_75", "f1_50", "missed", "spurious", "splits",
    "merges", "panoptic_quality", "seconds", "error",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class ImageResult:
    """What was found in one image.

    Attributes:
        metaphase, case: names in the data set.
        truth, found: number of annotated chromosomes, number found.
        hit: bool, shape (truth,): found, box IoU at least 0.5, one to one.
        matched_75: the same number at IoU 0.75.
        together: int64, shape (truth,): how many lie together with each.
        paired, overlap: matches that panoptic quality counts, and the sum of their IoU.
        splits, merges: as :func:`karyonet.evaluation.matching.count_splits_and_merges`.
        boxes, masks: COCO's matches; masks is None where the truth has none.
        difficult: as the data set says.
        seconds: from reading the file to the last chromosome.
        stage_seconds: processor seconds by stage.
        error: why it could not be processed; then nothing was found.
    """

    metaphase: str
    case: str
    truth: int
    found: int
    hit: NDArray[np.bool_]
    matched_75: int
    together: NDArray[np.int64]
    paired: int
    overlap: float
    splits: int
    merges: int
    boxes: RankedMatches
    masks: RankedMatches | None
    difficult: bool | None
    seconds: float = 0.0
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None

    @property
    def matched_50(self) -> int:
        return int(self.hit.sum())

    @property
    def missed(self) -> int:
        return self.truth - self.matched_50

    @property
    def spurious(self) -> int:
        return self.found - self.matched_50

    @property
    def f1_50(self) -> float:
        """1 where there is nothing and nothing was found, which is no fault."""
        return float(f1(self.matched_50, self.found, self.truth)) if self.truth + self.found else 1.0

    @property
    def panoptic_quality(self) -> float:
        return float(ratio(2 * self.overlap, self.truth + self.found)) if self.truth + self.found else 1.0


def summarise(results: Sequence[ImageResult]) -> Evaluation:
    """Figures with intervals; the order of the results changes nothing.

    Args:
        results: at least one, of one data set.

    Returns:
        ``precision_50`` … ``f1_75`` (box IoU 0.5 and 0.75, one to one), ``box_ap…`` and ``mask_ap…`` (COCO),
        ``panoptic_quality_boxes`` or ``…_masks`` with its factors, ``exact_count_share``, the mean absolute and signed
        (found minus annotated) error of the count, ``splits…``, ``merges…``, ``missed…`` and ``spurious_per_metaphase``
        (the latter two at box IoU 0.5), the seconds; by group the recall at box IoU 0.5. Masks and their scores are
        left out where the truth has none, a group where it has no chromosome.
    """
    results = sorted(results, key=lambda result: (result.case, result.metaphase))
    names, members = np.unique([result.case for result in results], return_inverse=True)
    metrics = _ratios(results, members)
    metrics |= _average_precisions("box", [result.boxes for result in results], members)
    masks = [result.masks for result in results if result.masks is not None]
    if len(masks) == len(results):
        metrics |= _average_precisions("mask", masks, members)
    metrics |= _quality("masks" if masks else "boxes", results, members)
    seconds = [result.seconds for result in results]
    interval = bootstrap_median(seconds, members)
    metrics["seconds_per_metaphase"] = Metric(value=float(np.median(seconds)), interval=interval)
    metrics |= _stage_seconds(results, members)
    return Evaluation(
        stage="segmentation",
        cases=len(names),
        metaphases=len(results),
        chromosomes=sum(result.truth for result in results),
        metrics=metrics,
        per_group=_groups(results, members),
        failures=tuple(Failure(metaphase=r.metaphase, reason=r.error) for r in results if r.error is not None),
    )


def rows_as_csv(results: Sequence[ImageResult]) -> str:
    """One row an image, the columns being :data:`ROW_COLUMNS`."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(ROW_COLUMNS)
    for result in results:
        values = [getattr(result, name) for name in ROW_COLUMNS]
        writer.writerow([f"{value:.4f}" if isinstance(value, float) else value for value in values])
    return text.getvalue()


def _ratios(results: Sequence[ImageResult], members: Members) -> dict[str, Metric]:
    per_case = _per_case([_counts(result) for result in results], members)
    statistics: dict[str, Callable[[FloatArray], FloatArray]] = {
        "precision_50": lambda s: ratio(s[..., 3], s[..., 2]),
        "recall_50": lambda s: ratio(s[..., 3], s[..., 1]),
        "f1_50": lambda s: f1(s[..., 3], s[..., 2], s[..., 1]),
        "precision_75": lambda s: ratio(s[..., 4], s[..., 2]),
        "recall_75": lambda s: ratio(s[..., 4], s[..., 1]),
        "f1_75": lambda s: f1(s[..., 4], s[..., 2], s[..., 1]),
        "exact_count_share": lambda s: ratio(s[..., 5], s[..., 0]),
        "mean_absolute_count_error": lambda s: ratio(s[..., 6], s[..., 0]),
        "mean_signed_count_error": lambda s: ratio(s[..., 2] - s[..., 1], s[..., 0]),
        "splits_per_metaphase": lambda s: ratio(s[..., 7], s[..., 0]),
        "merges_per_metaphase": lambda s: ratio(s[..., 8], s[..., 0]),
        "missed_per_metaphase": lambda s: ratio(s[..., 1] - s[..., 3], s[..., 0]),
        "spurious_per_metaphase": lambda s: ratio(s[..., 2] - s[..., 3], s[..., 0]),
    }
    return {name: _metric(statistic, per_case) for name, statistic in statistics.items()}


def _quality(kind: str, results: Sequence[ImageResult], members: Members) -> dict[str, Metric]:
    """Panoptic, segmentation and recognition quality."""
    per_case = _per_case([(r.truth + r.found, r.paired, r.overlap) for r in results], members)
    return {
        f"panoptic_quality_{kind}": _metric(lambda s: ratio(2 * s[..., 2], s[..., 0]), per_case),
        f"segmentation_quality_{kind}": _metric(lambda s: ratio(s[..., 2], s[..., 1]), per_case),
        f"recognition_quality_{kind}": _metric(lambda s: ratio(2 * s[..., 1], s[..., 0]), per_case),
    }


def _average_precisions(kind: str, matches: Sequence[RankedMatches], members: Members) -> dict[str, Metric]:
    value = average_precision(matches)[0]
    resampled = average_precision(matches, draws(int(members.max()) + 1)[:, members])
    return {
        f"{kind}_ap": Metric(value=value.mean(), interval=percentile_interval(resampled.mean(axis=1))),
        f"{kind}_ap_50": Metric(value=value[0], interval=percentile_interval(resampled[:, 0])),
        f"{kind}_ap_75": Metric(value=value[5], interval=percentile_interval(resampled[:, 5])),
    }


def _groups(results: Sequence[ImageResult], members: Members) -> dict[str, GroupMetric]:
    def group(chosen: Sequence[NDArray[np.bool_]]) -> GroupMetric:
        counts = [(one.sum(), (one & r.hit).sum()) for one, r in zip(chosen, results, strict=True)]
        per_case = _per_case(counts, members)
        recall = _metric(lambda s: ratio(s[..., 1], s[..., 0]), per_case)
        return GroupMetric(recall=recall, chromosomes=int(per_case[:, 0].sum()))

    found = {
        name: group([(low <= r.together) & (r.together <= high) for r in results])
        for name, (low, high) in GROUPS.items()
    }
    for name, difficult in (("difficult images", True), ("other images", False)):
        found[name] = group([np.full(r.truth, r.difficult is difficult) for r in results])
    return {name: metric for name, metric in found.items() if metric.chromosomes}


def _stage_seconds(results: Sequence[ImageResult], members: Members) -> dict[str, Metric]:
    """Mean processor seconds by stage, over the images that came as far as it."""
    found: dict[str, Metric] = {}
    for name in dict.fromkeys(name for result in results for name in result.stage_seconds):
        spent = [(name in r.stage_seconds, r.stage_seconds.get(name, 0.0)) for r in results]
        mean = _metric(lambda s: ratio(s[..., 1], s[..., 0]), _per_case(spent, members))
        found[f"processor_seconds_{name}"] = mean
    return found


def _counts(r: ImageResult) -> tuple[float, ...]:
    """What an image adds to the sums that the metrics are ratios of."""
    off = abs(r.found - r.truth)
    exact = off == 0 and r.error is None
    return (1, r.truth, r.found, r.matched_50, r.matched_75, exact, off, r.splits, r.merges)


def _metric(statistic: Callable[[FloatArray], FloatArray], per_case: FloatArray) -> Metric:
    return Metric(value=float(statistic(per_case.sum(axis=0))), interval=bootstrap_interval(statistic, per_case))


def _per_case(rows: Sequence[Sequence[float]], members: Members) -> FloatArray:
    """Sums of the rows of every case: float64, shape (cases, k)."""
    values = np.array(rows, dtype=np.float64)
    sums = np.zeros((int(members.max()) + 1, values.shape[1]))
    np.add.at(sums, members, values)
    return sums
