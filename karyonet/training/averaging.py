"""A running mean of a model's weights, which generalises better than the last ones (Polyak & Juditsky, 1992)."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn


class WeightAverage:
    """Exponential moving average of parameters and buffers.

    Args:
        model: whose weights are followed.
        decay: share of the mean that is kept at each update. The first updates keep less, (1 + n) / (10 + n), so that
            the random initial weights are forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the weights of a step."""
        self.updates += 1
        weight = 1.0 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        mean, now = self.model.state_dict(), model.state_dict()
        moving = [name for name, value in now.items() if value.is_floating_point()]
        torch._foreach_lerp_([mean[name] for name in moving], [now[name] for name in moving], weight)
        for name, value in now.items():
            if not value.is_floating_point():
                mean[name].copy_(value)

    def state_dict(self) -> dict[str, Tensor | int | dict[str, Tensor]]:
        return {"updates": self.updates, "model": self.model.state_dict()}

    def load_state_dict(self, state: dict[str, object]) -> None:
        self.updates = int(state["updates"])  # type: ignore[call-overload]
        self.model.load_state_dict(state["model"])  # type: ignore[arg-type]
