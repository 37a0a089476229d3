from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from karyonet.geometry.axis import medial_axis
from karyonet.geometry.folds import FEWEST, folded_axes, usual_half_width
from karyonet.geometry.region import Region
from karyonet.geometry.straighten import straighten
from karyonet.stages.straightening import MedialAxisStraightener


def correlation(strip, rod):
    rows = strip.optical_density.mean(axis=1)
    at = np.linspace(0, len(rod.profile) - 1, len(rows))
    expected = gaussian_filter(np.interp(at, np.arange(len(rod.profile)), rod.profile), 1.0)
    return max(np.corrcoef(rows[5:-5], profile[5:-5])[0, 1] for profile in (expected, expected[::-1]))


def test_the_usual_width_is_that_of_most(draw_rod):
    masks = [draw_rod(60, 12, heading=angle).mask for angle in np.linspace(0, 3, 11)] + [draw_rod(80, 24).mask]
    assert usual_half_width(masks) == pytest.approx(6.0, rel=0.15)
    assert usual_half_width(masks[: FEWEST - 1]) is None


@pytest.mark.parametrize("turn", [3.4, 4.0])
def test_a_short_folded_chromosome_is_unfolded(draw_rod, turn):
    rod = draw_rod(56, 14, turn=turn)
    region = Region.from_mask(rod.mask)
    strip = straighten(rod.optical_density, region, usual=7.0)
    assert len(strip.axis) == pytest.approx(56, rel=0.12)
    assert correlation(strip, rod) > 0.9


def test_a_loop_is_cut_open_where_it_touches_itself(draw_rod):
    rod = draw_rod(150, 14, turn=5.9)
    # A little stain between the ends closes the loop.
    ends = np.array([rod.mask.shape[0] // 2, np.nonzero(rod.mask)[1].max() - 5])
    between = np.hypot(*(np.indices(rod.mask.shape) - ends[:, None, None])) < 6
    density = np.where(between & ~rod.mask, 0.1, rod.optical_density).astype(np.float32)
    closed = Region.from_mask(rod.mask | between)
    assert not 0.85 < len(straighten(density, closed).axis) / 150 < 1.15
    assert len(straighten(density, closed, usual=7.0).axis) == pytest.approx(150, rel=0.15)


def test_pieces_on_both_sides_of_another_chromosome_are_one(draw_rod):
    rod = draw_rod(120, 14, turn=1.5)
    mask = rod.mask.copy()
    middle = mask.shape[0] // 2
    mask[middle - 8 : middle + 8] = False
    assert medial_axis(mask).confidence < 0.4
    strip = straighten(rod.optical_density, Region.from_mask(mask), usual=7.0)
    assert len(strip.axis) == pytest.approx(120, rel=0.05)
    assert strip.confidence > 0.7


def test_a_straight_chromosome_stays_as_it_is(draw_rod):
    rod = draw_rod(80, 14, turn=0.6)
    region = Region.from_mask(rod.mask)
    with_width = straighten(rod.optical_density, region, usual=7.0)
    assert np.array_equal(with_width.optical_density, straighten(rod.optical_density, region).optical_density)


def test_open_chromatids_are_not_followed():
    rows, columns = np.mgrid[:90, :60]
    # An X of two crossing bars, each half as wide as a chromosome: the chromatids part at both ends.
    slope = (rows - 44.5) / 44.5 * 9
    crossing = (np.abs(columns - 29.5 - slope) < 5) | (np.abs(columns - 29.5 + slope) < 5)
    mask = crossing & (rows > 4) & (rows < 85)
    strip = straighten(gaussian_filter(mask.astype(np.float32), 0.7), Region.from_mask(mask), usual=9.0)
    assert len(strip.axis) == pytest.approx(80, abs=2)
    assert np.abs(strip.axis[:, 1] - 29.5).max() < 1.0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.3, 3.0), st.integers(1, 60), st.integers(1, 60), st.floats(1.0, 12.0))
def test_any_mask_is_straightened(seed, coarse, height, width, usual):
    """Ragged masks in pieces and with holes, smaller and larger than what is usual."""
    noise = gaussian_filter(np.random.default_rng(seed).standard_normal((height, width)), coarse)
    mask = noise > np.median(noise)
    mask[height // 2, width // 2] = True
    density = np.where(mask, noise - noise.min() + 0.1, 0.0).astype(np.float32)
    axes = folded_axes(mask, density, usual)
    assert all(np.isfinite(axis.points).all() and 0 <= axis.confidence <= 1 for axis in axes)
    strip = straighten(density, Region.from_mask(mask), usual=usual)
    assert np.isfinite(strip.optical_density).all() and len(strip.axis) == strip.length >= 1


def test_the_stage_takes_the_width_of_the_metaphase(draw_rod):
    rods = [draw_rod(60 + 2 * number, 14) for number in range(FEWEST)] + [draw_rod(56, 14, turn=4.0)]
    width = sum(rod.mask.shape[1] for rod in rods)
    density = np.zeros((max(rod.mask.shape[0] for rod in rods), width), np.float32)
    regions, left = [], 0
    for rod in rods:
        height, breadth = rod.mask.shape
        density[:height, left : left + breadth] = rod.optical_density
        mask = np.zeros(density.shape, bool)
        mask[:height, left : left + breadth] = rod.mask
        regions.append(Region.from_mask(mask))
        left += breadth
    folded = MedialAxisStraightener().straighten_regions(density, regions)[-1]
    assert folded.length == pytest.approx(56, rel=0.12)
