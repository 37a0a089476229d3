from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.data.metaphases import AnnotatedChromosome, AnnotatedMetaphase
from karyonet.errors import DataError
from karyonet.geometry.region import Region, box_iou
from karyonet.stages.segmentation.detection import Boxes, every_cell, peaks, suppressed
from karyonet.stages.segmentation.detector_crops import DetectorAugmentation, cut_crop, lay_in
from karyonet.stages.segmentation.detector_model import STRIDE, Detections, Detector, DetectorArchitecture
from karyonet.stages.segmentation.detector_targets import batched, boxes_at, detection_loss, directions_of, draw_targets
from karyonet.stages.segmentation.train_detector import DetectorRecipe, DetectorTask, main, train_detector
from karyonet.training.metaphase_pack import MetaphasePack, long_axis, pack_metaphase
from karyonet.weights import find


def rod(angle: float, length: float = 60, breadth: float = 12) -> np.ndarray:
    """A rod in the middle of an image of 100×100, its long axis turned by ``angle`` radians from x towards y."""
    box = cv2.boxPoints(((50.0, 50.0), (length, breadth), float(np.rad2deg(angle))))
    return cv2.fillPoly(np.zeros((100, 100), np.uint8), [np.rint(box).astype(np.int32)], 1).astype(bool)


@given(angle=st.floats(0, 3.14))
@settings(max_examples=25, deadline=None)
def test_the_long_axis_of_a_rod_is_its_direction(angle: float) -> None:
    found, elongation = long_axis(Region.from_mask(rod(angle)))
    assert abs((found - angle + np.pi / 2) % np.pi - np.pi / 2) < 0.06
    assert elongation > 0.6


def test_a_disc_has_no_direction_and_fits_all() -> None:
    rows, columns = np.mgrid[-10:11, -10:11]
    angle, elongation = long_axis(Region.from_mask(rows**2 + columns**2 <= 100))
    assert elongation < 0.05
    assert directions_of(angle, elongation, 6).min() > 0.6
    assert directions_of(0.0, 0.8, 6)[3] < 0.1
    assert long_axis(Region((0, 0, 1, 1), np.ones((1, 1), bool))) == (0.0, 0.0)


BOXES = np.array([[20.0, 40, 100, 80], [40, 20, 80, 100]])
CROSSING = draw_targets((128, 128), BOXES, np.array([0.0, np.pi / 2]), np.array([0.8, 0.8]), np.array([3, 9]), 6)


def perfect(targets: object = CROSSING) -> Detections:
    """What a detector without fault says of the crossing."""
    centres = torch.logit(CROSSING.centres.clamp(1e-4, 1 - 1e-4))
    distances = torch.ones(1, 6, 4, 32, 32)
    for (_, d, r, c), (xmin, ymin, xmax, ymax) in zip(CROSSING.cells.tolist(), CROSSING.boxes.tolist(), strict=True):
        x, y = (c + 0.5) * STRIDE, (r + 0.5) * STRIDE
        distances[0, d, :, r, c] = torch.tensor([x - xmin, y - ymin, xmax - x, ymax - y])
    return Detections(centres, distances, torch.zeros(1, 24, 32, 32), torch.zeros(1, 16, 32, 32))


def test_crossing_chromosomes_with_one_middle_stay_two() -> None:
    found = suppressed(peaks(perfect(), threshold=0.5))
    assert len(found.scores) == 2
    order = np.argsort(found.boxes[:, 0])
    assert found.boxes[order] == pytest.approx(BOXES, abs=0.01)
    assert sorted(np.rad2deg(found.angles)) == pytest.approx([0, 90])


def test_beside_a_peak_a_cell_may_have_the_right_box() -> None:
    """Of a chromosome whose peak sees half of it, a neighbouring cell that is less sure sees all."""
    half = perfect()
    half.distances[0, 0, :, 15, 15] = torch.tensor([22.0, 22, 6, 22])
    found = every_cell(half, threshold=0.5)
    assert np.all(np.diff(found.scores) <= 0) and found.scores[-1] >= 0.5
    assert set(peaks(half, threshold=0.5).scores) <= set(found.scores)
    lying = BOXES[:1]
    assert box_iou(suppressed(peaks(half, threshold=0.5)).boxes, lying).max() < 0.7
    assert box_iou(suppressed(found, 0.75).boxes, lying).max() > 0.99


def test_the_loss_of_the_truth_is_small_and_of_anything_else_larger() -> None:
    truth = perfect()
    names = truth.names.clone()
    names[0, 9, 15, 15] = 20.0  # the last drawn stands at the common middle
    right = float(detection_loss(truth._replace(names=names), CROSSING))
    blank = float(detection_loss(truth._replace(centres=torch.full_like(truth.centres, -5.0), names=names), CROSSING))
    moved = float(detection_loss(truth._replace(distances=truth.distances * 2, names=names), CROSSING))
    assert right < 0.3 < moved and right < 0.3 < blank


