"""What stands against a metaphase: every number grows with what it names, whatever the size and turn of the image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from karyonet.case import Chromosome, Metaphase
from karyonet.geometry.region import Region
from karyonet.stages.quality import FEATURES, MetaphaseQuality, measure
from karyonet.stages.quality.features import (
    clustered_share,
    count_owners,
    edge_blur,
    haze_between,
    hull_area,
    near_share,
    reaches_border,
)
from karyonet.stages.quality.surroundings import distance_to, find_nuclei, straight_edges

from ..drawn import WIDTH, Drawing, lone_rods, processed, transformed

BLOCK = np.ones((3, 4), dtype=bool)


def block(x: int, y: int) -> Region:
    return Region.from_mask(BLOCK, offset=(x, y))


def turned(metaphase: Metaphase, transform: int) -> Metaphase:
    """The metaphase with everything found in it under one of the eight symmetries of the square."""
    shape = metaphase.grey.shape
    chromosomes = tuple(
        replace(c, region=Region.from_mask(transformed(c.region.to_mask(shape), transform)))
        for c in metaphase.chromosomes
    )
    images = {name: transformed(getattr(metaphase, name), transform) for name in ("grey", "optical_density")}
    assert metaphase.foreground is not None
    return replace(
        metaphase, **images, foreground=transformed(metaphase.foreground, transform), chromosomes=chromosomes
    )


def rotated_square(side: float, degrees: float, size: int = 200) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size] - (size - 1) / 2
    angle = np.deg2rad(degrees)
    along, across = columns * np.cos(angle) + rows * np.sin(angle), rows * np.cos(angle) - columns * np.sin(angle)
    return np.maximum(np.abs(along), np.abs(across)) <= side / 2


def noisy_field(noise: float = 0.5, size: int = 200) -> np.ndarray:
    """A background with a standard deviation of ``noise`` grey levels of 8 bits."""
    return np.asarray(0.85 + np.random.default_rng(0).normal(0, noise / 255, (size, size)), dtype=np.float32)


def test_chromosomes_of_a_cluster_of_several_are_clustered() -> None:
    clusters = ["k1", "k2", "k2", "k2", None, None]
    chromosomes = [Chromosome(f"c{n}", block(0, 0), cluster=cluster) for n, cluster in enumerate(clusters)]
    assert clustered_share(chromosomes) == 0.5
    assert clustered_share(chromosomes[:1]) == 0.0


def test_pixels_of_an_overlap_have_several_owners() -> None:
    owners = count_owners((6, 8), [block(0, 0), block(2, 1)])
    assert (owners == 2).sum() == 4
    assert owners.sum() == 24


@pytest.mark.parametrize(("x", "y", "cut"), [(0, 2, True), (6, 2, True), (3, 0, True), (3, 5, True), (1, 1, False)])
def test_a_chromosome_that_reaches_the_border_is_cut(x: int, y: int, cut: bool) -> None:
    assert reaches_border(block(x, y), (8, 10)) is cut


def test_a_wide_box_alone_does_not_reach_the_border() -> None:
    assert not reaches_border(block(3, 3).with_margin(10, (9, 10)), (9, 10))


@pytest.mark.parametrize("scale", [0.6, 1.0, 1.4])
@pytest.mark.parametrize("blur", [0.08, 0.15, 0.25])
def test_blur_is_measured_in_chromosome_widths_at_every_magnification(scale: float, blur: float) -> None:
    drawing = lone_rods(scale)
    width = WIDTH * scale
    stained = np.logical_or.reduce(drawing.masks)
    grey = ndimage.gaussian_filter(10**-drawing.optical_density, blur * width).astype(np.float32)
    assert edge_blur(grey, stained, width) / width == pytest.approx(blur, rel=0.3)


@given(step=st.floats(0.1, 1.0), offset=st.floats(0.0, 0.5))
@settings(max_examples=8, deadline=None)
def test_blur_depends_neither_on_contrast_nor_on_its_direction(step: float, offset: float) -> None:
    drawing = lone_rods(0.5)
    stained = np.logical_or.reduce(drawing.masks)
    grey = ndimage.gaussian_filter(10**-drawing.optical_density, 1.0).astype(np.float32)
    other = (offset - step * grey).astype(np.float32)
    assert edge_blur(other, stained, 7.0) == pytest.approx(edge_blur(grey, stained, 7.0), rel=1e-2)


@given(mask=st.integers(1, 2**20 - 1).map(lambda bits: np.array([bits >> n & 1 for n in range(20)], bool)))
@settings(max_examples=50, deadline=None)
def test_a_hull_holds_its_mask_and_turns_with_it(mask: np.ndarray) -> None:
    mask = mask.reshape(4, 5)
    assert mask.sum() - 1e-9 <= hull_area(mask) <= 20
    assert hull_area(transformed(mask, 1)) == pytest.approx(hull_area(mask))
    assert hull_area(transformed(mask, 4)) == pytest.approx(hull_area(mask))


def test_the_hull_of_two_corners() -> None:
    assert hull_area(np.eye(4, dtype=bool)) == pytest.approx(7.0)


def test_haze_lies_above_the_median_by_the_noise() -> None:
    background = np.random.default_rng(0).normal(0.2, 0.05, 20_000).astype(np.float32)
    assert haze_between(background) == pytest.approx(0.25, abs=0.01)
    assert haze_between(background[:0]) == 0.0


def test_only_discs_wider_than_chromosomes_are_nuclei() -> None:
    drawing = lone_rods().disc(320, 200, 40).disc(320, 330, 8)
    nuclei = find_nuclei(drawing.optical_density > 0.1, WIDTH)
    assert nuclei[320, 200] and not nuclei[320, 330]
    assert 0.9 < nuclei.sum() / (np.pi * 40**2) < 1.1


def test_a_nucleus_that_the_border_cuts_is_found() -> None:
    nuclei = find_nuclei(lone_rods().disc(430, 200, 40).optical_density > 0.1, WIDTH)
    assert nuclei[-5, 200]


def test_chromosomes_near_a_nucleus_are_counted() -> None:
    nucleus = np.zeros((40, 40), dtype=bool)
    nucleus[20:30, 20:30] = True
    regions = [block(14, 24), block(12, 24), block(2, 2), block(22, 22)]
    assert near_share(regions, nucleus, 3.0) == 0.5
    assert near_share(regions, np.zeros_like(nucleus), 3.0) == 0.0


def test_distance_to_nothing_is_infinite() -> None:
    assert np.isinf(distance_to(np.zeros((2, 2), dtype=bool))).all()


@given(degrees=st.floats(0, 90), side=st.floats(50, 120), step=st.sampled_from([-0.05, -0.03, 0.03, 0.08]))
@settings(max_examples=15, deadline=None)
def test_the_sides_of_a_pasted_patch_are_found(degrees: float, side: float, step: float) -> None:
    grey = noisy_field() + np.float32(step) * rotated_square(side, degrees)
    length = straight_edges(grey.astype(np.float32), np.ones(grey.shape, dtype=bool), 15.0)
    assert 0.6 * 4 * side < length < 1.1 * 4 * side


@pytest.mark.parametrize("noise", [0.5, 4.0])
@pytest.mark.parametrize("what", ["nothing", "disc", "gradient", "shade"])
def test_nothing_else_has_straight_sides(what: str, noise: float) -> None:
    grey = noisy_field(noise)
    rows, columns = np.mgrid[:200, :200]
    grey += {
        "nothing": 0,
        "disc": 0.1 * (np.hypot(rows - 100, columns - 100) < 40),
        "gradient": 0.3 * rows / 200,
        "shade": 0.2 * ndimage.gaussian_filter(rotated_square(100, 20).astype(float), 12),
    }[what]
    length = straight_edges(grey.astype(np.float32), np.ones(grey.shape, dtype=bool), 15.0)
    assert length < MetaphaseQuality.Options().pasted_patch * 15.0


def test_what_is_avoided_has_no_edges() -> None:
    grey = noisy_field() + np.float32(0.2) * rotated_square(100, 30)
    assert straight_edges(grey.astype(np.float32), np.zeros(grey.shape, dtype=bool), 15.0) == 0.0


@pytest.fixture(scope="module")
def crossing() -> Metaphase:
    """Lone chromosomes, two that cross, one at the border, a nucleus beside one."""
    drawing = lone_rods().rod(260, 120, 80).rod(260, 120, 80, 80).rod(320, 10, 70).disc(340, 270, 45).rod(262, 350, 50)
    return processed(drawing.rod(340, 330, 40, 90).metaphase())


def test_features_name_what_was_drawn(crossing: Metaphase) -> None:
    features, lone = measure(crossing), measure(processed(lone_rods().metaphase()))
    assert features is not None and lone is not None
    assert lone.clustered == lone.overlapping == lone.cut == lone.nucleus == lone.patches == lone.surplus == 0
    assert lone.missing == pytest.approx(38 / 46)
    count = len(crossing.chromosomes)
    assert features.clustered >= 2 / count
    assert features.overlapping > 0
    assert round(features.cut * count) == 1
    assert round(features.nucleus * count) == 1


@pytest.mark.parametrize("transform", [1, 2, 4, 7])
def test_turning_and_mirroring_change_no_feature(crossing: Metaphase, transform: int) -> None:
    plain, other = measure(crossing), measure(turned(crossing, transform))
    assert plain is not None and other is not None
    assert dict(zip(FEATURES, other.as_array(), strict=True)) == pytest.approx(
        dict(zip(FEATURES, plain.as_array(), strict=True)), abs=1e-4
    )


def test_a_metaphase_without_chromosomes_has_no_features() -> None:
    assert measure(Drawing(80, 80).metaphase()) is None


def test_noise_and_haze_are_relative_to_the_stain() -> None:
    clean, noisy = (measure(processed(lone_rods().metaphase(noise))) for noise in (0.002, 0.03))
    assert clean is not None and noisy is not None
    assert noisy.haze > 4 * clean.haze
