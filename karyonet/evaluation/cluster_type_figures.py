"""The figures of a cluster-type stage: what its answers are worth over a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, NonNegativeInt

from karyonet.evaluation import metrics
from karyonet.evaluation.bootstrap import bootstrap_interval, draws, percentile_interval
from karyonet.evaluation.cluster_type_results import (
    ANSWERS,
    DEBRIS,
    NO_CHROMOSOME,
    NOTHING,
    NUCLEUS,
    REJECTED,
    SEVERAL,
    TYPES,
    Answer,
    ComponentResult,
)
from karyonet.evaluation.report import Evaluation, Metric

if TYPE_CHECKING:
    from rich.console import Console

BoolArray = NDArray[np.bool_]

MANY = 5
"""Components of so many chromosomes or more are one group."""
KEPT = 0.99
"""Share of the chromosomes that the threshold of ``rejected_at_99_kept`` keeps at least."""


class ClusterTypeEvaluation(Evaluation):
    """Figures of a cluster-type stage.

    Attributes:
        components: of every figure, how many components it is a share of.
        type_confusion: a row for each of the four types, a column for each of :data:`ANSWERS`; None where the data set
            does not tell the types.
    """

    components: dict[str, NonNegativeInt] = Field(default_factory=dict)
    type_confusion: tuple[tuple[NonNegativeInt, ...], ...] | None = None

    def print(self, console: Console | None = None) -> None:
        """Print the figures as tables, and the confusion matrix."""
        from rich.console import Console
        from rich.table import Table

        console = console or Console()
        super().print(console)
        table = Table(title="components behind the figures", title_justify="left")
        table.add_column("metric")
        table.add_column("components", justify="right")
        for name, number in self.components.items():
            table.add_row(name, str(number))
        console.print(table)
        if self.type_confusion is not None:
            console.print(confusion_text(self.type_confusion), markup=False, highlight=False, soft_wrap=True)


def summarise(results: Sequence[ComponentResult]) -> ClusterTypeEvaluation:
    """Figures with intervals; the order of the results changes nothing.

    What is rejected, not judged or not found is no right answer about a chromosome. A figure that is a share of no
    component is left out, and so is what the stage does not say at all.

    Args:
        results: of one stage on one data set.

    Returns:
        ``single_or_cluster``: share of right answers to whether it is one chromosome or several, and by number of
        chromosomes ``single_or_cluster_of_1`` … ``…_of_5_or_more``; ``cluster_sensitivity`` and
        ``cluster_specificity``: the same of clusters and of single chromosomes. ``count_accuracy``, and by number:
        share of exact numbers, capped at the largest that the stage says. Where the four types are known ``accuracy``,
        ``macro_f1``, ``accuracy_clusters`` (of several chromosomes) and ``accuracy_<type>``. ``kept``: share of found
        chromosomes that are not rejected; ``rejected``: share of what holds none that is, ``rejected_nucleus`` and
        ``rejected_debris`` where they are told apart, and ``rejected_at_99_kept`` with the threshold that keeps 99 %
        of these chromosomes. ``found``: share of the components that were found, where some were not.
    """
    results = sorted(results, key=lambda r: (r.known.case, r.known.image, r.known.bbox, r.known.kind))
    names, members = np.unique([result.known.case for result in results], return_inverse=True)
    figures = _Figures(results, members.astype(np.intp))
    metrics_found, components = figures.all()
    typed = figures.matrix if figures.types_known else None
    return ClusterTypeEvaluation(
        stage="cluster_type",
        cases=len(names),
        metaphases=len({result.known.image for result in results}),
        chromosomes=sum(result.known.chromosomes or 0 for result in results),
        metrics=metrics_found,
        components=components,
        type_confusion=None if typed is None else tuple(tuple(row) for row in typed.tolist()),
    )


def confusion_text(matrix: Sequence[Sequence[int]]) -> str:
    """A confusion matrix of :attr:`ClusterTypeEvaluation.type_confusion` as lines of text."""
    width = max(map(len, (*ANSWERS, *TYPES)))
    head = " " * width + "".join(f"  {name:>{width}}" for name in ANSWERS)
    rows = [
        f"{name:>{width}}" + "".join(f"  {number:>{width}}" for number in row)
        for name, row in zip(TYPES, matrix, strict=True)
    ]
    return "\n".join(["truth by row, answer by column", head, *rows])


class _Figures:
    """Everything that is said of n components, as arrays."""

    def __init__(self, results: Sequence[ComponentResult], members: NDArray[np.intp]) -> None:
        answers = [result.answer or Answer() for result in results]
        kinds = np.array([result.known.kind for result in results], dtype=np.str_)
        said = np.array([answer.kind or "" for answer in answers], dtype=np.str_)
        self.members, self.kinds = members, kinds
        self.rejected = np.array([answer.rejected for answer in answers], dtype=bool)
        said[self.rejected] = REJECTED
        self.found = np.array([result.answer is not None for result in results], dtype=bool)
        self.single, self.several = kinds == TYPES[0], np.isin(kinds, (*TYPES[1:], SEVERAL))
        self.nothing = np.isin(kinds, (NUCLEUS, DEBRIS, NO_CHROMOSOME))
        self.right = (self.single & (said == TYPES[0])) | (self.several & np.isin(said, TYPES[1:]))
        self.numbers = np.array([result.known.chromosomes or 0 for result in results], dtype=np.int64)
        most = max((answer.most for answer in answers if answer.most is not None), default=None)
        counts = np.array([answer.chromosomes or 0 for answer in answers], dtype=np.int64)
        self.exact = None if most is None else (self.numbers > 0) & (counts == np.minimum(self.numbers, most))
        told = [answer.rejection is not None for answer in answers]
        self.rejection = (
            np.array([answer.rejection or 0.0 for answer in answers], dtype=np.float64) if any(told) else None
        )
        self.types_known = bool((self.single | self.several).any()) and not (kinds == SEVERAL).any()
        self.type_of = np.array([ANSWERS.index(kind) if kind in TYPES else -1 for kind in kinds], dtype=np.int64)
        self.answer_of = np.array(
            [ANSWERS.index(kind) if kind in ANSWERS else ANSWERS.index(NOTHING) for kind in said], dtype=np.int64
        )

    @property
    def matrix(self) -> NDArray[np.int64]:
        """Types by answers, shape (4, 6)."""
        return self._matrix(self.type_of >= 0)

    def all(self) -> tuple[dict[str, Metric], dict[str, int]]:
        """The figures by name, and of how many components each is a share."""
        shares = {name: (among, right) for name, among, right in self._shares() if among.any()}
        found = {name: self._share(among, right) for name, (among, right) in shares.items()}
        components = {name: int(among.sum()) for name, (among, _) in shares.items()}
        if self.types_known:
            found["macro_f1"] = self._macro_f1()
            components["macro_f1"] = components["accuracy"]
        if self.rejection is not None and self.nothing.any() and self._chromosomes.any():
            found["rejected_at_99_kept"] = self._rejected_at_kept(self.rejection)
            components["rejected_at_99_kept"] = components["rejected"]
        return found, components

    @property
    def _chromosomes(self) -> BoolArray:
        """Whole ones that were found."""
        return np.asarray(self.found & (self.single | self.several))

    def _shares(self) -> list[tuple[str, BoolArray, ArrayLike]]:
        """Names of figures, what they are shares of, and what counts as right."""
        groups = [(f"of_{number}", self.numbers == number) for number in range(1, MANY)]
        groups.append((f"of_{MANY}_or_more", self.numbers >= MANY))
        shares: list[tuple[str, BoolArray, ArrayLike]] = []
        if self.types_known:
            types, exact = self.type_of >= 0, self.type_of == self.answer_of
            shares += [("accuracy", types, exact), ("accuracy_clusters", self.several, exact)]
            shares += [(f"accuracy_{name}", self.kinds == name, exact) for name in TYPES]
        shares.append(("single_or_cluster", self.single | self.several, self.right))
        shares.append(("cluster_sensitivity", self.several, self.right))
        shares.append(("cluster_specificity", self.single, self.right))
        shares += [(f"single_or_cluster_{name}", group, self.right) for name, group in groups]
        if self.exact is not None:
            shares.append(("count_accuracy", self.numbers > 0, self.exact))
            shares += [(f"count_accuracy_{name}", group, self.exact) for name, group in groups]
        if self.rejection is not None:
            shares.append(("kept", self._chromosomes, ~self.rejected))
            shares.append(("rejected", self.nothing, self.rejected))
            shares += [(f"rejected_{name}", self.kinds == name, self.rejected) for name in (NUCLEUS, DEBRIS)]
        if not self.found.all():
            shares.append(("found", np.ones_like(self.found), self.found))
        return shares

    def _share(self, among: BoolArray, right: ArrayLike) -> Metric:
        """A share, drawn over the cases that have anything to be a share of."""
        both = among & np.asarray(right, dtype=bool)
        per_case = np.stack([np.bincount(self.members, weights=values) for values in (both, among)], axis=1)
        per_case = per_case[per_case[:, 1] > 0]
        interval = bootstrap_interval(lambda sums: metrics.ratio(sums[..., 0], sums[..., 1]), per_case)
        return Metric(value=float(both.sum() / among.sum()), interval=interval)

    def _matrix(self, chosen: BoolArray) -> NDArray[np.int64]:
        return metrics.confusion_matrix(self.type_of[chosen], self.answer_of[chosen], len(ANSWERS))[: len(TYPES)]

    def _macro_f1(self) -> Metric:
        """Over the four types; what was rejected or not found is missing from its type."""
        cases = np.unique(self.members[self.type_of >= 0])
        matrices = [self._matrix((self.members == case) & (self.type_of >= 0)) for case in cases]
        padding = ((0, len(ANSWERS) - len(TYPES)), (0, 0))
        counts = np.array([metrics.class_counts(np.pad(matrix, padding))[:, : len(TYPES)] for matrix in matrices])
        interval = bootstrap_interval(
            lambda sums: metrics.macro_f1(sums.reshape(*sums.shape[:-1], 3, len(TYPES))), counts.reshape(len(cases), -1)
        )
        return Metric(value=float(metrics.macro_f1(counts.sum(axis=0))), interval=interval)

    def _rejected_at_kept(self, rejection: NDArray[np.float64]) -> Metric:
        """With the threshold set anew on every resample."""
        kept, other = self._chromosomes, self.nothing & self.found
        order = np.argsort(rejection, kind="stable")
        weights = draws(int(self.members.max()) + 1)
        values = [
            value
            for drawn in weights
            if (value := rejected_at_kept(rejection, drawn[self.members] * kept, drawn[self.members] * other, order))
            is not None
        ]
        value = rejected_at_kept(rejection, kept, other, order)
        assert value is not None
        return Metric(value=value, interval=percentile_interval(values))


def rejected_at_kept(
    rejection: NDArray[np.float64], chromosomes: ArrayLike, others: ArrayLike, order: NDArray[np.intp] | None = None
) -> float | None:
    """Share of what is no chromosome that is rejected where :data:`KEPT` of the chromosomes are kept.

    Rejected is what is above the lowest threshold that keeps that many.

    Args:
        rejection: shape (n,), how probably each component is no chromosome.
        chromosomes, others: shape (n,), how often each component counts as one or the other.
        order: that sorts ``rejection``, where it is known.

    Returns:
        None where there are no chromosomes or no others.
    """
    order = np.argsort(rejection, kind="stable") if order is None else order
    weights, other = (np.asarray(w, dtype=np.float64)[order] for w in (chromosomes, others))
    total, all_others = float(weights.sum()), float(other.sum())
    if not total or not all_others:
        return None
    # Up to this one they are kept, so that no more than the hundredth part lies above it.
    last = int(np.searchsorted(np.cumsum(weights), KEPT * total - 1e-9))
    return float(other[rejection[order] > rejection[order][last]].sum() / all_others)
