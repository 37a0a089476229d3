from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from karyonet.errors import DataError
from karyonet.stages.cluster_type.decision import decide
from karyonet.stages.cluster_type.kinds import CLUSTER, KINDS, TYPES
from karyonet.stages.cluster_type.model import ClusterNetwork, ClusterPrediction
from karyonet.stages.cluster_type.network_stage import SupCAM
from karyonet.stages.cluster_type.recipe import ClusterTypeRecipe
from karyonet.stages.cluster_type.sources import Sources
from karyonet.stages.cluster_type.train import (
    ContrastiveTask,
    Examples,
    Material,
    drawn,
    examples_of_step,
    figures,
    kind_loss,
    load_metaphases,
    neighbours_agree,
    reject_threshold,
    train_cluster_type,
)
from karyonet.training.loop import Trainer
from karyonet.training.metaphase_pack import MetaphasePack
from karyonet.weights import find

from .conftest import SMALL_CROPS, TINY

BRIEF = {
    "name": "tiny", "architecture": TINY, "crops": SMALL_CROPS, "batch_size": 6, "validation_examples": 24, "steps": 3,
    "device": "cpu", "precision": "fp32", "threads": 1, "ema": 0.0, "terms": {"rods": "drawn"},
}  # fmt: skip
FIRST = {"steps": 2, "batch_size": 6, "contrast": {"queue": 12}}


@pytest.fixture
def rods(pack: MetaphasePack, tmp_path: Path) -> Path:
    pack.write(tmp_path / "rods.npz")
    return tmp_path / "rods.npz"


def steps_logged(folder: Path) -> list[int]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line["step"] for line in lines if "loss" in line]


