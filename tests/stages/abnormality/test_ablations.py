"""HomNet without its parts: what each switch takes away, and what it leaves."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from karyonet.stages.abnormality.bags import BagBatch
from karyonet.stages.abnormality.baselines import ABLATIONS, ablated
from karyonet.stages.abnormality.model import Architecture, Diagnosis, HomNet
from karyonet.stages.abnormality.train import PretrainingRecipe

from .test_model import batch, close, network, said

SWITCHES: list[dict[str, Any]] = [
    {"attention": "none"}, {"attention": "mlp"}, {"attention": "cnn"}, {"bag_pool": "apart"},
]  # fmt: skip


def changed(bags: BagBatch, place: tuple[int, int, int]) -> BagBatch:
    """The same bags with another chromosome in one place."""
    profiles = bags.profiles.clone()
    profiles[place] = torch.rand(profiles[place].shape, generator=torch.Generator().manual_seed(9))
    return bags._replace(profiles=profiles)


@pytest.mark.parametrize("switch", SWITCHES, ids=str)
def test_swapping_homologs_or_hidden_samples_change_nothing(switch: dict[str, Any]) -> None:
    model, bags = network(**switch), batch()
    first = said(model, bags)
    swapped = said(model, bags._replace(profiles=bags.profiles.flip(2), valid=bags.valid.flip(2)))
    hidden = said(model, bags._replace(profiles=torch.where(bags.valid[:, :, :, None], bags.profiles, 7.0)))
    assert close(first.logit, swapped.logit) and close(first.logit, hidden.logit)
    for name in ("homolog", "evidence", "visible", "alignment"):
        assert close(getattr(first, name).flip(2).float(), getattr(swapped, name).float())
    assert first.evidence.shape == said(network(), bags).evidence.shape


@pytest.mark.parametrize("switch", SWITCHES, ids=str)
def test_every_parameter_is_trained(switch: dict[str, Any]) -> None:
    model = network(**switch).train()
    for module in model.modules():  # blocks begin as nothing beside their short cut
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)
    out: Diagnosis = model(batch(bags=3))
    (out.logit.sum() + out.evidence.sum() + out.homolog[..., 0].sum()).backward()  # type: ignore[no-untyped-call]
    untrained = {name for name, p in model.named_parameters() if p.grad is None or not bool(p.grad.any())}
    assert untrained <= {"bag.score.bias"}  # the gates add up to 1 whatever it is


def test_without_pair_nothing_is_known_of_the_other_homolog() -> None:
    bags = batch()
    other = changed(bags, (0, 0, 1))
    alone = [said(network(attention="none"), b) for b in (bags, other)]
    paired = [said(network(), b) for b in (bags, other)]
    for name in ("evidence", "homolog"):
        before, after = (getattr(one, name)[0, 0, 0] for one in alone)
        assert torch.equal(before, after)
        assert not close(*(getattr(one, name)[0, 0, 0] for one in paired))
    assert not close(alone[0].logit[0], alone[1].logit[0]) and not alone[0].alignment.any()
    # A pair is judged by the mean of what its homologs are judged by.
    pooled, first = network(attention="none", local=False), bags._replace(present=torch.eye(3)[[0, 0]] > 0)
    parts = [
        said(pooled, first._replace(profiles=first.profiles[:, :, [own, own]], valid=first.valid[:, :, [own, own]]))
        for own in range(2)
    ]
    assert close(said(pooled, first).logit, (parts[0].logit + parts[1].logit) / 2)


def test_without_bag_the_logit_is_the_mean_of_single_metaphases() -> None:
    model, bags = network(bag_pool="apart"), batch(bags=3, most=4)
    whole = said(model, bags)
    for row in range(3):
        count = int(bags.present[row].sum())
        single = [
            said(model, BagBatch(*(t[row : row + 1] if t.ndim == 1 else t[row : row + 1, m : m + 1] for t in bags)))
            for m in range(count)
        ]
        assert close(whole.logit[row], torch.cat([one.logit for one in single]).mean())
        assert close(whole.weight[row, :count], torch.full((count,), 1 / count))
        for name in ("homolog", "evidence", "alignment"):
            assert close(getattr(whole, name)[row, :count], torch.cat([getattr(one, name)[0] for one in single]))
            assert not getattr(whole, name)[row, count:].any()
    assert not close(said(network(), bags).weight[0], whole.weight[0])


@pytest.mark.parametrize(("kind", "reach"), [("mlp", 48), ("cnn", 32)])
def test_fixed_alignment_looks_where_it_may(kind: str, reach: int) -> None:
    """Through an MLP every place counts; through one layer of two convolutions of five, four regions either way."""
    model = network(attention=kind, layers=1, samples=128)
    mixed = model.hom.layers[0].fixed
    seen = torch.rand(1, 16, 8)
    other = seen.clone()
    other[0, 15] += 1.0
    visible = torch.ones(1, 16, dtype=torch.bool)
    with torch.inference_mode():
        (before, same), (after, _) = mixed(seen, visible), mixed(other, visible)
    differs = ((before - after).abs().amax(dim=2)[0] > 1e-6).tolist()
    assert torch.equal(same[0], torch.eye(16))
    assert differs == ([True] * 16 if kind == "mlp" else [place >= 15 - reach // 8 for place in range(16)])


def test_ablations_change_what_they_say_and_nothing_else() -> None:
    recipe = PretrainingRecipe(steps=1)
    for name, ablation in ABLATIONS.items():
        made = ablated(recipe, name)
        HomNet(made.architecture)
        differs = {k for k, v in made.architecture.model_dump().items() if v != getattr(recipe.architecture, k)}
        assert differs <= set(ablation.architecture) and (differs or ablation.recipe)
        undone = {"architecture": Architecture(), **{key: getattr(recipe, key) for key in ablation.recipe}}
        assert made.model_copy(update=undone) == recipe
