"""Outlines as paths: what they enclose is the region that they are the outline of."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import binary_dilation, binary_erosion

from karyonet.geometry.region import Region
from karyonet.report.outlines import outline_path

_SCALE = 8


def inside(path: str, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels whose middle a path encloses, by the even-odd rule."""
    total = np.zeros((shape[0] * _SCALE, shape[1] * _SCALE), dtype=bool)
    for piece in re.findall(r"M([^Z]*)Z", path):
        points = [tuple(float(value) * _SCALE for value in corner.split()) for corner in piece.split("L")]
        picture = Image.new("1", total.shape[::-1])
        ImageDraw.Draw(picture).polygon(points, fill=1)  # type: ignore[arg-type]
        total ^= np.asarray(picture)
    return total[_SCALE // 2 :: _SCALE, _SCALE // 2 :: _SCALE]


@given(st.floats(8, 20), st.floats(4, 8), st.floats(0, np.pi))
def test_an_outline_encloses_its_region(long: float, short: float, angle: float) -> None:
    y, x = np.mgrid[:60, :70] - np.array([30.0, 35.0])[:, None, None]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    mask = (along / long) ** 2 + (across / short) ** 2 < 1
    enclosed = inside(outline_path(Region.from_mask(mask)), mask.shape)
    assert not (enclosed & ~binary_dilation(mask)).any()
    assert not (binary_erosion(mask) & ~enclosed).any()


def test_a_straight_edge_has_no_corners_between() -> None:
    path = outline_path(Region((10, 20, 60, 28), np.ones((8, 50), dtype=bool)))
    assert path.startswith("M") and path.endswith("Z")
    assert path.count("L") < 24


@pytest.mark.parametrize("mask", [np.zeros((4, 4), bool), np.ones((1, 1), bool)])
def test_the_least_regions_are_drawn_too(mask: NDArray[np.bool_]) -> None:
    assert bool(outline_path(Region((0, 0, *mask.shape), mask))) == mask.any()
