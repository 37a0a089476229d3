"""Baselines on the bags that HomNet is trained on, and what any judge says of labelled bags."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from karyonet.device import Precision, autocast
from karyonet.training.batches import moved

from ..artificial_bags import Example, TrainingBatch, collate_examples
from ..bags import BagBatch
from ..figures import Judged
from ..train import PretrainingTask
from .pairs import NetworkName, build

Judge = Callable[[BagBatch], NDArray[np.float64]]
"""From bags to scores, shape (b,), larger for abnormal ones."""


class BaselineTask:
    """What the training loop needs to train a baseline on the very bags of a pre-training of HomNet.

    Args:
        name: of the network.
        bags: the pre-training, of which batches and validation bags are taken.
    """

    def __init__(self, name: NetworkName, bags: PretrainingTask) -> None:
        self.bags = bags
        torch.manual_seed(bags.recipe.seed)
        self.model: nn.Module = build(name, bags.recipe.preprocessing.samples)

    def batch(self, step: int, device: torch.device) -> TrainingBatch:
        """The batch that HomNet has at this step."""
        return self.bags.batch(step, device)

    def loss(self, model: nn.Module, batch: TrainingBatch) -> Tensor:
        """The network's own loss."""
        loss: Tensor = model.loss(model(batch.inputs), batch.inputs, batch.abnormal)  # type: ignore[operator]
        return loss

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Figures on the validation bags of HomNet; the score is the AUC."""
        return judged(network_judge(model, device, self.bags.recipe.precision), self.bags.validation).figures()


def network_judge(model: nn.Module, device: torch.device, precision: Precision) -> Judge:
    """A network in evaluation mode, HomNet or another, as a judge of bags that lie on the CPU."""

    def judge(batch: BagBatch) -> NDArray[np.float64]:
        with torch.inference_mode(), autocast(device, precision):
            logit: Tensor = model(moved(batch, device)).logit
        return logit.float().cpu().numpy().astype(np.float64)

    return judge


def judged(judge: Judge, examples: Sequence[Example], batch_size: int = 128) -> Judged:
    """Let anything judge labelled bags; which homolog it is, and where, is not asked."""
    batches = [examples[start : start + batch_size] for start in range(0, len(examples), batch_size)]
    nothing = np.zeros(0, dtype=bool)
    return Judged(
        np.concatenate([judge(collate_examples(batch).inputs) for batch in batches]),
        np.array([example.abnormal for example in examples], dtype=bool),
        np.array([example.bag.case for example in examples], dtype=np.str_),
        nothing,
        nothing,
    )
