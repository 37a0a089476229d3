"""DICOM through pydicom, an extra. Pixels only: of the data set no more is read than what describes them."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np

from karyonet.errors import InputError
from karyonet.imaging.limits import ReadingLimits
from karyonet.imaging.page import Page, highest_value, to_grey

_DEFLATED = "1.2.840.10008.1.2.1.99"
_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


def decode_dicom(data: bytes, path: Path, limits: ReadingLimits) -> list[Page]:
    """Every frame as a page: unsigned grey (either photometric interpretation) or colour, 8 or 16 bits allocated."""
    try:
        import pydicom
        from pydicom.filereader import read_dataset, read_preamble
        from pydicom.pixels.decoders.base import get_decoder
        from pydicom.pixels.utils import pixel_array
    except ImportError:
        raise InputError("K110", path=path, extra="dicom") from None

    file = BytesIO(data)
    read_preamble(file, force=False)
    meta = read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2)
    if str(meta.get("TransferSyntaxUID", "")) == _DEFLATED:  # pydicom would inflate it without any limit
        raise InputError("K111", path=path, reason="a deflated DICOM data set")
    dataset = pydicom.dcmread(BytesIO(data))

    frames = int(dataset.get("NumberOfFrames") or 1)
    limits.check_pages(path, frames)
    limits.check_pixels(path, *[(int(dataset.Columns), int(dataset.Rows))] * frames)
    photometric = str(dataset.PhotometricInterpretation)
    stored = int(dataset.BitsStored)
    samples_per_pixel = int(dataset.SamplesPerPixel)
    if (photometric, samples_per_pixel) not in [(name, 1) for name in _GREY] + [(name, 3) for name in _COLOUR]:
        raise InputError("K111", path=path, reason="a photometric interpretation other than grey or RGB")
    if int(dataset.BitsAllocated) not in (8, 16) or not 1 < stored <= int(dataset.BitsAllocated):
        raise InputError("K111", path=path, reason="other than 8 or 16 bits allocated")
    if int(dataset.get("PixelRepresentation", 0)) != 0 or int(dataset.get("HighBit", stored - 1)) != stored - 1:
        raise InputError("K111", path=path, reason="signed or shifted numbers")
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_compressed and not get_decoder(syntax).is_available:
        raise InputError("K111", path=path, reason="a DICOM compression without a decoder here")

    pages = []
    for index in range(frames):
        samples = np.asarray(pixel_array(dataset, index=index))
        if samples.shape[:2] != (dataset.Rows, dataset.Columns) or samples.dtype.kind != "u":
            raise InputError("K104", path=path, reason="a frame differs from its header")
        grey = to_grey(samples, highest_value(samples, stored))
        pages.append(Page(1 - grey if photometric == "MONOCHROME1" else grey, index + 1))
    return pages
