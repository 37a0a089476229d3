"""Drawing, variation and training, from metaphases to weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.errors import DataError
from karyonet.geometry.region import Region
from karyonet.simulate import plan_karyotype
from karyonet.stages.centromere import LearnedCentromere, measure
from karyonet.stages.centromere.drawn import (
    CentromerePack,
    Drawing,
    draw_metaphase,
    random_karyotype,
    with_wrong_outline,
)
from karyonet.stages.centromere.train import CentromereRecipe, CentromereTask, Examples, train_centromere
from karyonet.stages.centromere.variation import Variation, vary
from karyonet.stages.straightening import MedialAxisStraightener
from karyonet.training.strip_pack import StripPack
from karyonet.weights import find

from .drawn import pack, strip

NOTHING = Variation(rearranged=0, stretch=0, ends=0, blurred=0, width=0, ripple=0, noise=0, gamma=0, hidden=0)
TINY = Drawing(metaphases=1, first_seed=77_100)


def recipe(**changes: Any) -> CentromereRecipe:
    values: dict[str, Any] = {
        "name": "tiny", "steps": 3, "batch_size": 8, "device": "cpu", "precision": "fp32", "validation_steps": 3,
        "architecture": {"channels": 8, "dilations": [1, 2]}, "preprocessing": {"samples": 32},
        "drawing": TINY, "validation_drawing": TINY.model_copy(update={"first_seed": 77_200}),
    }  # fmt: skip
    return CentromereRecipe.model_validate(values | changes)


@pytest.fixture(scope="module")
def drawn() -> CentromerePack:
    return draw_metaphase(Drawing(first_seed=77_003, abnormal=1.0, mask_error=0), 0, MedialAxisStraightener())


def test_centromeres_of_simulated_chromosomes_are_where_they_were_drawn(drawn: CentromerePack) -> None:
    assert 40 <= len(drawn) <= 46 and drawn.changed.any() and not drawn.changed.all()
    assert ((drawn.centromere > 0) & (drawn.centromere < 1)).all()
    known = (drawn.polarity >= 0) & ~drawn.changed
    from_short_arm = np.where(drawn.polarity == 1, drawn.centromere, 1 - drawn.centromere)[known]
    assert (from_short_arm < 0.55).mean() > 0.95
    assert 0.2 < (drawn.polarity[known] == 1).mean() < 0.8


def test_a_metaphase_depends_on_its_seed_alone(drawn: CentromerePack) -> None:
    again = draw_metaphase(Drawing(first_seed=77_000, abnormal=1.0, mask_error=0), 3, MedialAxisStraightener())
    assert np.array_equal(again.pixels, drawn.pixels) and np.array_equal(again.centromere, drawn.centromere)


def test_a_wrong_outline_is_off_by_about_as_many_pixels_as_asked() -> None:
    mask = np.zeros((80, 40), dtype=bool)
    mask[10:70, 12:28] = True
    region = Region.from_mask(mask)
    outline = 2 * (60 + 16)
    for error in (-1.5, 0.0, 1.5):
        off = [
            with_wrong_outline(region, error, mask.shape, np.random.default_rng(seed)).area - region.area
            for seed in range(20)
        ]
        assert np.mean(off) == pytest.approx(error * outline, abs=0.5 * outline)
        assert len(set(off)) > 10


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_every_karyotype_can_be_drawn(seed: int) -> None:
    generator = np.random.default_rng(seed)
    assert plan_karyotype(random_karyotype(generator, abnormal=True))
    assert random_karyotype(generator, abnormal=False) in ("46,XX", "46,XY")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.15, 0.85))
def test_the_centromere_moves_with_what_is_varied(seed: int, place: float) -> None:
    """Stretching, losses, doublings and inversions: the one deep constriction stays where the truth says."""
    profile = measure(strip(120, place, depth=0.6))
    assert profile is not None
    changes = {"rearranged": 1.0, "stretch": 0.1, "ends": 0.02}
    varied, moved = vary(profile, place, NOTHING.model_copy(update=changes), np.random.default_rng(seed))
    waist = varied.values[:, 1]
    here = int(np.clip(moved * varied.rows, 0, varied.rows - 1))
    near = waist[max(here - 3, 0) : here + 4]
    assert near[near > 0].min(initial=9.0) < 0.6
    assert 0 <= moved <= 1 and np.isfinite(varied.values).all()


def test_without_variation_nothing_but_the_direction_changes() -> None:
    profile = measure(strip(70, 0.3))
    assert profile is not None
    for seed in range(6):
        varied, moved = vary(profile, 0.3, NOTHING, np.random.default_rng(seed))
        same = varied if moved < 0.5 else varied.turned()
        assert moved == pytest.approx(0.3) or moved == pytest.approx(0.7)
        direct = np.allclose(same.values, profile.values, atol=1e-5)
        assert direct or np.allclose(same.values, profile.mirrored().values, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_varied_profiles_of_any_length_are_finite(seed: int, rows: int) -> None:
    profile = measure(np.full((rows, 5), 0.3, np.float32))
    assert profile is not None
    varied, moved = vary(profile, 0.4, Variation(rearranged=1.0, hidden=1.0), np.random.default_rng(seed))
    assert np.isfinite(varied.values).all() and 0 <= moved <= 1 and varied.visible.any()


def task(**changes: Any) -> CentromereTask:
    known = Examples.of(pack())
    upright = StripPack(**{name: getattr(pack(2, 50), name) for name in StripPack.names()})
    return CentromereTask(recipe(**changes), known, Examples.of(CentromerePack.of(upright)), Examples.of(pack(2, 90)))


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    device = torch.device("cpu")
    first, again, other = task().batch(4, device), task().batch(4, device), task().batch(5, device)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.profiles, other.profiles)
    assert first.real.sum() == 2
    assert torch.allclose(first.target[~first.real].sum(dim=1), torch.ones(6))


def test_a_real_chromosome_may_have_its_centromere_anywhere_that_is_plausible() -> None:
    one = task()
    batch = one.batch(0, torch.device("cpu"))
    real = batch._replace(real=torch.ones_like(batch.real))

    class Says(torch.nn.Module):
        def __init__(self, logits: torch.Tensor) -> None:
            super().__init__()
            self.logits = logits

        def forward(self, *_: object) -> torch.Tensor:
            return self.logits

    likeliest = real.target.argmax(dim=1)
    sharp = 20 * torch.nn.functional.one_hot(likeliest, 32).float()
    beside = 20 * torch.nn.functional.one_hot((likeliest + 1) % 32, 32).float()
    far = 20 * torch.nn.functional.one_hot((likeliest + 16) % 32, 32).float()
    losses = [float(one.loss(Says(logits), real)) for logits in (sharp, beside, far)]
    assert losses[0] < losses[1] < losses[2]
    known = batch._replace(real=torch.zeros_like(batch.real))
    assert losses[1] - losses[0] < float(one.loss(Says(beside), known)) - float(one.loss(Says(sharp), known))


def test_it_learns_what_a_constriction_is() -> None:
    one = task(steps=60, batch_size=32, real=0.0, named=0.0, variation=NOTHING, sharpness=0.03)
    optimiser = torch.optim.AdamW(one.model.parameters(), lr=0.01)
    device = torch.device("cpu")
    before = one.validate(one.model.eval(), device)["unnamed"]
    one.model.train()
    for step in range(60):
        optimiser.zero_grad()
        one.loss(one.model, one.batch(step, device)).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    after = one.validate(one.model.eval(), device)["unnamed"]
    assert after > max(before, 0.6)


def test_a_run_writes_weights_that_the_stage_takes(tmp_path: Path) -> None:
    plain = StripPack(**{name: getattr(pack(3), name) for name in StripPack.names()})
    plain.write(tmp_path / "drawn.npz")
    told = recipe(terms={"drawn": "made for a test"})
    written = train_centromere(told, [tmp_path / "drawn.npz"], tmp_path / "run")
    assert written is not None
    card = find("centromere", written.path).card
    assert [(data.name, data.examples > 0) for data in card.training_data] == [("simulated", True), ("drawn", True)]
    assert set(card.metrics) == {"found_named", "found_unnamed"}
    (found,) = LearnedCentromere(weights=str(written.path), device="cpu").locate([strip()])
    assert found is not None
    again = train_centromere(told, [tmp_path / "drawn.npz"], tmp_path / "run")
    assert again is not None and again.sha256 == written.sha256
    with pytest.raises(DataError, match="K406"):
        train_centromere(recipe(seed=1), [tmp_path / "drawn.npz"], tmp_path / "run")
