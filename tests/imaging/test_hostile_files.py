"""Files that are damaged, or made to do harm, end in an InputError: quickly, and without much memory."""

from __future__ import annotations

import os
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from karyonet.errors import InputError
from karyonet.imaging import Page, ReadingLimits, read_image

from .conftest import dicom_bytes, pillow_bytes, tiff_bytes

Write = Callable[..., Path]
STARTS = (
    b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\0\1\0\0WEBPVP8 ", b"RIFF\0\1\0\0WEBPVP8X",
    b"BM\0\0\0\0\0\0\0\0\x36\0\0\0",
    b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0", b"\0\0\0\x0cjP  \r\n\x87\n",
    b"\xff\x4f\xff\x51", b"\0" * 128 + b"DICM", b"",
)  # fmt: skip


def code_of(path: Path, limits: ReadingLimits | None = None) -> str:
    """The code of the error that reading raises; anything but an InputError fails the test."""
    with pytest.raises(InputError) as caught:
        read_image(path, limits)
    return caught.value.code


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, body: bytes = b"", before: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + before + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


def zeros_deflated(megabytes: int) -> bytes:
    """What so many megabytes of zeros deflate to, made without holding them."""
    packer = zlib.compressobj()
    return b"".join(packer.compress(bytes(1_000_000)) for _ in range(megabytes)) + packer.flush()


