"""What is nearest, and that it does not hang on how a chromosome lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from karyonet.data.strips import read_strips
from karyonet.pipeline import Pipeline
from karyonet.similar.crop import find_chromosome
from karyonet.similar.gallery import Gallery, Key, key_of, make_gallery
from karyonet.similar.picture import draw_similar
from karyonet.similar.search import Neighbour, Sighting, nearest, plausible_scales, see_crop
from karyonet.stage import Stage
from karyonet.training.strip_pack import LabelledStrip, concatenate, pack_cell


def gallery_of(labels: list[str], embeddings: np.ndarray, cases: list[str] | None = None) -> Gallery:
    strips = [LabelledStrip(np.ones((40, 10), np.float32), label) for label in labels]
    packs = [
        pack_cell([strip], case=case, cell=f"cell{n}", split="", source="")
        for n, (strip, case) in enumerate(zip(strips, cases or ["one"] * len(labels), strict=True))
    ]
    return Gallery(concatenate(packs), embeddings.astype(np.float32), Key("data", "model"))


def test_the_best_of_all_views_counts() -> None:
    gallery = gallery_of(["1", "2", "X"], np.eye(3), ["one", "one", "two"])
    views = np.array([[0.6, 0.8, 0.0], [0.0, 0.0, 1.0]], dtype=np.float32)
    found = nearest(views, gallery, 2)
    assert [(n.label, n.cell, n.case) for n in found] == [("X", "cell2", "two"), ("2", "cell1", "one")]
    assert [n.similarity for n in found] == pytest.approx([1.0, 0.8])
    assert [n.label for n in nearest(views, gallery, 9, without_case="two")] == ["2", "1"]


def test_votes_are_counted_and_ties_go_to_the_more_similar() -> None:
    strip = np.ones((4, 4), np.float32)
    neighbours = tuple(
        Neighbour(0, label, similarity, "cell", "case")
        for label, similarity in (("9", 0.99), ("11", 0.9), ("11", 0.8), ("9", 0.6))
    )
    votes = Sighting("a", strip, strip, None, "9", 1.0, 10.0, (10.0,), neighbours).votes
    assert [(vote.label, vote.neighbours) for vote in votes] == [("11", 2), ("9", 2)]


def test_scales_follow_the_width() -> None:
    gallery = gallery_of(["1"], np.eye(2)[:1])  # a width of 10 at a median length of 40
    scales = plausible_scales(np.ones((100, 20), np.float32), gallery)
    assert min(scales) <= 80.1 and max(scales) >= 79.9 and scales == tuple(sorted(scales))
    thinner = plausible_scales(np.ones((100, 10), np.float32), gallery)
    np.testing.assert_allclose(np.array(scales), 2 * np.array(thinner), rtol=1e-6)


@pytest.fixture(scope="module")
def stages() -> dict[str, Stage]:
    options = ("stages.classification.device=cpu", "stages.classification.precision=fp32")
    return Pipeline.from_config("default", options).stages


@pytest.fixture(scope="module")
def gallery(stages: dict[str, Stage], known: Path) -> Gallery:
    cells = read_strips(known)
    return make_gallery(stages, cells, key_of(stages, cells), progress=False)


def test_a_known_chromosome_finds_itself(stages: dict[str, Stage], gallery: Gallery) -> None:
    strip = gallery.pack.optical_density(0)
    grey = np.pad(10.0**-strip, 12, constant_values=1).astype(np.float32)
    scale = float(gallery.pack.median_length[0])
    found = see_crop(stages, find_chromosome(grey), gallery, count=1, scale=scale)
    assert found.neighbours[0].index == 0 and found.neighbours[0].similarity > 0.95
    assert found.scales == (scale,)


def test_turning_and_mirroring_change_no_name(
    stages: dict[str, Stage], gallery: Gallery, chromosomes: list[tuple[str, np.ndarray]]
) -> None:
    scale = float(np.median(gallery.pack.median_length))

    def names(picture: np.ndarray) -> tuple[str, str, list[str]]:
        crop = find_chromosome(np.ascontiguousarray(picture, dtype=np.float32) / 255)
        found = see_crop(stages, crop, gallery, count=3, scale=scale)
        return found.label, found.votes[0].label, [n.label for n in found.neighbours]

    for label, picture in chromosomes[1:2]:
        as_it_lies = names(picture)
        for other in (np.rot90(picture, 2), picture[:, ::-1], picture[::-1], np.rot90(picture), np.rot90(picture, 3)):
            assert names(other)[:2] == as_it_lies[:2], label
            assert names(other)[2][0] == as_it_lies[2][0], label


def test_the_scale_matters(
    stages: dict[str, Stage], gallery: Gallery, chromosomes: list[tuple[str, np.ndarray]]
) -> None:
    crop = find_chromosome(chromosomes[0][1].astype(np.float32) / 255)
    near, far = (see_crop(stages, crop, gallery, count=1, scale=scale).neighbours[0] for scale in (40.0, 120.0))
    assert abs(near.similarity - far.similarity) > 0.001


def test_the_picture_has_a_row_for_each(
    stages: dict[str, Stage], gallery: Gallery, chromosomes: list[tuple[str, np.ndarray]]
) -> None:
    crop = find_chromosome(chromosomes[0][1].astype(np.float32) / 255)
    one = see_crop(stages, crop, gallery, count=3, scale=60.0)
    single, double = draw_similar([one], gallery), draw_similar([one, one], gallery)
    assert single.mode == "RGB" and double.width == single.width and double.height > 1.7 * single.height
    assert np.asarray(single).min() < 60
