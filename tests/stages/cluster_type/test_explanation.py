"""What decided a type: the maps of SupCAM."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.case import Metaphase
from karyonet.errors import ArrayError
from karyonet.explanation import Explanations, TypeExplainer
from karyonet.stages.cluster_type import KINDS, ShapeRules, SupCAM
from karyonet.stages.cluster_type.explanation import activation_maps, explained_layer
from karyonet.stages.cluster_type.model import ClusterArchitecture, ClusterNetwork
from karyonet.stages.segmentation import ThresholdSegmenter
from karyonet.weights import WeightFile
from tests.stages.drawn import lone_rods

from .conftest import SMALL_CROPS, TINY

CPU = torch.device("cpu")


@pytest.fixture
def stage(weight: WeightFile) -> SupCAM:
    return SupCAM(weights=str(weight.path), device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def metaphase() -> Metaphase:
    return ThresholdSegmenter().process(lone_rods().rod(310, 210, 84, 20).rod(310, 210, 70, -60).metaphase())


@pytest.fixture(scope="module")
def network() -> ClusterNetwork:
    torch.manual_seed(1)
    return ClusterNetwork(TINY).eval().requires_grad_(False)


def explained(stage: SupCAM, metaphase: Metaphase, kinds: list[str] | None = None) -> Explanations:
    return stage.explain(metaphase.optical_density, [k.region for k in metaphase.clusters], kinds=kinds)


def test_every_component_has_a_map_of_what_it_was_taken_for(stage: SupCAM, metaphase: Metaphase) -> None:
    found = explained(stage, metaphase)
    said = stage.classify(metaphase.optical_density, [k.region for k in metaphase.clusters])
    count, side = len(metaphase.clusters), SMALL_CROPS.side
    assert found.maps.shape == (count, side, side) and found.maps.dtype == np.float32
    assert found.crops.shape == (count, 2, side, side)
    assert found.maps.min() >= 0 and found.maps.max() <= 1
    peaks = found.maps.max(axis=(1, 2))
    assert np.all(np.isclose(peaks, 1, atol=1e-5) | (peaks == 0)) and peaks.any()
    assert found.kinds == said.kinds and np.array_equal(found.counts, said.counts)
    of_kind = [said.probabilities[n, KINDS.index(kind)] for n, kind in enumerate(said.kinds)]
    assert found.probabilities == pytest.approx(of_kind)


def test_a_map_belongs_to_its_kind_and_its_component_alone(stage: SupCAM, metaphase: Metaphase) -> None:
    count = len(metaphase.clusters)
    one, other = (explained(stage, metaphase, [kind] * count) for kind in ("instance", "nucleus"))
    assert all(np.abs(a - b).max() > 0.05 for a, b in zip(one.maps, other.maps, strict=True))
    mixed = explained(stage, metaphase, ["nucleus", *["instance"] * (count - 1)])
    assert mixed.maps[0] == pytest.approx(other.maps[0], abs=1e-4)
    assert mixed.maps[1:] == pytest.approx(one.maps[1:], abs=1e-4)


def test_explaining_leaves_the_stage_as_it_was(stage: SupCAM, metaphase: Metaphase) -> None:
    regions = [k.region for k in metaphase.clusters]
    before = stage.classify(metaphase.optical_density, regions).probabilities
    first = explained(stage, metaphase).maps
    assert np.array_equal(stage.classify(metaphase.optical_density, regions).probabilities, before)
    assert np.array_equal(explained(stage, metaphase).maps, first)


def test_no_component_is_no_map_and_kinds_must_fit(stage: SupCAM, metaphase: Metaphase) -> None:
    nothing = stage.explain(metaphase.optical_density, [])
    assert nothing.maps.shape == (0, SMALL_CROPS.side, SMALL_CROPS.side) and nothing.kinds == ()
    for kinds in (["instance"], ["karyotype"] * len(metaphase.clusters), []):
        with pytest.raises(ArrayError, match="K501: kinds must be"):
            explained(stage, metaphase, kinds)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(2,), (3,), (2, 3)]), st.integers(0, len(KINDS) - 1))
def test_mirrored_crops_have_mirrored_maps(
    network: ClusterNetwork, seed: int, axes: tuple[int, ...], kind: int
) -> None:
    crops = np.random.default_rng(seed).random((2, 2, 64, 64), dtype=np.float32)
    kinds = np.full(2, kind)
    as_it_lies = activation_maps(network, "layer2", crops, kinds, CPU)
    mirrored = activation_maps(network, "layer2", np.flip(crops, axes).copy(), kinds, CPU)
    assert np.flip(mirrored, [axis - 1 for axis in axes]) == pytest.approx(as_it_lies, abs=1e-3)


def test_batches_change_nothing(network: ClusterNetwork) -> None:
    crops = np.random.default_rng(0).random((5, 2, 64, 64), dtype=np.float32)
    kinds = np.arange(5)
    whole, parts = (activation_maps(network, "layer2", crops, kinds, CPU, size) for size in (64, 2))
    assert parts == pytest.approx(whole, abs=1e-4)


def test_a_map_shows_where_what_was_seen_lies() -> None:
    """A network that only sees whether there is stain has its map where the stain lies."""
    network = ClusterNetwork(TINY.model_copy(update={"head": "linear"})).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    crops = np.zeros((1, 2, 96, 96), np.float32)
    crops[0, :, 60:80, 10:30] = 1.0
    (found,) = activation_maps(network, "layer2", crops, np.zeros(1, np.int64), CPU)
    row, column = np.unravel_index(found.argmax(), found.shape)
    assert 56 <= row < 84 and 6 <= column < 34
    assert found[60:80, 10:30].mean() > 2 * found[:40, 50:].mean()


@pytest.mark.parametrize(
    ("backbone", "side", "layer", "cells"),
    [("resnet18", 96, "layer3", 6), ("resnet18", 192, "layer4", 6), ("resnet18", 32, "layer1", 8),
     ("mobilenetv3_small_100", 96, "blocks.3", 6)],
)  # fmt: skip
def test_the_last_map_that_is_fine_enough_is_explained(backbone: str, side: int, layer: str, cells: int) -> None:
    network = ClusterNetwork(ClusterArchitecture(backbone=backbone)).eval()
    assert explained_layer(network, side) == (layer, cells)


def test_the_stage_says_that_it_can_explain(stage: SupCAM) -> None:
    assert isinstance(stage, TypeExplainer) and not isinstance(ShapeRules(), TypeExplainer)