def test_middles_outside_and_empty_images_are_no_targets() -> None:
    outside = draw_targets((64, 64), BOXES + 200, np.zeros(2), np.ones(2), np.zeros(2, int), 6)
    empty = draw_targets((64, 64), np.zeros((0, 4)), np.zeros(0), np.zeros(0), np.zeros(0, int), 6)
    for targets in (outside, empty):
        assert targets.centres.max() == 0 and len(targets.cells) == 0 and (targets.names == -100).all()
    both = batched([outside, draw_targets((64, 64), BOXES / 2, np.zeros(2), np.ones(2), np.zeros(2, int), 6)])
    assert set(both.cells[:, 0].tolist()) == {1}
    said = Detections(
        torch.full((2, 6, 16, 16), -5.0),
        torch.ones(2, 6, 4, 16, 16),
        torch.zeros(2, 24, 16, 16),
        torch.zeros(2, 16, 16, 16),
    )
    assert torch.isfinite(detection_loss(said, both)) and torch.isfinite(detection_loss(said, batched([empty, empty])))


def test_boxes_are_measured_from_the_middle_of_their_cell() -> None:
    distances = torch.full((1, 1, 4, 8, 8), 10.0)
    assert boxes_at(distances, torch.tensor([[0, 0, 2, 3]])).tolist() == [[4.0, 0.0, 24.0, 20.0]]


def test_repeats_are_suppressed_unless_they_cross() -> None:
    boxes = np.array([[0, 0, 40, 40], [1, 1, 41, 41], [2, 0, 42, 42], [60, 60, 90, 90]], np.float32)
    found = Boxes(boxes, np.array([0.9, 0.8, 0.7, 0.6], np.float32), np.deg2rad([10, 20, 100, 0]).astype(np.float32),
                  np.zeros((4, 24), np.float32), np.zeros((4, 16), np.float32))  # fmt: skip
    assert suppressed(found).boxes[:, 0].tolist() == [0, 2, 60]
    nothing = Boxes(*(array[:0] for array in found))
    assert len(suppressed(nothing).scores) == 0


@given(seed=st.integers(0, 10_000), count=st.integers(0, 40), overlap=st.sampled_from([0.5, 0.75]))
@settings(max_examples=50, deadline=None)
def test_what_is_suppressed_repeats_something_surer(seed: int, count: int, overlap: float) -> None:
    generator = np.random.default_rng(seed)
    corners = generator.uniform(0, 60, (count, 2))
    boxes = np.concatenate([corners, corners + generator.uniform(5, 40, (count, 2))], axis=1).astype(np.float32)
    scores = np.sort(generator.random(count).astype(np.float32))[::-1]
    nothing = np.zeros((count, 1), np.float32)
    found = Boxes(boxes, scores, np.zeros(count, np.float32), nothing, nothing)  # all of one direction
    kept = suppressed(found, overlap)
    assert np.all(np.triu(box_iou(kept.boxes, kept.boxes), 1) <= overlap)
    for box, score in zip(found.boxes, found.scores, strict=True):
        surer = kept.take(np.flatnonzero(kept.scores >= score))
        same = (surer.boxes == box).all(axis=1)
        assert same.any() or (box_iou(box, surer.boxes) > overlap).any()


def test_the_network_gives_a_cell_every_four_pixels() -> None:
    said = Detector(DetectorArchitecture(channels=16))(torch.zeros(1, 1, 64, 96))
    assert said.centres.shape == (1, 6, 16, 24) and said.distances.shape == (1, 6, 4, 16, 24)
    assert (said.distances > 0).all() and said.names.shape == (1, 24, 16, 24)
    assert torch.sigmoid(said.centres).max() < 0.2


def rods_pack(path: Path) -> Path:
    """Two rods an image, one lying and one standing, at random places."""
    generator = np.random.default_rng(0)
    packs = []
    for number in range(12):
        density = np.zeros((160, 160), np.float32)
        regions, chromosomes = [], []
        for name, (height, width) in (("1", (12, 50)), ("9", (36, 12))):
            x, y = (int(v) for v in generator.integers(5, 100, 2))
            density[y : y + height, x : x + width] += 1.0
            regions.append(Region((x, y, x + width, y + height), np.ones((height, width), bool)))
            chromosomes.append(AnnotatedChromosome(name, (x - 3, y - 3, x + width + 3, y + height + 3)))
        split = "validation" if number % 4 == 0 else "train"
        annotated = AnnotatedMetaphase(
            f"m{number}", f"p{number}", Path("m.png"), 160, 160, tuple(chromosomes), split=split
        )
        packs.append(pack_metaphase(annotated, density, regions, 1.0, regions))
    MetaphasePack.concatenate(packs).write(path)
    return path


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rods_pack(tmp_path_factory.mktemp("packs") / "drawn.npz")


