from __future__ import annotations

import json
import os
import shutil
import signal
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from karyonet.errors import DataError
from karyonet.training.batches import batches, moved
from karyonet.training.loop import Trainer, cosine_factor
from karyonet.training.recipe import Recipe


class Regression:
    """Fits a plane; its score comes from a list where one is given."""

    def __init__(self, scores: list[float] | None = None, stop_at: int | None = None, number: int = signal.SIGTERM):
        torch.manual_seed(1)
        self.model: nn.Module = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 1))
        self.scores, self.stop_at, self.number = scores, stop_at, number
        self.seen: list[float] = []

    def batch(self, step: int, device: torch.device) -> tuple[Tensor, Tensor]:
        if step == self.stop_at:
            os.kill(os.getpid(), self.number)
        points = torch.randn(16, 3, generator=torch.Generator().manual_seed(step))
        return points, points @ torch.tensor([1.0, -2.0, 0.5])

    def loss(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        return F.mse_loss(model(batch[0])[:, 0].float(), batch[1])

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        points, values = self.batch(10_000, device)
        score = -float(F.mse_loss(model(points)[:, 0].float(), values))
        if self.scores:
            score = self.scores[min(len(self.seen), len(self.scores) - 1)]
        self.seen.append(score)
        return {"score": score}


def recipe(**changes: object) -> Recipe:
    settings = {"steps": 30, "batch_size": 16, "validation_steps": 10, "precision": "fp32", "device": "cpu"}
    return Recipe.model_validate({**settings, **changes})


def same(first: nn.Module, second: nn.Module) -> bool:
    one, other = first.state_dict(), second.state_dict()
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, optimiser: str) -> None:
    settings = recipe(optimiser={"name": optimiser})
    whole = Trainer(settings, Regression(), tmp_path / "whole")
    assert whole.fit().finished
    stopped = Trainer(settings, Regression(stop_at=13), tmp_path / "parts").fit()
    assert not stopped.finished and stopped.step == 14
    torch.manual_seed(999)
    torch.rand(5)
    resumed = Trainer(settings, Regression(), tmp_path / "parts")
    assert resumed.fit().finished
    assert same(whole.model, resumed.model)
    assert whole.average is not None and resumed.average is not None
    assert same(whole.average.model, resumed.average.model)
    assert whole.progression.best == resumed.progression.best


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    task = Regression()
    Trainer(recipe(steps=200, optimiser={"learning_rate": 0.02}, ema=0.9), task, tmp_path).fit()
    assert task.seen[-1] > 0.5 * task.seen[0]
    assert task.seen[-1] > task.seen[0]


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_a_compiled_run_goes_on_without_being_compiled(tmp_path: Path) -> None:
    compiled = Trainer(recipe(steps=10, compile=True), Regression(), tmp_path)
    assert compiled.fit().finished
    plain = Trainer(recipe(steps=20), Regression(), tmp_path)
    assert plain.fit().step == 20
    assert list(plain.model.state_dict()) == list(Regression().model.state_dict())
    assert not same(plain.model, Regression().model)


def test_without_a_compiler_the_network_is_trained_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert Trainer(recipe(compile=True), Regression(), tmp_path).fit().finished
    assert "compiler" in caplog.text


def test_it_stops_early_and_restores_the_best(tmp_path: Path) -> None:
    trainer = Trainer(recipe(steps=500, validation_steps=5, patience=3), Regression([1, 3, 2, 2, 2, 9]), tmp_path)
    progression = trainer.fit()
    assert progression.finished
    assert (progression.step, progression.best_step, progression.best) == (25, 10, 3)
    last = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    best = torch.load(tmp_path / "best.pt", weights_only=True)
    restored = trainer.best_model().state_dict()
    assert all(torch.equal(restored[name], best[name]) for name in best)
    assert not torch.equal(restored["0.weight"], last["0.weight"])


def test_a_budget_counts_minutes_over_interruptions(tmp_path: Path) -> None:
    seconds = iter(range(0, 100_000, 6))  # every look at the clock takes a tenth of a minute
    settings = recipe(steps=None, budget_minutes=4, validation_steps=None)
    stopped = Trainer(settings, Regression(stop_at=10), tmp_path, clock=lambda: next(seconds)).fit()
    assert not stopped.finished and 1 < stopped.minutes < 2
    rest = Trainer(settings, Regression(), tmp_path, clock=lambda: next(seconds)).fit()
    assert rest.finished and 4 <= rest.minutes < 4.5
    assert 30 < rest.step < 45


def test_a_longer_recipe_goes_on_and_a_finished_run_stays(tmp_path: Path) -> None:
    Trainer(recipe(), Regression(), tmp_path).fit()
    assert Trainer(recipe(), Regression(), tmp_path).fit().step == 30
    assert Trainer(recipe(steps=40), Regression(), tmp_path).fit().step == 40
    assert Trainer(recipe(), Regression(), tmp_path).fit(resume=False).step == 30


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    Trainer(recipe(steps=3), Regression(), tmp_path).fit()
    with pytest.raises(DataError) as raised:
        Trainer(recipe(steps=3, seed=4), Regression(), tmp_path).fit()
    assert raised.value.code == "K406"
    (tmp_path / "checkpoint.pt").write_bytes(b"cut short")
    with pytest.raises(DataError) as raised:
        Trainer(recipe(steps=3), Regression(), tmp_path).fit()
    assert raised.value.code == "K406"


def test_the_log_is_json_lines_and_no_partial_file_is_left(tmp_path: Path) -> None:
    Trainer(recipe(), Regression(), tmp_path).fit()
    entries = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in entries if "validation" in entry] == [10, 20, 30]
    assert not list(tmp_path.glob("*.partial"))


def test_signal_handlers_are_given_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    Trainer(recipe(steps=2), Regression(), tmp_path).fit()
    assert signal.getsignal(signal.SIGTERM) == before


def test_plateau_lowers_the_rate(tmp_path: Path) -> None:
    settings = recipe(
        steps=50, validation_steps=5, schedule={"name": "plateau", "plateau_patience": 1}, optimiser={"name": "sgd"}
    )
    trainer = Trainer(settings, Regression([1, 0.5]), tmp_path)
    trainer.fit()
    assert trainer.optimiser.param_groups[0]["lr"] < 0.2 * settings.optimiser.learning_rate


def test_cosine_rises_and_falls() -> None:
    factors = [cosine_factor(share / 100, 0.1, 0.01) for share in range(101)]
    assert factors[10] == pytest.approx(1.0) and factors[-1] == pytest.approx(0.01)
    assert all(a < b for a, b in pairwise(factors[:11]))
    assert all(a > b for a, b in pairwise(factors[10:]))


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_workers_draw_what_the_process_itself_would(tmp_path: Path) -> None:
    task, device = Regression(), torch.device("cpu")
    alone, ahead = batches(task, 3, device), batches(task, 3, device, workers=2)
    for _ in range(5):
        for one, other in zip(next(alone), next(ahead), strict=True):
            assert torch.equal(one, other)


def test_a_batch_keeps_its_shape_when_it_is_moved() -> None:
    class Inner(NamedTuple):
        values: Tensor

    batch = (torch.ones(2), [torch.zeros(1)], Inner(torch.ones(3)))
    found = moved(batch, torch.device("cpu"))
    assert isinstance(found[1], list) and isinstance(found[2], Inner) and torch.equal(found[2].values, torch.ones(3))
