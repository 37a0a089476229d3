from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy import ndimage

from karyonet.errors import DataError
from karyonet.geometry.region import Region, box_iou
from karyonet.geometry.stain import chromosome_density
from karyonet.stages.cluster_type.compositions import Composed, Compositions, cluster_type, compose
from karyonet.stages.cluster_type.crops import CropSettings, chromosome_size, crop_component
from karyonet.stages.cluster_type.kinds import CLUSTER, KINDS
from karyonet.stages.cluster_type.sources import Sources, SourceSettings, known_components
from karyonet.stages.cluster_type.views import view
from karyonet.training.metaphase_pack import MetaphasePack

from .conftest import SMALL_CROPS, drawn_pack

SETTINGS = Compositions()
PLAIN = Compositions(shares=(0.1, 0.3, 0.3, 0.3, 0, 0), real=0.0, most_neighbours=0, chromosome_gain=0.0)
Mask = NDArray[np.bool_]


@pytest.fixture(scope="module")
def sources(pack: MetaphasePack) -> Sources:
    return Sources.of(pack, "train", SETTINGS.sources)


def bar(top: int, left: int, height: int, width: int) -> Mask:
    mask = np.zeros((120, 120), dtype=bool)
    mask[top : top + height, left : left + width] = True
    return mask


UPRIGHT = bar(20, 50, 70, 13)
LYING = bar(48, 30, 13, 60)


@pytest.mark.parametrize(
    ("masks", "expected"),
    [
        ([UPRIGHT], "instance"),
        ([UPRIGHT, bar(20, 63, 70, 13)], "touching"),
        ([UPRIGHT, bar(20, 65, 70, 13)], "touching"),
        ([UPRIGHT, bar(20, 68, 70, 13)], None),  # a gap: two components
        ([UPRIGHT, LYING], "overlapping"),
        ([UPRIGHT, LYING, bar(90, 40, 13, 40)], "touching_overlapping"),
        ([UPRIGHT, bar(30, 61, 13, 40)], None),  # 26 shared pixels: nobody could say
        ([UPRIGHT, bar(40, 51, 20, 11)], None),  # lies hidden on the other
        ([UPRIGHT, LYING, bar(62, 64, 30, 13)], "touching_overlapping"),  # as near to the one as to the other
        ([UPRIGHT, LYING, bar(62, 68, 30, 13)], None),  # 5 pixels from UPRIGHT: near or apart?
        ([UPRIGHT, bar(20, 63, 70, 13), bar(25, 40, 60, 50)], None),  # the contact lies under the third
    ],
)
def test_the_geometry_decides_the_type(masks: Sequence[Mask], expected: str | None) -> None:
    assert cluster_type(masks, SETTINGS) == expected


@given(
    corners=st.lists(st.tuples(st.integers(20, 60), st.integers(20, 60), st.booleans()), min_size=2, max_size=4),
    order=st.randoms(),
    quarters=st.integers(0, 3),
)
@settings(max_examples=40, deadline=None)
def test_order_and_symmetry_do_not_change_the_type(
    corners: list[tuple[int, int, bool]], order: object, quarters: int
) -> None:
    masks = [bar(top, left, *((40, 13) if upright else (13, 40))) for top, left, upright in corners]
    moved = [np.rot90(mask[:, ::-1], quarters) for mask in masks]
    order.shuffle(moved)  # type: ignore[attr-defined]
    assert cluster_type(moved, SETTINGS) == cluster_type(masks, SETTINGS)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_a_composition_is_what_it_is_called(sources: Sources, seed: int) -> None:
    composed = compose(sources, SETTINGS, seed)
    _, pieces = ndimage.label(composed.region.mask, np.ones((3, 3)))
    assert pieces == 1
    kind = KINDS[composed.kind]
    if kind in ("nucleus", "debris"):
        assert composed.chromosomes == len(composed.masks) == 0
    else:
        assert cluster_type(list(composed.masks), SETTINGS) == kind
        assert composed.chromosomes == len(composed.masks) <= SETTINGS.most
        assert (composed.chromosomes == 1) == (kind == "instance")
        whole = composed.region.to_mask(composed.relative_density.shape)
        assert whole[composed.masks.any(axis=0)].all()


def test_the_seed_is_all_that_decides(sources: Sources) -> None:
    first, again, other = (compose(sources, SETTINGS, seed) for seed in (5, 5, 6))
    assert np.array_equal(first.relative_density, again.relative_density) and first.kind == again.kind
    assert not np.array_equal(first.relative_density, other.relative_density)
    views = [view(first, SMALL_CROPS, SETTINGS, seed).crop for seed in (1, 1, 2)]
    assert np.array_equal(views[0], views[1]) and not np.array_equal(views[0], views[2])


