"""Measuring which chromosome types are told to be structurally abnormal, by kind and by size of the abnormality."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from karyonet.evaluation import metrics
from karyonet.evaluation.bootstrap import bootstrap_interval
from karyonet.evaluation.ranking import ranking_figures
from karyonet.evaluation.report import AbnormalityMetric, EvaluatedWeights, Evaluation, Failure, Metric

SIZE_STEPS = (0.0, 0.1, 0.2, 0.3, 1.0)
"""Between which shares of the chromosome sizes are grouped."""
IMBALANCES = ("deletion", "duplication")
COLUMNS = (
    "bag", "chromosome", "abnormal", "cells", "case", "metaphases", "probability", "kind", "size", "start", "stop",
    "donor", "region_start", "region_stop",
)  # fmt: skip
Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class JudgedBag:
    """A bag, what is true of it, and what was said.

    Attributes:
        bag: its name, unique.
        chromosome: the type.
        abnormal: whether it is.
        cells: metaphases.
        case: whose they are; of a bag that mixes cases, that of the first.
        probability: 0–1, of being abnormal.
        region: said, as shares of the chromosome's length.
        wanted: metaphases that were asked for, such as ``5`` or ``1-5``.
        kind: of an artificial abnormality.
        size: of it, as a share of the chromosome; None where the kind decides it, and where it is not known.
        start, stop, donor: of it.
        homologs: of how many metaphases the right homolog was named, and of how many it is known.
        region_found: whether the region said meets where the abnormality is; None where that is not known.
    """

    bag: str
    chromosome: str
    abnormal: bool
    cells: tuple[str, ...]
    case: str
    probability: float
    region: tuple[float, float]
    wanted: str = ""
    kind: str | None = None
    size: float | None = None
    start: float | None = None
    stop: float | None = None
    donor: str | None = None
    homologs: tuple[int, int] = (0, 0)
    region_found: bool | None = None


def summarise(
    bags: Sequence[JudgedBag],
    threshold: Callable[[int], float],
    *,
    cases: int,
    metaphases: int,
    chromosomes: int,
    weights: tuple[EvaluatedWeights, ...] = (),
    failures: tuple[Failure, ...] = (),
) -> Evaluation:
    """Figures with intervals over cases; the order of the bags changes nothing.

    Args:
        bags: normal and abnormal ones of every number of metaphases asked for.
        threshold: of the weights, for a type to be a finding, by the number of metaphases.
        cases, metaphases, chromosomes: that the bags are from.
        weights, failures: for the evaluation.

    Returns:
        ``auc``, ``average_precision``, ``sensitivity_at_95`` and ``sensitivity_at_99`` (sensitivity at that
        specificity), ``f1`` (probability above one half), ``f1_at_threshold``, ``sensitivity_at_threshold`` and
        ``specificity_at_threshold``; where it is known ``homolog_accuracy``, ``region_found`` (share of the abnormal
        bags whose region meets the abnormality) and ``region_share`` (mean length of the regions said of them). With
        several numbers of metaphases each name ends in it: ``auc_bags_5``. ``per_abnormality`` compares the bags of
        each kind and size with all normal bags.

    Raises:
        ValueError: if there are no normal or no abnormal bags of some number of metaphases.
    """
    ordered = sorted(bags, key=lambda bag: (bag.wanted, bag.case, bag.bag))
    wanted = list(dict.fromkeys(bag.wanted for bag in bags))
    figures: dict[str, Metric] = {}
    groups: dict[str, AbnormalityMetric] = {}
    for number in wanted:
        part = [bag for bag in ordered if bag.wanted == number]
        several = len(wanted) > 1
        found = _figures(part, threshold)
        figures |= {f"{name}_bags_{number}" if several else name: metric for name, metric in found.items()}
        groups |= {f"bags of {number}, {name}" if several else name: g for name, g in _by_abnormality(part)}
    return Evaluation(
        stage="abnormality",
        cases=cases,
        metaphases=metaphases,
        chromosomes=chromosomes,
        weights=weights,
        metrics=figures,
        per_abnormality=groups,
        failures=failures,
    )


def rows_as_csv(bags: Sequence[JudgedBag]) -> str:
    """One row a bag, with the columns of ``bags.csv`` first."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for bag in bags:
        shares = [f"{x:.4f}" if x is not None else "" for x in (bag.size, bag.start, bag.stop)]
        writer.writerow(
            (
                bag.bag, bag.chromosome, int(bag.abnormal), ";".join(bag.cells), bag.case, len(bag.cells),
                f"{bag.probability:.6f}", bag.kind or "", *shares, bag.donor or "",
                *(f"{end:.2f}" for end in bag.region),
            )
        )  # fmt: skip
    return text.getvalue()


