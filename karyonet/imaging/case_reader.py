"""Reading the images of one patient into a case."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from karyonet.case import Case, ImageError, Metaphase
from karyonet.errors import InputError
from karyonet.imaging.limits import ReadingLimits
from karyonet.imaging.optical_density import recognise_contrast, to_optical_density
from karyonet.imaging.readers import decode, read_bytes

IMAGE_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".jp2", ".j2k", ".dcm"})
"""Endings that make a file in a folder an image; files that are named one by one may end as they like."""


def read_case(paths: Sequence[Path], case_id: str | None = None, limits: ReadingLimits | None = None) -> Case:
    """Read images, or one folder of images, as one case.

    Metaphases are named m1, m2, … in the order given, or in the natural order of the names in a folder (2 before 10).
    An image that cannot be read becomes an entry of ``errors``; the others are kept.

    Args:
        paths: image files, or one folder.
        case_id: by default the folder's name, or the first file's name without its ending.
        limits: how large a file may be.

    Raises:
        InputError: K113 without paths, K101 or K109 for a folder that is missing or without images; if no image can be
            read, the error of the only one (K1xx), or K112.
    """
    if not paths:
        raise InputError("K113")
    limits = limits or ReadingLimits()
    first = Path(paths[0])
    if len(paths) == 1 and _is_folder(first):
        files = images_in(first)
        name = first.resolve().name
    else:
        files = [Path(path) for path in paths]
        name = first.stem

    metaphases: list[Metaphase] = []
    errors: list[InputError] = []
    failed: list[str] = []
    for file in files:
        try:
            metaphases += _read_metaphases(file, len(metaphases) + 1, limits)
        except InputError as error:
            errors.append(error)
            failed.append(file.name)
    if not metaphases:
        raise errors[0] if len(errors) == 1 else InputError("K112", count=len(errors), reason=errors[0].message)
    return Case(
        id=case_id if case_id is not None else name or "case",
        metaphases=tuple(metaphases),
        errors=tuple(ImageError(image, e.code, str(e)) for image, e in zip(failed, errors, strict=True)),
    )


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a path that cannot even be asked about: reading it will say what is wrong
        return False


def images_in(folder: Path) -> list[Path]:
    """The images of a folder in natural order; hidden files and other endings are left out.

    Raises:
        InputError: K109 if there are none.
    """
    try:
        found = [
            path
            for path in folder.iterdir()
            if path.suffix.lower() in IMAGE_ENDINGS and not path.name.startswith(".") and path.is_file()
        ]
    except OSError as fault:
        raise InputError("K104", path=folder, reason=(fault.strerror or "it cannot be read").lower()) from None
    if not found:
        raise InputError("K109", path=folder)
    return sorted(found, key=_natural_order)


def _natural_order(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """Runs of digits count as numbers and come before letters; the plain name settles ties."""
    parts = re.findall(r"[0-9]+|[^0-9]+", path.name.casefold())
    return [(0, int(part), "") if part[0] in "0123456789" else (1, 0, part) for part in parts], path.name


def _read_metaphases(file: Path, number: int, limits: ReadingLimits) -> list[Metaphase]:
    data = read_bytes(file, limits)
    digest = hashlib.sha256(data).hexdigest()
    metaphases = []
    for page in decode(data, file, limits):
        contrast = recognise_contrast(page.grey)
        metaphases.append(
            Metaphase(
                id=f"m{number + page.number - 1}",
                image=file.name if page.number == 1 else f"{file.name}#{page.number}",
                sha256=digest,
                grey=page.grey,
                contrast=contrast,
                optical_density=to_optical_density(page.grey, contrast),
            )
        )
    return metaphases