def test_every_kind_is_composed_about_as_often_as_asked_for(sources: Sources) -> None:
    kinds = np.bincount([compose(sources, SETTINGS, seed).kind for seed in range(150)], minlength=len(KINDS)) / 150
    assert np.abs(kinds - SETTINGS.shares).max() < 0.12 and (kinds > 0).all()


@pytest.mark.parametrize("addition", [0.0, 0.3, 1.0])
def test_densities_add_by_their_share_where_chromosomes_cross(sources: Sources, addition: float) -> None:
    plain = PLAIN.model_copy(update={"addition": (addition, addition)})
    crossings = [c for c in (compose(sources, plain, seed) for seed in range(40)) if KINDS[c.kind] == "overlapping"]
    assert len(crossings) > 4
    for composed in crossings:
        layers = composed.masks.sum(axis=0)
        core = ndimage.binary_erosion(layers == 2, iterations=2)
        single = ndimage.binary_erosion(layers == 1, iterations=2)
        assert composed.relative_density[single].mean() == pytest.approx(1.0, abs=0.1)
        if core.any():
            assert composed.relative_density[core].mean() == pytest.approx(1 + addition, abs=0.15)


def test_neighbours_and_ground_do_not_reach_the_component(sources: Sources) -> None:
    crowded = Compositions(shares=(0.25, 0.25, 0.25, 0.25, 0, 0), real=0.5, most_neighbours=6, chromosome_gain=0)
    strange = 0
    for seed in range(30):
        composed = compose(sources, crowded, seed)
        own = composed.masks.any(axis=0)
        ring = ndimage.binary_dilation(own, iterations=3) & ~ndimage.binary_dilation(own, iterations=2)
        strange += bool((composed.relative_density[ring] > 0.9).any())
    assert strange <= 3  # where outlines are concave a neighbour may come near


def test_only_the_split_is_used_and_what_nobody_boxed_is_sorted(pack: MetaphasePack) -> None:
    for split, images in (("train", 2), ("validation", 1)):
        found = Sources.of(pack, split, SourceSettings())
        owners = pack.owner[found.chromosomes]
        assert set(pack.splits[owners]) == {split} and len(found.chromosomes) == 5 * images
        assert len(found.nuclei) == images and len(found.debris) == 2 * images
        for patch in (*found.nuclei, *found.debris):
            assert pack.splits[patch.image] == split
            boxes = pack.boxes[pack.chromosomes(patch.image)]
            assert not box_iou(np.array([patch.region.bbox]), boxes).any()
        assert all(patch.region.area > 3000 for patch in found.nuclei)
        assert len(found.spots) and set(pack.splits[found.spots[:, 0]]) == {split}


def test_boxes_say_how_many_chromosomes_a_component_holds_and_rarely_how_they_lie() -> None:
    stained = np.zeros((100, 200), dtype=bool)
    stained[10:70, 10:23] = True  # alone
    stained[10:70, 50:63] = stained[40:53, 30:90] = True  # two that cross
    stained[10:70, 110:123] = stained[30:43, 123:170] = True  # two that touch
    stained[80:84, 180:184] = True  # a piece of one
    stained[85:99, 60:75] = True  # what nobody boxed, too faint for a chromosome
    density = np.where(stained, 1.0, 0.0).astype(np.float32)
    density[85:99, 60:75] = 0.4
    boxes = [
        (8, 8, 25, 72),
        (48, 8, 65, 72),
        (28, 38, 92, 55),
        (108, 8, 123, 72),
        (123, 28, 172, 45),
        (178, 78, 186, 86),
    ]
    found = {
        region.bbox[0]: (kind, chromosomes)
        for region, kind, chromosomes in known_components(stained, density, boxes, SourceSettings())
    }
    assert found == {10: (0, 1), 30: (CLUSTER, 2), 110: (KINDS.index("touching"), 2), 60: (KINDS.index("debris"), 0)}


def test_found_components_are_shown_as_they_lie(sources: Sources) -> None:
    as_found = SETTINGS.model_copy(update={"found": 1.0})
    for seed in range(40):
        example = compose(sources, as_found, seed)
        if KINDS[example.kind] not in ("instance", "nucleus", "debris"):
            continue  # there is no cluster among the rods, so that one was composed
        assert len(example.masks) == 0
        assert example.chromosomes == (1 if KINDS[example.kind] == "instance" else 0)
        inside = example.relative_density[example.region.slices][example.region.mask]
        around = example.relative_density.sum() - inside.sum()
        assert inside.mean() > 0.35 and (example.region.area > 3000 or around > 1)  # the others lie among neighbours


