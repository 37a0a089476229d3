"""JPEG 2000 (JP2 files and bare codestreams) through imagecodecs (OpenJPEG)."""

from __future__ import annotations

import struct
from pathlib import Path

import imagecodecs
import numpy as np

from karyonet.errors import InputError
from karyonet.imaging.limits import ReadingLimits
from karyonet.imaging.page import Page, highest_value, to_grey

_CODESTREAM_START = b"\xff\x4f\xff\x51"


def decode_jpeg2000(data: bytes, path: Path, limits: ReadingLimits) -> list[Page]:
    """One page, grey or RGB with or without alpha, unsigned, up to 16 bits."""
    width, height, precisions = _header(data, _codestream(data))
    limits.check_pixels(path, (width, height))
    limits.check_density(path, (width, height), len(data))
    if len(precisions) > 4:
        raise InputError("K111", path=path, reason=f"{len(precisions)} components")
    if any(precision & 0x80 for precision in precisions):
        raise InputError("K111", path=path, reason="signed numbers")
    if len(set(precisions)) != 1 or precisions[0] + 1 > 16:
        raise InputError("K111", path=path, reason="bits a component that differ or exceed 16")
    samples = np.asarray(imagecodecs.jpeg2k_decode(data))
    if samples.shape[:2] != (height, width) or samples.dtype.kind != "u":
        raise InputError("K111", path=path, reason="components of different size or kind")
    # A palette may decode to other samples than the codestream announces.
    bits = precisions[0] + 1 if samples.ndim == 2 or samples.shape[2] == len(precisions) else samples.itemsize * 8
    if samples.ndim == 2:
        return [Page(to_grey(samples, highest_value(samples, bits)), 1)]
    colours = samples.shape[2] - 1 if samples.shape[2] in (2, 4) else samples.shape[2]
    alpha = samples[..., -1] if colours < samples.shape[2] else None
    picture = samples[..., 0] if colours == 1 else samples[..., :colours]
    highest = highest_value(picture, bits)
    return [Page(to_grey(picture, highest, alpha, 2**bits - 1), 1)]


def _codestream(data: bytes) -> int:
    """Offset of the codestream: walks the boxes of a JP2 file (ISO/IEC 15444-1, Annex I)."""
    if data.startswith(_CODESTREAM_START):
        return 0
    offset = 0
    while True:
        length, kind = struct.unpack_from(">I4s", data, offset)  # struct.error at the end of the file
        start = offset + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        if kind == b"jp2c" and data[start : start + 4] == _CODESTREAM_START:
            return start
        if length < 8:
            raise ValueError("no codestream")
        offset += length


def _header(data: bytes, offset: int) -> tuple[int, int, bytes]:
    """Width, height and the precision byte of every component, from the SIZ marker (ISO/IEC 15444-1, A.5.1)."""
    right, bottom, left, top = struct.unpack_from(">4I", data, offset + 8)
    (components,) = struct.unpack_from(">H", data, offset + 40)
    precisions = data[offset + 42 : offset + 42 + 3 * components : 3]
    if components == 0 or len(precisions) != components:
        raise ValueError("no components")
    return right - left, bottom - top, precisions
