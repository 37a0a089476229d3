from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from karyonet.case import Metaphase
from karyonet.data.metaphases import AnnotatedChromosome, AnnotatedMetaphase
from karyonet.errors import DataError, WeightsError
from karyonet.geometry.region import BoundingBox, Region, box_iou
from karyonet.stage import BoxSegmenter
from karyonet.stages.segmentation import ThresholdSegmenter
from karyonet.stages.segmentation.crops import CropSettings, crop_boxes, mask_in_image
from karyonet.stages.segmentation.detector_crops import DetectorAugmentation
from karyonet.stages.segmentation.mask_model import MaskNetwork, mask_loss
from karyonet.stages.segmentation.masks import BoxMasks
from karyonet.stages.segmentation.scenes import Scenes, draw_scene
from karyonet.stages.segmentation.train_masks import MaskRecipe, MaskTask, train_masks
from karyonet.training.lone import lone_chromosomes
from karyonet.training.metaphase_pack import MetaphasePack, pack_metaphase
from karyonet.weights import find

SETTINGS = CropSettings()


@given(x=st.integers(0, 60), y=st.integers(0, 60), width=st.integers(24, 150), height=st.integers(24, 150))
@settings(max_examples=30, deadline=None)
def test_a_mask_comes_back_where_its_box_was(x: int, y: int, width: int, height: int) -> None:
    box = (x, y, x + width, y + height)
    image = np.zeros((220, 220), dtype=np.float32)
    image[y + 3 : y + height - 3, x + 3 : x + width - 3] = 1.0
    crops = crop_boxes(image, [box], SETTINGS)
    back = mask_in_image((crops.images[0, 0] > 0.5).astype(np.float32), crops.matrices[0], box)
    drawn = image[y : y + height, x : x + width] > 0.5
    assert (back & drawn).sum() / (back | drawn).sum() > 0.75


def test_other_boxes_are_in_the_third_channel_alone() -> None:
    boxes = [(10, 10, 40, 60), (30, 30, 70, 50)]
    crops = crop_boxes(np.zeros((100, 100), np.float32), boxes, SETTINGS)
    assert crops.images[:, 1].max() == 1.0
    assert np.unique(crops.images[0, 2]) == pytest.approx([0.0, 1 / 3])
    assert (crops.images[0, 1] * crops.images[0, 2]).sum() > 0
    alone = crop_boxes(np.zeros((100, 100), np.float32), boxes[:1], SETTINGS)
    assert alone.images[:, 2].max() == 0.0


def test_no_box_gives_no_region() -> None:
    masks = BoxMasks(find("segmentation", "box_masks"), device="cpu")
    assert masks(np.zeros((50, 50), np.float32), []) == []


def crossing() -> tuple[np.ndarray, list[BoundingBox], np.ndarray]:
    """Two banded rods that cross at right angles: density, boxes, masks."""
    rows, columns = np.mgrid[0:200, 0:200]
    masks = np.stack(
        [(abs(rows - 100) < 8) & (abs(columns - 100) < 60), (abs(columns - 105) < 8) & (abs(rows - 95) < 55)]
    )
    bands = np.stack([1 + 0.3 * np.sin(columns / 4), 1 + 0.3 * np.sin(rows / 5)])
    density = (masks * bands).sum(axis=0).astype(np.float32) * 0.4
    boxes = [(35, 87, 166, 114), (92, 35, 119, 156)]
    return density, boxes, masks


def test_crossing_rods_are_whole_and_share_their_overlap() -> None:
    density, boxes, masks = crossing()
    found = BoxMasks(find("segmentation", "box_masks"), device="cpu")(density, boxes)
    for region, mask in zip(found, masks, strict=True):
        said = region.to_mask((200, 200))
        assert (said & mask).sum() / (said | mask).sum() > 0.8
    overlap = found[0].to_mask((200, 200)) & found[1].to_mask((200, 200))
    true = masks.all(axis=0)
    assert (overlap & true).sum() > 0.5 * true.sum()


def test_the_order_of_the_boxes_and_a_mirrored_image_change_nothing_else() -> None:
    density, boxes, _ = crossing()
    masks = BoxMasks(find("segmentation", "box_masks"), device="cpu")
    forth = masks(density, boxes)
    back = masks(density, boxes[::-1])[::-1]
    assert all(np.array_equal(a.to_mask((200, 200)), b.to_mask((200, 200))) for a, b in zip(forth, back, strict=True))
    mirrored = masks(density[:, ::-1].copy(), [(200 - b[2], b[1], 200 - b[0], b[3]) for b in boxes])
    for one, other in zip(forth, mirrored, strict=True):
        a, b = one.to_mask((200, 200)), other.to_mask((200, 200))[:, ::-1]
        assert (a & b).sum() / (a | b).sum() > 0.85


def test_the_stage_offers_it_and_names_missing_weights() -> None:
    density, boxes, _ = crossing()
    stage = ThresholdSegmenter()
    assert isinstance(stage, BoxSegmenter)
    metaphase = Metaphase("m1", "m1.png", "", density, "absorption", density, foreground=density > 0.1)
    assert len(stage.regions_in_boxes(metaphase, boxes)) == 2
    by_geometry = ThresholdSegmenter(box_masks=None).regions_in_boxes(metaphase, [*boxes, (0, 0, 20, 20)])
    assert by_geometry[2].area == 400  # nothing there: the whole box
    with pytest.raises(WeightsError, match="K301"):
        ThresholdSegmenter(box_masks="absent").regions_in_boxes(metaphase, boxes)


