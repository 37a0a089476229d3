"""Candidates judged together: what is measured of them, the network, and its training."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.geometry.region import Region
from karyonet.stages.segmentation.detection import Boxes
from karyonet.stages.segmentation.finder import ChromosomeFinder
from karyonet.stages.segmentation.masks import BoxMasks, Drawn
from karyonet.stages.segmentation.rescoring import candidates_in, evidence
from karyonet.stages.segmentation.rescoring_model import (
    MEASURES,
    RELATIONS,
    Evidence,
    RescoringArchitecture,
    RescoringNetwork,
    side_by_side,
    tensors,
)
from karyonet.stages.segmentation.train_rescoring import (
    Judged,
    RescoringRecipe,
    RescoringTask,
    keep,
    kept,
    train_rescoring,
    turned,
)
from karyonet.training.metaphase_pack import MetaphasePack
from karyonet.weights import find, load_tensors

CHANNELS, SIDE = 12, 200


def drawn_candidates(count: int, seed: int) -> tuple[Boxes, list[Drawn], np.ndarray]:
    """Candidates at random places, some nearly on top of others, the surest first."""
    generator = np.random.default_rng(seed)
    corners = generator.integers(0, 150, (count, 2))
    corners[count // 2 :] = corners[: count - count // 2] + 1
    sides = generator.integers(12, 48, (count, 2))
    boxes = np.concatenate([corners, corners + sides], axis=1)
    regions = [Region((x, y, right, bottom), np.ones((bottom - y, right - x), bool)) for x, y, right, bottom in boxes]
    found = Boxes(
        boxes.astype(np.float32),
        np.sort(generator.random(count).astype(np.float32))[::-1],
        generator.uniform(0, np.pi, count).astype(np.float32),
        generator.dirichlet(np.ones(24), count).astype(np.float32),
        generator.standard_normal((count, CHANNELS)).astype(np.float32),
    )
    density = generator.random((SIDE, SIDE), dtype=np.float32)
    return found, [Drawn(region, float(generator.random())) for region in regions], density


def told(count: int, seed: int) -> Evidence:
    return evidence(*drawn_candidates(count, seed), size=40.0)


def judged_by(model: RescoringNetwork, said: Evidence) -> torch.Tensor:
    logits: torch.Tensor = model(*tensors(said, torch.device("cpu")))
    return logits


def network() -> RescoringNetwork:
    torch.manual_seed(0)
    return RescoringNetwork(RescoringArchitecture(dim=16, layers=2), CHANNELS, 24).eval()


@settings(max_examples=20, deadline=None)
@given(count=st.integers(1, 9), seed=st.integers(0, 99))
def test_the_order_of_the_candidates_changes_nothing(count: int, seed: int) -> None:
    boxes, drawn, density = drawn_candidates(count, seed)
    order = np.random.default_rng(seed).permutation(count)
    with torch.inference_mode():
        said = judged_by(network(), evidence(boxes, drawn, density, 40.0))
        again = judged_by(network(), evidence(boxes.take(order), [drawn[i] for i in order], density, 40.0))
    assert again == pytest.approx(said[torch.from_numpy(order)], abs=1e-4)


@settings(max_examples=20, deadline=None)
@given(counts=st.lists(st.integers(1, 9), min_size=2, max_size=3), seed=st.integers(0, 99))
def test_metaphases_side_by_side_do_not_meet(counts: list[int], seed: int) -> None:
    metaphases = [told(count, seed + number) for number, count in enumerate(counts)]
    with torch.inference_mode():
        together = judged_by(network(), side_by_side(metaphases))
        alone = torch.cat([judged_by(network(), one) for one in metaphases])
    assert together == pytest.approx(alone, abs=1e-4)


def test_candidates_far_apart_do_not_meet() -> None:
    boxes, drawn, density = drawn_candidates(2, 0)
    corners = np.array([[0, 0, 20, 40], [160, 150, 180, 190]])
    boxes = boxes._replace(boxes=corners.astype(np.float32))
    drawn = [Drawn(Region(tuple(box), np.ones((40, 20), bool)), 0.5) for box in corners.tolist()]
    pair = evidence(boxes, drawn, density, 40.0)
    assert len(pair.pairs) == len(pair.relations) == 0
    with torch.inference_mode():
        both = judged_by(network(), pair)
        one = judged_by(network(), evidence(boxes.take(np.array([0])), drawn[:1], density, 40.0))
    assert both[0] == pytest.approx(float(one[0]), abs=1e-4)


def test_what_is_measured() -> None:
    boxes, drawn, density = drawn_candidates(6, 1)
    said = evidence(boxes, drawn, density, 40.0)
    assert said.measures.shape == (6, MEASURES) and said.relations.shape == (len(said.pairs), RELATIONS)
    assert all(np.isfinite(array).all() for array in said)
    pairs = [(first, second) for first, second in said.pairs.tolist()]
    assert (0, 3) in pairs and all(a != b and (b, a) in pairs for a, b in pairs)
    first, other = drawn[0].region, drawn[3].region
    common = (first.to_mask((SIDE, SIDE)) & other.to_mask((SIDE, SIDE))).sum()
    expected = [common / first.area, common / other.area, common / (first.area + other.area - common)]
    assert said.relations[pairs.index((0, 3)), 1:4] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_boxes_turn_with_their_image(quarters: int, mirrored: bool) -> None:
    density = np.zeros((60, 90), np.float32)
    density[10:20, 30:70] = 1
    image, boxes = turned(density, np.array([[30.0, 10, 70, 20]]), quarters, mirrored)
    assert image.shape == ((60, 90) if quarters % 2 == 0 else (90, 60))
    assert Region.from_mask(image > 0).bbox == tuple(boxes[0].astype(int))


class _Found:
    """A finder that answers what it was given."""

    def __init__(self, boxes: Boxes) -> None:
        self.boxes = boxes

    def look(self, density: np.ndarray, size: float, stain: float) -> Boxes:
        return self.boxes


class _WholeBoxes:
    """A mask network that takes whole boxes, and nothing of those that lie at the left border."""

    def drawn(self, density: np.ndarray, boxes: list, directions: list) -> list[Drawn | None]:
        return [
            None if x == 0 else Drawn(Region((x, y, right, bottom), np.ones((bottom - y, right - x), bool)), 1.0)
            for x, y, right, bottom in boxes
        ]


def test_of_repeats_the_surest_is_right_and_what_has_no_pixels_is_no_candidate() -> None:
    true = np.array([[10.0, 10, 50, 30], [100, 100, 120, 160], [150, 10, 180, 40]])
    repeats = np.array([[11, 11, 51, 31], [10, 10, 50, 30], [0, 0, 20, 20], [100, 100, 120, 160], [70, 70, 90, 90]])
    scores = np.array([0.9, 0.6, 0.5, 0.4, 0.3], np.float32)
    found = Boxes(repeats.astype(np.float32), scores, np.zeros(5, np.float32), np.zeros((5, 24), np.float32),
                  np.zeros((5, CHANNELS), np.float32))  # fmt: skip
    density = np.ones((SIDE, SIDE), np.float32)
    finder, masks = cast(ChromosomeFinder, _Found(found)), cast(BoxMasks, _WholeBoxes())
    boxes, drawn = candidates_in(found, masks, density)
    assert boxes.scores.tolist() == pytest.approx([0.9, 0.6, 0.4, 0.3]) and len(drawn) == 4
    said = Judged.of(finder, masks, density, true, 40.0)
    assert said.right.tolist() == [True, False, True, False] and said.chromosomes == 3


def lesson(count: int, seed: int) -> Judged:
    """A metaphase in which the less sure of two candidates on one place is wrong."""
    said = told(2 * count, seed)
    surest = np.zeros(2 * count)
    np.maximum.at(surest, said.pairs[:, 0], said.relations[:, 0] * said.relations[:, 5])
    right = surest <= 0.05
    return Judged(said, right, int(right.sum()))


def recipe(**changes: Any) -> RescoringRecipe:
    values: dict[str, Any] = {
        "name": "judged", "steps": 80, "batch_size": 8, "device": "cpu", "precision": "fp32", "ema": 0.0, "noise": 0.1,
        "validation_steps": 40, "rescoring": {"dim": 16, "layers": 1, "dropout": 0.0},
    }  # fmt: skip
    return RescoringRecipe.model_validate({**values, **changes})


def test_candidates_are_kept_as_they_were(tmp_path: Path) -> None:
    before = [lesson(3, 0), lesson(1, 1), lesson(5, 2)]
    keep(before, tmp_path / "candidates.npz")
    for one, other in zip(before, kept(tmp_path / "candidates.npz"), strict=True):
        assert (one.right == other.right).all() and one.chromosomes == other.chromosomes
        for array, again in zip(one.evidence, other.evidence, strict=True):
            assert again == pytest.approx(array, abs=4e-3) and again.dtype == array.dtype


def test_what_tells_right_from_wrong_is_learned() -> None:
    task = RescoringTask(
        recipe(), [lesson(6, s) for s in range(60)], [lesson(6, s) for s in range(90, 110)], CHANNELS, 24
    )
    device = torch.device("cpu")
    with torch.inference_mode():
        before = task.validate(task.model.eval(), device)
    optimiser = torch.optim.AdamW(task.model.parameters(), lr=5e-3)
    for step in range(120):
        optimiser.zero_grad()
        loss = task.loss(task.model.train(), task.batch(step, device))
        loss.backward()
        optimiser.step()
    with torch.inference_mode():
        after = task.validate(task.model.eval(), device)
    assert after["score"] > 0.9 > before["score"]
    assert task.batch(3, device).evidence[2].equal(task.batch(3, device).evidence[2])


def test_training_ends_in_a_detector_that_judges_its_candidates(tmp_path: Path) -> None:
    """On the simulator's own metaphases, with the weights that ship as the detector."""
    from tests.stages.segmentation.test_detector import rods_pack

    pack = rods_pack(tmp_path / "drawn.npz")
    weight = train_rescoring(recipe(steps=2, validation_steps=1), [pack], tmp_path / "run")
    assert weight is not None
    shipped = find("segmentation", "detector").card
    assert weight.card.architecture["rescoring"]["dim"] == 16
    assert weight.card.thresholds["candidate"] == 0.1 and 0 < weight.card.thresholds["chromosome"] < 1
    assert weight.card.training_data == shipped.training_data
    assert ChromosomeFinder(weight, "cpu").rescoring
    files = {path.stat().st_mtime_ns for path in (tmp_path / "run" / "candidates").iterdir()}
    train_rescoring(recipe(steps=2, validation_steps=1, noise=0.2), [pack], tmp_path / "run", resume=False)
    assert files == {path.stat().st_mtime_ns for path in (tmp_path / "run" / "candidates").iterdir()}  # found once
    assert len(MetaphasePack.read(pack)) == 12


