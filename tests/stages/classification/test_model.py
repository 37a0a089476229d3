from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from karyonet.stages.classification.model import Architecture, ProxyHead, ProxyResNeXtCBAM
from karyonet.stages.classification.train import class_loss, polarity_loss

SMALL = {"backbone": "test_resnet", "embedding_dim": 32}


def build(**changes: object) -> ProxyResNeXtCBAM:
    torch.manual_seed(0)
    return ProxyResNeXtCBAM(Architecture.model_validate({**SMALL, **changes})).eval()


@pytest.fixture(scope="module")
def strips() -> torch.Tensor:
    return torch.rand(5, 1, 64, 32, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("changes", "dim"),
    [
        ({}, 32),
        ({"attention": False}, 32),
        ({"pooling": "average"}, 32),
        ({"output_stride": 16}, 32),
        ({"head": "cross_entropy", "attention": False, "pooling": "average"}, None),
    ],
)
def test_shapes_and_unit_length(strips: torch.Tensor, changes: dict[str, object], dim: int | None) -> None:
    model = build(**changes)
    said = model(strips)
    assert said.embeddings.shape == (5, dim or model.embedding_dim)
    assert said.logits.shape == (5, 24) and said.polarity.shape == (5,)
    torch.testing.assert_close(said.embeddings.norm(dim=1), torch.ones(5))


def test_the_default_backbone_is_the_papers() -> None:
    model = ProxyResNeXtCBAM(Architecture(embedding_dim=2048))
    assert model.projection.weight.shape == (2048, 4096) and model.projection.bias is None
    assert not list(model.normalisation.parameters())


def test_logits_are_cosines_over_the_temperature(strips: torch.Tensor) -> None:
    said = build(temperature=0.1)(strips)
    assert said.logits.abs().max() <= 10.0
    head = ProxyHead(32, 24, temperature=0.05)
    on_proxy = head(F.normalize(head.proxies[:, 7], dim=0)[None])
    assert on_proxy.argmax() == 7 and on_proxy.max().item() == pytest.approx(20.0, abs=1e-3)
    # With the temperature a strip on its proxy can be sure of its class; without, unit vectors cannot (0.11).
    orthogonal = ProxyHead(24, 24, temperature=0.05)
    orthogonal.proxies.data = torch.eye(24)
    assert orthogonal(torch.eye(24)).softmax(dim=1).diagonal().min() > 0.99


def test_attention_changes_the_output(strips: torch.Tensor) -> None:
    attentive, plain = build(), build(attention=False)
    plain.load_state_dict({n: v for n, v in attentive.state_dict().items() if not n.startswith("attention")})
    assert (attentive(strips).embeddings - plain(strips).embeddings).abs().max() > 1e-3


def test_strips_do_not_influence_each_other(strips: torch.Tensor) -> None:
    model, order = build(), torch.tensor([3, 1, 4, 0, 2])
    said, permuted = model(strips), model(strips[order])
    for one, other in zip(said, permuted, strict=True):
        torch.testing.assert_close(one[order], other, rtol=1e-4, atol=1e-4)


def test_the_loss_is_normalised_softmax_and_trains_the_proxies_of_the_head(strips: torch.Tensor) -> None:
    model, labels = build(), torch.tensor([0, 5, 23, 5, 11])
    loss = class_loss(model.head, model.architecture, label_smoothing=0.0)
    said = model(strips)
    value = loss(said.embeddings, labels)
    torch.testing.assert_close(value, F.cross_entropy(said.logits, labels), rtol=1e-4, atol=1e-4)
    value.backward()
    assert model.head.proxies.grad is not None and model.head.proxies.grad.abs().sum() > 0
    smoothed = class_loss(model.head, model.architecture, label_smoothing=0.1)(said.embeddings.detach(), labels)
    expected = F.cross_entropy(said.logits.detach(), labels, label_smoothing=0.1)
    torch.testing.assert_close(smoothed.detach(), expected, rtol=1e-4, atol=1e-4)


def test_unknown_polarity_costs_nothing() -> None:
    logits = torch.tensor([2.0, -1.0, 5.0], requires_grad=True)
    known = polarity_loss(logits, torch.tensor([1, 0, -1]))
    torch.testing.assert_close(known, polarity_loss(logits[:2], torch.tensor([1, 0])))
    nothing = polarity_loss(logits, torch.tensor([-1, -1, -1]))
    nothing.backward()
    assert nothing.item() == 0.0 and logits.grad is not None and logits.grad.abs().sum() == 0


@pytest.mark.parametrize(("views", "same"), [(1, ()), (2, ((3,),)), (4, ((3,), (2,), (2, 3)))])
def test_views_do_not_see_how_a_strip_lies(strips: torch.Tensor, views: int, same: tuple[tuple[int, ...], ...]) -> None:
    model = build()
    with torch.no_grad():
        said = model.viewed(strips, views)
        torch.testing.assert_close(said.embeddings.norm(dim=1), torch.ones(5))
        for axes in same:
            moved = model.viewed(strips.flip(*axes), views)
            torch.testing.assert_close(moved.logits, said.logits, rtol=1e-4, atol=1e-4)
            sign = -1 if 2 in axes else 1
            torch.testing.assert_close(sign * moved.polarity, said.polarity, rtol=1e-4, atol=1e-4)
