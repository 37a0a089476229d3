"""Many cases: a folder of case folders becomes a folder of reports, in several processes, and can be taken up again."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from karyonet import __version__
from karyonet.batch_record import STATE, Origin, Program, Records, unwritable
from karyonet.batch_worker import BatchCase, Setup, run_in_workers
from karyonet.config import PipelineConfig
from karyonet.errors import ConfigError, InputError, KaryonetError
from karyonet.evaluation.report import weights_in_use, write_text
from karyonet.imaging.case_reader import images_in
from karyonet.pipeline import Pipeline
from karyonet.report import ReportDocument
from karyonet.report.folder import REPORT
from karyonet.report.schema import readable
from karyonet.report.summary import CaseRow, to_csv, to_html

SUMMARY = ("summary.csv", "summary.html")
_MEMORY = 3 * 2**30
"""Bytes that one process may come to need with the models of the default configuration."""


@dataclass(frozen=True)
class Ended:
    """A case of which no more will be done, and whether it had been finished before."""

    row: CaseRow
    earlier: bool = False


def find_cases(folder: Path, out: Path, name: Callable[[str], str]) -> list[BatchCase]:
    """The cases of a folder: its folders, in natural order (2 before 10), without hidden ones.

    Args:
        folder: holds one folder of images a case.
        out: where the reports will go.
        name: from the id of a case to the name of its report's folder. Where two would share one, the id's checksum
            tells them apart.

    Raises:
        InputError: K101 if there is no such folder, K104 if it cannot be read.
        ConfigError: K203 if it is no folder or holds none, or if ``out`` lies in it.
    """
    if not folder.exists():
        raise InputError("K101", path=folder)
    if not folder.is_dir():
        raise ConfigError("K203", source="FOLDER", key=folder, reason="this is a file; give a folder of case folders")
    if folder.resolve() in (out.resolve(), *out.resolve().parents):
        reason = "this lies in the folder of cases and would become one; give a folder outside it"
        raise ConfigError("K203", source="--out", key=out, reason=reason)
    try:
        found = [entry for entry in folder.iterdir() if not entry.name.startswith(".") and entry.is_dir()]
    except OSError as fault:
        raise InputError("K104", path=folder, reason=(fault.strerror or "it cannot be read").lower()) from None
    if not found:
        reason = "it holds no folder; give one with a folder of images for each case, or use karyonet run for one case"
        raise ConfigError("K203", source="FOLDER", key=folder, reason=reason)
    taken = set(SUMMARY)
    cases: dict[str, BatchCase] = {}
    # Ids that need no change come first, so that another case cannot take the name from them.
    for path in sorted(found, key=lambda path: (name(path.name) != path.name, path.name)):
        own = name(path.name)
        if own.casefold() in taken:
            own = f"{own}-{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]}"
        taken.add(own.casefold())
        cases[path.name] = BatchCase(path.name, path, own)
    return [cases[case] for case in sorted(cases, key=_natural_order)]


def loose_images(folder: Path) -> int:
    """How many images lie in a folder of case folders itself; they belong to no case."""
    try:
        return len(images_in(folder))
    except InputError:
        return 0


def run_batch(
    cases: Sequence[BatchCase],
    out: Path,
    settings: PipelineConfig,
    *,
    jobs: int | None = None,
    pdf: bool = False,
    fresh: bool = False,
    stopped: Callable[[], bool] = lambda: False,
) -> Generator[Ended, None, None]:
    """Report on every case that is not finished, then write ``summary.csv`` and ``summary.html`` over all.

    A case is finished if its report was put in place whole by the same version of karyonet with the same configuration
    and weights, from the same images. The summary is written however the iteration ends.

    Args:
        cases: of :func:`find_cases`.
        out: gets a report folder for each case, see :meth:`karyonet.report.Report.save`.
        settings: the configuration.
        jobs: processes at once; by default :func:`default_jobs`.
        pdf: also write a PDF of every report; a report without one is then not finished.
        fresh: make every report again, also one that a person has changed since.
        stopped: asked several times a second whether to end before all is done.

    Yields:
        The cases as they end, first those that are finished already.

    Raises:
        ConfigError, WeightsError, InputError: before anything is written, if the configuration cannot be used, no PDF
            can be written here, or ``out`` is taken (K209, K210), cannot be written or is another batch's (K213).
        StageError: K901 if the worker processes cannot load the models.
    """
    weights = weights_in_use(Pipeline.from_config(settings).stages.items())
    program = Program(karyonet=__version__, config_sha256=settings.sha256, weights=weights)
    if pdf:
        from karyonet.report.pdf import render_pdf

        render_pdf("<p></p>")  # says now what it needs
    _check_out(out)
    records = Records(out)
    rows = {case.id: CaseRow(readable(case.id), "not reached") for case in cases}
    with records.held():
        records.settle()
        try:
            waiting: list[BatchCase] = []
            for case in cases:
                if stopped():
                    return
                row = None if fresh else _row_of_finished(case, records, program, pdf)
                if row is None:
                    waiting.append(case)
                else:
                    rows[case.id] = row
                    yield Ended(row, earlier=row.outcome != "failed")
            jobs = min(jobs or default_jobs(), max(len(waiting), 1))
            threads = max(cores() // jobs, 1)
            setup = Setup(settings, out, program, pdf)
            with closing(run_in_workers(waiting, setup, jobs, threads, stopped)) as made:
                for case, row in made:
                    rows[case.id] = row
                    yield Ended(row)
        finally:
            records.settle()
            write_summary(out, list(rows.values()))


def write_summary(out: Path, rows: Sequence[CaseRow]) -> None:
    """Write ``summary.csv`` and ``summary.html``, each whole or not at all.

    Raises:
        ConfigError: K213 if they cannot be written.
    """
    for name, text in zip(SUMMARY, (to_csv(rows), to_html(rows)), strict=True):
        try:
            write_text(out / name, text)
        except OSError as fault:
            raise unwritable(out / name, fault) from fault


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_jobs() -> int:
    """One process a core, as far as there is memory for the models and the images of each."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return cores()
    return max(min(cores(), memory // _MEMORY), 1)


def _row_of_finished(case: BatchCase, records: Records, program: Program, pdf: bool) -> CaseRow | None:
    """The row of a case whose report stands, or of one that must not be touched; None if it is to be made."""
    folder, record = records.out / case.name, records.read(case.name)
    try:
        content = (folder / REPORT).read_bytes()
        document = ReportDocument.model_validate_json(content)
    except (OSError, ValidationError):
        return None
    if record is None:
        return None
    try:
        origin = Origin.of(program, case.id, case.source)
    except KaryonetError as error:
        return CaseRow.failed(case.id, error)
    made = Program.of(document.provenance)
    written = ["report.html", *(["report.pdf"] if pdf else [])]
    if record.origin == origin and made == program and all((folder / name).is_file() for name in written):
        return CaseRow.of(document, case.name, record.seconds)
    if hashlib.sha256(content).hexdigest() != record.report_sha256:
        reason = "was changed since it was written, and would be lost now that its case has to be done again; "
        changed = ConfigError("K203", source=folder, key=REPORT, reason=reason + "--fresh does so all the same")
        return CaseRow.failed(case.id, changed)
    return None


def _check_out(out: Path) -> None:
    """Refuse a place that is taken: by a file (K209), or by a summary that no batch wrote (K210)."""
    if out.exists() and not out.is_dir():
        raise ConfigError("K209", path=out)
    for name in SUMMARY:
        if (out / name).exists() and not (out / STATE).is_dir():
            raise ConfigError("K210", path=out, entry=name)


def _natural_order(name: str) -> list[str | int]:
    parts = re.split(r"([0-9]+)", name.casefold())
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]