def test_what_might_be_a_chromosome_is_no_debris() -> None:
    pack = drawn_pack(others=False)
    boxed = pack.boxes.copy()
    boxed[0] = boxed[1]  # the first rod of the first image loses its box
    pack = replace(pack, boxes=boxed, lone=np.arange(len(boxed)) > 0)
    found = Sources.of(pack, "train", SourceSettings())
    assert not found.nuclei and not found.debris
    assert {KINDS[compose(found, SETTINGS, seed).kind] for seed in range(30)} <= set(KINDS[:4])


def test_a_chromosome_whose_mask_is_in_pieces_is_not_composed_if_there_are_others(pack: MetaphasePack) -> None:
    owners = pack.owners.copy()
    pack.part(owners, 0)[35:42, :65] = 0  # through the first rod
    parted = Sources.of(replace(pack, owners=owners), "train", SourceSettings())
    alone = Compositions(shares=(1, 0, 0, 0, 0, 0))
    for seed in range(25):
        region = compose(parted, alone, seed).region
        assert ndimage.label(region.mask, np.ones((3, 3)))[1] == 1
    only = replace(parted, chromosomes=parted.chromosomes[:1])
    composed = compose(only, alone, 0)
    assert KINDS[composed.kind] == "instance" and ndimage.label(composed.region.mask, np.ones((3, 3)))[1] == 2


def test_without_lone_chromosomes_there_is_nothing_to_compose(pack: MetaphasePack) -> None:
    with pytest.raises(DataError, match="K405"):
        Sources.of(pack, "test", SourceSettings())


@pytest.mark.parametrize("wrong", [{"shares": (0, 1, 1, 1, 1, 1)}, {"sliver": 0.5}, {"unknown": 1}])
def test_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Compositions.model_validate(wrong)


@given(seed=st.integers(0, 500), factor=st.floats(0.8, 2.5))
@settings(max_examples=20, deadline=None)
def test_a_crop_does_not_depend_on_the_magnification(sources: Sources, seed: int, factor: float) -> None:
    composed = compose(sources, PLAIN, seed)
    grid = round(320 * factor), round(320 * factor)
    zoom = grid[0] / 320
    large = ndimage.zoom(composed.relative_density, zoom, order=1).astype(np.float32)
    mask = ndimage.zoom(composed.region.to_mask((320, 320)).astype(np.float32), zoom, order=1) > 0.5
    one = crop_component(composed.relative_density, composed.region, 0.4, SMALL_CROPS)
    other = crop_component(large[: mask.shape[0]], Region.from_mask(mask), 0.4 / zoom, SMALL_CROPS)
    assert np.abs(one - other).mean() < 0.03 and (one[1] > 0.5).sum() == pytest.approx((other[1] > 0.5).sum(), rel=0.15)


@given(height=st.integers(1, 500), width=st.integers(1, 500), x=st.integers(0, 99), y=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_all_of_a_component_is_in_its_crop(height: int, width: int, x: int, y: int) -> None:
    density = np.zeros((600, 600), np.float32)
    region = Region((x, y, x + width, y + height), np.ones((height, width), bool))
    density[region.slices] = 1
    crop = crop_component(density, region, 0.5, SMALL_CROPS)
    assert crop.shape == (2, 64, 64) and np.isfinite(crop).all()
    border = np.concatenate([crop[1, 0], crop[1, -1], crop[1, :, 0], crop[1, :, -1]])
    assert not border.any()
    if min(height, width) >= 12:
        scale = min(0.5, 58 / max(height, width))
        assert crop[1].sum() == pytest.approx(height * width * scale**2, rel=0.3)


def test_a_view_shows_the_component_at_the_size_of_the_recipe(sources: Sources) -> None:
    still = Compositions(
        **(PLAIN.model_dump() | {"scale": 0, "gain": 0, "blur": 0, "noise": 0, "haze": 0, "mask_error": 0})
    )
    composed: Composed = compose(sources, still, 3)
    seen = view(composed, CropSettings(side=128, size=32.0), still, 0).crop
    assert seen[1].sum() == pytest.approx(composed.region.area * 0.25, rel=0.15)
    assert seen[0].sum() == pytest.approx(composed.relative_density.sum() * 0.25, rel=0.15)


def test_size_and_stain_are_read_from_the_components() -> None:
    density = np.zeros((200, 300), np.float32)
    regions = [Region((10 + 30 * n, 10, 24 + 30 * n, 60), np.ones((50, 14), bool)) for n in range(8)]
    regions.append(Region((10, 100, 110, 180), np.ones((80, 100), bool)))  # a nucleus, darker
    for region in regions:
        density[region.slices] = 0.3
    density[regions[-1].slices] = 2.0
    assert chromosome_size(regions) == pytest.approx(52, rel=0.05)
    assert chromosome_density(regions, density) == pytest.approx(0.3)
