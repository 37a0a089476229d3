from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.stages.cluster_type.compositions import Compositions, compose
from karyonet.stages.cluster_type.crops import CropSettings
from karyonet.stages.cluster_type.kinds import KINDS
from karyonet.stages.cluster_type.model import ClusterArchitecture, ClusterNetwork
from karyonet.stages.cluster_type.places import PLACES, places_in_crop, places_of
from karyonet.stages.cluster_type.recipe import ClusterTypeRecipe
from karyonet.stages.cluster_type.sources import Sources
from karyonet.stages.cluster_type.train import FineTuningTask, Material, drawn, place_loss
from karyonet.stages.cluster_type.views import view
from karyonet.training.metaphase_pack import MetaphasePack

from .conftest import SMALL_CROPS, TINY
from .test_compositions import LYING, UPRIGHT, bar

SETTINGS = Compositions()
LOOKING = TINY.model_copy(update={"place_channels": 8, "head": "linear"})


def test_a_crossing_is_where_both_lie_and_a_contact_between_two() -> None:
    overlap, contact, middle = places_of(np.stack([UPRIGHT, LYING, bar(90, 40, 13, 40)]), SETTINGS)
    assert np.array_equal(overlap > 0, UPRIGHT & LYING)
    rows, columns = np.nonzero(contact)
    assert set(rows) <= set(range(87, 93)) and set(columns) <= set(range(47, 66))
    for row, column in ((54, 56), (54, 59), (96, 59)):
        assert middle[row, column]


def test_one_chromosome_has_a_middle_and_nothing_else() -> None:
    overlap, contact, middle = places_of(UPRIGHT[None], SETTINGS)
    assert not overlap.any() and not contact.any() and (middle > 0)[~UPRIGHT].sum() == 0 and middle.any()


@pytest.fixture(scope="module")
def sources(pack: MetaphasePack) -> Sources:
    return Sources.of(pack, "train", SETTINGS.sources)


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=25)
def test_cells_lie_where_the_crop_shows_it(sources: Sources, seed: int) -> None:
    plain = Compositions(
        shares=(0.2, 0.2, 0.4, 0.2, 0, 0), real=0.0, most_neighbours=0, chromosome_gain=0.0,
        mask_error=0, noise=0.0, blur=0.0, haze=0.0, gain=0.0, addition=(1.0, 1.0), curve=(0.999, 1.001),
    )  # fmt: skip
    crops = CropSettings(side=128, size=48.0)
    composed = compose(sources, plain, seed)
    seen = view(composed, crops, plain, seed)
    overlap, contact, middle = places_in_crop(composed, seen.matrix, crops, plain)
    cells = seen.crop.reshape(2, 32, 4, 32, 4).max(axis=(2, 4))
    # Rods have a density of 1, so that where two lie it is 2.
    assert (cells[0][overlap > 0] > 1.2).mean() >= 0.7 if overlap.any() else True
    assert (cells[1][(contact + middle) > 0] > 0).mean() > 0.7
    kind = KINDS[composed.kind]
    assert bool(overlap.any()) == (kind in ("overlapping", "touching_overlapping"))
    assert bool(contact.any()) == (kind in ("touching", "touching_overlapping"))


def test_what_was_found_teaches_no_places(sources: Sources) -> None:
    recipe = ClusterTypeRecipe(name="x", steps=1, crops=SMALL_CROPS, compositions={"found": 0.5})
    examples = drawn(recipe, sources, [(0, number) for number in range(40)], 1, 0, with_places=True)
    assert examples.places is not None and examples.places.shape == (40, 1, len(PLACES), 16, 16)
    unknown = examples.places.isnan().flatten(1)
    assert 0 < unknown.all(1).sum() < 40 and bool((unknown.all(1) | ~unknown.any(1)).all())
    logits = torch.randn(40, len(PLACES), 16, 16, requires_grad=True)
    place_loss(logits, examples.places[:, 0]).backward()
    assert logits.grad is not None
    assert bool((logits.grad.flatten(1).abs().sum(1) > 0).eq(~unknown.all(1)).all())
    assert float(place_loss(logits, torch.full_like(logits, torch.nan)).detach()) == 0.0


def test_a_network_that_looks_for_places_learns_where_they_are(sources: Sources) -> None:
    recipe = ClusterTypeRecipe(
        name="x", steps=1, crops=SMALL_CROPS, architecture=LOOKING, batch_size=8, place_weight=1.0, count_weight=0.0
    )
    torch.manual_seed(0)
    network = ClusterNetwork(recipe.architecture)
    said = network(torch.zeros(3, 2, 64, 64))
    assert said.places.shape == (3, len(PLACES), 16, 16) and said.kinds.shape == (3, len(KINDS))
    examples = drawn(recipe, sources, [(0, number) for number in range(8)], 1, 0, with_places=True)
    task = FineTuningTask(recipe, Material(sources, examples, examples), network)
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3)
    losses = []
    for _ in range(25):
        loss = task.loss(network, examples)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]


def test_without_looking_nothing_is_said_of_places() -> None:
    assert ClusterNetwork(ClusterArchitecture(backbone="test_resnet"))(torch.zeros(1, 2, 64, 64)).places is None
