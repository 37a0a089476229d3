"""The loss, the queue and the momentum encoder of the first step."""

from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pytorch_metric_learning.losses import SupConLoss
from torch.nn import functional as F

from karyonet.stages.cluster_type.contrastive import (
    ContrastiveModel,
    ContrastSettings,
    LabelledQueue,
    SelfMarginLoss,
    with_margin,
)
from karyonet.stages.cluster_type.model import ClusterNetwork
from karyonet.stages.cluster_type.recipe import ContrastiveStep

from .conftest import TINY

DIM = 8


def vectors(count: int, seed: int) -> torch.Tensor:
    return F.normalize(torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed)), dim=1)


def written_out(
    queries: torch.Tensor,
    keys: torch.Tensor,
    labels: torch.Tensor,
    key_labels: torch.Tensor,
    margin: float,
    own: bool,
    left_out: torch.Tensor,
    temperature: float = 0.1,
) -> float:
    """The loss pair by pair: mean over the queries of the mean over their positives."""
    losses = []
    for i in range(len(queries)):
        others = [a for a in range(len(keys)) if not left_out[i, a]]
        score = {}
        for a in others:
            angle = math.acos(max(-1.0, min(1.0, float(queries[i] @ keys[a]))))
            widened = labels[i] == key_labels[a] and (a == i or not own)
            score[a] = math.cos(angle + margin) if widened else math.cos(angle)
        total = sum(math.exp(value / temperature) for value in score.values())
        positives = [a for a in others if labels[i] == key_labels[a]]
        losses.append(-sum(math.log(math.exp(score[p] / temperature) / total) for p in positives) / len(positives))
    return sum(losses) / len(losses)


@given(cosine=st.floats(-1, 1), margin=st.floats(0, math.pi / 2))
def test_the_margin_is_added_to_the_angle_as_long_as_that_is_at_most_half_a_turn(cosine: float, margin: float) -> None:
    said = float(with_margin(torch.tensor(cosine, dtype=torch.float64), margin))
    angle = math.acos(cosine)
    if angle + margin <= math.pi:
        assert said == pytest.approx(math.cos(angle + margin), abs=1e-3)
    else:
        assert said <= math.cos(math.pi) + 1e-6


@given(margin=st.floats(0, math.pi / 2))
def test_with_a_margin_the_cosine_never_falls_when_vectors_draw_nearer_and_does_not_jump(margin: float) -> None:
    cosines = torch.linspace(-1, 1, 4001, dtype=torch.float64)
    widened = with_margin(cosines, margin)
    steps = widened.diff()
    # Where both vectors are the same the sine is steep, by the square root of what is left to 1.
    assert (steps >= -1e-9).all() and float(steps.max()) < 0.04
    assert (widened <= cosines + 1e-9).all()


def test_the_farthest_positives_are_drawn_nearer_and_the_slope_is_finite_everywhere() -> None:
    cosines = torch.tensor([-1.0, -0.999, 0.0, 0.999, 1.0], requires_grad=True)
    with_margin(cosines, 0.3).sum().backward()
    assert cosines.grad is not None and torch.isfinite(cosines.grad).all() and (cosines.grad[:4] > 0).all()


@given(
    seed=st.integers(0, 1000),
    margin=st.sampled_from([0.0, 0.2, 0.5]),
    margin_of=st.sampled_from(["own", "every"]),
    labels=st.lists(st.integers(0, 2), min_size=4, max_size=6).filter(lambda found: len(set(found)) > 1),
)
@settings(max_examples=30, deadline=None)
def test_the_loss_with_a_queue_is_the_published_one(
    seed: int, margin: float, margin_of: Literal["own", "every"], labels: list[int]
) -> None:
    count = len(labels)
    queries, own, kept = vectors(count, seed), vectors(count, seed + 1), vectors(7, seed + 2)
    # Near enough that no angle passes half a turn with its margin.
    own, kept = F.normalize(own + 2 * queries.mean(0), dim=1), F.normalize(kept + 2 * queries.mean(0), dim=1)
    told, kinds = torch.tensor(labels), torch.arange(7) % 3
    keys, key_labels = torch.cat([own, kept]), torch.cat([told, kinds])
    if bool((queries @ keys.T < -math.cos(margin)).any()):
        return
    chosen = ContrastSettings(margin=margin, margin_of=margin_of)
    said = SelfMarginLoss(chosen)(queries, told, ref_emb=keys, ref_labels=key_labels)
    nothing = torch.zeros(count, len(keys), dtype=torch.bool)
    expected = written_out(queries, keys, told, key_labels, margin, margin_of == "own", nothing)
    assert float(said) == pytest.approx(expected, abs=2e-3)