def test_both_steps_give_weights_that_a_stage_can_use(rods: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    weight = train_cluster_type(ClusterTypeRecipe(**BRIEF, contrastive=FIRST), [rods], run)
    assert weight is not None and weight.card.classes == KINDS
    shares = {"single_or_cluster", "count_accuracy", "kept", "rejected"}
    assert {"macro_f1", "accuracy"} | shares | {f"{name}_found" for name in shares} == set(weight.card.metrics)
    assert weight.card.training_data[0].examples == 2 and 0 < weight.card.thresholds["reject"] < 1
    assert find("cluster_type", weight.path).sha256 == weight.sha256
    stage = SupCAM.from_pretrained(weight.path, device="cpu")
    density = np.random.default_rng(0).random((60, 60), dtype=np.float32)
    assert stage.classify(density, []).kinds == ()
    assert steps_logged(run / "contrastive")[-1] == 2

    # The first step is not done again, and the second goes on where it ended.
    (run / "weights" / "tiny.safetensors").unlink()
    longer = ClusterTypeRecipe(**(BRIEF | {"steps": 4}), contrastive=FIRST)
    assert train_cluster_type(longer, [rods], run) is not None
    assert steps_logged(run / "contrastive")[-1] == 2 and steps_logged(run)[-1] == 4
    with pytest.raises(DataError, match="K406"):
        train_cluster_type(ClusterTypeRecipe(**BRIEF, contrastive=FIRST, label_smoothing=0.0), [rods], run)


def test_cross_entropy_alone_has_no_first_step(rods: Path, tmp_path: Path) -> None:
    recipe = ClusterTypeRecipe(**BRIEF, contrastive=None)
    assert recipe.first_step() is None
    assert train_cluster_type(recipe, [rods], tmp_path / "run") is not None
    assert not (tmp_path / "run" / "contrastive").exists()


def test_the_first_step_changes_the_backbone_that_the_second_starts_from(rods: Path, tmp_path: Path) -> None:
    still = {"optimiser": {"learning_rate": 1e-12, "weight_decay": 0.0}}
    tensors = []
    for first in (None, FIRST | {"steps": 3}):
        recipe = ClusterTypeRecipe(**(BRIEF | still), contrastive=first)
        run = tmp_path / ("without" if first is None else "with")
        train_cluster_type(recipe, [rods], run)
        tensors.append(torch.load(run / "best.pt", weights_only=True))
    moved = [n for n in tensors[0] if n.startswith("backbone") and n.endswith("weight") and tensors[0][n].ndim == 4]
    assert all(not torch.allclose(tensors[0][name], tensors[1][name], atol=1e-6) for name in moved)


def test_a_first_step_that_has_changed_is_not_taken_for_the_same(rods: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train_cluster_type(ClusterTypeRecipe(**BRIEF, contrastive=FIRST), [rods], run)
    other = FIRST | {"contrast": {"queue": 12, "margin": 0.4}}
    with pytest.raises(DataError, match="K406"):
        train_cluster_type(ClusterTypeRecipe(**BRIEF, contrastive=other), [rods], run)


def test_a_first_step_that_was_stopped_goes_on_as_if_it_had_not_been(pack: MetaphasePack, tmp_path: Path) -> None:
    recipe = ClusterTypeRecipe(**BRIEF, contrastive=FIRST | {"steps": 5}).first_step()
    assert recipe is not None
    material = Material.of(recipe, pack)

    def trainer(folder: str) -> Trainer:
        torch.manual_seed(recipe.seed)
        return Trainer(recipe, ContrastiveTask(recipe, material, ClusterNetwork(TINY)), tmp_path / folder)

    assert trainer("whole").fit().finished
    stopped = trainer("parts")
    compute = stopped.task.loss

    def loss_then_stop(model: nn.Module, batch: Any) -> torch.Tensor:
        stopped._stop = stopped.progression.step == 2
        return compute(model, batch)

    stopped.task.loss = loss_then_stop  # type: ignore[method-assign]
    assert not stopped.fit().finished and stopped.progression.step == 3
    assert trainer("parts").fit().finished
    whole, parts = (torch.load(tmp_path / name / "best.pt", weights_only=True) for name in ("whole", "parts"))
    assert whole.keys() == parts.keys() and any(name.startswith("queue") for name in whole)
    assert all(torch.allclose(whole[name].float(), parts[name].float(), atol=1e-5) for name in whole)


def test_a_step_draws_what_its_number_says_and_composition_can_be_limited(pack: MetaphasePack) -> None:
    endless = ClusterTypeRecipe(**BRIEF)
    limited = ClusterTypeRecipe(**BRIEF, compositions={"different": 5})
    assert examples_of_step(endless, 3) == examples_of_step(endless, 3) != examples_of_step(endless, 4)
    assert len({seed for step in range(40) for seed in examples_of_step(endless, step)}) == 240
    assert len({seed for step in range(40) for seed in examples_of_step(limited, step)}) == 5
    sources = Sources.of(pack, "train", endless.compositions.sources)
    first, second = (drawn(limited, sources, [(0, 1)] * 2, 2, step) for step in (0, 1))
    assert torch.equal(first.views[0], first.views[1]) and first.kinds[0] == second.kinds[0]
    assert not torch.equal(first.views[0, 0], first.views[0, 1])
    assert not torch.equal(first.views, second.views)


def test_data_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="K401"):
        load_metaphases(tmp_path, tmp_path / "cache")
    with pytest.raises(DataError, match="K401"):
        load_metaphases(tmp_path / "absent.npz", tmp_path / "cache")


def test_a_folder_is_packed_once(tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "data" / "normal_female"
    pack = load_metaphases(folder, tmp_path)
    assert len(pack) == 1 and pack.lone.sum() >= 10
    kept = tmp_path / "normal_female.npz"
    written = kept.stat().st_mtime_ns
    assert np.array_equal(load_metaphases(folder, tmp_path).lone, pack.lone)
    assert kept.stat().st_mtime_ns == written


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=300), st.integers(0, 9))
@settings(deadline=None)
def test_the_threshold_keeps_the_chromosomes_that_are_not_rather_none(scores: list[float], others: int) -> None:
    values = np.array([*scores, *[0.5] * others], dtype=np.float32)
    kinds = np.array([0] * len(scores) + [4] * others)
    for kept in (0.999, 0.9):
        threshold = reject_threshold(values, kinds, kept)
        assert 0 < threshold <= 0.5
        rejected = np.array(scores, dtype=np.float32) >= np.float32(threshold)
        assert rejected.mean() <= 1 - kept + 1e-9 or threshold == 0.5


