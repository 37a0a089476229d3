"""Every format and bit depth is read to the same grey values."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from karyonet.errors import InputError
from karyonet.imaging import read_image

from .conftest import dicom_bytes, pillow_bytes, tiff_bytes

Write = Callable[..., Path]
LOSSLESS = (
    "png 8 bit", "png 16 bit", "png palette", "png rgb", "webp", "bmp", "bmp rgb", "tiff 8 bit", "tiff 16 bit",
    "tiff big endian", "tiff 12 bit in 16", "tiff 12 bit packed", "tiff bigtiff", "tiff white is zero", "tiff palette",
    "tiff rgb", "tiff rgb 16 bit", "tiff rgb planar", "tiff strips", "tiff tiled", "tiff pillow", "tiff zlib",
    "tiff lzw", "tiff packbits", "tiff zstd", "jpeg 2000 jp2", "jpeg 2000 codestream", "jpeg 2000 16 bit",
    "jpeg 2000 rgb", "dicom 8 bit", "dicom 16 bit", "dicom 12 bit", "dicom monochrome1",
)  # fmt: skip


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_formats_keep_the_grey_values(
    kind: str, lossless_files: dict[str, bytes], picture: NDArray[np.uint8], write: Write
) -> None:
    (page,) = read_image(write(lossless_files[kind]))
    assert page.grey.dtype == np.float32 and page.number == 1
    # Half a step of 12 bits is the coarsest rounding among the files.
    np.testing.assert_allclose(page.grey, picture / 255, atol=0.6 / 4095)


@pytest.mark.parametrize("kind", ["jpeg", "jpeg progressive", "jpeg cmyk", "webp lossy", "tiff jpeg", "tiff jpeg rgb"])
def test_lossy_formats_keep_the_picture(
    kind: str, all_files: dict[str, bytes], picture: NDArray[np.uint8], write: Write
) -> None:
    (page,) = read_image(write(all_files[kind]))
    assert np.abs(page.grey - picture / 255).max() < 0.05


def test_every_listed_file_is_tested(lossless_files: dict[str, bytes]) -> None:
    assert set(LOSSLESS) == set(lossless_files)


@pytest.mark.parametrize("ending", [".png", ".jpg", ".txt", ""])
def test_the_ending_does_not_matter(ending: str, lossless_files: dict[str, bytes], write: Write) -> None:
    assert len(read_image(write(lossless_files["tiff lzw"], f"image{ending}"))) == 1


def test_one_bit_png_and_tiff(picture: NDArray[np.uint8], write: Write) -> None:
    bilevel = picture > 128
    image = Image.fromarray(bilevel)
    files = [
        pillow_bytes(image, "PNG"),
        tiff_bytes(bilevel, photometric="minisblack"),
        tiff_bytes(~bilevel, photometric="miniswhite"),
        pillow_bytes(image, "TIFF", compression="group4"),
    ]
    for data in files:
        np.testing.assert_array_equal(read_image(write(data))[0].grey, bilevel.astype(np.float32))


def test_interlaced_png(write: Write) -> None:
    # Adam7, 8 x 8, grey: Pillow does not write it, so the seven passes are put together here.
    import struct
    import zlib

    image = np.arange(64, dtype=np.uint8).reshape(8, 8) * 3
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = b"".join(
        b"\0" + row.tobytes() for top, left, down, across in passes for row in image[top::down, left::across]
    )

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 1)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    np.testing.assert_allclose(read_image(write(data))[0].grey, image / 255, atol=1e-6)


def test_transparency_is_laid_on_white(picture: NDArray[np.uint8], write: Write) -> None:
    alpha = np.zeros_like(picture)
    alpha[:, 10:30] = 255
    alpha[:, 30:] = 51
    rgba = np.dstack([picture, picture, picture, alpha])
    expected = picture / 255 * (alpha / 255) + 1 - alpha / 255
    image = Image.fromarray(rgba)
    files = {
        "png": pillow_bytes(image, "PNG"),
        "grey and alpha": pillow_bytes(image.convert("LA"), "PNG"),
        "webp": pillow_bytes(image, "WEBP", lossless=True, exact=True),
        "tiff": tiff_bytes(rgba, photometric="rgb", extrasamples=["unassalpha"]),
        "jpeg 2000": imagecodecs.jpeg2k_encode(rgba, level=0),
    }
    for name, data in files.items():
        np.testing.assert_allclose(read_image(write(data))[0].grey, expected, atol=1e-5, err_msg=name)


def test_premultiplied_alpha_of_tiff(write: Write) -> None:
    rgba = np.zeros((4, 4, 4), dtype=np.uint8)
    rgba[..., :3], rgba[..., 3] = 100, 128
    data = tiff_bytes(rgba, photometric="rgb", extrasamples=["assocalpha"])
    np.testing.assert_allclose(read_image(write(data))[0].grey, 100 / 255 + 127 / 255, atol=1e-5)


def test_transparent_palette_entry_is_white(write: Write) -> None:
    image = Image.new("P", (6, 4), 1)
    image.putpalette([0, 0, 0, 90, 90, 90])
    image.putpixel((0, 0), 0)
    grey = read_image(write(pillow_bytes(image, "PNG", transparency=0)))[0].grey
    assert grey[0, 0] == 1
    np.testing.assert_allclose(grey[1:], 90 / 255, atol=1e-6)


def test_colour_becomes_luminance(write: Write) -> None:
    rgb = np.zeros((2, 3, 3), dtype=np.uint8)
    rgb[:, 0, 0] = rgb[:, 1, 1] = rgb[:, 2, 2] = 255
    for data in (pillow_bytes(Image.fromarray(rgb), "PNG"), tiff_bytes(rgb, photometric="rgb"), dicom_bytes(rgb)):
        np.testing.assert_allclose(read_image(write(data))[0].grey[0], [0.299, 0.587, 0.114], atol=1e-6)


@pytest.mark.parametrize("brightest", [255, 1023, 4095, 16383, 65535])
def test_depth_of_the_camera_is_found(brightest: int, write: Write) -> None:
    samples = np.linspace(0, brightest, 64).astype(np.uint16).reshape(8, 8)
    for data in (tiff_bytes(samples), pillow_bytes(Image.fromarray(samples), "PNG")):
        assert read_image(write(data))[0].grey.max() == 1


def test_a_value_above_12_bits_is_not_cut_off(write: Write) -> None:
    samples = np.array([[4096, 2048]], dtype=np.uint16)
    np.testing.assert_allclose(read_image(write(tiff_bytes(samples)))[0].grey, samples / 16383, atol=1e-6)


def test_pages_of_tiff_and_frames_of_dicom(
    all_files: dict[str, bytes], picture: NDArray[np.uint8], write: Write
) -> None:
    for kind in ("tiff pages", "dicom frames"):
        pages = read_image(write(all_files[kind]))
        assert [page.number for page in pages] == [1, 2]
        np.testing.assert_allclose(pages[0].grey, picture / 255, atol=1e-6)
        np.testing.assert_allclose(pages[1].grey, picture[::-1] / 255, atol=1e-6)


def test_thumbnails_in_a_tiff_are_no_pages(picture: NDArray[np.uint8], tmp_path: Path) -> None:
    path = tmp_path / "pyramid.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(picture, photometric="minisblack")
        writer.write(picture[::4, ::4], photometric="minisblack", subfiletype=1)
    assert [page.grey.shape for page in read_image(path)] == [picture.shape]


def test_of_an_animation_only_the_first_frame(picture: NDArray[np.uint8], write: Write) -> None:
    first, second = Image.fromarray(picture).convert("RGB"), Image.fromarray(255 - picture).convert("RGB")
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True})):
        data = pillow_bytes(first, kind, save_all=True, append_images=[second], duration=100, **options)
        (page,) = read_image(write(data))
        np.testing.assert_allclose(page.grey, picture / 255, atol=1e-6)


# Where the top left pixel of the upright picture is stored, and whether rows are stored as columns (EXIF 2.32, 4.6.5).
ORIENTATIONS = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.T,
    6: lambda image: image.T[::-1],
    7: lambda image: image.T[::-1, ::-1],
    8: lambda image: image.T[:, ::-1],
}


@pytest.mark.parametrize("orientation", sorted(ORIENTATIONS))
def test_orientation_is_applied(orientation: int, picture: NDArray[np.uint8], write: Write) -> None:
    stored = np.ascontiguousarray(ORIENTATIONS[orientation](picture))
    exif = Image.Exif()
    exif[0x0112] = orientation
    png = pillow_bytes(Image.fromarray(stored), "PNG", exif=exif)
    tiff = tiff_bytes(stored, extratags=[(274, 3, 1, orientation, True)])
    for data in (png, tiff):
        np.testing.assert_allclose(read_image(write(data))[0].grey, picture / 255, atol=1e-6)


def test_dicom_without_the_extra(
    lossless_files: dict[str, bytes], write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(lossless_files["dicom 8 bit"])
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(InputError, match=r"karyonet\[dicom\]") as caught:
        read_image(path)
    assert caught.value.code == "K110"


@pytest.mark.parametrize(
    "data",
    [
        tiff_bytes(np.zeros((4, 4), dtype=np.float32)),
        tiff_bytes(np.zeros((4, 4), dtype=np.int16)),
        tiff_bytes(np.zeros((4, 4), dtype=np.uint32)),
        tiff_bytes(np.zeros((4, 4, 4), dtype=np.uint8), photometric="separated"),
        tiff_bytes(np.zeros((16, 16), dtype=np.uint8), compression="lzma"),
        imagecodecs.jpeg2k_encode(np.zeros((16, 16), dtype=np.int16), level=0),
    ],
    ids=["float", "signed", "32 bit", "cmyk", "lzma", "signed jpeg 2000"],
)
def test_unsupported_kinds_of_pixels(data: bytes, write: Write) -> None:
    with pytest.raises(InputError) as caught:
        read_image(write(data))
    assert caught.value.code == "K111"


def test_grey_is_its_own_contiguous_array(lossless_files: dict[str, bytes], write: Write) -> None:
    grey = read_image(write(lossless_files["tiff white is zero"]))[0].grey
    assert grey.flags.c_contiguous and grey.flags.writeable
