"""From image files to a case."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from karyonet.case import Case
from karyonet.errors import InputError
from karyonet.imaging import ReadingLimits, read_case

from .conftest import dicom_bytes, pillow_bytes, tiff_bytes

Write = Callable[..., Path]
SECRET = "Jane Secret 1970-01-01"


@pytest.fixture
def png(picture: NDArray[np.uint8]) -> bytes:
    return pillow_bytes(Image.fromarray(picture), "PNG")


def test_files_become_metaphases_in_the_order_given(write: Write, png: bytes, picture: NDArray[np.uint8]) -> None:
    inverse = tiff_bytes(255 - picture)
    case = Case.read(write(png, "second.png"), str(write(inverse, "first.tif")))
    assert case.id == "second" and case.errors == ()
    assert [(m.id, m.image, m.contrast) for m in case.metaphases] == [
        ("m1", "second.png", "absorption"),
        ("m2", "first.tif", "fluorescence"),
    ]
    first, second = case.metaphases
    assert first.sha256 == hashlib.sha256(png).hexdigest() and second.sha256 == hashlib.sha256(inverse).hexdigest()
    for metaphase in case.metaphases:
        assert (metaphase.height, metaphase.width) == picture.shape == metaphase.optical_density.shape
        # The dark bar is stain in both.
        assert metaphase.optical_density[10:25, 9:13].min() > 5 * np.median(metaphase.optical_density) + 0.05


def test_pages_are_numbered_from_the_second(all_files: dict[str, bytes], write: Write, png: bytes) -> None:
    case = read_case([write(all_files["tiff pages"], "stack.tif"), write(png, "last.png")], case_id="patient")
    assert case.id == "patient"
    assert [(m.id, m.image) for m in case.metaphases] == [
        ("m1", "stack.tif"),
        ("m2", "stack.tif#2"),
        ("m3", "last.png"),
    ]
    assert case.metaphases[0].sha256 == case.metaphases[1].sha256


def test_a_folder_is_read_in_natural_order(tmp_path: Path, png: bytes) -> None:
    folder = tmp_path / "case.105076"
    (folder / "deeper.png").mkdir(parents=True)
    for name in ("cell10.png", "cell2.PNG", "Cell1.png", ".hidden.png", "notes.txt", "10.png"):
        (folder / name).write_bytes(png)
    case = read_case([folder])
    assert case.id == "case.105076"
    assert [m.image for m in case.metaphases] == ["10.png", "Cell1.png", "cell2.PNG", "cell10.png"]


def test_a_bad_image_does_not_stop_the_others(write: Write, png: bytes, tmp_path: Path) -> None:
    paths = [write(png[:100], "broken.png"), write(png, "good.png"), tmp_path / "missing.png", write(b"", "empty.png")]
    case = read_case(paths)
    assert [(m.id, m.image) for m in case.metaphases] == [("m1", "good.png")]
    assert [(e.image, e.code) for e in case.errors] == [
        ("broken.png", "K104"),
        ("missing.png", "K101"),
        ("empty.png", "K102"),
    ]
    assert all(error.message.startswith(error.code) for error in case.errors)
    assert case.id == "broken"


def test_nothing_readable(write: Write, png: bytes, tmp_path: Path) -> None:
    def code_of(*paths: Path, limits: ReadingLimits | None = None) -> str:
        with pytest.raises(InputError) as caught:
            read_case(list(paths), limits=limits)
        return caught.value.code

    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("no image")
    broken = write(png[:100], "broken.png")
    assert code_of() == "K113"
    assert code_of(tmp_path / "missing") == "K101"
    assert code_of(tmp_path / "empty") == "K109"
    assert code_of(broken) == "K104"
    assert code_of(broken, tmp_path / "missing.png") == "K112"
    assert code_of(write(png, "good.png"), limits=ReadingLimits(max_pixels=10)) == "K105"


def test_an_image_without_contrast_is_still_a_metaphase(write: Write) -> None:
    case = read_case([write(pillow_bytes(Image.new("L", (40, 30), 200), "PNG"), "blank.png")])
    assert len(case.metaphases) == 1 and not case.metaphases[0].optical_density.any()


def test_metadata_does_not_leak(picture: NDArray[np.uint8], write: Write, capfd: pytest.CaptureFixture[str]) -> None:
    image = Image.fromarray(picture)
    text = PngInfo()
    text.add_text("PatientName", SECRET)
    exif = Image.Exif()
    exif[0x010E] = SECRET
    files = [
        write(pillow_bytes(image, "PNG", pnginfo=text), "a.png"),
        write(tiff_bytes(picture, description=SECRET), "b.tif"),
        write(pillow_bytes(image, "JPEG", exif=exif), "c.jpg"),
        write(dicom_bytes(picture).replace(b"Secret^Person ", b"Jane Secret 19"), "d.dcm"),
        write(tiff_bytes(picture, description=SECRET)[:-40], "e.tif"),
        write(dicom_bytes(picture)[:-40], "f.dcm"),
    ]
    case = read_case(files)
    assert len(case.metaphases) == 4 and len(case.errors) == 2
    printed = capfd.readouterr()
    for shown in (repr(case), printed.out, printed.err):
        assert "Secret" not in shown and "PatientName" not in shown and "secret" not in shown


def test_importing_the_readers_loads_nothing_heavy() -> None:
    heavy = ("torch", "skimage", "scipy", "tifffile", "imagecodecs", "pydicom")
    code = f"import sys, karyonet.imaging; print([name for name in {heavy} if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_real_metaphases_are_read(real_data: Path) -> None:
    files = sorted((real_data / "gband_metaphases" / "images").glob("*.webp"))[:3]
    case = read_case(files)
    assert len(case.metaphases) == 3
    for metaphase in case.metaphases:
        assert metaphase.contrast == "absorption"
        assert 0.02 < (metaphase.optical_density > 0.15).mean() < 0.5
