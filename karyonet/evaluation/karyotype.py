"""Measuring the karyotypes of whole cases: all images of a case go through the pipeline together."""

from __future__ import annotations

import csv
import io
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from karyonet.case import Case, Outcome
from karyonet.errors import ConfigError, IscnError, WeightsError
from karyonet.evaluation.karyotype_content import Content, content_of
from karyonet.evaluation.karyotype_truth import KnownCase, belongs
from karyonet.evaluation.pipeline import PipelineCallable
from karyonet.evaluation.report import reason_of

if TYPE_CHECKING:
    from karyonet.imaging import ReadingLimits

Verdict = Literal[
    "right", "wrong sex", "wrong change", "called normal", "flagged", "not flagged", "undetermined", "failed",
    "not judged",
]  # fmt: skip
"""What :func:`verdict_on` says."""

ROW_COLUMNS = (
    "case", "metaphases", "truth", "truth_iscn", "truth_note", "called", "outcome", "reasons", "structural", "verdict",
    "seconds", "errors",
)  # fmt: skip


@dataclass(frozen=True)
class CalledCase:
    """What the pipeline said of a case.

    Attributes:
        outcome: None where the case failed as a whole.
        iscn: None unless there is a karyotype.
        content: of ``iscn``; None where it cannot be read.
        reasons: why it is undetermined, or why ``iscn`` cannot be read.
        clonal: whether a finding is said to be clonal, whatever the outcome.
        structural: the chromosomes with a structural finding.
    """

    outcome: Outcome | None = None
    iscn: str | None = None
    content: Content | None = None
    reasons: tuple[str, ...] = ()
    clonal: bool = False
    structural: frozenset[str] = frozenset()


