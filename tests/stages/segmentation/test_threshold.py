"""The foreground of drawn metaphases: chromosomes kept, nuclei and debris left out, nothing found in nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from karyonet.stages.segmentation import ThresholdSegmenter, components, segment

from ..drawn import WIDTH, Drawing, as_metaphase, intersection_over_union, lone_rods, mirrored, transformed


def test_every_lone_chromosome_is_a_cluster_with_its_pixels() -> None:
    drawing = lone_rods()
    result = ThresholdSegmenter().process(drawing.metaphase())
    assert [cluster.id for cluster in result.clusters] == [f"k{number}" for number in range(1, 9)]
    assert result.reasons == ()
    found = [cluster.region.to_mask(drawing.optical_density.shape) for cluster in result.clusters]
    for mask in drawing.masks:
        assert max(intersection_over_union(mask, other) for other in found) > 0.75
    assert result.foreground is not None
    assert np.array_equal(result.foreground, np.logical_or.reduce(found))


@pytest.mark.parametrize("scale", [0.6, 1.0, 1.7])
def test_width_is_measured_at_every_magnification(scale: float) -> None:
    _, width = segment(lone_rods(scale).metaphase().optical_density)
    assert width == pytest.approx(WIDTH * scale, rel=0.2)


@pytest.mark.parametrize("density", [0.2, 0.5, 1.2])
def test_nucleus_is_left_out(density: float) -> None:
    result = ThresholdSegmenter().process(lone_rods().disc(320, 200, 60, density).metaphase())
    assert len(result.clusters) == 8
    assert result.foreground is not None
    assert not result.foreground[270:370, 150:250].any()


def test_large_dark_nuclei_do_not_hide_the_chromosomes() -> None:
    drawing = lone_rods().disc(330, 100, 85, 1.5).disc(330, 300, 85, 1.5)
    assert len(ThresholdSegmenter().process(drawing.metaphase()).clusters) == 8


def test_nucleus_cut_by_the_border_is_left_out() -> None:
    assert len(ThresholdSegmenter().process(lone_rods().disc(418, 200, 60).metaphase()).clusters) == 8


def test_chromosome_against_a_nucleus_is_kept() -> None:
    drawing = lone_rods().disc(330, 120, 60).rod(330, 203, 60)
    result = ThresholdSegmenter().process(drawing.metaphase())
    beside = [cluster for cluster in result.clusters if cluster.region.bbox[1] > 250]
    assert len(beside) == 1
    mask = beside[0].region.to_mask(drawing.optical_density.shape)
    assert intersection_over_union(mask, drawing.masks[-1]) > 0.6


def test_specks_are_left_out() -> None:
    drawing = lone_rods().disc(250, 100, 3, 1.2).disc(300, 200, 4, 1.0).disc(350, 300, 7, 1.5)
    assert len(ThresholdSegmenter().process(drawing.metaphase()).clusters) == 8


def test_chromosome_cut_by_the_border_is_kept() -> None:
    assert len(ThresholdSegmenter().process(lone_rods().rod(300, 0, 70).metaphase()).clusters) == 9


@given(transform=st.integers(1, 7))
@settings(max_examples=4, deadline=None)
def test_symmetric_images_have_symmetric_foregrounds(transform: int) -> None:
    metaphase = lone_rods().rod(300, 120, 80).rod(334, 120, 56, 90).disc(320, 300, 50).metaphase()
    plain, _ = segment(metaphase.optical_density)
    other, _ = segment(mirrored(metaphase, transform).optical_density)
    assert components(other).max() == components(plain).max()
    assert intersection_over_union(transformed(plain, transform), other) >= 0.95


def _photograph_of_something_else() -> np.ndarray:
    random = np.random.default_rng(1)
    smooth = ndimage.gaussian_filter(random.normal(size=(200, 200)), 20)
    return np.clip(0.4 + 30 * smooth, 0, 1.5).astype(np.float32)


@pytest.mark.parametrize(
    ("optical_density", "code"),
    [
        (np.zeros((200, 200), np.float32), "K121"),
        (np.full((200, 200), 3.0, np.float32), "K121"),
        (np.zeros((1, 1), np.float32), "K121"),
        (np.random.default_rng(0).uniform(0, 1, (3, 5)).astype(np.float32), "K12"),
        (np.abs(np.random.default_rng(0).normal(0, 0.3, (200, 200))).astype(np.float32), "K12"),
        (np.tile(np.linspace(0, 1, 200, dtype=np.float32), (200, 1)), "K12"),
        (_photograph_of_something_else(), "K12"),
        (np.where(np.indices((200, 200)).sum(axis=0) % 2 == 0, 1.0, 0.0).astype(np.float32), "K12"),
    ],
    ids=["white", "black", "one pixel", "tiny", "noise", "ramp", "something else", "checkers"],
)
def test_image_without_chromosomes_says_why(optical_density: np.ndarray, code: str) -> None:
    result = ThresholdSegmenter().process(as_metaphase(optical_density))
    assert result.clusters == ()
    assert len(result.reasons) == 1
    assert result.reasons[0].startswith(code)
    assert result.foreground is not None
    assert result.foreground.shape == optical_density.shape
    assert not result.foreground.any()


def test_single_chromosome_is_found() -> None:
    result = ThresholdSegmenter().process(Drawing(120, 120).rod(60, 60, 70, 30).metaphase())
    assert len(result.clusters) == 1
