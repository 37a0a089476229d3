"""Reading image files: the format is recognised by the first bytes, limits are checked before decoding.

Nothing but grey values leaves this module: names, dates and comments that a file carries are never handed on, not even
in error messages, which is why these never quote a decoder.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from stat import S_ISREG
from threading import Lock

from karyonet.errors import InputError
from karyonet.imaging.limits import ReadingLimits
from karyonet.imaging.page import Page

Decoder = Callable[[bytes, Path, ReadingLimits], list[Page]]

# Modules are named, not imported: a decoder's library is loaded when a file of its format is met.
_DECODERS = {
    "PNG": "raster.decode_png",
    "JPEG": "raster.decode_jpeg",
    "WebP": "raster.decode_webp",
    "BMP": "raster.decode_bmp",
    "TIFF": "tiff.decode_tiff",
    "JPEG 2000": "jpeg2000.decode_jpeg2000",
    "DICOM": "dicom.decode_dicom",
}
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_JPEG2000_STARTS = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")


def read_image(path: Path | str, limits: ReadingLimits | None = None) -> list[Page]:
    """Read every page of an image file.

    PNG, JPEG, WebP and BMP (first frame), TIFF (all pages but thumbnails and masks), JPEG 2000 and DICOM (all frames).
    Colour becomes grey by its luminance, transparent pixels become white, orientation tags are applied.

    Args:
        path: the file; its ending does not matter.
        limits: how large it may be; by default those of :class:`ReadingLimits`.

    Returns:
        At least one page, numbered from 1.

    Raises:
        InputError: K101 no such file, K102 empty, K103 not an image, K104 damaged, K105 too many pixels, K106 too many
            bytes, K107 too many pages, K108 no pixels, K110 an extra is missing, K111 unsupported kind of pixels.
    """
    path = Path(path)
    limits = limits or ReadingLimits()
    return decode(read_bytes(path, limits), path, limits)


def read_bytes(path: Path, limits: ReadingLimits) -> bytes:
    """The bytes of a file, its size checked first.

    Raises:
        InputError: K101, K102, K103 for anything that is not a regular file, K104 if it cannot be read, K106.
    """
    try:
        status = path.stat()
        if not S_ISREG(status.st_mode):  # a directory, or a pipe that would never end
            raise InputError("K103", path=path)
        limits.check_bytes(path, status.st_size)
        with path.open("rb") as file:
            data = file.read(status.st_size)  # no more, should it have grown since
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a null character in the path
        raise InputError("K101", path=path) from None
    except OSError as fault:
        raise InputError("K104", path=path, reason=(fault.strerror or "it cannot be read").lower()) from None
    return data


def decode(data: bytes, path: Path, limits: ReadingLimits) -> list[Page]:
    """The pages of an image file whose bytes have been read; ``path`` is for error messages.

    Raises:
        InputError: as :func:`read_image`.
    """
    name = recognise_format(data)
    if name is None:
        raise InputError("K103", path=path)
    module, function = _DECODERS[name].split(".")
    decoder: Decoder = getattr(import_module(f"karyonet.imaging.{module}"), function)
    try:
        with _QUIET_LIBRARIES:
            return decoder(data, path, limits)
    except InputError:
        raise
    except Exception:  # what a decoder raises on hostile bytes is not limited to any list
        raise InputError("K104", path=path, reason=f"its {name} data cannot be decoded") from None


def recognise_format(data: bytes) -> str | None:
    """The name of the image format that the first bytes announce, or None."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data.startswith(_TIFF_STARTS):
        return "TIFF"
    if data.startswith(_JPEG2000_STARTS):
        return "JPEG 2000"
    if data[128:132] == b"DICM":
        return "DICOM"
    # Two letters are little: the offset of the pixels must make sense as well.
    if data.startswith(b"BM") and int.from_bytes(data[10:14], "little") >= 26:
        return "BMP"
    return None


class _QuietLibraries:
    """Keeps what decoders warn and log about a file to themselves: it may quote its metadata.

    Warnings and loggers belong to the whole process, so threads that decode at the same time share one silence.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._restore = ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._restore.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore")
                for logger in map(logging.getLogger, ("tifffile", "pydicom")):
                    self._restore.callback(setattr, logger, "disabled", logger.disabled)
                    logger.disabled = True
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._restore.close()


_QUIET_LIBRARIES = _QuietLibraries()