def with_jpeg_size(data: bytes, width: int, height: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into(">HH", changed, changed.index(b"\xff\xc0") + 5, height, width)
    return bytes(changed)


def with_tiff_tag(data: bytes, tag: int, value: int) -> bytes:
    """A little-endian classic TIFF with one value of its first directory changed."""
    changed = bytearray(data)
    (directory,) = struct.unpack_from("<I", changed, 4)
    (entries,) = struct.unpack_from("<H", changed, directory)
    for position in range(directory + 2, directory + 2 + 12 * entries, 12):
        if struct.unpack_from("<H", changed, position)[0] == tag:
            struct.pack_into("<HII", changed, position + 2, 4, 1, value)
    return bytes(changed)


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Fails the test if Python and numpy ask for more than 50 MB, or if it takes more than 5 s."""
    tracemalloc.start()
    start = time.monotonic()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6
    assert time.monotonic() - start < 5


def test_what_is_no_file(tmp_path: Path, write: Write) -> None:
    assert code_of(tmp_path / "missing.png") == "K101"
    assert code_of(tmp_path / "missing" / "image.png") == "K101"
    assert code_of(write(b"text") / "image.png") == "K101"
    assert code_of(Path("null\0character")) == "K101"
    assert code_of(tmp_path / ("x" * 5000)) == "K104"
    assert code_of(tmp_path) == "K103"
    assert code_of(write(b"", "empty.png")) == "K102"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert code_of(tmp_path / "pipe.png") == "K103"


@pytest.mark.parametrize(
    "text", [b"Dear colleague,", b"BM is how this text starts, but it is a text", b"<html>", b"\0" * 200]
)
def test_what_is_no_image(text: bytes, write: Write) -> None:
    assert code_of(write(text, "letter.png")) in ("K103", "K104")


def test_a_text_named_png_is_no_image(write: Write) -> None:
    assert code_of(write(b"Dear colleague, the image follows.", "image.png")) == "K103"


def test_every_truncation_is_noticed(all_files: dict[str, bytes], write: Write) -> None:
    """Cut anywhere, a file gives an error; or all of its pixels, where only what follows them was cut off."""
    for kind, data in all_files.items():
        whole = read_image(write(data, "image"))
        lengths = {1, 4, 12, 20, 40, 140, len(data) - 24, len(data) - 2, len(data) - 1}
        lengths |= {len(data) * tenth // 10 for tenth in range(1, 10)}
        for length in sorted(length for length in lengths if 0 < length < len(data)):
            path = write(data[:length], "image")
            try:
                pages = read_image(path)
            except InputError as error:
                assert error.code in ("K103", "K104"), (kind, length)
            else:
                assert same_pages(pages, whole), (kind, length, len(data))


def same_pages(pages: list[Page], others: list[Page]) -> bool:
    return len(pages) == len(others) and all(
        np.array_equal(page.grey, other.grey) for page, other in zip(pages, others, strict=True)
    )


@pytest.mark.usefixtures("little_memory")
def test_decompression_bombs(write: Write) -> None:
    small = Image.new("RGB", (64, 64))
    webp = bytearray(pillow_bytes(small, "WEBP", lossless=True))
    bits = struct.unpack_from("<I", webp, 21)[0]
    struct.pack_into("<I", webp, 21, (bits & 0xF0000000) | 11999 | 11999 << 14)
    bmp = bytearray(pillow_bytes(small, "BMP"))
    struct.pack_into("<ii", bmp, 18, 12000, 12000)
    codestream = bytearray(imagecodecs.jpeg2k_encode(np.zeros((64, 64), np.uint8), level=0, codecformat="j2k"))
    struct.pack_into(">4I", codestream, 8, 12000, 12000, 0, 0)
    bombs = {
        "png, 100000 x 100000": (png(100_000, 100_000), "K105"),
        "png, largest": (png(2**31 - 1, 2**31 - 1), "K105"),
        "png without pixels": (png(12_000, 12_000), "K104"),
        "png with a text of 200 MB": (
            png(1, 1, b"\0" * 5, chunk(b"zTXt", b"a\0\0" + zeros_deflated(200))),
            "K104",
        ),
        "jpeg, largest": (with_jpeg_size(pillow_bytes(small, "JPEG"), 65500, 65500), "K105"),
        "jpeg of few bytes": (with_jpeg_size(pillow_bytes(small, "JPEG"), 12_000, 12_000), "K104"),
        "webp of few bytes": (bytes(webp), "K104"),
        "webp canvas": (b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff" * 6 + b"\0" * 8, "K105"),
        "bmp of few bytes": (bytes(bmp), "K104"),
        "jpeg 2000 of few bytes": (bytes(codestream), "K104"),
    }
    for name, (data, code) in bombs.items():
        assert code_of(write(data, "bomb.png")) == code, name


@pytest.mark.usefixtures("little_memory")
def test_hostile_tiff(write: Write) -> None:
    plain, packed = (
        tiff_bytes(np.zeros((64, 64), np.uint8)),
        tiff_bytes(np.zeros((64, 64), np.uint8), compression="zlib"),
    )
    large_jpeg = pillow_bytes(Image.new("L", (9000, 9000)), "JPEG")
    jpeg = tiff_bytes(iter([large_jpeg]), shape=(64, 64), dtype=np.uint8, compression="jpeg", rowsperstrip=64)  # type: ignore[arg-type]
    inflating = tiff_bytes(
        iter([zeros_deflated(300)]), shape=(64, 64), dtype=np.uint8, compression="zlib", rowsperstrip=64
    )  # type: ignore[arg-type]
    files = {
        "huge": (with_tiff_tag(with_tiff_tag(plain, 256, 2**31), 257, 2**31), "K105"),
        "more rows than there are": (with_tiff_tag(plain, 257, 9000), "K104"),
        "no width": (with_tiff_tag(plain, 256, 0), "K108"),
        "strip outside": (with_tiff_tag(plain, 273, 2**31), "K104"),
        "strip at zero": (with_tiff_tag(packed, 273, 0), "K104"),
        "directory outside": (plain[:4] + struct.pack("<I", 2**31) + plain[8:], "K104"),
        "directory that is its own successor": (loop(plain), "K104"),
        "a jpeg of 81 million pixels in a strip": (jpeg, "K104"),
        "a strip that inflates to 300 MB": (inflating, "K104"),
        "garbage": (b"II*\0\x08\0\0\0" + bytes(range(256)) * 8, "K104"),
    }
    for name, (data, code) in files.items():
        assert code_of(write(data, "image.tif")) == code, name


def loop(data: bytes) -> bytes:
    (directory,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, directory)
    end = directory + 2 + 12 * entries
    return data[:end] + struct.pack("<I", directory) + data[end + 4 :]


@pytest.mark.usefixtures("little_memory")
def test_hostile_dicom(write: Write) -> None:
    pydicom = pytest.importorskip("pydicom")
    dataset = dicom_bytes(np.zeros((8, 8), np.uint8))
    deflated = dataset.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    head = deflated.index(b"1.2.840.10008.1.2.1.99")
    deflated = deflated[: head - 2] + struct.pack("<H", 22) + deflated[head : head + 22] + zeros_deflated(300)
    rows = pydicom.tag.Tag("Rows")
    tag = struct.pack("<HH", rows.group, rows.element) + b"US\x02\0"
    place = dataset.index(tag) + 8
    assert code_of(write(deflated)) == "K111"
    assert code_of(write(dataset[:place] + b"\xff\xff" + dataset[place + 2 :])) == "K104"
    assert code_of(write(dataset[:place] + b"\0\0" + dataset[place + 2 :])) == "K108"


def test_limits_are_checked_before_decoding(all_files: dict[str, bytes], write: Write) -> None:
    for kind, data in all_files.items():
        path = write(data, "image")
        assert code_of(path, ReadingLimits(max_pixels=100)) == "K105", kind
        assert code_of(path, ReadingLimits(max_bytes=10)) == "K106", kind
        # Half of the file is missing, so an answer other than K104 shows that nothing was decoded.
        header = write(data[: max(len(data) // 2, 400)], "image")
        if not kind.startswith(("dicom", "tiff", "jpeg progressive")):
            assert code_of(header, ReadingLimits(max_pixels=100)) == "K105", kind
    for kind in ("tiff pages", "dicom frames"):
        assert code_of(write(all_files[kind], "image"), ReadingLimits(max_pages=1)) == "K107"
        assert code_of(write(all_files[kind], "image"), ReadingLimits(max_pixels=37 * 53 * 2 - 1)) == "K105"
        assert len(read_image(write(all_files[kind], "image"), ReadingLimits(max_pixels=37 * 53 * 2, max_pages=2))) == 2


def test_limits_refuse_unknown_keys_and_senseless_values() -> None:
    for wrong in ({"max_size": 3}, {"max_pixels": 0}, {"max_pages": -1}):
        with pytest.raises(ValueError):
            ReadingLimits(**wrong)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=400))
def test_random_bytes_raise_nothing_but_input_errors(start: bytes, rest: bytes, write: Write) -> None:
    path = write(start + rest, "image")
    try:
        read_image(path)
    except InputError as error:
        assert error.code.startswith("K1")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_bytes_raise_nothing_but_input_errors(
    data: st.DataObject, all_files: dict[str, bytes], write: Write
) -> None:
    file = bytearray(all_files[data.draw(st.sampled_from(sorted(all_files)))])
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), min_size=1, max_size=8)
    ):
        file[place % len(file)] = value
    path = write(bytes(file), "image")
    try:
        pages = read_image(path, ReadingLimits(max_pixels=1_000_000))
    except InputError as error:
        assert error.code.startswith("K1")
    else:
        assert all(np.isfinite(page.grey).all() and page.grey.min() >= 0 and page.grey.max() <= 1 for page in pages)
