"""Images of a data set: finding them beside their table, their size, and their grey values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from karyonet.errors import DataError, InputError

IMAGE_SUFFIXES: tuple[str, ...] = (".webp", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".jp2")
"""Endings of image files, in the order in which they are preferred where a name has several."""


def image_files(folder: Path, format: str) -> dict[str, Path]:
    """The images of a folder, by name without ending and by full name.

    Raises:
        DataError: K401 if there is no such folder.
    """
    if not folder.is_dir():
        raise DataError("K401", path=folder.parent, format=format, missing=f"the folder {folder.name}/")
    found: dict[str, Path] = {}
    order = {suffix: position for position, suffix in enumerate(IMAGE_SUFFIXES)}
    images = (path for path in folder.iterdir() if path.suffix.lower() in order)
    for path in sorted(images, key=lambda path: (order[path.suffix.lower()], path.name)):
        found.setdefault(path.stem, path)
        found[path.name] = path
    return found


def missing_image(image: str, table: Path) -> DataError:
    """The error K404 for an image that a table names."""
    return DataError("K404", path=table.parent, image=image, table=table.name)


def image_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels, from the file's header.

    Raises:
        InputError: K103 if the file is no image.
    """
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, ValueError) as fault:
        raise InputError("K103", path=path) from fault


def read_classes(path: Path) -> NDArray[np.uint8]:
    """A map of classes, the values as stored: uint8, shape (height, width).

    Raises:
        InputError: K101 if there is no such file, K103 if it is no image, K104 if it is damaged,
            K111 if it does not have 8 bits and one channel.
    """
    if not path.is_file():
        raise InputError("K101", path=path)
    image_size(path)
    with Image.open(path) as image:
        if image.mode not in {"L", "P"}:
            raise InputError("K111", path=path, reason=f"a class map has one channel of 8 bits, not mode {image.mode}")
        try:
            return np.asarray(image, dtype=np.uint8)
        except (OSError, ValueError, SyntaxError) as fault:
            raise InputError("K104", path=path, reason=fault) from fault


def read_grey(path: Path) -> NDArray[np.float32]:
    """Grey values of the first page: float32, shape (height, width), 0–1.

    Raises:
        InputError: K1xx, as :func:`karyonet.imaging.read_image`.
    """
    from karyonet.imaging import read_image

    return read_image(path)[0].grey