def test_training_can_start_from_a_network_that_judges_and_look_at_fewer_images(tmp_path: Path) -> None:
    from tests.stages.segmentation.test_detector import rods_pack

    pack = rods_pack(tmp_path / "drawn.npz")
    start = train_rescoring(recipe(steps=2, validation_steps=1, images=4), [pack], tmp_path / "first")
    assert start is not None
    found = next((tmp_path / "first" / "candidates").glob("training-*.npz"))
    assert len(kept(found)) == 4
    still = {"optimiser": {"learning_rate": 1e-9}, "images": 4, "initial_rescoring": str(start.path)}
    weight = train_rescoring(recipe(steps=1, validation_steps=1, **still), [pack], tmp_path / "second")
    assert weight is not None
    before, after = (load_tensors(one) for one in (start, weight))
    judging = [name for name in before if name.startswith("rescoring.") and before[name].is_floating_point()]
    assert judging and all(torch.allclose(before[name], after[name], atol=1e-3) for name in judging)


def test_composed_and_simulated_metaphases_can_be_learned_from_besides(tmp_path: Path) -> None:
    from tests.stages.segmentation.test_detector import rods_pack

    pack = rods_pack(tmp_path / "drawn.npz")
    more = {"steps": 1, "validation_steps": 1, "images": 2, "composed": 1, "simulated": 1}
    assert train_rescoring(recipe(**more), [pack], tmp_path / "run") is not None
    (synthetic,) = (tmp_path / "run" / "candidates").glob("synthetic-*.npz")
    composed, simulated = kept(synthetic)
    assert composed.chromosomes >= 30 and simulated.chromosomes >= 45
    assert simulated.right.sum() > 40  # found by the detector that ships
