"""HomNet: what must not matter to it, and what must."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.stages.abnormality.bags import BagBatch
from karyonet.stages.abnormality.model import Architecture, Diagnosis, HomNet, freeze

SAMPLES = 48
SMALL: dict[str, Any] = {
    "samples": SAMPLES, "merge_range": 8, "channels": 8, "embedding": 8, "stem": 4, "beside": 4, "heads": 2,
    "head_dim": 4,
}  # fmt: skip
PAPER: dict[str, Any] = {
    **SMALL, "stem": 0, "blocks": 0, "beside": 0, "near": False, "normalise": False, "positions": False,
    "attention": "ratio", "layers": 1, "pair_pool": "flatten", "bag_pool": "sum", "local": False, "dropout": 0.0,
}  # fmt: skip


def network(**changes: Any) -> HomNet:
    torch.manual_seed(0)
    return HomNet(Architecture.model_validate({**SMALL, **changes})).eval()


def batch(bags: int = 2, most: int = 3, seed: int = 0) -> BagBatch:
    """Bags of 1 to ``most`` metaphases, the first one full, with chromosomes of different lengths and hidden parts."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(10, SAMPLES + 1, (bags, most, 2, 1), generator=generator)
    valid = torch.arange(SAMPLES) < lengths
    valid &= (torch.arange(SAMPLES) < 4) | (torch.rand(bags, most, 2, SAMPLES, generator=generator) < 0.9)
    profiles = torch.rand(bags, most, 2, 2, SAMPLES, generator=generator)
    counts = torch.randint(1, most + 1, (bags, 1), generator=generator)
    counts[0] = most
    present = torch.arange(most) < counts
    bands = torch.rand(bags, most, 4, generator=generator)
    return BagBatch(profiles, valid, present, torch.randint(0, 24, (bags,), generator=generator), bands)


def said(model: HomNet, bags: BagBatch) -> Diagnosis:
    with torch.inference_mode():
        diagnosis: Diagnosis = model(bags)
    return diagnosis


def close(first: torch.Tensor, second: torch.Tensor) -> bool:
    return torch.allclose(first, second, atol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"bag_pool": "sum"},
        {"attention": "ratio"},
        {"local": False},
        {"blocks": 0, "near": False, "beside": 0},
    ],
)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 999))
def test_swapping_the_homologs_of_a_metaphase_swaps_what_is_said_of_them_and_changes_nothing_else(
    changes: dict[str, Any], seed: int
) -> None:
    model, bags = network(**changes), batch(seed=seed)
    swapped = torch.rand(bags.present.shape, generator=torch.Generator().manual_seed(seed)) < 0.5
    order = torch.where(swapped[..., None], torch.tensor([1, 0]), torch.tensor([0, 1]))
    place = torch.arange(2)[:, None, None], torch.arange(3)[None, :, None], order
    first, second = (
        said(model, bags),
        said(model, bags._replace(profiles=bags.profiles[place], valid=bags.valid[place])),
    )
    assert close(first.logit, second.logit) and close(first.weight, second.weight)
    for name in ("homolog", "evidence", "visible", "alignment"):
        assert close(getattr(first, name)[place].float(), getattr(second, name).float())


@pytest.mark.parametrize("changes", [{}, PAPER])
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 999))
def test_the_order_of_the_metaphases_changes_nothing(changes: dict[str, Any], seed: int) -> None:
    model, bags = network(**changes), batch(most=4, seed=seed)
    order = torch.randperm(4, generator=torch.Generator().manual_seed(seed))
    turned = BagBatch(*(t if t.ndim == 1 else t[:, order] for t in bags))
    first, second = said(model, bags), said(model, turned)
    assert close(first.logit, second.logit)
    for name in ("homolog", "evidence", "weight"):
        assert close(getattr(first, name)[:, order], getattr(second, name))


@pytest.mark.parametrize("changes", [{}, PAPER])
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 999))
def test_what_lies_in_empty_places_and_unseen_samples_changes_nothing(changes: dict[str, Any], seed: int) -> None:
    model, bags = network(**changes), batch(seed=seed)
    seen = (bags.valid & bags.present[..., None, None])[:, :, :, None]
    dirty = bags._replace(
        profiles=torch.where(seen, bags.profiles, 1e3),
        valid=bags.valid | ~bags.present[..., None, None],
        bands=torch.where(bags.present[..., None], bags.bands, 7.0),
    )
    for one, other in zip(said(model, bags), said(model, dirty), strict=True):
        assert close(one.float(), other.float())


