"""What a training run is told: the part of a recipe that every stage shares."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from karyonet.config import parse_yaml, validate
from karyonet.device import DeviceName, Precision
from karyonet.errors import ConfigError

Derived = TypeVar("Derived", bound="Recipe")


class OptimiserRecipe(BaseModel):
    """Optimiser and learning rate.

    Attributes:
        name: ``adamw``, or ``sgd`` with momentum.
        learning_rate: the largest one.
        weight_decay: of matrices and kernels; biases and normalisation layers have none.
        momentum: of ``sgd``.
        clip_norm: largest norm of the gradient; None leaves it alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    clip_norm: float | None = Field(default=5.0, gt=0)


class ScheduleRecipe(BaseModel):
    """How the learning rate goes on.

    Attributes:
        name: ``cosine`` rises linearly during ``warm_up`` and falls along a half cosine to ``final`` over the whole
            run; ``plateau`` multiplies by ``factor`` after ``plateau_patience`` validations without improvement.
        warm_up: share of the run.
        final: share of the learning rate that is left at the end.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["cosine", "plateau"] = "cosine"
    warm_up: float = Field(default=0.05, ge=0, lt=1)
    final: float = Field(default=0.01, ge=0, le=1)
    factor: float = Field(default=0.1, gt=0, lt=1)
    plateau_patience: int = Field(default=10, ge=0)


class Recipe(BaseModel):
    """Base of every stage's recipe.

    Attributes:
        data: packs (``.npz``) or data set folders; the stage says which.
        name: of the weights that come out.
        seed: of everything random.
        batch_size: examples a step.
        steps: length of the run; or
        budget_minutes: length of the run in time spent, interruptions left out. The schedule follows the clock.
        precision: of matrix products and convolutions.
        device: where to train.
        threads: of the CPU; None leaves the choice to torch.
        compile: let torch.compile fuse the network, which needs a C++ compiler: a fifth faster where small layers take
            the time, after a minute or two of compiling; nothing in large grouped convolutions.
        workers: processes that draw batches ahead; 0 draws them in the training process, which is best without a GPU.
        ema: decay of the running mean of the weights, which is what is validated and kept; 0 switches it off.
        validation_steps: steps between validations; or
        validation_minutes: minutes between validations.
        patience: validations without improvement after which the run stops; None never stops early.
        checkpoint_minutes: minutes between checkpoints.
        run: folder for checkpoints, log and weights.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: tuple[Path, ...] = ()
    name: str = Field(default="model", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    seed: int = 0
    batch_size: int = Field(default=96, ge=1)
    steps: int | None = Field(default=None, ge=1)
    budget_minutes: float | None = Field(default=None, gt=0)
    precision: Precision = "auto"
    device: DeviceName = "auto"
    threads: int | None = Field(default=None, ge=1)
    compile: bool = False
    workers: int = Field(default=0, ge=0)
    ema: float = Field(default=0.999, ge=0, lt=1)
    validation_steps: int | None = Field(default=None, ge=1)
    validation_minutes: float | None = Field(default=None, gt=0)
    patience: int | None = Field(default=None, ge=1)
    checkpoint_minutes: float = Field(default=5.0, gt=0)
    optimiser: OptimiserRecipe = OptimiserRecipe()
    schedule: ScheduleRecipe = ScheduleRecipe()
    run: Path | None = None

    @model_validator(mode="after")
    def _has_length(self) -> Recipe:
        if (self.steps is None) == (self.budget_minutes is None):
            raise ValueError("give either steps or budget_minutes")
        if self.validation_steps is not None and self.validation_minutes is not None:
            raise ValueError("give validation_steps or validation_minutes, not both")
        return self

    def folder(self, run: Path | None = None) -> Path:
        """Folder of a run: the one given, else the recipe's, else ``karyonet-run/<name>``."""
        return run or self.run or Path("karyonet-run") / self.name

    @property
    def fingerprint(self) -> str:
        """Checksum of what must not change when a run is resumed: all but its length, place and bookkeeping."""
        length = {"steps", "budget_minutes", "patience", "validation_steps", "validation_minutes", "checkpoint_minutes"}
        free = {"name", "run", "threads", "compile", "workers", "device", "precision", *length}
        text = json.dumps(self.model_dump(mode="json", exclude=free), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


class WeightsRecipe(Recipe):
    """Base of the recipes of a stage's own weights.

    Attributes:
        initial: weights to start from, a shipped name or a ``.safetensors`` file; what does not fit starts anew.
        processes: how many images are worked on at a time where a folder has to be packed first.
        licence: of the weights.
        terms: of the data sets, by name, for the model card.
    """

    initial: str | None = None
    processes: int = Field(default=1, ge=1)
    licence: str = "Apache-2.0"
    terms: dict[str, str] = Field(default_factory=dict)


def read_recipe(kind: type[Derived], path: Path | None, shipped: str, **overrides: Any) -> Derived:
    """Read a recipe.

    Args:
        kind: the stage's recipe.
        path: a YAML file; None takes the shipped one.
        shipped: name of the shipped recipe, ``classification`` for ``configs/train/classification.yaml``.
        **overrides: keys of the recipe; None leaves the file's value.

    Raises:
        ConfigError: K201 if the file cannot be read, K202 if it is not YAML, K203 for a wrong key or value.
    """
    if path is None:
        text, source = files("karyonet.configs.train").joinpath(f"{shipped}.yaml").read_text(encoding="utf-8"), shipped
    else:
        source = str(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as fault:
            raise ConfigError("K201", name=path, known=shipped) from fault
    content = parse_yaml(text, source) | {key: value for key, value in overrides.items() if value is not None}
    return validate(kind, content, source)
