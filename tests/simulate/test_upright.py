"""The chromosomes of a metaphase laid side by side."""

from __future__ import annotations

import numpy as np
import pytest

from karyonet.errors import ArrayError
from karyonet.ideogram import relative_length
from karyonet.imaging.optical_density import to_optical_density
from karyonet.simulate.plan import normal_complement
from karyonet.simulate.upright import draw_upright, lift

CELL = normal_complement("XY")


def drawn(seed: int = 3, level: float = 550) -> tuple[np.ndarray, list]:
    return draw_upright(CELL, np.random.default_rng(seed), level)


def test_the_same_generator_draws_the_same() -> None:
    (image, regions), (other, others) = drawn(), drawn()
    assert np.array_equal(image, other)
    assert [region.bbox for region in regions] == [region.bbox for region in others]


def test_chromosomes_lie_apart_and_dark() -> None:
    image, regions = drawn()
    owners = np.zeros(image.shape, dtype=int)
    for region in regions:
        owners[region.slices] += region.mask
    assert len(regions) == 46 and owners.max() == 1
    assert image[owners == 1].mean() < 0.8 * image[owners == 0].mean()


def test_strips_are_as_long_as_their_types() -> None:
    image, regions = drawn()
    density = to_optical_density((image / 255).astype(np.float32), "absorption")
    strips = [lift(density, region) for region in regions]
    expected = [relative_length(plan.label) for plan in CELL]
    assert np.corrcoef([strip.length for strip in strips], expected)[0, 1] > 0.95
    for strip, region in zip(strips, regions, strict=True):
        assert strip.optical_density.shape == (region.mask.shape[0], region.mask.shape[1] + 4)
        assert (strip.optical_density[:, 2:-2][region.mask] > 0).mean() > 0.95
        assert strip.valid.all() and len(strip.axis) == strip.length


def test_a_higher_level_is_longer() -> None:
    low, high = (sum(region.mask.shape[0] for region in drawn(5, level)[1]) for level in (300, 850))
    assert high > 1.3 * low


def test_levels_beyond_the_range_are_refused() -> None:
    with pytest.raises(ArrayError, match="K501"):
        drawn(level=200)