@pytest.mark.parametrize("changes", [{}, PAPER])
def test_other_bags_and_places_for_more_metaphases_change_nothing(changes: dict[str, Any]) -> None:
    model, bags = network(**changes), batch(bags=3)
    together = said(model, bags)
    for row in range(3):
        count = int(bags.present[row].sum())
        alone = BagBatch(*(t[row : row + 1] if t.ndim == 1 else t[row : row + 1, :count] for t in bags))
        diagnosis = said(model, alone)
        assert close(diagnosis.logit[0], together.logit[row])
        assert close(diagnosis.evidence[0], together.evidence[row, :count])
        assert not together.homolog[row, count:].any() and not together.evidence[row, count:].any()


def test_the_sequential_update_of_the_official_code_depends_on_which_homolog_comes_first() -> None:
    bags = batch()
    flipped = bags._replace(profiles=bags.profiles.flip(2), valid=bags.valid.flip(2))
    sequential = network(update="sequential")
    assert not torch.allclose(said(sequential, bags).logit, said(sequential, flipped).logit, atol=1e-5)
    flat = network(pair_pool="flatten")
    assert not torch.allclose(said(flat, bags).logit, said(flat, flipped).logit, atol=1e-6)


def test_type_band_level_and_each_homolog_matter() -> None:
    model, bags = network(), batch()
    first = said(model, bags).logit
    assert not torch.allclose(first, said(model, bags._replace(chromosome=(bags.chromosome + 1) % 24)).logit)
    assert not torch.allclose(first, said(model, bags._replace(bands=torch.zeros_like(bags.bands))).logit)
    for homolog in range(2):
        profiles = bags.profiles.clone()
        profiles[:, :, homolog, :, :8] += 1
        assert not torch.allclose(first, said(model, bags._replace(profiles=profiles)).logit)


def test_alignment_is_a_share_of_what_can_be_seen() -> None:
    bags = batch()
    diagnosis = said(network(), bags)
    assert torch.allclose(diagnosis.alignment.sum(dim=-1)[bags.present], torch.ones(()), atol=1e-5)
    unseen = ~diagnosis.visible.flip(2)[:, :, :, None].expand_as(diagnosis.alignment)
    assert not diagnosis.alignment[unseen].any()
    assert torch.allclose(diagnosis.weight.sum(dim=1), torch.ones(2))
    assert torch.equal(diagnosis.visible[0, 0, 0], bags.valid[0, 0, 0].view(-1, 8).any(dim=1))


def test_local_evidence_reaches_the_bag() -> None:
    model, bags = network(), batch()
    before = said(model, bags).logit
    with torch.no_grad():
        model.evidence[-1].bias += 1  # type: ignore[union-attr, operator]
    assert not torch.allclose(before, said(model, bags).logit)


@pytest.mark.parametrize("merge_range", [5, 8, 20, 48])
def test_a_merge_range_need_not_divide_the_profile(merge_range: int) -> None:
    model = network(merge_range=merge_range)
    bags = batch()
    before = said(model, bags)
    assert before.evidence.shape[-1] == model.architecture.regions == -(-SAMPLES // merge_range)
    valid = torch.ones_like(bags.valid)
    profiles = bags.profiles.clone()
    profiles[..., -1] += 5
    changed = said(model, bags._replace(profiles=profiles, valid=valid)).logit
    assert not torch.allclose(said(model, bags._replace(valid=valid)).logit, changed)  # the last samples are read


def test_every_trained_parameter_gets_a_gradient_and_frozen_parts_none() -> None:
    model = network(dropout=0.0).train()
    freeze(model, ("cms", "hom.layers.0"))
    diagnosis = model(batch())
    (diagnosis.logit.sum() + diagnosis.homolog.square().sum() + diagnosis.evidence.sum()).backward()
    for name, parameter in model.named_parameters():
        frozen = name.startswith(("cms.", "hom.layers.0."))
        assert parameter.requires_grad != frozen and (parameter.grad is None) == frozen, name
    assert any(name.startswith("hom.layers.1.") and p.requires_grad for name, p in model.named_parameters())
    with pytest.raises(KeyError):
        freeze(model, ("hom.layers.9",))


def test_frozen_parts_keep_their_statistics_in_training() -> None:
    model = network()
    freeze(model, ("cms",))
    before = {name: value.clone() for name, value in model.state_dict().items() if "cms" in name and "running" in name}
    model.train()(batch())
    assert before and all(
        torch.equal(value, before[name]) for name, value in model.state_dict().items() if name in before
    )
    free = network().train()
    free(batch())
    assert any(not torch.equal(value, before[name]) for name, value in free.state_dict().items() if name in before)