def test_loss_falls_with_agreement() -> None:
    masks = torch.zeros(1, 32, 32)
    masks[:, 8:24, 8:24] = 1
    right, wrong = (masks - 0.5) * 20, (0.5 - masks) * 20
    assert (
        float(mask_loss(right, masks))
        < 0.01
        < float(mask_loss(torch.zeros(1, 32, 32), masks))
        < float(mask_loss(wrong, masks))
    )


def test_network_keeps_the_size_of_its_input() -> None:
    assert MaskNetwork()(torch.zeros(2, 5, 96, 64)).shape == (2, 96, 64)


@pytest.fixture
def metaphases(tmp_path: Path) -> Path:
    """Lone rods, lying and standing, in six images."""
    packs = []
    for number in range(6):
        density = np.zeros((160, 220), np.float32)
        regions, chromosomes = [], []
        for place, (height, width) in enumerate(((14, 64), (60, 14), (14, 40), (30, 12))):
            x, y = 20 + 50 * place, 20 + 15 * number
            width = min(width, 40) if place == 0 else width
            density[y : y + height, x : x + width] = 1.0
            regions.append(Region((x, y, x + width, y + height), np.ones((height, width), bool)))
            chromosomes.append(AnnotatedChromosome("1", (x - 4, y - 4, x + width + 4, y + height + 4)))
        split = "validation" if number % 3 == 0 else "train"
        annotated = AnnotatedMetaphase(f"m{number}", "p", Path("m.png"), 220, 160, tuple(chromosomes), split=split)
        packs.append(pack_metaphase(annotated, density, regions, 1.0, regions))
    MetaphasePack.concatenate(packs).write(tmp_path / "metaphases.npz")
    return tmp_path / "metaphases.npz"


@pytest.mark.parametrize("surroundings", [0.0, 1.0])
def test_a_scene_holds_its_chromosome_in_its_box_and_repeats_with_its_seed(
    metaphases: Path, surroundings: float
) -> None:
    pack, scenes = MetaphasePack.read(metaphases), Scenes(surroundings=surroundings, undirected=0.0)
    chosen = pack.lone_of_split("train")
    for seed in range(8):
        crop, composed = draw_scene(pack, chosen, SETTINGS, scenes, seed)
        again = draw_scene(pack, chosen, SETTINGS, scenes, seed)
        other = draw_scene(pack, chosen, SETTINGS, scenes, seed + 100)
        assert np.array_equal(crop, again.crop) and not np.array_equal(crop, other.crop)
        own = composed.masks[0]
        assert crop[1][own].mean() > 0.9 and crop[0][own].mean() > 0.7
        assert np.hypot(crop[3], crop[4])[crop[1] > 0] == pytest.approx(1.0, abs=1e-5)
        assert not crop[3:, crop[1] == 0].any()


def test_crossings_are_no_darker_than_the_sum() -> None:
    with pytest.raises(ValidationError, match="addition"):
        Scenes(addition=(0.5, 1.2))
    with pytest.raises(ValidationError, match="addition"):
        DetectorAugmentation(addition=(0.8, 0.2))


def test_a_direction_is_given_only_where_it_is_known(metaphases: Path) -> None:
    pack = MetaphasePack.read(metaphases)
    crop = draw_scene(pack, pack.lone_of_split("train"), SETTINGS, Scenes(undirected=1.0), 3).crop
    assert not crop[3:].any()
    boxes = [(10, 10, 40, 60), (30, 30, 70, 50)]
    images = crop_boxes(np.zeros((100, 100), np.float32), boxes, SETTINGS, [0.0, None]).images
    assert images[0, 3].max() == 1.0 and not images[1, 3:].any()


def test_training_writes_weights_that_can_be_used(metaphases: Path, tmp_path: Path) -> None:
    recipe = MaskRecipe(name="tiny", steps=4, batch_size=4, validation_scenes=4, validation_steps=2, device="cpu",
                        architecture={"channels": (8, 8, 8, 8)}, ema=0.0)  # fmt: skip
    weight = train_masks(recipe, [metaphases], tmp_path / "run")
    assert weight is not None and 0 <= weight.card.metrics["mask_iou"].value <= 1
    density, boxes, _ = crossing()
    found = BoxMasks(weight, device="cpu")(density, boxes, [0.0, 1.57])
    assert len(found) == 2
    pack = MetaphasePack.read(metaphases)
    crowded = replace(pack, lone=np.zeros_like(pack.lone))
    with pytest.raises(DataError, match="K405"):
        MaskTask(recipe, crowded)


def test_real_lone_chromosomes_are_found_whole(real_data: Path) -> None:
    from karyonet.case import Case
    from karyonet.data.metaphases import read_metaphases

    annotated = read_metaphases(real_data / "gband_metaphases", split="validation", limit=4)[0]
    stage = ThresholdSegmenter()
    metaphase = stage(Case.read(annotated.path)).metaphases[0]
    assert metaphase.foreground is not None
    boxes = [chromosome.bbox for chromosome in annotated.chromosomes]
    found = stage.regions_in_boxes(metaphase, boxes)
    alone = lone_chromosomes(metaphase.foreground, boxes)
    overlaps = [
        box_iou(np.array([region.bbox]), np.array([lone.bbox]))[0, 0]
        for region, lone in zip(found, alone, strict=True)
        if lone is not None
    ]
    assert len(overlaps) >= 5 and np.mean(np.array(overlaps) > 0.9) > 0.9
