from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from karyonet.errors import ArrayError
from karyonet.geometry.axis import medial_axis
from karyonet.geometry.curve import tangents_of
from karyonet.geometry.region import Region
from karyonet.geometry.straighten import straighten, turn_upright, uncrossed_normals

from .test_axis import DEGENERATE, bent_rods

MODEST = settings(max_examples=20, deadline=None)


def _correlation(first, second):
    """Best correlation over shifts of one pixel and both directions; ends, which are blurred, left out."""
    best = -1.0
    for profile in (first, first[::-1]):
        for shift in (-1, 0, 1):
            shifted = np.roll(profile, shift)
            count = min(len(shifted), len(second))
            best = max(best, float(np.corrcoef(shifted[2 : count - 2], second[2 : count - 2])[0, 1]))
    return best


@MODEST
@given(bent_rods())
def test_bands_are_recovered(draw_rod, arguments):
    rod = draw_rod(**arguments)
    strip = straighten(rod.optical_density, Region.from_mask(rod.mask))
    middle, quarter = strip.optical_density.shape[1] // 2, max(1, int(arguments["width"] / 4))
    profile = strip.optical_density[:, middle - quarter : middle + quarter + 1].mean(axis=1)
    assert _correlation(profile, rod.profile) >= 0.97
    assert strip.valid.all()


@MODEST
@given(bent_rods(), st.sampled_from([(1, False), (2, False), (3, False), (0, True), (1, True)]))
def test_turned_or_flipped_image_gives_the_same_strip(draw_rod, arguments, change):
    quarters, flip = change
    rod = draw_rod(**arguments)

    def turned(array):
        array = np.rot90(array, quarters)
        return np.ascontiguousarray(array[:, ::-1] if flip else array)

    original = straighten(rod.optical_density, Region.from_mask(rod.mask)).optical_density
    strip = straighten(turned(rod.optical_density), Region.from_mask(turned(rod.mask))).optical_density
    # Thinning is not symmetric: the length may fall on the other side of a half pixel.
    assert abs(strip.shape[0] - original.shape[0]) <= 1
    assert abs(strip.shape[1] - original.shape[1]) <= 2
    views = (strip, strip[::-1], strip[:, ::-1], strip[::-1, ::-1])
    assert min(np.abs(_of_shape(view, original.shape) - original).mean() for view in views) < 0.02


def _of_shape(strip, shape):
    """Rows interpolated and columns cropped or padded to a shape."""
    rows = np.linspace(0, len(strip) - 1, shape[0])
    low = np.floor(rows).astype(int)
    high = np.minimum(low + 1, len(strip) - 1)
    stretched = strip[low] + (rows - low)[:, None] * (strip[high] - strip[low])
    lacking = (shape[1] - strip.shape[1]) // 2
    return (
        np.pad(stretched, ((0, 0), (lacking, lacking))) if lacking > 0 else stretched[:, -lacking : shape[1] - lacking]
    )


@MODEST
@given(bent_rods(), st.integers(0, 1000))
def test_neighbours_do_not_change_the_strip(draw_rod, arguments, seed):
    rod = draw_rod(**arguments)
    region = Region.from_mask(rod.mask)
    near = gaussian_filter(rod.mask.astype(float), 2.5) > 1e-3
    crowded = rod.optical_density.copy()
    crowded[~near] = np.random.default_rng(seed).random(crowded.shape)[~near]
    alone, among = straighten(rod.optical_density, region), straighten(crowded, region)
    assert np.array_equal(alone.optical_density, among.optical_density)
    assert np.array_equal(alone.profiles, among.profiles)


