"""The report on a case: the karyotype and what it rests on, as JSON, HTML, PDF, pictures and COCO."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from karyonet.case import Case, Finding, ImageError, Karyotype, Metaphase
from karyonet.errors import ArrayError, InputError
from karyonet.report import folder as _folder
from karyonet.report.coco import read_masks, to_coco
from karyonet.report.document import UNDETERMINED, from_document, to_document
from karyonet.report.schema import NOTICE, EditRecord, Provenance, ReportDocument, WeightRecord, json_schema

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "NOTICE",
    "EditRecord",
    "Provenance",
    "Report",
    "ReportDocument",
    "WeightRecord",
    "file_stems",
    "from_document",
    "json_schema",
    "to_document",
]


class Report:
    """What the pipeline says of a case.

    Args:
        case: after the last stage.
        provenance: what made it.
        edits: what a person has changed since.
    """

    def __init__(self, case: Case, provenance: Provenance, edits: Sequence[EditRecord] = ()) -> None:
        self.case = case
        self.provenance = provenance
        self.edits = tuple(edits)
        self._source: Path | None = None  # the folder that it was read from
        self._redrawn: frozenset[str] = frozenset()  # metaphases whose pictures there do not hold any more

    @property
    def karyotype(self) -> Karyotype:
        """The karyotype of the case; ``str`` of it is its ISCN or ``undetermined``."""
        return self.case.karyotype or UNDETERMINED

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Departures from the normal karyotype."""
        return self.case.findings

    @property
    def metaphases(self) -> tuple[Metaphase, ...]:
        """The metaphases that were processed."""
        return self.case.metaphases

    @property
    def errors(self) -> tuple[ImageError, ...]:
        """Images that were left out, with the reason."""
        return self.case.errors

    def __repr__(self) -> str:
        return f"<Report {self.case.id}: {self.karyotype}, {len(self.metaphases)} metaphases>"

    def to_document(self) -> ReportDocument:
        """Everything the report says, as it stands in ``report.json``."""
        return to_document(self.case, self.provenance, self.edits)

    def to_json(self) -> str:
        """The text of ``report.json``."""
        return self.to_document().to_json()

    def edited(self, case: Case, edits: Sequence[EditRecord], redrawn: Set[str]) -> Report:
        """The report on the same case after edits; saved, it keeps the pictures of all metaphases but some.

        Args:
            case: as it is now.
            edits: all changes that a person ever made to it.
            redrawn: ids of the metaphases whose pictures are drawn anew; these have their pixels.
        """
        report = Report(case, self.provenance, edits)
        report._source, report._redrawn = self._source, frozenset(redrawn)
        return report

    def save(self, directory: str | Path, pdf: bool = False, history: str | None = None) -> Path:
        """Write the report into a folder, whole or not at all; an earlier report there is replaced.

        Args:
            directory: absent, empty, or holding an earlier report and nothing else.
            pdf: also write ``report.pdf``.
            history: the text of ``history.json``; by default that of the folder that the report was read from, if any.

        Returns:
            The folder.

        Raises:
            ConfigError: K209 or K210 if the place is taken by something else, K211 if no PDF can be written here.
            InputError: K110 if the ``pdf`` extra is not installed.
        """
        target = Path(directory)
        _folder.check_target(target)  # before the work of drawing
        files = self._files(pdf)
        kept = None if self._source is None else self._source / _folder.HISTORY
        if history is not None:
            files[_folder.HISTORY] = history.encode("utf-8")
        elif kept is not None and kept.is_file():
            files[_folder.HISTORY] = kept.read_bytes()
        _folder.replace_folder(target, files)
        return target

    @classmethod
    def load(cls, directory: str | Path) -> Report:
        """Read a report back from its folder.

        Pixels are not kept in a report: images of the case are blank, chromosomes have their masks and no strips.
        Saving it again keeps the pictures that lie in the folder.

        Raises:
            InputError: K101 if there is no report, K114 if it cannot be understood.
        """
        path, outlines = Path(directory) / _folder.REPORT, Path(directory) / "chromosomes.coco.json"
        if not path.is_file():
            raise InputError("K101", path=path)
        try:
            document = ReportDocument.model_validate_json(path.read_bytes())
        except ValidationError as fault:
            first = fault.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise InputError("K114", path=path, reason=f"{place}: {first['msg']}") from fault
        try:
            masks = read_masks(json.loads(outlines.read_text("utf-8"))) if outlines.is_file() else None
            report = cls(from_document(document, masks), document.provenance, document.edits)
        except (ValueError, KeyError, TypeError, ArrayError) as fault:
            raise InputError("K114", path=outlines, reason=str(fault)) from fault
        report._source = Path(directory)
        return report

    def _files(self, pdf: bool) -> dict[str, bytes]:
        # Drawing and templates are imported here: a report that is only read as JSON does not need them.
        from karyonet.report.html import Pictures, render_html
        from karyonet.report.outlines import outlines_of

        document = self.to_document()
        pictures: dict[str, Pictures] = {}
        files: dict[str, bytes] = {}
        for metaphase, stem in zip(self.metaphases, file_stems(self.metaphases), strict=True):
            drawn = Pictures(self._karyogram(metaphase, stem), self._overlay(metaphase, stem), outlines_of(metaphase))
            pictures[metaphase.id] = drawn
            files[f"{stem}.karyogram.png"] = _png(drawn.karyogram)
            files[f"{stem}.overlay.png"] = _png(drawn.overlay)
        html = render_html(document, pictures)
        files["report.html"] = html.encode("utf-8")
        files["chromosomes.coco.json"] = json.dumps(to_coco(self.case)).encode("ascii")
        files[_folder.REPORT] = document.to_json().encode("utf-8")
        if pdf:
            from karyonet.report.pdf import render_pdf

            files["report.pdf"] = render_pdf(html)
        return files

    def _karyogram(self, metaphase: Metaphase, stem: str) -> Image.Image:
        from karyonet.report.karyogram import draw_karyogram

        title = "   ".join(filter(None, (self.case.id, metaphase.id, metaphase.iscn)))
        return self._kept(metaphase, f"{stem}.karyogram.png") or draw_karyogram(metaphase, title)

    def _overlay(self, metaphase: Metaphase, stem: str) -> Image.Image:
        from karyonet.report.overlay import draw_overlay

        return self._kept(metaphase, f"{stem}.overlay.png") or draw_overlay(metaphase)

    def _kept(self, metaphase: Metaphase, name: str) -> Image.Image | None:
        """A picture of the folder that the report was read from."""
        from PIL import Image

        if self._source is None or metaphase.id in self._redrawn or not (self._source / name).is_file():
            return None
        with Image.open(self._source / name) as picture:
            return picture.convert("RGB")


def file_stems(metaphases: tuple[Metaphase, ...]) -> list[str]:
    """Names for the pictures of metaphases: their ids, safe as file names everywhere, each once."""
    stems: list[str] = []
    for metaphase in metaphases:
        stem = base = re.sub(r"[^A-Za-z0-9_-]+", "_", metaphase.id)[:80].strip("_") or "metaphase"
        number = 1
        while stem.casefold() in {other.casefold() for other in stems}:
            number += 1
            stem = f"{base}-{number}"
        stems.append(stem)
    return stems


def _png(picture: Image.Image) -> bytes:
    from karyonet.report.places import png_text

    buffer = io.BytesIO()
    # A third of the time for a few per cent of size.
    picture.save(buffer, "PNG", compress_level=4, pnginfo=png_text(picture))
    return buffer.getvalue()
