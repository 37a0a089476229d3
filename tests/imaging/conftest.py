"""Image files of every format, written as other programs write them."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

SHAPE = (37, 53)


@pytest.fixture(scope="session")
def picture() -> NDArray[np.uint8]:
    """uint8, shape (37, 53): light background with dark bars, different in every orientation."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    image = 225 - rows // 4 + columns // 8
    image[5:30, 8:14] = 60
    image[10:14, 20:45] = 90
    image[2:4, 2:4] = 0
    return image.astype(np.uint8)


def pillow_bytes(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def tiff_bytes(array: NDArray[np.generic], **options: object) -> bytes:
    buffer = BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def dicom_bytes(frames: NDArray[np.generic], photometric: str = "MONOCHROME2", stored: int | None = None) -> bytes:
    """A secondary capture; ``frames`` is (height, width), (height, width, 3) or (frames, height, width, 1)."""
    pydicom = pytest.importorskip("pydicom")
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset = pydicom.dataset.FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.PatientName = "Secret^Person"
    dataset.PatientID = "secret-id"
    if frames.ndim == 4:
        dataset.NumberOfFrames, frames = frames.shape[0], frames[..., 0]
    colour = frames.ndim == 3 and frames.shape[-1] == 3
    dataset.Rows, dataset.Columns = frames.shape[:2] if colour or frames.ndim == 2 else frames.shape[1:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = (3, "RGB") if colour else (1, photometric)
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = 8 * frames.itemsize
    dataset.BitsStored = stored or dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = 0
    dataset.add_new("PixelData", "OW" if frames.itemsize == 2 else "OB", frames.tobytes() + b"\0" * (frames.nbytes % 2))
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def lossless_files(picture: NDArray[np.uint8]) -> dict[str, bytes]:
    """Files of every format and bit depth that hold ``picture`` exactly, by name."""
    image = Image.fromarray(picture)
    wide = picture.astype(np.uint16) * 257
    twelve = np.round(picture.astype(float) / 255 * 4095).astype(np.uint16)
    rgb = np.repeat(picture[..., None], 3, axis=2)
    palette = image.convert("P")
    colormap = np.repeat(np.arange(256, dtype=np.uint16)[None] * 257, 3, axis=0)
    files = {
        "png 8 bit": pillow_bytes(image, "PNG"),
        "png 16 bit": pillow_bytes(Image.fromarray(wide), "PNG"),
        "png palette": pillow_bytes(palette, "PNG"),
        "png rgb": pillow_bytes(Image.fromarray(rgb), "PNG"),
        "webp": pillow_bytes(Image.fromarray(rgb), "WEBP", lossless=True),
        "bmp": pillow_bytes(image, "BMP"),
        "bmp rgb": pillow_bytes(Image.fromarray(rgb), "BMP"),
        "tiff 8 bit": tiff_bytes(picture),
        "tiff 16 bit": tiff_bytes(wide),
        "tiff big endian": tiff_bytes(wide, byteorder=">"),
        "tiff 12 bit in 16": tiff_bytes(twelve),
        "tiff 12 bit packed": pack_twelve(twelve),
        "tiff bigtiff": tiff_bytes(picture, bigtiff=True),
        "tiff white is zero": tiff_bytes(255 - picture, photometric="miniswhite"),
        "tiff palette": tiff_bytes(picture, photometric="palette", colormap=colormap),
        "tiff rgb": tiff_bytes(rgb, photometric="rgb"),
        "tiff rgb 16 bit": tiff_bytes(rgb.astype(np.uint16) * 257, photometric="rgb"),
        "tiff rgb planar": tiff_bytes(np.moveaxis(rgb, -1, 0), photometric="rgb", planarconfig="separate"),
        "tiff strips": tiff_bytes(picture, rowsperstrip=5),
        "tiff tiled": tiff_bytes(picture, tile=(16, 16), compression="zlib"),
        "tiff pillow": pillow_bytes(image, "TIFF"),
        "jpeg 2000 jp2": imagecodecs.jpeg2k_encode(picture, level=0, codecformat="jp2"),
        "jpeg 2000 codestream": imagecodecs.jpeg2k_encode(picture, level=0, codecformat="j2k"),
        "jpeg 2000 16 bit": imagecodecs.jpeg2k_encode(wide, level=0, codecformat="jp2"),
        "jpeg 2000 rgb": imagecodecs.jpeg2k_encode(rgb, level=0, codecformat="jp2"),
        "dicom 8 bit": dicom_bytes(picture),
        "dicom 16 bit": dicom_bytes(wide),
        "dicom 12 bit": dicom_bytes(twelve, stored=12),
        "dicom monochrome1": dicom_bytes(65535 - wide, "MONOCHROME1"),
    }
    for name in ("zlib", "lzw", "packbits", "zstd"):
        files[f"tiff {name}"] = tiff_bytes(picture, compression=name, predictor=name in ("zlib", "lzw"))
    return files


def pack_twelve(samples: NDArray[np.uint16]) -> bytes:
    """A TIFF of 12 packed bits a sample."""
    return tiff_bytes(
        iter([imagecodecs.packints_encode(samples, 12, runlen=samples.shape[1])]),  # type: ignore[arg-type]
        shape=samples.shape,
        dtype="uint16",
        bitspersample=12,
        rowsperstrip=samples.shape[0],
    )


@pytest.fixture(scope="session")
def all_files(lossless_files: dict[str, bytes], picture: NDArray[np.uint8]) -> dict[str, bytes]:
    """Every kind of file, the lossy ones too."""
    image = Image.fromarray(picture)
    return {
        **lossless_files,
        "jpeg": pillow_bytes(image, "JPEG", quality=95),
        "jpeg progressive": pillow_bytes(image, "JPEG", quality=95, progressive=True),
        "jpeg cmyk": pillow_bytes(image.convert("CMYK"), "JPEG", quality=95),
        "webp lossy": pillow_bytes(image.convert("RGB"), "WEBP", quality=95),
        "tiff jpeg": tiff_bytes(picture, compression="jpeg"),
        "tiff jpeg rgb": tiff_bytes(np.repeat(picture[..., None], 3, axis=2), photometric="rgb", compression="jpeg"),
        "tiff pages": tiff_bytes(np.stack([picture, picture[::-1]]), photometric="minisblack"),
        "dicom frames": dicom_bytes(np.stack([picture, picture[::-1]])[..., None]),
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes bytes to a new file and returns its path."""
    count = 0

    def write_bytes(data: bytes, name: str | None = None) -> Path:
        nonlocal count
        count += 1
        path = tmp_path / (name or f"file{count}.img")
        path.write_bytes(data)
        return path

    return write_bytes
