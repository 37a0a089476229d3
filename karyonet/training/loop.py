"""One training loop for every stage: seeded, resumable, within a number of steps or minutes."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from torch import Tensor, nn

from karyonet.device import autocast, choose_device
from karyonet.training.averaging import WeightAverage
from karyonet.training.batches import batches
from karyonet.training.checkpoint import read_checkpoint, write_atomically
from karyonet.training.recipe import Recipe

logger = logging.getLogger(__name__)
Batch = Any


class Task(Protocol):
    """What a stage gives to the loop.

    A batch depends on the seed and the number of its step alone, so that a resumed run sees what an uninterrupted
    one would have seen.
    """

    model: nn.Module

    def batch(self, step: int, device: torch.device) -> Batch:
        """The examples of a step, augmented."""

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Mean loss of a batch; called inside autocast."""

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Figures of a model in evaluation mode; ``score`` is the one to be maximised."""


@dataclass
class Progression:
    """Where a run stands."""

    step: int = 0
    minutes: float = 0.0
    best: float = -math.inf
    best_step: int = 0
    since_best: int = 0
    finished: bool = False
    figures: dict[str, float] = field(default_factory=dict)


class Trainer:
    """Trains a task.

    The folder ``run`` holds ``checkpoint.pt``, ``best.pt`` (the weights of the best validation) and ``log.jsonl``.

    Args:
        recipe: how.
        task: what.
        run: folder of the run.
        clock: seconds, monotonic.

    Raises:
        DataError: K406 if the folder holds a checkpoint of another recipe.
    """

    def __init__(self, recipe: Recipe, task: Task, run: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.recipe, self.task, self.run, self.clock = recipe, task, run, clock
        self.device = choose_device(recipe.device)
        if recipe.threads is not None:
            torch.set_num_threads(recipe.threads)
        torch.manual_seed(recipe.seed)
        self.model = task.model.to(self.device).to(memory_format=torch.channels_last)
        self.average = WeightAverage(self.model, recipe.ema) if recipe.ema > 0 else None
        if recipe.compile:
            if any(map(shutil.which, (os.environ.get("CXX", "c++"), "g++", "clang++"))):
                self.model.compile()  # in place: the names of the weights stay
            else:
                logger.warning("no C++ compiler was found: the network is trained without being compiled")
        self.optimiser = build_optimiser(self.model, recipe)
        self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimiser, mode="max", factor=recipe.schedule.factor, patience=recipe.schedule.plateau_patience
        )
        self.progression = Progression()
        self._stop = False

    @property
    def checkpoint(self) -> Path:
        return self.run / "checkpoint.pt"

    def fit(self, resume: bool = True) -> Progression:
        """Train until the run is over or stops improving.

        SIGTERM and SIGINT end it after the step at hand, with a checkpoint to go on from.
        """
        self.run.mkdir(parents=True, exist_ok=True)
        if resume and self.checkpoint.is_file():
            self._restore()
        elif not resume:
            (self.run / "log.jsonl").unlink(missing_ok=True)
        if not self.progression.finished:
            with self._signals(), _progress_bar() as bar:
                self._train(bar)
        return self.progression

    def best_model(self) -> nn.Module:
        """The model with the weights of the best validation, in evaluation mode."""
        self.model.load_state_dict(torch.load(self.run / "best.pt", weights_only=True, map_location=self.device))
        self.model.eval()
        return self.model

    def _train(self, bar: Progress) -> None:
        state, recipe = self.progression, self.recipe
        start = self.clock()
        began, last_validation, last_check = start - 60 * state.minutes, start, start
        shown, shown_step, running = start, state.step, 0.0
        bar_id = bar.add_task("training", total=1.0, note="")
        self.model.train()
        drawn = batches(self.task, state.step, self.device, recipe.workers)
        while not self._over():
            self._set_learning_rate()
            loss = self._step(next(drawn))
            state.step += 1
            now = self.clock()
            state.minutes = (now - began) / 60
            running += loss
            if now - shown >= 5.0 or self._over():
                count = state.step - shown_step
                rate = count * recipe.batch_size / max(now - shown, 1e-9)
                note = self._note(running / count, rate)
                bar.update(bar_id, completed=self.share, note=note)
                shown, shown_step, running = now, state.step, 0.0
            if self._validation_due(now - last_validation) or self._over():
                self._validate()
                last_validation = last_check = self.clock()
                state.minutes = (last_validation - began) / 60
                shown = last_validation if shown == now else shown + last_validation - now
                self._save()
            elif self._stop or now - last_check >= 60 * recipe.checkpoint_minutes:
                last_check = now
                self._save()
            if self._stop:
                logger.warning("stopped at step %d; start again with the same run to go on", state.step)
                return
        state.finished = True
        self._save()

    @property
    def share(self) -> float:
        """How much of the run is done, 0–1."""
        if self.recipe.steps is not None:
            return min(self.progression.step / self.recipe.steps, 1.0)
        return min(self.progression.minutes / (self.recipe.budget_minutes or 1.0), 1.0)

    def _over(self) -> bool:
        patience = self.recipe.patience
        return self.share >= 1.0 or (patience is not None and self.progression.since_best >= patience)

    def _validation_due(self, seconds: float) -> bool:
        if self.recipe.validation_minutes is not None:
            return seconds >= 60 * self.recipe.validation_minutes
        every = self.recipe.validation_steps
        return every is not None and self.progression.step % every == 0

    def _set_learning_rate(self) -> None:
        schedule, base = self.recipe.schedule, self.recipe.optimiser.learning_rate
        if schedule.name == "cosine":
            factor = cosine_factor(self.share, schedule.warm_up, schedule.final)
            for group in self.optimiser.param_groups:
                group["lr"] = base * factor

    def _step(self, batch: Batch) -> float:
        with autocast(self.device, self.recipe.precision):
            loss = self.task.loss(self.model, batch)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.recipe.optimiser.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.optimiser.clip_norm)
        self.optimiser.step()
        if self.average is not None:
            self.average.update(self.model)
        return float(loss.detach())

    def _validate(self) -> None:
        state = self.progression
        judged = (self.average.model if self.average is not None else self.model).eval()
        with torch.inference_mode(), autocast(self.device, self.recipe.precision):
            state.figures = self.task.validate(judged, self.device)
        self.model.train()
        score = state.figures["score"]
        if self.recipe.schedule.name == "plateau":
            self.plateau.step(score)
        if score > state.best:
            state.best, state.best_step, state.since_best = score, state.step, 0
            write_atomically(judged.state_dict(), self.run / "best.pt")
        else:
            state.since_best += 1
        self._log({"validation": state.figures, "best": state.best})
        figures = ", ".join(f"{name} {value:.4f}" for name, value in state.figures.items())
        logger.info("step %d, %.1f min: %s", state.step, state.minutes, figures)

    def _note(self, loss: float, rate: float) -> str:
        state, now = self.progression, self.optimiser.param_groups[0]["lr"]
        self._log({"loss": round(loss, 5), "learning_rate": now, "samples_per_second": round(rate, 1)})
        return f"step {state.step}  loss {loss:.3f}  lr {now:.1e}  {rate:.0f}/s  best {state.best:.4f}"

    def _log(self, entry: dict[str, Any]) -> None:
        head = {"step": self.progression.step, "minutes": round(self.progression.minutes, 3)}
        with (self.run / "log.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(head | entry) + "\n")

    def _save(self) -> None:
        state = {
            "fingerprint": self.recipe.fingerprint,
            "progression": vars(self.progression),
            "model": self.model.state_dict(),
            "average": self.average.state_dict() if self.average is not None else None,
            "optimiser": self.optimiser.state_dict(),
            "plateau": self.plateau.state_dict(),
            "random": torch.get_rng_state(),
        }
        write_atomically(state, self.checkpoint)

    def _restore(self) -> None:
        state = read_checkpoint(self.checkpoint, self.recipe.fingerprint, self.device)
        self.progression = Progression(**state["progression"])
        self.model.load_state_dict(state["model"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.plateau.load_state_dict(state["plateau"])
        torch.set_rng_state(state["random"].cpu())
        # A run that had ended may have been given more steps or minutes since.
        self.progression.finished = self.progression.finished and self._over()
        self._log({"resumed": True})

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Finish the step and save before leaving, when the process is asked to stop."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(*_: object) -> None:
            self._stop = True

        former = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


def cosine_factor(share: float, warm_up: float, final: float) -> float:
    """Share of the learning rate at a share of the run: a linear rise, then half a cosine."""
    if share < warm_up:
        return max(share / warm_up, 1e-3)
    fallen = (share - warm_up) / (1 - warm_up)
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * fallen))


def build_optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The optimiser of a recipe; vectors (biases, normalisation) are not decayed."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    settings = recipe.optimiser
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if settings.name == "sgd":
        return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=settings.momentum)
    return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)


def _progress_bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
