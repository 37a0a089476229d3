"""The summary of many cases: one row each, as ``summary.csv`` and ``summary.html``."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import median
from typing import Literal
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from karyonet.case import Outcome
from karyonet.errors import KaryonetError
from karyonet.report.schema import NOTICE, ErrorRecord, FindingRecord, ReportDocument, readable
from karyonet.report.words import in_words, percent

COLUMNS = (
    "case", "outcome", "iscn", "metaphases", "counts", "quality", "review", "findings", "reasons", "seconds", "errors",
    "report",
)  # fmt: skip
OUTCOMES = ("normal", "abnormal", "undetermined", "failed", "not reached")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class CaseRow:
    """What the summary says of one case.

    Attributes:
        case: its id.
        outcome: of its report; ``failed`` or ``not reached`` for a case without one.
        iscn: the karyotype, None where it is undetermined.
        counts: chromosomes of every metaphase, in the order of the images.
        quality: median score of the metaphases, 0–1; None where that was not judged.
        review: how many chromosomes a person should look at.
        findings: departures from the normal karyotype, in words and in ISCN.
        reasons: why the karyotype is undetermined.
        seconds: that reading its images and running the stages took.
        errors: images that were left out, or why the case failed.
        folder: name of the folder that holds the report.
    """

    case: str
    outcome: Outcome | Literal["failed", "not reached"]
    iscn: str | None = None
    counts: tuple[int, ...] = ()
    quality: float | None = None
    review: int = 0
    findings: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    seconds: float | None = None
    errors: tuple[ErrorRecord, ...] = ()
    folder: str | None = None

    @classmethod
    def of(cls, document: ReportDocument, folder: str, seconds: float) -> CaseRow:
        """The row of a case that has a report."""
        scores = [m.quality.score for m in document.metaphases if m.quality is not None]
        return cls(
            case=document.case.id,
            outcome=document.karyotype.outcome,
            iscn=document.karyotype.iscn,
            counts=tuple(len(m.chromosomes) if m.count is None else m.count for m in document.metaphases),
            quality=median(scores) if scores else None,
            review=sum(c.review for m in document.metaphases for c in m.chromosomes),
            findings=tuple(_finding(finding) for finding in document.findings),
            reasons=document.karyotype.reasons,
            seconds=seconds,
            errors=document.errors,
            folder=folder,
        )

    @classmethod
    def failed(cls, case: str, error: KaryonetError) -> CaseRow:
        """The row of a case that could not be reported on."""
        name = readable(case)
        return cls(name, "failed", errors=(ErrorRecord(image="", code=error.code, message=str(error)),))

    @property
    def metaphases(self) -> int:
        """How many metaphases were processed."""
        return len(self.counts)

    @property
    def failures(self) -> list[str]:
        """What went wrong, one line each, with the image where it is only one."""
        return [f"{e.image}: {e.message}" if e.image else e.message for e in self.errors]


def to_csv(rows: Sequence[CaseRow]) -> str:
    """The table for other programs: UTF-8 text, comma, first row :data:`COLUMNS`.

    Several values of one cell are separated by blanks (counts) or by ``;`` (all others). A text that a spreadsheet
    would take for a formula gets an apostrophe in front.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow(
            (
                _as_text(row.case),
                row.outcome,
                _as_text(row.iscn or ""),
                row.metaphases,
                _as_text(" ".join(map(str, row.counts))),
                "" if row.quality is None else f"{row.quality:.3f}",
                row.review,
                _as_text("; ".join(row.findings)),
                _as_text("; ".join(row.reasons)),
                "" if row.seconds is None else f"{row.seconds:.1f}",
                _as_text("; ".join(row.failures)),
                "" if row.folder is None else _as_text(f"{row.folder}/report.html"),
            )
        )
    content: str = readable(text.getvalue())
    return content


def to_html(rows: Sequence[CaseRow]) -> str:
    """The table for a person: one page without script or request, with a link to every report."""
    environment = _environment()
    assert environment.loader is not None
    page = environment.get_template("summary.html.j2").render(
        rows=rows,
        links={row.folder: f"{quote(row.folder)}/report.html" for row in rows if row.folder is not None},
        totals=[(outcome, number) for outcome, number in totals(rows).items() if number],
        left_out=sum(len(row.errors) for row in rows if row.folder is not None),
        failing=[row for row in rows if row.errors],
        css=Markup(environment.loader.get_source(environment, "report.css")[0]),  # our own file, not anybody's input
        notice=NOTICE,
    )
    content: str = readable(page)
    return content


def totals(rows: Sequence[CaseRow]) -> dict[str, int]:
    """How many cases have each of :data:`OUTCOMES`."""
    return {outcome: sum(row.outcome == outcome for row in rows) for outcome in OUTCOMES}


@cache
def _environment() -> Environment:
    loader = PackageLoader("karyonet.report", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "percent": percent,
        "without_code": lambda text, code: text.removeprefix(f"{code}: "),
    }
    return environment


def _finding(finding: FindingRecord) -> str:
    notes = [finding.iscn or "", "" if finding.clonal else "not clonal"]
    return in_words(finding) + (f" ({', '.join(filter(None, notes))})" if any(notes) else "")


def _as_text(value: str) -> str:
    return f"'{value}" if value.startswith(_FORMULA) else value
