"""Figures of karyotypes: how often normal cases are called normal, and abnormal ones what they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pydantic import Field, NonNegativeInt

from karyonet.evaluation.bootstrap import bootstrap_interval, bootstrap_median
from karyonet.evaluation.karyotype import (
    CalledCase,
    CaseResult,
    run_cases,
    same_iscn,
    same_sex,
    verdict_on,
)
from karyonet.evaluation.karyotype_truth import KnownCase, belongs
from karyonet.evaluation.pipeline import PipelineCallable, peak_memory_mb
from karyonet.evaluation.report import Evaluation, Failure, Metric, weights_in_use

if TYPE_CHECKING:
    from rich.console import Console

    from karyonet.imaging import ReadingLimits

TOO_FEW = "normal, too few metaphases"


class KaryotypeEvaluation(Evaluation):
    """Figures of the karyotypes of whole cases; ``cases``, ``metaphases`` and ``chromosomes`` are of those measured.

    Attributes:
        least_metaphases: images that a normal case had to have.
        truth: cases by what they are, with those that belong to no figure.
        cases_behind: of every figure, how many cases it is a share of.
    """

    least_metaphases: NonNegativeInt
    truth: dict[str, NonNegativeInt] = Field(default_factory=dict)
    cases_behind: dict[str, NonNegativeInt] = Field(default_factory=dict)

    def print(self, console: Console | None = None) -> None:
        """Print the figures as tables, and how many cases are behind them."""
        from rich.console import Console
        from rich.table import Table

        console = console or Console()
        super().print(console)
        for title, numbers in (("cases by truth", self.truth), ("cases behind the figures", self.cases_behind)):
            table = Table(title=title, title_justify="left")
            table.add_column("")
            table.add_column("cases", justify="right")
            for name, number in numbers.items():
                table.add_row(name, str(number))
            console.print(table)


class Judged(NamedTuple):
    """A case that was run."""

    known: KnownCase
    called: CalledCase


def evaluate_karyotypes(
    pipeline: PipelineCallable,
    cases: Sequence[KnownCase],
    least_metaphases: int = 3,
    limits: ReadingLimits | None = None,
    progress: bool = True,
) -> tuple[KaryotypeEvaluation, list[CaseResult]]:
    """Run a pipeline over the cases of which enough is known, and compare.

    Args and errors are those of :func:`karyonet.evaluation.karyotype.run_cases`.

    Returns:
        The figures, and one result a case, also of those that belong to no figure.
    """
    results = run_cases(pipeline, cases, least_metaphases, limits, progress)
    weights = weights_in_use(getattr(pipeline, "stages", {}).items())
    return summarise(results, least_metaphases).model_copy(update={"weights": weights}), results


def summarise(results: Sequence[CaseResult], least_metaphases: int = 3) -> KaryotypeEvaluation:
    """Figures with intervals; the order of the results changes nothing.

    Args:
        results: of :func:`karyonet.evaluation.karyotype.run_cases`, at least one of a case that was run.
        least_metaphases: as it was given there.

    Returns:
        The metrics that the README names; a share of no case at all is left out.
    """
    results = sorted(results, key=lambda result: result.known.id)
    run = [result for result in results if result.called is not None]
    judged = [Judged(result.known, result.called) for result in run if result.called is not None]
    asked = answers(judged)
    metrics = {name: share(values) for name, values in asked.items() if values}
    seconds = [result.seconds for result in run]
    metrics["seconds_per_case"] = Metric(
        value=float(np.median(seconds)), interval=bootstrap_median(seconds, np.arange(len(run)))
    )
    if (peak := peak_memory_mb()) is not None:
        metrics["peak_memory_mb"] = Metric(value=peak, interval=(peak, peak))  # one process, one measurement
    return KaryotypeEvaluation(
        stage="karyotype",
        cases=len(run),
        metaphases=sum(len(case.known.paths) for case in run),
        chromosomes=sum(case.known.chromosomes for case in run),
        metrics=metrics,
        failures=tuple(Failure(metaphase=name, reason=reason) for case in run for name, reason in case.errors),
        least_metaphases=least_metaphases,
        truth=_by_truth([result.known for result in results], least_metaphases),
        cases_behind={name: len(values) for name, values in asked.items() if values},
    )


def answers(judged: Sequence[Judged]) -> dict[str, list[bool]]:
    """Of every figure the cases that it is a share of, and whether each of them is in that share."""
    normal = [(case, verdict_on(*case)) for case in judged if case.known.kind == "normal"]
    numerical = [(case, verdict_on(*case)) for case in judged if case.known.kind == "numerical"]
    structural = [(case, verdict_on(*case)) for case in judged if case.known.kind == "structural"]
    exact = [case for case in judged if case.known.exact]
    return {
        "normal_called_normal": [verdict == "right" for _, verdict in normal],
        "normal_undetermined": [verdict in ("undetermined", "failed") for _, verdict in normal],
        "normal_called_abnormal": [verdict in ("wrong change", "wrong sex") for _, verdict in normal],
        "wrong_sex": [same_sex(*case) is False for case, _ in normal],
        "normal_clonal_finding": [case.called.clonal for case, _ in normal],
        "normal_structural_finding": [bool(case.called.structural) for case, _ in normal],
        "specificity": [case.called.outcome != "abnormal" for case, _ in normal],
        "abnormal_sensitivity": [verdict == "right" for _, verdict in numerical],
        "abnormal_called_abnormal": [case.called.outcome == "abnormal" for case, _ in numerical],
        "structural_flagged": [verdict == "flagged" for _, verdict in structural if verdict != "not judged"],
        "sex_right": [same_sex(*case) is True for case in judged if case.known.sex is not None],
        "iscn_right": [same_iscn(*case) for case in exact if case.known.kind != "structural"],
        "iscn_right_structural": [same_iscn(*case) for case in exact if case.known.kind == "structural"],
    }


def share(values: Sequence[bool]) -> Metric:
    """How many of the cases, at least one; the interval draws among these cases alone."""
    number = len(values)
    interval = bootstrap_interval(lambda sums: sums[..., 0] / number, np.array(values, dtype=float))
    return Metric(value=sum(values) / number, interval=interval)


def _by_truth(cases: Sequence[KnownCase], least_metaphases: int) -> dict[str, int]:
    numbers = dict.fromkeys(("normal", TOO_FEW, "numerical", "structural", "unclear"), 0)
    for known in cases:
        enough = known.kind != "normal" or belongs(known, least_metaphases)
        numbers[known.kind if enough else TOO_FEW] += 1
    return numbers
