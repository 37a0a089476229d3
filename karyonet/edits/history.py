"""The history of a case: who changed what and when, append-only, every entry sealed with the one before.

An entry holds the SHA-256 of the entry before it, of ``report.json`` before and after its edits, and of itself. A
change of an entry, an entry that is missing, and a report that was changed by other means are found when the history
is read. The seals show accidents and changes by hand; they are no signature: who recomputes all of them is not found.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from karyonet.edits.document import (
    AddByBox,
    Delete,
    Edit,
    ExcludeMetaphase,
    Flip,
    IncludeMetaphase,
    Merge,
    Relabel,
    Split,
)
from karyonet.errors import EditError
from karyonet.report.folder import HISTORY
from karyonet.report.schema import EditRecord

BEGINNING = "0" * 64
"""What the first entry names as the one before it."""


class _Frozen(BaseModel):
    # An unknown key would be covered by no seal.
    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, serialize_by_alias=True)


class AppliedEdit(_Frozen):
    """An edit and what came of it.

    Attributes:
        edit: as it was given.
        made: ids of new chromosomes.
        label_before: the name that a chromosome had before it was given another.
        p_arm_up: of a chromosome that was turned over, as it is since.
    """

    edit: Edit
    made: tuple[str, ...] = ()
    label_before: str | None = None
    p_arm_up: bool | None = None

    def in_words(self) -> str:
        """One sentence for the reader of a report."""
        edit = self.edit
        match edit:
            case Relabel():
                before = f", before {self.label_before}" if self.label_before not in (None, edit.label) else ""
                return f"{edit.metaphase}: {edit.chromosome} is {edit.label}{before}"
            case Flip():
                arm = "up" if self.p_arm_up else "down"
                return f"{edit.metaphase}: {edit.chromosome} turned over, short arm {arm} in the image"
            case Split():
                return f"{edit.metaphase}: {edit.chromosome} cut into {', '.join(self.made)}"
            case Merge():
                return f"{edit.metaphase}: {', '.join(edit.chromosomes)} made one, {self.made[0]}"
            case Delete():
                return f"{edit.metaphase}: {edit.chromosome} deleted"
            case AddByBox():
                name = f" as {edit.label}" if edit.label else ""
                return f"{edit.metaphase}: {self.made[0]} added{name} in the box {list(edit.box)}"
            case ExcludeMetaphase():
                return f"{edit.metaphase} left out of the karyotype: {edit.reason}"
            case IncludeMetaphase():
                return f"{edit.metaphase} takes part in the karyotype"


class Entry(_Frozen):
    """One file of edits that was applied.

    Attributes:
        number: from 1.
        when: time in UTC, ISO 8601.
        karyonet: version of the program that applied it.
        report_before, report_after: SHA-256 of ``report.json``.
        previous: seal of the entry before.
        sha256: seal, of everything else in the entry as canonical JSON.
    """

    number: int = Field(ge=1)
    when: str
    author: str
    karyonet: str
    edits: tuple[AppliedEdit, ...]
    report_before: str
    report_after: str
    previous: str
    sha256: str = ""

    def sealed(self) -> Entry:
        """The entry with its seal."""
        return self.model_copy(update={"sha256": self.seal()})

    def seal(self) -> str:
        """SHA-256 of the entry's content: keys sorted, no blanks, UTF-8.

        What is null is left out, so that a later version may know more fields and the seals still hold.
        """
        content = self.model_dump(mode="json", exclude={"sha256"}, exclude_none=True)
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


class History(_Frozen):
    """``history.json``."""

    version: Literal["karyonet.history/1"] = Field(default="karyonet.history/1", alias="schema")
    entries: tuple[Entry, ...] = ()

    def with_entry(self, entry: Entry) -> History:
        """The history with one more entry; its number and seals are set here."""
        previous = self.entries[-1].sha256 if self.entries else BEGINNING
        entry = entry.model_copy(update={"number": len(self.entries) + 1, "previous": previous})
        return self.model_copy(update={"entries": (*self.entries, entry.sealed())})

    def to_json(self) -> str:
        """The text of ``history.json``."""
        return self.model_dump_json(indent=2) + "\n"

    def records(self) -> tuple[EditRecord, ...]:
        """Every edit in words, for the report."""
        return tuple(
            EditRecord(when=entry.when, author=entry.author, what=applied.in_words(), note=applied.edit.note)
            for entry in self.entries
            for applied in entry.edits
        )


def read_history(folder: Path, report: bytes) -> History:
    """Read the history of a report and check all seals; an empty history where the report has none.

    Args:
        folder: of the report.
        report: the bytes of its ``report.json``.

    Raises:
        EditError: K702 if an entry was changed, left out or put in, or if the report was changed since the last one.
    """
    path = folder / HISTORY
    edits = len(json.loads(report).get("edits", ()))
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        if edits:
            raise EditError("K702", path=path, reason="it is missing, while the report names edits") from None
        return History()
    except OSError as fault:
        raise EditError("K702", path=path, reason=(fault.strerror or "it cannot be read").lower()) from None
    try:
        history = History.model_validate_json(text)
    except ValidationError as fault:
        first = fault.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise EditError("K702", path=path, reason=f"{place} was changed: {first['msg'].lower()}") from None
    _check(history, path, hashlib.sha256(report).hexdigest())
    if len(history.records()) != edits:
        raise EditError("K702", path=path, reason=f"it has {len(history.records())} edits, the report {edits}")
    return history


def _check(history: History, path: Path, report: str) -> None:
    previous, before = BEGINNING, None
    for number, entry in enumerate(history.entries, start=1):
        if entry.seal() != entry.sha256:
            raise EditError("K702", path=path, reason=f"entry {number} was changed after it was written")
        if entry.previous != previous or entry.number != number or before not in (None, entry.report_before):
            raise EditError("K702", path=path, reason=f"entry {number} does not follow the one before it")
        previous, before = entry.sha256, entry.report_after
    if before not in (None, report):
        raise EditError("K702", path=path, reason="report.json is not the one that the last entry left")


@dataclass
class Standing:
    """What all edits so far say, by metaphase and chromosome.

    Attributes:
        names: labels that a person gave.
        p_arm_up: orientations that a person gave.
        left_out: for metaphases that a person left out, the reason that the report gives; None for those that a
            person let take part.
        used: ids of chromosomes that were ever made by an edit; none is used twice.
    """

    names: dict[tuple[str, str], str] = field(default_factory=dict)
    p_arm_up: dict[tuple[str, str], bool] = field(default_factory=dict)
    left_out: dict[str, str | None] = field(default_factory=dict)
    used: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def after(cls, history: History) -> Standing:
        """What the edits of a history say."""
        standing = cls()
        for entry in history.entries:
            for applied in entry.edits:
                standing.note(applied, entry.author)
        return standing

    def note(self, applied: AppliedEdit, author: str) -> None:
        """Take in one more edit."""
        edit, metaphase = applied.edit, applied.edit.metaphase
        self.used.setdefault(metaphase, set()).update(applied.made)
        match edit:
            case Relabel():
                self.names[metaphase, edit.chromosome] = edit.label
            case AddByBox(label=str(label)):
                self.names[metaphase, applied.made[0]] = label
            case Flip() if applied.p_arm_up is not None:
                self.p_arm_up[metaphase, edit.chromosome] = applied.p_arm_up
            case ExcludeMetaphase():
                self.left_out[metaphase] = f"left out by {author}: {edit.reason}"
            case IncludeMetaphase():
                self.left_out[metaphase] = None
