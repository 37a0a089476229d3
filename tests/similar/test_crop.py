"""Finding the one chromosome of a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from karyonet.errors import InputError
from karyonet.similar.crop import find_chromosome, read_crop


def rods(*boxes: tuple[int, int, int, int], shape: tuple[int, int] = (90, 80)) -> np.ndarray:
    """Dark rods on a light ground, float32."""
    grey = np.full(shape, 0.9, dtype=np.float32)
    for left, top, right, bottom in boxes:
        grey[top:bottom, left:right] = 0.35
    return grey


def code(grey: np.ndarray) -> str:
    with pytest.raises(InputError) as raised:
        find_chromosome(grey)
    return raised.value.code


def test_dark_on_light_and_light_on_dark_are_the_same() -> None:
    grey = rods((30, 15, 44, 75))
    dark, light = find_chromosome(grey), find_chromosome(1 - grey)
    assert (dark.contrast, light.contrast) == ("absorption", "fluorescence")
    assert dark.region.bbox == light.region.bbox == (30, 15, 44, 75)
    for found in (dark, light):
        assert found.optical_density[40, 36] > 0.3 and found.optical_density[3, 3] == 0


def test_a_chromosome_that_fills_its_picture_is_found() -> None:
    found = find_chromosome(rods((5, 4, 17, 56), shape=(60, 22)))
    assert found.contrast == "absorption" and found.region.bbox == (5, 4, 17, 56)


def test_a_noisy_ground_is_no_object() -> None:
    grey = rods((30, 15, 44, 75)) + np.random.default_rng(0).normal(0, 0.02, (90, 80)).astype(np.float32)
    xmin, ymin, xmax, ymax = find_chromosome(grey).region.bbox
    assert max(abs(xmin - 30), abs(ymin - 15), abs(xmax - 44), abs(ymax - 75)) <= 2


def test_a_pale_band_does_not_divide_a_chromosome_and_specks_do_not_count() -> None:
    found = find_chromosome(rods((30, 15, 44, 40), (30, 43, 44, 75), (5, 5, 9, 9)))
    assert found.region.bbox == (30, 15, 44, 75)
    assert found.region.area == 14 * (25 + 32)


def test_what_is_not_one_chromosome_is_refused() -> None:
    assert code(rods()) == "K125"
    assert code(rods((40, 40, 44, 44))) == "K125"
    assert code(rods((10, 15, 24, 75), (50, 15, 64, 75))) == "K126"
    assert code(np.full((6, 90), 0.9, dtype=np.float32)) == "K125"


def test_the_file_is_named(tmp_path: Path) -> None:
    Image.fromarray((rods((30, 15, 44, 75)) * 255).astype(np.uint8)).save(tmp_path / "one.png")
    found = read_crop(tmp_path / "one.png")
    assert found.name == "one.png" and len(found.sha256) == 64
    Image.new("L", (60, 60), 200).save(tmp_path / "blank.png")
    with pytest.raises(InputError, match=r"blank\.png shows no chromosome"):
        read_crop(tmp_path / "blank.png")
