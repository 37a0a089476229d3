"""One stain for all microscopes: the contrast that a metaphase is brought to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.geometry.region import Region
from karyonet.geometry.stain import chromosome_density, in_contrast, stain_contrast


def banded(seed: int = 0) -> tuple[np.ndarray, list[Region]]:
    """Six rods with bands, some pale and some dark, on a clear background."""
    generator = np.random.default_rng(seed)
    density = np.zeros((80, 140), np.float32)
    regions = []
    for number in range(6):
        x, y, long = 4 + 22 * number, 6, 40 + 4 * number
        bands = np.repeat(generator.uniform(0.2, 1.2, 12), 6)[:long]
        density[y : y + long, x : x + 12] = bands[:, None]
        regions.append(Region((x, y, x + 12, y + long), np.ones((long, 12), bool)))
    return density, regions


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 99), power=st.floats(0.5, 2.0), usual=st.floats(0.3, 0.5))
def test_whatever_the_stain_the_contrast_is_the_usual_one(seed: int, power: float, usual: float) -> None:
    density, regions = banded(seed)
    stained = (density**power).astype(np.float32)
    evened = in_contrast(regions, stained, usual)
    assert stain_contrast(regions, evened) == pytest.approx(usual, abs=0.01)
    assert chromosome_density(regions, evened) == pytest.approx(chromosome_density(regions, stained), rel=1e-4)
    assert evened.dtype == np.float32 and not evened[:, :4].any()


def test_a_power_of_the_stain_and_its_scale_are_taken_back() -> None:
    density, regions = banded()
    usual = stain_contrast(regions, density)
    again = in_contrast(regions, (2.5 * density**1.7).astype(np.float32), usual)
    again *= chromosome_density(regions, density) / chromosome_density(regions, again)
    assert again == pytest.approx(density, abs=0.02)


def test_what_has_no_contrast_is_left_as_it_is() -> None:
    density, regions = np.full((80, 140), 0.5, np.float32), banded()[1]
    assert in_contrast(regions, density, 0.4) is density
    assert in_contrast(regions, np.zeros_like(density), 0.4).max() == 0
