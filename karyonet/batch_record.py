"""What a batch remembers of every case: from what and by what its report was made. A finished one is left alone.

The records lie in a hidden folder beside the reports. One is written as *pending* before its report is put in place
and made final afterwards. After a kill in between, :meth:`Records.settle` tells by the report's checksum whether it got
there.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from karyonet.errors import ConfigError
from karyonet.evaluation.report import EvaluatedWeights, write_text
from karyonet.imaging.case_reader import images_in
from karyonet.report.folder import REPORT
from karyonet.report.schema import Provenance, ReportDocument, readable

STATE = ".karyonet-batch"
"""Name of the hidden folder."""

_MARK = "[0-9a-f]" * 8


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True, serialize_by_alias=True)


class Program(_Frozen):
    """What makes reports: the version, the checksum of the resolved configuration, the weight files."""

    karyonet: str
    config_sha256: str | None
    weights: tuple[EvaluatedWeights, ...] = ()

    @classmethod
    def of(cls, provenance: Provenance) -> Program:
        """The program that made a report."""
        weights = tuple(EvaluatedWeights(stage=w.stage, sha256=w.sha256) for w in provenance.weights)
        return cls(karyonet=provenance.karyonet, config_sha256=provenance.config_sha256, weights=weights)


class Origin(_Frozen):
    """From what a report is made: by which program, of which case and images.

    Attributes:
        program: what makes it.
        case: id of the case.
        images: SHA-256 by file name; None for a file that cannot be read.
    """

    program: Program
    case: str
    images: dict[str, str | None]

    @classmethod
    def of(cls, program: Program, case: str, folder: Path) -> Origin:
        """The origin of a report on the images that lie in a folder now.

        Raises:
            InputError: K104, K109 as reading the case would.
        """
        images = {readable(path.name): sha256(path) for path in images_in(folder)}
        return cls(program=program, case=readable(case), images=images)


class Record(_Frozen):
    """One report: its origin, the checksum of its ``report.json`` as it was written, and how long the case took."""

    version: Literal["karyonet.batch/1"] = Field(default="karyonet.batch/1", alias="schema")
    origin: Origin
    report_sha256: str
    seconds: float = Field(ge=0, allow_inf_nan=False)


class Records:
    """The records of a batch, by the names of the report folders.

    Args:
        out: the folder that holds the reports.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.folder = out / STATE

    def read(self, name: str) -> Record | None:
        """The record of a report that was put in place; None if there is none that can be understood."""
        return _read(self.folder / f"{name}.json")

    @contextmanager
    def writing(self, name: str, record: Record) -> Iterator[None]:
        """Within the context the report is put in place; what happens to it is settled even if the process is killed.

        Raises:
            OSError: if a record cannot be written.
        """
        pending = self.folder / f"{name}.pending"
        write_text(pending, record.model_dump_json(indent=2) + "\n")
        try:
            yield
        except BaseException:
            pending.unlink(missing_ok=True)
            raise
        pending.replace(self.folder / f"{name}.json")

    def settle(self) -> None:
        """Bring to an end what a killed process left: folders that it was writing go, an earlier report comes back."""
        for part in (*self.folder.glob(".*.part"), *self.out.glob(".summary.*.part")):
            part.unlink(missing_ok=True)
        for pending in self.folder.glob("*.pending"):
            name = pending.name.removesuffix(".pending")
            target = self.out / name
            for former in self.out.glob(f".{escape(name)}.{_MARK}.old"):
                if target.exists():
                    shutil.rmtree(former, ignore_errors=True)
                else:
                    former.rename(target)
            for unfinished in self.out.glob(f".{escape(name)}.{_MARK}.new"):
                shutil.rmtree(unfinished, ignore_errors=True)
            record = _read(pending)
            if record is not None and sha256(target / REPORT) == record.report_sha256:
                pending.replace(self.folder / f"{name}.json")
            else:
                pending.unlink(missing_ok=True)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the hidden folder and keep other batches away from it.

        Raises:
            ConfigError: K213 if it cannot be written, or another batch holds it.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "lock").open("w")
        except OSError as fault:
            raise unwritable(self.out, fault) from fault
        with lock:
            try:
                import fcntl

                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as fault:
                raise ConfigError("K213", path=self.out, reason="another batch is writing there") from fault
            except (ImportError, OSError):
                pass  # a system or a disk without such locks
            yield


def sha256(path: Path) -> str | None:
    """SHA-256 of a file as it lies there, None if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def sha256_of(document: ReportDocument) -> str:
    """SHA-256 of the ``report.json`` that a document becomes."""
    return hashlib.sha256(document.to_json().encode("utf-8")).hexdigest()


def unwritable(path: Path, fault: OSError) -> ConfigError:
    """The error K213 of a file or folder that cannot be written."""
    return ConfigError("K213", path=path, reason=(fault.strerror or str(fault)).lower())


def _read(path: Path) -> Record | None:
    try:
        return Record.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
