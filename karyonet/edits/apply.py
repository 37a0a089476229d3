"""Edits applied to a finished case: checked, computed, written in one step, remembered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from karyonet import __version__
from karyonet.edits.document import EditsDocument, Relabel, place_of
from karyonet.edits.draft import Draft, RefusedEditError
from karyonet.edits.history import BEGINNING, AppliedEdit, Entry, Standing, read_history
from karyonet.edits.images import Images
from karyonet.edits.recompute import Plan, Recomputation
from karyonet.errors import ConfigError, EditError, InputError
from karyonet.pipeline import Pipeline
from karyonet.report import Report
from karyonet.report.folder import HISTORY, REPORT, check_target, recover, replace_folder

PDF = "report.pdf"


@dataclass(frozen=True, eq=False)
class Outcome:
    """A case before and after its edits, and what came of each."""

    before: Report
    after: Report
    edits: tuple[AppliedEdit, ...]

    def renamed(self) -> list[tuple[str, str, str, str]]:
        """Chromosomes that no edit named and that have another name now: metaphase, chromosome, former and new name."""
        former = {(m.id, c.id): c.label for m in self.before.metaphases for c in m.chromosomes}
        by_person = {(e.edit.metaphase, e.edit.chromosome) for e in self.edits if isinstance(e.edit, Relabel)}
        return [
            (m.id, c.id, former[m.id, c.id] or "unassigned", c.label or "unassigned")
            for m in self.after.metaphases
            for c in m.chromosomes
            if (m.id, c.id) in former.keys() - by_person and former[m.id, c.id] != c.label
        ]


def apply_edits(
    document: EditsDocument,
    folder: Path,
    pipeline: Pipeline,
    images: Sequence[Path] = (),
    source: str = "the edits",
) -> Outcome:
    """Apply edits to the report in a folder, compute what follows from them, and append to its history.

    The new report replaces the old one in one step; whatever goes wrong before leaves the folder as it was. Pictures
    are drawn anew for the metaphases whose chromosomes an edit names. A metaphase that is left out or taken in again
    keeps its pictures, which needs no image.

    Args:
        document: what to change.
        folder: of the report.
        pipeline: the one that made the report.
        images: files or folders where the images lie now; by default they are looked for around the report.
        source: how errors name the edits.

    Raises:
        InputError: K101 or K114 for the report, K1xx for an image.
        ConfigError: K210 if something else lies in the folder, K211 if a report.pdf cannot be made again, K213 if it
            cannot be written.
        EditError: K701 for an edit, K702 for the history, K703 for the pipeline, K704 or K705 for an image.
        StageError: K901 if a stage fails.
    """
    recover(folder)
    if not (folder / REPORT).is_file():
        raise InputError("K101", path=folder / REPORT)
    check_target(folder)
    content = (folder / REPORT).read_bytes()
    report = Report.load(folder)
    history = read_history(folder, content)
    check_pipeline(report, pipeline, folder)

    case, standing = report.case, Standing.after(history)
    plan = Plan.of(pipeline.stages)
    compute = Recomputation(plan, Images(folder, images, pipeline.config.reading if pipeline.config else None))
    reasons = compute.earlier_reasons(case)
    draft = Draft(case, standing, [one for one, why in reasons.items() if why], compute.region_in_box)
    applied: list[AppliedEdit] = []
    for number, edit in enumerate(document.edits, start=1):
        try:
            applied.append(draft.apply(edit, document.author))
        except RefusedEditError as refusal:
            place = place_of(number, refusal.key)
            raise EditError("K701", source=source, place=place, reason=refusal.reason) from None

    before = hashlib.sha256(content).hexdigest()
    entry = Entry(
        number=1,
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        author=document.author,
        karyonet=__version__,
        edits=tuple(applied),
        report_before=before,
        report_after=before,
        previous=BEGINNING,
    )
    if not applied:
        files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        files[HISTORY] = history.with_entry(entry).to_json().encode("utf-8")
        with _in_place_of(content, folder):
            replace_folder(folder, files)
        return Outcome(report, report, ())
    outlined = draft.outlined | ({m.id for m in case.metaphases} if plan.needs_every_image else set())
    drafted = replace(case, metaphases=tuple(draft.metaphases.values()))
    edited = compute(drafted, sorted(outlined), sorted(draft.named - outlined), standing, reasons)
    after = report.edited(edited, history.with_entry(entry).records(), outlined | draft.named)
    entry = entry.model_copy(update={"report_after": hashlib.sha256(after.to_json().encode("utf-8")).hexdigest()})
    with _in_place_of(content, folder):
        after.save(folder, pdf=(folder / PDF).is_file(), history=history.with_entry(entry).to_json())
    return Outcome(report, after, tuple(applied))


def check_pipeline(report: Report, pipeline: Pipeline, folder: Path) -> None:
    """Refuse a pipeline that would not have made a report: its names would mix with those of another.

    Raises:
        EditError: K703 if the configuration or the weights are others.
    """
    made, own = report.provenance, pipeline.config.sha256 if pipeline.config else None
    if made.config_sha256 != own:
        raise EditError("K703", path=folder, reason="another configuration than the one given")
    in_use = {(name, weight.sha256) for name, step in pipeline.stages.items() for weight in step.weights}
    if {(weight.stage, weight.sha256) for weight in made.weights} != in_use:
        raise EditError("K703", path=folder, reason="other weights than those in use")


@contextmanager
def _in_place_of(content: bytes, folder: Path) -> Iterator[None]:
    """Within the context the report is replaced; refused if another process has changed it in the meantime.

    Raises:
        ConfigError: K213, also if it cannot be written.
    """
    try:
        if (folder / REPORT).read_bytes() != content:
            raise ConfigError("K213", path=folder, reason="its report was changed while the edits were computed")
        yield
    except OSError as fault:
        reason = (fault.strerror or "the disk does not allow it").lower()
        raise ConfigError("K213", path=folder, reason=reason) from fault
