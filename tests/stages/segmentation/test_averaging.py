from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from karyonet.geometry.region import Region
from karyonet.stages.segmentation.averaging import averaged, turned_back
from karyonet.stages.segmentation.detector_model import STRIDE, Detections, Detector, DetectorArchitecture
from karyonet.training.metaphase_pack import long_axis
from karyonet.turns import View, turned, views

EVERY = views(8)
DIRECTIONS = 6


def rod(degrees: float, x: float, y: float, length: float = 40.0) -> Tensor:
    """An image of one rod, shape (1, 1, 96, 128)."""
    rows, columns = np.mgrid[:96, :128]
    turn = np.deg2rad(degrees)
    along = (columns - x) * np.cos(turn) + (rows - y) * np.sin(turn)
    across = -(columns - x) * np.sin(turn) + (rows - y) * np.cos(turn)
    drawn = ((np.abs(along) < length / 2) & (np.abs(across) < 4)).astype(np.float32)
    # One end is marked, so that left is not right and top is not bottom.
    drawn[round(y + 0.3 * length * np.sin(turn)), round(x + 0.3 * length * np.cos(turn))] = 2.0
    return torch.from_numpy(drawn)[None, None]


def perfect(image: Tensor) -> Detections:
    """Says in the cell of the mark where the one rod of an image is and which way it lies, from its pixels."""
    height, width = image.shape[-2] // STRIDE, image.shape[-1] // STRIDE
    mask = image[0, 0].numpy() > 0.5
    region = Region.from_mask(mask)
    left, top, right, bottom = region.bbox
    row, column = (int(place) // STRIDE for place in divmod(int(image[0, 0].argmax()), image.shape[-1]))
    direction = round(long_axis(region)[0] / np.pi * DIRECTIONS) % DIRECTIONS
    centres = torch.full((1, DIRECTIONS, height, width), -8.0)
    centres[0, direction, row, column] = 8.0
    distances = torch.ones(1, DIRECTIONS, 4, height, width)
    x, y = STRIDE * (column + 0.5), STRIDE * (row + 0.5)
    distances[0, direction, :, row, column] = torch.tensor([x - left, y - top, right - x, bottom - y])
    names = image[:, :, ::STRIDE, ::STRIDE]
    return Detections(centres, distances, names, names)


@pytest.mark.parametrize("way", EVERY)
@pytest.mark.parametrize("degrees", [0, 30, 60, 90, 120, 150])
def test_what_is_said_of_a_turned_rod_is_what_is_said_of_the_rod(way: View, degrees: int) -> None:
    image = rod(degrees, 49.5, 53.5)
    expected, said = perfect(image), turned_back(perfect(turned(image, way)), way)
    assert torch.equal(said.centres, expected.centres)
    torch.testing.assert_close(said.distances, expected.distances)


@pytest.fixture(scope="module")
def detector() -> Detector:
    torch.manual_seed(0)
    architecture = DetectorArchitecture(backbone="test_resnet", channels=8, directions=DIRECTIONS, classes=3)
    return Detector(architecture).eval().requires_grad_(False)


@given(st.sampled_from(EVERY), st.integers(0, 2**31 - 1))
@settings(deadline=None, max_examples=10)
def test_seen_all_ways_round_it_does_not_matter_which_way_round_an_image_lies(
    detector: Detector, way: View, seed: int
) -> None:
    image = torch.rand(1, 1, 64, 96, generator=torch.Generator().manual_seed(seed))
    there = turned_back(averaged(detector, turned(image, way), EVERY), way)
    for here, other in zip(averaged(detector, image, EVERY), there, strict=True):
        torch.testing.assert_close(here, other, rtol=1e-3, atol=1e-3)


def test_one_view_is_the_detector_itself(detector: Detector) -> None:
    image = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    for alone, averaged_maps in zip(detector(image), averaged(detector, image, views(1)), strict=True):
        assert torch.equal(alone, averaged_maps)


@pytest.mark.parametrize(("count", "quarters"), [(1, {0}), (2, {0}), (4, {0, 1}), (8, {0, 1, 2, 3})])
def test_ways_round_are_all_different_and_the_image_itself_is_the_first(count: int, quarters: set[int]) -> None:
    ways = views(count)  # type: ignore[arg-type]
    assert len(set(ways)) == len(ways) == count and ways[0] == View(0, False)
    assert {way.quarters for way in ways} == quarters