@dataclass(frozen=True)
class CaseResult:
    """A case and what was said of it.

    Attributes:
        known: the truth.
        called: what the pipeline said; None of a case that was not run, since it belongs to no figure.
        seconds: from reading the first image to the end of the last stage.
        errors: images that could not be processed with the reason; of a case that failed, its own name.
    """

    known: KnownCase
    called: CalledCase | None = None
    seconds: float = 0.0
    errors: tuple[tuple[str, str], ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Of :func:`verdict_on`."""
        return "not judged" if self.called is None else verdict_on(self.known, self.called)


def run_cases(
    pipeline: PipelineCallable,
    cases: Sequence[KnownCase],
    least_metaphases: int = 3,
    limits: ReadingLimits | None = None,
    progress: bool = True,
    inspect: Callable[[CaseResult], object] | None = None,
) -> list[CaseResult]:
    """Run a pipeline over the cases that belong to a figure; the others are in the result without an answer.

    Args:
        pipeline: for example :class:`karyonet.Pipeline`.
        cases: of :func:`karyonet.evaluation.karyotype_truth.read_known_cases`.
        least_metaphases: images that a normal case must have.
        limits: how large an image may be.
        progress: show a progress bar on a terminal.
        inspect: called with every case that was run as soon as it was compared.

    Returns:
        One result a case, in their order.

    Raises:
        ConfigError, WeightsError: K2xx, K3xx; a case that fails otherwise is one of which nothing is said.
    """
    from rich.console import Console
    from rich.progress import track

    results = {known.id: CaseResult(known) for known in cases}
    judged = [known for known in cases if belongs(known, least_metaphases)]
    quiet = not (progress and sys.stderr.isatty())
    for known in track(judged, description="evaluating", console=Console(stderr=True), disable=quiet):
        results[known.id] = _run(pipeline, known, limits)
        if inspect is not None:
            inspect(results[known.id])
    return list(results.values())


def called_case(case: Case) -> CalledCase:
    """What a case says after all stages."""
    karyotype = case.karyotype
    reasons = () if karyotype is None else karyotype.reasons
    content = None
    if karyotype is not None and karyotype.iscn is not None:
        try:
            content = content_of(karyotype.iscn)
        except IscnError as fault:
            reasons = (*reasons, f"{karyotype.iscn} cannot be read: {fault.message}")
    return CalledCase(
        outcome="undetermined" if karyotype is None else karyotype.outcome,
        iscn=None if karyotype is None else karyotype.iscn,
        content=content,
        reasons=reasons,
        clonal=any(finding.clonal and finding.kind != "heteromorphism" for finding in case.findings),
        structural=frozenset(finding.chromosome for finding in case.findings if finding.kind == "structural"),
    )


def verdict_on(known: KnownCase, called: CalledCase) -> Verdict:
    """Compare what was said of a case with the truth.

    * normal: ``right`` is normal with the right sex chromosomes, ``wrong sex`` normal with others, ``wrong change``
      abnormal;
    * numerical: ``right`` is abnormal with the same gains and losses, ``wrong change`` with others, ``called normal``;
    * structural: ``flagged`` if a structural finding is on an affected chromosome, whatever the outcome, otherwise
      ``not flagged``;
    * whatever it is: ``failed`` without any answer, ``undetermined``, ``not judged`` if the truth is unclear or does
      not name the affected chromosomes.
    """
    if known.kind == "unclear" or (known.kind == "structural" and not known.affected):
        return "not judged"
    if called.outcome is None:
        return "failed"
    if known.kind == "structural":
        return "flagged" if known.affected & called.structural else "not flagged"
    if called.outcome == "undetermined":
        return "undetermined"
    content = called.content
    if known.kind == "normal":
        if called.outcome == "abnormal":
            return "wrong change"
        return "right" if content is not None and content.normal and content.sex == known.sex else "wrong sex"
    if called.outcome == "normal":
        return "called normal"
    return "right" if content is not None and content.numerical == known.numerical else "wrong change"


def same_sex(known: KnownCase, called: CalledCase) -> bool | None:
    """Whether the sex is the true one; None where one of the two is not known."""
    said = None if called.outcome == "undetermined" or called.content is None else called.content.sex
    return None if said is None or known.sex is None else said == known.sex


def same_iscn(known: KnownCase, called: CalledCase) -> bool:
    """Whether the same clones were named, in the canonical form and whatever the numbers of their cells."""
    if known.iscn is None or called.content is None or called.outcome == "undetermined":
        return False
    return called.content.clones == content_of(known.iscn).clones


def rows_as_csv(results: Iterable[CaseResult]) -> str:
    """One row a case, the columns being :data:`ROW_COLUMNS`; what was not run has no answer."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(ROW_COLUMNS)
    for result in results:
        known, called = result.known, result.called or CalledCase()
        writer.writerow(
            [
                known.id,
                len(known.paths),
                known.kind,
                known.iscn or "",
                known.note,
                called.iscn or "",
                called.outcome or "",
                "; ".join(called.reasons),
                " ".join(sorted(called.structural)),
                result.verdict,
                "" if result.called is None else f"{result.seconds:.3f}",
                "; ".join(f"{image}: {reason}" for image, reason in result.errors),
            ]
        )
    return text.getvalue()


def _run(pipeline: PipelineCallable, known: KnownCase, limits: ReadingLimits | None) -> CaseResult:
    start = time.perf_counter()
    try:
        case: Case = pipeline(Case.read(*known.paths, case_id=known.id, limits=limits)).case
    except (ConfigError, WeightsError):  # it would fail on every case
        raise
    except Exception as fault:
        seconds = time.perf_counter() - start
        return CaseResult(known, CalledCase(), seconds, ((known.id, reason_of(fault)),))
    seconds = time.perf_counter() - start
    errors = tuple((f"{known.id}/{error.image}", error.message) for error in case.errors)
    if not case.metaphases:
        return CaseResult(known, CalledCase(), seconds, errors or ((known.id, "no metaphase came out of it"),))
    return CaseResult(known, called_case(case), seconds, errors)