def recipe(**changes: object) -> DetectorRecipe:
    values: dict[str, object] = {
        "name": "drawn", "steps": 3, "batch_size": 4, "crop": 128, "device": "cpu", "precision": "fp32", "ema": 0.0,
        "validation_steps": 2, "validation_images": 2,
        "architecture": {"channels": 16, "backbone": "test_resnet"},
    }  # fmt: skip
    return DetectorRecipe.model_validate({**values, **changes})


def test_a_pack_keeps_what_is_known(pack: Path) -> None:
    read = MetaphasePack.read(pack)
    assert len(read) == 12 and len(read.labels) == 24 and read.image(3).shape == (160, 160)
    assert read.labels[read.chromosomes(5)].tolist() == [0, 8]
    assert np.rad2deg(read.angles[read.chromosomes(5)]) == pytest.approx([0, 90], abs=1)


def test_crops_and_their_boxes_agree_and_repeat(pack: Path) -> None:
    task = DetectorTask(recipe(), MetaphasePack.read(pack))
    device = torch.device("cpu")
    first, again, other = task.batch(0, device), task.batch(0, device), task.batch(1, device)
    assert torch.equal(first.images, again.images) and not torch.equal(first.images, other.images)
    for image, _, row, column in first.targets.cells.tolist():
        if first.targets.centres[image, :, row, column].max() == 1:
            patch = first.images[image, 0, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
            assert patch.max() > 0.4  # the middle of a rod is on the rod


@pytest.mark.parametrize(("addition", "darkest"), [((0.0, 0.0), 1.2), ((1.0, 1.0), 2.0)])
def test_a_crossing_is_as_dark_as_its_addition_says(pack: Path, addition: tuple[float, float], darkest: float) -> None:
    read, generator = MetaphasePack.read(pack), np.random.default_rng(0)
    crop = cut_crop(read, 0, 128, 1.0, 0.0, generator)
    stained = replace(crop, density=np.ones_like(crop.density))
    settings = DetectorAugmentation(hidden=1.0, addition=addition)
    laid = lay_in(stained, read, 0, 1.0, settings, 2.0, generator)
    assert len(laid.boxes) == len(crop.boxes) + 1
    assert laid.density.max() == pytest.approx(darkest, abs=0.2)
    assert laid.density.min() == 1.0


def test_training_ends_in_weights_with_their_card(pack: Path, tmp_path: Path) -> None:
    weight = train_detector(recipe(), [pack], tmp_path / "run")
    assert weight is not None and weight.card.thresholds == {"centre": 0.35}
    assert set(weight.card.metrics) >= {"detection_f1", "detection_recall", "exact_count_share"}


def test_training_goes_on_from_other_weights_on_a_folder_that_is_packed_once(
    pack: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    first = train_detector(recipe(), [pack], tmp_path / "first")
    assert first is not None
    folder = tmp_path / "lab"
    (folder / "images").mkdir(parents=True)
    grey = np.full((160, 160), 230, np.uint8)
    grey[40:52, 30:80] = grey[90:126, 100:112] = 90
    cells, chromosomes = "image,case,split\n", "image,label,xmin,ymin,xmax,ymax\n"
    for name, split in (("a", "train"), ("b", "validation")):
        cv2.imwrite(str(folder / "images" / f"{name}.png"), grey)
        cells += f"{name},case {name},{split}\n"
        chromosomes += f"{name},1,27,37,83,55\n{name},9,97,87,115,129\n"
    (folder / "cells.csv").write_text(cells)
    (folder / "chromosomes.csv").write_text(chromosomes)
    config = tmp_path / "recipe.yaml"
    config.write_text(recipe(steps=1, validation_steps=1).model_dump_json())
    for _ in range(2):
        main(config, [folder], tmp_path / "run", resume=False, initial=str(first.path))
    assert "anew: nothing" in caplog.text
    assert caplog.text.count("4 chromosomes, 100.0 %") == 1  # packed once for two runs
    card = find("segmentation", tmp_path / "run" / "weights" / "drawn.safetensors").card
    assert card.recipe["initial"] == first.path.name and card.recipe["steps_done"] == 1
    assert [(data.name, data.examples, data.split) for data in card.training_data] == [("lab", 1, "train")]
    assert MetaphasePack.read(tmp_path / "run" / "packs" / "lab.npz").splits.tolist() == ["train", "validation"]


def test_a_pack_without_a_validation_part_is_refused(pack: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"K405.*elsewhere"):
        train_detector(recipe(validation_split="elsewhere"), [pack], tmp_path / "run")
