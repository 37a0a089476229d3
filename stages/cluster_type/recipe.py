"""What a training run of the cluster types is told."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from karyonet.training.recipe import OptimiserRecipe, ScheduleRecipe, WeightsRecipe

from .compositions import Compositions
from .contrastive import ContrastSettings
from .crops import CropSettings
from .model import ClusterArchitecture


class ComposedRecipe(WeightsRecipe):
    """What both steps share.

    Attributes:
        data: metaphase packs (``.npz``) or data set folders of format metaphases.
        architecture, crops, compositions: of the network, its input and the training examples.
        train_split, validation_split: of the packs.
        validation_examples: how many compositions of validation cut-outs a validation looks at.
    """

    architecture: ClusterArchitecture = ClusterArchitecture()
    crops: CropSettings = CropSettings()
    compositions: Compositions = Compositions()
    train_split: str = "train"
    validation_split: str = "validation"
    validation_examples: int = Field(default=1024, ge=1)


class ContrastiveRecipe(ComposedRecipe):
    """The first step: the backbone learns to tell the kinds apart by comparing examples.

    Attributes:
        contrast: the loss.
    """

    contrast: ContrastSettings


class ContrastiveStep(BaseModel):
    """The section ``contrastive`` of a recipe: what its first step has of its own.

    Attributes:
        contrast: the loss.
        steps, budget_minutes, batch_size, validation_steps, validation_minutes, optimiser, schedule: as for a whole
            recipe; a batch has two views of each of its examples.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    contrast: ContrastSettings = ContrastSettings()
    steps: int | None = Field(default=None, ge=1)
    budget_minutes: float | None = Field(default=None, gt=0)
    batch_size: int = Field(default=128, ge=2)
    validation_steps: int | None = Field(default=None, ge=1)
    validation_minutes: float | None = Field(default=None, gt=0)
    optimiser: OptimiserRecipe = OptimiserRecipe()
    schedule: ScheduleRecipe = ScheduleRecipe()

    @model_validator(mode="after")
    def _is_possible(self) -> ContrastiveStep:
        if (self.steps is None) == (self.budget_minutes is None):
            raise ValueError("give either steps or budget_minutes")
        if self.validation_steps is not None and self.validation_minutes is not None:
            raise ValueError("give validation_steps or validation_minutes, not both")
        if 0 < self.contrast.queue < self.batch_size:
            raise ValueError("the queue must hold a batch")
        return self


class ClusterTypeRecipe(ComposedRecipe):
    """The recipe of a network of cluster types: contrastive pre-training, then fine-tuning.

    The keys of every recipe (length, batch, optimiser …) are those of the fine-tuning.

    Attributes:
        contrastive: the first step; None goes without, which is plain cross entropy.
        label_smoothing: of the kinds.
        count_weight: of the loss of the number of chromosomes beside that of the kinds.
        place_weight: of the loss of the places, for an architecture that looks for them.
    """

    contrastive: ContrastiveStep | None = ContrastiveStep(steps=10_000)
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    count_weight: float = Field(default=0.3, ge=0)
    place_weight: float = Field(default=1.0, ge=0)

    def first_step(self) -> ContrastiveRecipe | None:
        """The recipe of the first step, with all that it depends on; None if there is none."""
        if self.contrastive is None:
            return None
        shared = (
            "name", "seed", "precision", "device", "threads", "workers", "checkpoint_minutes", "initial",
            "architecture", "crops", "compositions", "train_split", "validation_split", "validation_examples",
        )  # fmt: skip
        told: dict[str, Any] = {name: getattr(self, name) for name in shared}
        told["compositions"] = self.compositions.model_copy(update={"found": 0.0})
        # The momentum encoder is a running mean already.
        return ContrastiveRecipe(**told, **dict(self.contrastive), ema=0.0)
