"""PNG, JPEG, WebP and BMP through Pillow: one page, the first frame.

Pillow's own format classes are used instead of ``Image.open``: that would guess the format again, and check its size
against a global limit that is not ours.
"""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from karyonet.errors import InputError
from karyonet.imaging.limits import ReadingLimits
from karyonet.imaging.page import FloatArray, Page, highest_value, to_grey, upright

_ORIENTATION_TAG = 0x0112


def decode_png(data: bytes, path: Path, limits: ReadingLimits) -> list[Page]:
    """PNG of 1 to 16 bits, grey, palette or RGB, with or without alpha. 16-bit RGB is reduced to 8 bits."""
    # The header is 25 bytes at a fixed place; Pillow refuses a size of zero without saying so.
    limits.check_pixels(path, struct.unpack_from(">II", data, 16))
    return _decode(PngImageFile, data, path, limits)


def decode_jpeg(data: bytes, path: Path, limits: ReadingLimits) -> list[Page]:
    """JPEG: grey, colour or CMYK."""
    return _decode(JpegImageFile, data, path, limits)


def decode_webp(data: bytes, path: Path, limits: ReadingLimits) -> list[Page]:
    """WebP. Its size is read from the header here, since opening it allocates the whole canvas."""
    size = _webp_size(data)
    limits.check_pixels(path, size)
    limits.check_density(path, size, len(data))
    return _decode(WebPImageFile, data, path, limits)


def decode_bmp(data: bytes, path: Path, limits: ReadingLimits) -> list[Page]:
    """BMP (Windows and OS/2)."""
    return _decode(BmpImageFile, data, path, limits)


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height from a WebP header (RFC 9649)."""
    if len(data) < 30:
        raise ValueError("no header")
    kind = data[12:16]
    if kind == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    raise ValueError("no image chunk")


def _decode(plugin: type[ImageFile], data: bytes, path: Path, limits: ReadingLimits) -> list[Page]:
    with plugin(BytesIO(data)) as image:
        limits.check_pixels(path, image.size)
        limits.check_density(path, image.size, len(data))
        image.load()
        return [Page(upright(_grey(image, path), _orientation(image)), 1)]


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # a broken EXIF block does not make the pixels unreadable
        return 1


def _grey(image: Image.Image, path: Path) -> FloatArray:
    mode = image.mode
    if mode in ("LA", "La", "PA", "RGBA", "RGBa") or (mode in ("P", "L", "RGB", "1") and "transparency" in image.info):
        samples = np.asarray(image if mode == "RGBA" else image.convert("RGBA"))
        return to_grey(samples[..., :3], 255, alpha=samples[..., 3])
    if mode == "1":
        return to_grey(np.asarray(image).astype(np.uint8), 1)
    if mode == "L":
        return to_grey(np.asarray(image), 255)
    if mode.startswith("I"):
        samples = np.asarray(image)
        if samples.min() < 0 or samples.max() > 65535:
            raise InputError("K111", path=path, reason="32 bits a pixel")
        return to_grey(samples, highest_value(samples, 16))
    if mode == "F":
        raise InputError("K111", path=path, reason="floating-point numbers")
    return to_grey(np.asarray(image if mode == "RGB" else image.convert("RGB")), 255)
