"""TIFF and BigTIFF through tifffile: every page that is neither a thumbnail nor a mask."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile

from karyonet.errors import InputError
from karyonet.imaging.limits import ReadingLimits
from karyonet.imaging.page import FloatArray, Page, highest_value, to_grey, upright

# Tag values (TIFF 6.0).
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
_JPEG = 7
_COMPRESSIONS = {1, 2, 3, 4, 5, _JPEG, 8, 32946, 32773, 50000}
"""None, CCITT, LZW, JPEG, Deflate (two codes), PackBits, Zstandard: tifffile bounds what these may unpack to."""
_THUMBNAIL_OR_MASK = 0b101
_ORIENTATION_TAG = 274


def decode_tiff(data: bytes, path: Path, limits: ReadingLimits) -> list[Page]:
    """Unsigned integers of 1 to 16 bits: grey (white or black zero), palette, RGB, with or without alpha."""
    limits.check_pages(path, _count_directories(data, limits.max_pages))
    with TiffFile(BytesIO(data)) as file:
        pages: list[Any] = [page for page in cast(Any, file.pages) if not int(page.subfiletype) & _THUMBNAIL_OR_MASK]
        if not pages:
            raise ValueError("no page")
        limits.check_pixels(path, *[(page.imagewidth, page.imagelength) for page in pages])
        for page in pages:
            _check_samples(page, path)
            _check_segments(page, data, path, limits)
        return [Page(_grey(page), number) for number, page in enumerate(pages, 1)]


def _count_directories(data: bytes, enough: int) -> int:
    """Number of image file directories, at most ``enough`` + 1.

    tifffile takes a chain that leads out of the file for its end; here it means that the file was cut short.
    """
    order = "<" if data[:2] == b"II" else ">"
    if struct.unpack_from(order + "H", data, 2)[0] == 42:
        offset_format, count_format, entry, position = order + "I", order + "H", 12, 4
    else:
        offset_format, count_format, entry, position = order + "Q", order + "Q", 20, 8
    seen: set[int] = set()
    while len(seen) <= enough:
        (offset,) = struct.unpack_from(offset_format, data, position)
        if offset == 0:
            break
        if offset in seen:
            raise ValueError("the chain of directories is a loop")
        seen.add(offset)
        (entries,) = struct.unpack_from(count_format, data, offset)
        position = offset + struct.calcsize(count_format) + entries * entry
    return len(seen)


def _check_samples(page: Any, path: Path) -> None:
    """Raise InputError K111 unless the kind of pixels is supported."""
    bits = page.bitspersample
    if page.sampleformat not in (1, 4) or not isinstance(bits, int) or not 1 <= bits <= 16:
        raise InputError("K111", path=path, reason="other than unsigned integers of up to 16 bits")
    if page.compression not in _COMPRESSIONS:
        raise InputError("K111", path=path, reason=f"TIFF compression {int(page.compression)}")
    colours = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _PALETTE: 1, _RGB: 3}
    if page.compression == _JPEG:
        colours[_YCBCR] = 3
    if page.photometric not in colours:
        raise InputError("K111", path=path, reason=f"TIFF photometric interpretation {int(page.photometric)}")
    if page.samplesperpixel < colours[page.photometric] or page.samplesperpixel > 8 or page.imagedepth != 1:
        raise InputError("K111", path=path, reason=f"{page.samplesperpixel} samples a pixel")


def _check_segments(page: Any, data: bytes, path: Path, limits: ReadingLimits) -> None:
    """Check that every strip or tile lies inside the file and is no larger than the header says."""
    segment = (page.tilewidth, page.tilelength) if page.is_tiled else (page.imagewidth, page.rowsperstrip)
    if page.is_tiled:
        limits.check_pixels(path, segment)
    across = -(-page.imagewidth // page.tilewidth) if page.is_tiled else 1
    down = -(-page.imagelength // segment[1])
    expected = across * down * (page.samplesperpixel if page.planarconfig == 2 else 1)
    if len(page.dataoffsets) < expected or len(page.databytecounts) < expected:
        raise InputError("K104", path=path, reason="strips or tiles are missing")
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
        if offset <= 0 or count <= 0 or offset + count > len(data):
            raise InputError("K104", path=path, reason="it ends before its pixels do")
        if page.compression == _JPEG:
            width, height = _jpeg_size(data[offset : offset + count])
            if width > segment[0] or height > max(segment[1], page.imagelength):
                raise InputError("K104", path=path, reason="a strip or tile is larger than its header says")


def _jpeg_size(stream: bytes) -> tuple[int, int]:
    """Width and height from the frame header of a JPEG stream (ITU-T T.81, B.2.2)."""
    position = 2
    while True:
        marker, length = struct.unpack_from(">HH", stream, position)
        if 0xFFC0 <= marker <= 0xFFCF and marker not in (0xFFC4, 0xFFC8, 0xFFCC):
            height, width = struct.unpack_from(">HH", stream, position + 5)
            return width, height
        if marker < 0xFF01 or length < 2:
            raise ValueError("no frame header")
        position += 2 + length


def _grey(page: Any) -> FloatArray:
    samples: NDArray[Any] = page.asarray(maxworkers=1)
    if samples.dtype == bool:
        samples = samples.astype(np.uint8)
    if samples.ndim == 3 and page.planarconfig == 2:
        samples = np.moveaxis(samples, 0, -1)
    if samples.shape[:2] != (page.imagelength, page.imagewidth):
        raise ValueError("unexpected shape")
    samples = samples.reshape(*samples.shape[:2], -1)
    bits = int(page.bitspersample)
    colours = 3 if page.photometric in (_RGB, _YCBCR) else 1
    # Extra samples: 1 is alpha that the colours are multiplied by, 2 is plain alpha, anything else says nothing.
    kinds = [int(kind) for kind in page.extrasamples]
    place = next((index for index, kind in enumerate(kinds) if kind in (1, 2)), None)
    alpha = None if place is None else samples[..., colours + place]

    picture = samples[..., :3] if colours == 3 else samples[..., 0]
    if page.photometric == _PALETTE:
        # Colours of a palette have 16 bits; some writers use only the low 8.
        table = np.asarray(page.colormap).T
        picture = table[picture]
        highest = 65535 if table.max() > 255 else 255
    else:
        highest = highest_value(picture, bits)
    if page.photometric == _WHITE_IS_ZERO:
        picture = highest - picture
    grey = to_grey(picture, highest, alpha, 2**bits - 1, premultiplied=place is not None and kinds[place] == 1)
    return upright(grey, int(page.tags.valueof(_ORIENTATION_TAG, 1)))