def test_without_a_margin_it_is_supcon_and_a_margin_for_all_weighs_more_than_for_the_own_view() -> None:
    queries, keys = vectors(12, 0), vectors(12, 1)
    labels = torch.arange(12) % 3
    # Of the same tensor the library would think that each query meets itself.
    key_labels = labels.clone()
    plain = float(SupConLoss(0.1)(queries, labels, ref_emb=keys, ref_labels=key_labels))
    losses = {
        name: float(SelfMarginLoss(chosen)(queries, labels, ref_emb=keys, ref_labels=key_labels))
        for name, chosen in {
            "none": ContrastSettings(margin=0.0),
            "own": ContrastSettings(margin=0.3, margin_of="own"),
            "every": ContrastSettings(margin=0.3, margin_of="every"),
        }.items()
    }
    assert losses["none"] == pytest.approx(plain, abs=1e-6)
    assert plain < losses["own"] < losses["every"]


def test_within_a_batch_each_view_meets_all_but_itself() -> None:
    model = ContrastiveModel(ClusterNetwork(TINY), ContrastSettings(queue=0, margin=0.0))
    said, labels = vectors(8, 3), torch.tensor([0, 0, 1, 2])
    loss = float(model._within(said, labels))
    other = torch.cat([said[4:], said[:4]])
    itself = torch.eye(8, dtype=torch.bool).roll(4, 1)
    twice = labels.repeat(2)
    assert loss == pytest.approx(written_out(said, other, twice, twice, 0.0, False, itself), abs=1e-3)
    assert model.keys is None and model.queue is None


def test_the_queue_holds_the_last_keys_with_their_labels_and_goes_on_where_it_was() -> None:
    def fill(queue: LabelledQueue, first: int, last: int) -> None:
        for number in range(first, last):
            queue.add_to_memory(torch.full((2, DIM), float(number)), torch.full((2,), number), 2)

    queue = LabelledQueue(SupConLoss(), embedding_size=DIM, memory_size=6)
    assert len(queue.held()[0]) == 0
    fill(queue, 0, 2)
    keys, labels = queue.held()
    assert labels.tolist() == [0, 0, 1, 1] and torch.equal(keys[:, 0], labels.float())
    resumed = LabelledQueue(SupConLoss(), embedding_size=DIM, memory_size=6)
    resumed.load_state_dict(queue.state_dict())
    for one in (queue, resumed):
        fill(one, 2, 5)
        assert sorted(one.held()[1].tolist()) == [2, 2, 3, 3, 4, 4]
    assert torch.equal(queue.held()[0], resumed.held()[0])


def contrasted(**options: object) -> tuple[ContrastiveModel, float]:
    torch.manual_seed(0)
    model = ContrastiveModel(ClusterNetwork(TINY), ContrastSettings.model_validate(options)).train()
    crops = torch.randn(2, 8, 2, 32, 32, generator=torch.Generator().manual_seed(1))
    loss = model.contrast(crops[0], crops[1], torch.arange(8) % 3)
    loss.backward()  # type: ignore[no-untyped-call]
    return model, float(loss.detach())


@pytest.mark.parametrize("queue", [0, 16])
def test_the_encoder_learns_and_the_key_encoder_does_not(queue: int) -> None:
    model, loss = contrasted(queue=queue)
    assert math.isfinite(loss) and loss > 0
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.encoder.parameters())
    if queue:
        assert model.keys is not None and not model.keys.training
        assert not any(p.requires_grad for p in model.keys.parameters())
        assert model.queue is not None and len(model.queue.held()[0]) == 8


def test_the_key_encoder_follows_slowly_its_statistics_included() -> None:
    model, _ = contrasted(queue=16, momentum=0.5)
    assert model.keys is not None
    weights = dict(model.encoder.named_parameters())
    before = {name: value.clone() for name, value in model.keys.state_dict().items()}
    with torch.no_grad():
        for parameter in weights.values():
            parameter.add_(1.0)
    model.updates.fill_(1000)
    model._follow()
    for name, value in model.keys.named_parameters():
        assert torch.allclose(value, (before[name] + weights[name]) / 2, atol=1e-6)
    moving = [name for name in before if name.endswith("running_mean")]
    assert moving and any(not torch.equal(before[n], model.keys.state_dict()[n]) for n in moving)


def test_a_batch_of_one_kind_teaches_nothing_and_does_not_fail() -> None:
    torch.manual_seed(0)
    model = ContrastiveModel(ClusterNetwork(TINY), ContrastSettings(queue=16)).train()
    crops = torch.randn(2, 4, 2, 32, 32)
    loss = model.contrast(crops[0], crops[1], torch.zeros(4, dtype=torch.int64))
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == 0


def test_a_queue_smaller_than_a_batch_is_refused() -> None:
    with pytest.raises(ValidationError, match="queue"):
        ContrastiveStep(steps=1, batch_size=64, contrast=ContrastSettings(queue=32))
    assert ContrastiveStep(steps=1, batch_size=64, contrast=ContrastSettings(queue=0)).steps == 1