def _figures(bags: Sequence[JudgedBag], threshold: Callable[[int], float]) -> dict[str, Metric]:
    ranked = ranking_figures(*_columns(bags))
    figures = {name: Metric(value=value, interval=interval) for name, (value, interval) in ranked.items()}
    counts = _per_case(bags, lambda bag: (*_decided(bag, 0.5), *_decided(bag, threshold(len(bag.cells)))))
    figures["f1"] = _metric(lambda s: metrics.f1(s[..., 0], s[..., 1], s[..., 2]), counts)
    figures["f1_at_threshold"] = _metric(lambda s: metrics.f1(s[..., 4], s[..., 5], s[..., 6]), counts)
    figures["sensitivity_at_threshold"] = _metric(lambda s: metrics.ratio(s[..., 4], s[..., 6]), counts)
    figures["specificity_at_threshold"] = _metric(
        lambda s: 1 - metrics.ratio(s[..., 5] - s[..., 4], s[..., 7] - s[..., 6]), counts
    )
    if any(bag.homologs[1] for bag in bags):
        named = _per_case(bags, lambda bag: bag.homologs)
        figures["homolog_accuracy"] = _metric(lambda s: metrics.ratio(s[..., 0], s[..., 1]), named)
    placed = [bag for bag in bags if bag.region_found is not None]
    if placed:
        hits = _per_case(placed, lambda bag: (bool(bag.region_found), bag.region[1] - bag.region[0], 1))
        figures["region_found"] = _metric(lambda s: metrics.ratio(s[..., 0], s[..., 2]), hits)
        figures["region_share"] = _metric(lambda s: metrics.ratio(s[..., 1], s[..., 2]), hits)
    return figures


def _by_abnormality(bags: Sequence[JudgedBag]) -> Iterator[tuple[str, AbnormalityMetric]]:
    """Every kind, every group of sizes, and deletions and duplications by size, against all normal bags."""
    normal = [bag for bag in bags if not bag.abnormal]
    abnormal = [bag for bag in bags if bag.abnormal]
    groups = {kind: [b for b in abnormal if b.kind == kind] for kind in sorted({b.kind for b in abnormal if b.kind})}
    for low, high in pairwise(SIZE_STEPS):
        name = f"{100 * low:.0f}–{100 * high:.0f} %" if high < 1 else f"{100 * low:.0f} % and more"
        sized = [b for b in abnormal if b.size is not None and low <= b.size < high]
        groups[name] = sized
        groups[f"{' and '.join(IMBALANCES)}, {name}"] = [b for b in sized if b.kind in IMBALANCES]
    for name, part in groups.items():
        if part:
            said = ranking_figures(*_columns([*normal, *part]))
            named = {figure: Metric(value=value, interval=interval) for figure, (value, interval) in said.items()}
            named.pop("average_precision")  # it depends on how many normal bags there are for each abnormal one
            yield name, AbnormalityMetric(**named, bags=len(part))


def _columns(bags: Sequence[JudgedBag]) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.str_]]:
    return (
        np.array([bag.probability for bag in bags], dtype=np.float64),
        np.array([bag.abnormal for bag in bags], dtype=bool),
        np.array([bag.case for bag in bags], dtype=np.str_),
    )


def _decided(bag: JudgedBag, threshold: float) -> tuple[int, int, int, int]:
    """Rightly called abnormal, called abnormal, abnormal, bags."""
    called = bag.probability > threshold
    return called and bag.abnormal, called, bag.abnormal, 1


def _per_case(bags: Sequence[JudgedBag], counts: Callable[[JudgedBag], tuple[float, ...]]) -> NDArray[np.float64]:
    """Sums over the bags of every case, shape (cases, k)."""
    _, members = np.unique([bag.case for bag in bags], return_inverse=True)
    rows = np.array([counts(bag) for bag in bags], dtype=np.float64)
    sums = np.zeros((int(members.max()) + 1, rows.shape[1]))
    np.add.at(sums, members, rows)
    return sums


def _metric(statistic: Statistic, per_case: NDArray[np.float64]) -> Metric:
    return Metric(value=float(statistic(per_case.sum(axis=0))), interval=bootstrap_interval(statistic, per_case))