def example_set(kinds: list[int], counts: list[int]) -> Examples:
    return Examples(torch.zeros(len(kinds), 1, 2, 8, 8), torch.tensor(kinds), torch.tensor(counts))


def test_figures_of_right_and_wrong_answers() -> None:
    truth = example_set([0, 1, 2, 3, 4, 5], [1, 2, 4, 3, 0, 0])
    kinds = 20.0 * torch.eye(6)
    counts = 20.0 * torch.eye(6)[[0, 1, 3, 2, 0, 0]]
    found = example_set([0, CLUSTER], [1, 3])
    one_and_three = ClusterPrediction(kinds[[0, 3]], counts[[0, 3]])
    perfect = figures([ClusterPrediction(kinds, counts), one_and_three], [truth, found])
    assert 0 < perfect.pop("reject") < 0.5
    assert perfect == pytest.approx(dict.fromkeys(perfect, 1.0))
    swapped = figures(
        [ClusterPrediction(kinds[[0, 2, 1, 3, 4, 5]], counts), ClusterPrediction(kinds[[3, 3]], counts[[3, 2]])],
        [truth, found],
    )
    assert swapped["accuracy"] == 0.5 and swapped["score"] == pytest.approx(0.5)
    assert swapped["rejected"] == 1.0 and swapped["count_accuracy"] == 1.0
    assert swapped["single_or_cluster"] == 1.0 and swapped["single_or_cluster_found"] == 0.5
    assert swapped["count_accuracy_found"] == 0.0


def test_of_a_cluster_of_unknown_kind_any_kind_is_right() -> None:
    logits = torch.randn(1, 6, generator=torch.Generator().manual_seed(0))
    losses = [float(kind_loss(logits, torch.tensor([kind]), 0.0)) for kind in range(6)]
    unknown = float(kind_loss(logits, torch.tensor([CLUSTER]), 0.0))
    assert np.exp(-unknown) == pytest.approx(sum(np.exp(-loss) for loss in losses[1:TYPES]), rel=1e-4)
    both = kind_loss(logits.repeat(2, 1), torch.tensor([0, CLUSTER]), 0.0)
    assert float(both) == pytest.approx((losses[0] + unknown) / 2, rel=1e-4)


def test_type_number_and_rejection_agree() -> None:
    generator = np.random.default_rng(0)
    kinds = generator.dirichlet(np.ones(6), 200).astype(np.float32)
    counts = generator.dirichlet(np.ones(5), 200).astype(np.float32)
    said = decide(kinds, counts, 0.4)
    for place, kind in enumerate(said.kinds):
        assert said.rejected[place] == (kinds[place, TYPES:].sum() >= 0.4) == (kind in KINDS[TYPES:])
        expected = {"instance": {1}, "nucleus": {0}, "debris": {0}}.get(kind, {2, 3, 4, 5})
        assert int(said.counts[place]) in expected


def test_neighbours_agree_where_kinds_lie_apart() -> None:
    kinds = torch.arange(60) % 6
    features = torch.eye(6)[kinds] + 0.01 * torch.randn(60, 6, generator=torch.Generator().manual_seed(0))
    assert neighbours_agree(features, kinds) == 1.0
    assert neighbours_agree(features, kinds[torch.randperm(60, generator=torch.Generator().manual_seed(1))]) < 0.5
