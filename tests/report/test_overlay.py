from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import ImageColor

from karyonet.case import LABELS, Metaphase
from karyonet.geometry.region import Region
from karyonet.report.drawing import AMBER, COLOURS, colour
from karyonet.report.overlay import contours, draw_overlay

Make = Callable[..., Metaphase]


def share_of(metaphase: Metaphase, name: str) -> float:
    picture = np.asarray(draw_overlay(metaphase)).astype(int)
    return float((np.abs(picture - ImageColor.getrgb(name)).sum(axis=2) < 12).mean())


def test_small_images_are_enlarged_and_large_ones_are_not_made_larger_still(make_metaphase: Make) -> None:
    assert max(draw_overlay(make_metaphase()).size) >= 1600
    large = np.zeros((100, 5000), dtype=np.float32)
    assert max(draw_overlay(make_metaphase((), grey=large, optical_density=large)).size) <= 2600


def test_the_picture_is_the_image_as_recorded(make_metaphase: Make) -> None:
    dark = make_metaphase((), grey=np.full((400, 400), 0.25, dtype=np.float32))
    assert np.unique(np.asarray(draw_overlay(dark))).tolist() == [64]


def test_an_outline_has_the_colour_of_its_label(make_metaphase: Make) -> None:
    metaphase = make_metaphase(("9",))
    assert share_of(metaphase, colour("9")) > 0
    assert all(share_of(metaphase, other) == 0 for other in COLOURS if other != colour("9"))


def test_homologs_share_a_colour() -> None:
    assert len({colour(label) for label in LABELS}) == len(COLOURS)
    assert AMBER not in COLOURS


def test_a_chromosome_to_review_is_dashed_in_amber(make_metaphase: Make) -> None:
    metaphase = make_metaphase(("9",))
    review = replace(metaphase, chromosomes=(replace(metaphase.chromosomes[0], review=True),))
    assert share_of(metaphase, AMBER) == 0
    assert share_of(review, AMBER) > 0
    assert share_of(review, colour("9")) == 0
    # Dashes are fewer pixels than the whole line, which is thinner.
    assert share_of(review, AMBER) < share_of(metaphase, colour("9"))


def test_an_outline_follows_the_edge_of_the_pixels() -> None:
    points = contours(Region((10, 20, 40, 30), np.ones((10, 30), dtype=bool)))[0]
    assert points.min(axis=0) == pytest.approx([10, 20], abs=0.6)
    assert points.max(axis=0) == pytest.approx([40, 30], abs=0.6)


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (2, 2)])
def test_the_thinnest_region_has_an_outline(shape: tuple[int, int]) -> None:
    assert contours(Region((5, 5, 5 + shape[1], 5 + shape[0]), np.ones(shape, dtype=bool)))


def test_a_metaphase_without_chromosomes_is_just_the_picture(make_metaphase: Make) -> None:
    picture = np.asarray(draw_overlay(make_metaphase(())))
    assert (picture[..., 0] == picture[..., 1]).all()
