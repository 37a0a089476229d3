"""The images of a finished case, found again: a report keeps their names and checksums, not their pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from karyonet.case import Case, Metaphase
from karyonet.errors import EditError, InputError
from karyonet.imaging import ReadingLimits
from karyonet.report.schema import readable


class Images:
    """Reads the metaphases of a report from their images, each once.

    A file or a folder that was named is looked at, and nothing else; where none was named, the folder of the report,
    those around it and the current one.

    Args:
        report: folder of the report.
        named: images, or folders that hold them.
        limits: how large a file may be.
    """

    def __init__(self, report: Path, named: Sequence[Path] = (), limits: ReadingLimits | None = None) -> None:
        self._places = tuple(named) or (report, *report.resolve().parents[:3], Path.cwd())
        self._limits = limits
        self._read: dict[str, Metaphase] = {}

    def read(self, metaphase: Metaphase) -> Metaphase:
        """A metaphase as reading its image gives it, with the id that the report gave it.

        Raises:
            EditError: K704 if there is no such image, K705 if it is another one.
            InputError: K1xx if it cannot be read.
        """
        if metaphase.id not in self._read:
            path = self._find(metaphase)
            pages = Case.read(path, limits=self._limits).metaphases
            own = next((page for page in pages if page.grey.shape == metaphase.grey.shape
                        and _page(readable(page.image)) == _page(metaphase.image)), None)  # fmt: skip
            if own is None:
                raise EditError("K705", path=path, metaphase=metaphase.id)
            self._read[metaphase.id] = replace(own, id=metaphase.id, image=metaphase.image)
        return self._read[metaphase.id]

    def _find(self, metaphase: Metaphase) -> Path:
        other: Path | None = None
        for path in self._candidates(metaphase.image):
            try:
                if hashlib.sha256(path.read_bytes()).hexdigest() == metaphase.sha256:
                    return path
            except OSError as fault:
                raise InputError("K104", path=path, reason=(fault.strerror or "it cannot be read").lower()) from None
            other = other or path
        if other is not None:
            raise EditError("K705", path=other, metaphase=metaphase.id)
        places = ", ".join(dict.fromkeys(str(place) for place in self._places))
        raise EditError("K704", image=metaphase.image, metaphase=metaphase.id, places=places)

    def _candidates(self, image: str) -> Iterator[Path]:
        names = {name for name in (image, image.rpartition("#")[0]) if name and name == Path(name).name}
        for place in self._places:
            if place.is_file():
                if readable(place.name) in names:
                    yield place
                continue
            for name in sorted(names):
                if (place / name).is_file():
                    yield place / name


def _page(image: str) -> int:
    """The page that an image name means: ``name.tif#2`` is the second, all others are the first."""
    _, mark, page = image.rpartition("#")
    return int(page) if mark and page.isdecimal() else 1
