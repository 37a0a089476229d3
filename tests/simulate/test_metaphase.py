"""The drawn metaphase against its truth."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label as components

from karyonet.case import LABELS
from karyonet.ideogram import length_of
from karyonet.simulate import SimulatedMetaphase, draw_metaphase, normal_chromosome, normal_complement, simulate
from karyonet.simulate.plan import ChromosomePlan

FEW = tuple(normal_chromosome(name) for name in ("1", "5", "9", "13", "18", "21", "X", "Y"))


def draw(seed: int, plans: tuple[ChromosomePlan, ...] = FEW, **options: object) -> SimulatedMetaphase:
    options.setdefault("shape", (420, 420))
    return draw_metaphase(plans, np.random.Generator(np.random.PCG64(seed)), **options)  # type: ignore[arg-type]


@given(st.integers(0, 10_000), st.floats(0, 1), st.floats(300, 850), st.sampled_from(["gband", "qband"]))
@settings(max_examples=12, deadline=None)
def test_the_truth_is_consistent(seed: int, crowding: float, level: float, style: str) -> None:
    metaphase = draw(seed, crowding=crowding, band_level=level, style=style)
    height, width = metaphase.image.shape
    counted = np.zeros((height, width), dtype=int)
    for chromosome in metaphase.chromosomes:
        xmin, ymin, xmax, ymax = chromosome.region.bbox
        assert 0 <= xmin < xmax <= width and 0 <= ymin < ymax <= height
        mask = chromosome.region.to_mask((height, width))
        counted += mask
        assert components(mask, np.ones((3, 3)))[1] == 1 or chromosome.region.area < 60
        rows, columns = np.round(chromosome.axis).astype(int).T
        inside = mask[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
        assert inside.mean() > 0.8
        for row, column in chromosome.centromeres:
            assert ymin <= row <= ymax and xmin <= column <= xmax
        assert chromosome.p_arm_up == (chromosome.axis[0].tolist() < chromosome.axis[-1].tolist())
    pairs_sharing = {pair for pair, pixels in metaphase.overlaps.items() if pixels}
    assert (counted > 1).any() == bool(pairs_sharing)
    assert not (metaphase.surroundings & (counted > 0)).any()
    members = [id for cluster in metaphase.clusters for id in cluster.chromosomes]
    assert sorted(members) == sorted(chromosome.id for chromosome in metaphase.chromosomes)
    found = components(counted > 0, np.ones((3, 3)))[1]
    assert found >= len(metaphase.clusters)


@given(st.integers(0, 10_000), st.floats(0.3, 1))
@settings(max_examples=8, deadline=None)
def test_shared_pixels_are_those_of_the_masks(seed: int, crowding: float) -> None:
    metaphase = draw(seed, crowding=crowding)
    masks = {c.id: c.region.to_mask(metaphase.image.shape) for c in metaphase.chromosomes}  # type: ignore[arg-type]
    ids = list(masks)
    for place, first in enumerate(ids):
        for second in ids[place + 1 :]:
            shared = int((masks[first] & masks[second]).sum())
            assert metaphase.overlaps.get((first, second), 0) == shared
    types = {cluster.id: cluster.type for cluster in metaphase.clusters}
    for (first, _), pixels in metaphase.overlaps.items():
        cluster = next(c.cluster for c in metaphase.chromosomes if c.id == first)
        assert types[cluster] in {"touching_overlapping", "overlapping" if pixels else "touching"}


def test_masks_lie_on_dark_pixels() -> None:
    metaphase = draw(3, crowding=0.0)
    image = metaphase.image / 255.0
    union = sum(c.region.to_mask(metaphase.image.shape) for c in metaphase.chromosomes).astype(bool)  # type: ignore
    clear = ~union & ~metaphase.surroundings
    assert image[union].mean() < image[clear].mean() - 0.15
    light = draw(3, crowding=0.0, style="qband")
    union = sum(c.region.to_mask(light.image.shape) for c in light.chromosomes).astype(bool)  # type: ignore
    assert (light.image[union] / 255).mean() > (light.image[~union & ~light.surroundings] / 255).mean() + 0.08


def test_optical_densities_add() -> None:
    """Where chromosomes cross, the image is darker than under either of them."""
    darker = []
    for seed in range(4):
        metaphase = draw(seed, crowding=1.0)
        counted = sum(c.region.to_mask(metaphase.image.shape).astype(int) for c in metaphase.chromosomes)  # type: ignore
        if (counted > 1).sum() > 50:
            image = metaphase.image.astype(float)
            darker.append(image[counted == 1].mean() - image[counted > 1].mean())
    assert darker and min(darker) > 10


@pytest.mark.parametrize("seed", [1, 2])
def test_without_crowding_every_chromosome_lies_alone(seed: int) -> None:
    metaphase = simulate("46,XY", seed, crowding=0).metaphases[0]
    assert [cluster.type for cluster in metaphase.clusters] == ["instance"] * 46
    assert metaphase.overlaps == {}


def test_crowding_brings_chromosomes_together() -> None:
    alone, shared = [], []
    for crowding in (0.0, 0.5, 1.0):
        metaphases = simulate("46,XX", 5, crowding=crowding, metaphases=3).metaphases
        alone.append(sum(cluster.type == "instance" for m in metaphases for cluster in m.clusters))
        shared.append(sum(sum(m.overlaps.values()) for m in metaphases))
    assert alone[0] > alone[1] > alone[2]
    assert shared[0] == 0 < shared[1] < shared[2]


def test_labels_are_those_of_the_karyotype() -> None:
    metaphase = simulate("47,XY,+21", 2).metaphases[0]
    counts = Counter(chromosome.label for chromosome in metaphase.chromosomes)
    assert counts == Counter({**dict.fromkeys(LABELS[:22], 2), "21": 3, "X": 1, "Y": 1})
    assert sorted(c.homolog for c in metaphase.chromosomes if c.label == "21") == [1, 2, 3]


def test_lengths_follow_the_ideogram() -> None:
    metaphase = simulate("46,XY", 4, crowding=0).metaphases[0]
    drawn = [len(chromosome.axis) for chromosome in metaphase.chromosomes]
    expected = [length_of(chromosome.label) for chromosome in metaphase.chromosomes]
    assert np.corrcoef(drawn, expected)[0, 1] > 0.95


def test_a_higher_level_is_longer() -> None:
    low, high = (simulate("46,XX", 4, crowding=0, band_level=level).metaphases[0] for level in (300, 850))
    assert sum(len(c.axis) for c in high.chromosomes) > 1.15 * sum(len(c.axis) for c in low.chromosomes)


def test_structural_changes_are_in_the_truth() -> None:
    metaphase = simulate("46,XX,t(9;22)(q34;q11.2)", 3, crowding=0).metaphases[0]
    derived = [chromosome for chromosome in metaphase.chromosomes if chromosome.plan.change]
    assert [chromosome.label for chromosome in derived] == ["9", "22"]
    for chromosome in derived:
        assert len(chromosome.breakpoints) == 1 and len(chromosome.centromeres) == 1
        distance = np.linalg.norm(chromosome.axis - chromosome.breakpoints[0], axis=1)
        assert distance.min() < 1.0
    ring = simulate("46,XX,r(13)(p11q34)", 3, crowding=0).metaphases[0]
    (circle,) = (chromosome for chromosome in ring.chromosomes if chromosome.plan.ring)
    assert np.linalg.norm(circle.axis[0] - circle.axis[-1]) < 6 and circle.p_arm_up is None


def test_the_image_grows_where_chromosomes_need_room() -> None:
    metaphase = draw(1, normal_complement("XX"), crowding=0.0, shape=(300, 300))
    assert min(metaphase.image.shape) > 300
    assert all(cluster.type == "instance" for cluster in metaphase.clusters)


def test_sixteen_bits() -> None:
    image = draw(1, bit_depth=16).image
    assert image.dtype == np.uint16 and image.max() > 40_000