def test_strip_of_a_straight_rod_is_the_image(draw_rod):
    rod = draw_rod(80, 15, shift=(0.5, 0.0))
    strip = straighten(rod.optical_density, Region.from_mask(rod.mask))
    assert abs(strip.length - 80) <= 1
    middle = strip.optical_density[:, strip.optical_density.shape[1] // 2]
    row, column = np.rint(strip.axis[0]).astype(int)
    assert middle[2:-2] == pytest.approx(rod.optical_density[row + 2 : row + strip.length - 2, column], abs=0.05)
    assert strip.confidence > 0.95


def test_left_and_right_are_those_of_an_upright_chromosome(draw_rod):
    rod = draw_rod(90, 20)
    one_sided = rod.optical_density * (np.arange(rod.mask.shape[1]) < rod.mask.shape[1] // 2)
    left, right = straighten(one_sided.astype(np.float32), Region.from_mask(rod.mask)).profiles
    assert left[:90].mean() > 5 * right[:90].mean()


def test_strip_is_wide_enough_and_holds_the_density(draw_rod):
    rod = draw_rod(120, 18, turn=1.2, heading=0.7)
    strip = straighten(rod.optical_density, Region.from_mask(rod.mask))
    width = strip.optical_density.shape[1]
    assert width % 2 == 1
    assert 18 + 2 * 2 - 1 <= width <= 18 + 2 * 2 + 4
    assert strip.optical_density.sum() == pytest.approx(rod.optical_density.sum(), rel=0.05)
    assert (strip.optical_density[:, [0, -1]] == 0).all()


def test_rows_under_another_chromosome_are_not_valid(draw_rod):
    rod = draw_rod(100, 16)
    hidden = np.zeros(rod.mask.shape, bool)
    top = int(np.flatnonzero(rod.mask.any(axis=1))[0])
    hidden[top + 40 : top + 60] = True
    strip = straighten(rod.optical_density, Region.from_mask(rod.mask), hidden)
    assert not strip.valid[41:59].any()
    assert strip.valid[:39].all()
    assert strip.valid[61:].all()
    narrow = hidden & (np.arange(rod.mask.shape[1]) < rod.mask.shape[1] // 2 - 4)
    assert straighten(rod.optical_density, Region.from_mask(rod.mask), narrow).valid.all()


def test_a_region_at_the_border_of_the_image(draw_rod):
    rod = draw_rod(80, 15)
    region = Region.from_mask(rod.mask)
    cropped = rod.optical_density[region.slices]
    at_border = straighten(cropped, Region.from_mask(region.mask))
    inside = straighten(rod.optical_density, region)
    assert at_border.length == inside.length
    # The body is the same; the soft edge beyond the image is not made up.
    assert at_border.profiles == pytest.approx(inside.profiles, abs=0.05)
    assert at_border.optical_density.sum() < inside.optical_density.sum()


def test_axis_is_in_pixels_of_the_image(draw_rod):
    rod = draw_rod(80, 15, heading=0.5)
    placed = np.zeros((400, 500), bool)
    placed[200 : 200 + rod.mask.shape[0], 300 : 300 + rod.mask.shape[1]] = rod.mask
    density = np.zeros(placed.shape, np.float32)
    strip = straighten(density, Region.from_mask(placed))
    assert placed[tuple(np.rint(strip.axis[2:-2]).astype(int).T)].all()
    assert not strip.optical_density.any()


@MODEST
@given(bent_rods())
def test_a_crop_holds_the_whole_chromosome_as_bent_as_it_is(draw_rod, arguments):
    rod = draw_rod(**arguments)
    region = Region.from_mask(rod.mask)
    crop = turn_upright(rod.optical_density, region)
    assert crop.optical_density.sum() == pytest.approx(rod.optical_density.sum(), rel=0.04)
    assert crop.length <= np.hypot(*region.mask.shape) + 1
    steps = np.diff(crop.axis, axis=0)
    assert np.abs(steps - steps[0]).max() < 1e-3


def test_a_straight_chromosome_is_cropped_as_it_is_straightened(draw_rod):
    rod = draw_rod(100, 17, heading=0.6)
    region = Region.from_mask(rod.mask)
    crop, strip = turn_upright(rod.optical_density, region), straighten(rod.optical_density, region)
    assert abs(crop.length - strip.length) <= 2
    middle, profile = (one.optical_density[5:95].mean(axis=1) for one in (crop, strip))
    assert _correlation(middle, profile) > 0.99


def test_a_bent_chromosome_is_shorter_and_wider_in_a_crop(draw_rod):
    rod = draw_rod(120, 16, turn=2.5)
    region = Region.from_mask(rod.mask)
    crop, strip = turn_upright(rod.optical_density, region), straighten(rod.optical_density, region)
    assert crop.length < 0.9 * strip.length
    assert crop.optical_density.shape[1] > 1.5 * strip.optical_density.shape[1]


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_masks(name):
    region = Region.from_mask(DEGENERATE[name])
    for lay in (straighten, turn_upright):
        strip = lay(DEGENERATE[name].astype(np.float32), region)
        assert np.isfinite(strip.optical_density).all()
        assert np.isfinite(strip.profiles).all()
        assert strip.profiles.shape == (2, 512)
        assert strip.length == len(strip.axis) == len(strip.valid)
        assert strip.confidence < 0.4


def test_a_touching_chromosome_lowers_the_confidence(draw_rod):
    rod = draw_rod(120, 16)
    alone = straighten(rod.optical_density, Region.from_mask(rod.mask))
    merged = rod.mask.copy()
    row, column = (size // 2 for size in merged.shape)
    merged = np.pad(merged, ((0, 0), (0, 40)))
    merged[row - 8 : row + 8, column : column + 40] = True
    both = straighten(np.pad(rod.optical_density, ((0, 0), (0, 40))), Region.from_mask(merged))
    assert both.confidence < 0.8 < alone.confidence


def test_normals_do_not_cross_within_the_chromosome(draw_rod):
    axis = medial_axis(draw_rod(100, 20, turn=3.3).mask)
    normals = uncrossed_normals(axis)
    reach = 0.95 * axis.half_width
    for side in (-reach, reach):
        edge = axis.points + side * normals
        assert ((tangents_of(edge) * axis.tangents).sum(axis=1) > 0).all()


def test_errors(draw_rod):
    rod = draw_rod(40, 10)
    region = Region.from_mask(rod.mask)
    with pytest.raises(ArrayError, match="K501"):
        straighten(rod.optical_density[:20], region)
    with pytest.raises(ArrayError, match="K501"):
        straighten(rod.optical_density[None], region)
    with pytest.raises(ArrayError, match="K501"):
        straighten(rod.optical_density, region, np.zeros((3, 3), bool))
    with pytest.raises(ArrayError, match="K502"):
        straighten(np.zeros((4, 4), np.float32), Region((0, 0, 3, 3), np.zeros((3, 3), bool)))
