"""From profiles to what the network says of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from karyonet.case import LABELS, FloatArray
from karyonet.device import DeviceName, Precision, autocast, choose_device
from karyonet.weights import WeightFile, card_section, load_into

from .model import UNNAMED, Architecture, CentromereNetwork
from .placing import Placed, place
from .profiles import CHANNELS, Preprocessing, WidthProfile


class PlacingNetwork:
    """The network with its weights, and the preprocessing and temperature of its model card.

    Args:
        weight: a weight file of this stage.
        device, precision: where and in which number format it runs.
        batch_size: chromosomes at a time.

    Raises:
        WeightsError: K302, K304, K305 for the file, K306 if its card describes no network of this stage.
    """

    def __init__(
        self, weight: WeightFile, device: DeviceName = "auto", precision: Precision = "auto", batch_size: int = 64
    ) -> None:
        self.preprocessing = card_section(weight, "input", Preprocessing)
        self.temperature = weight.card.temperature
        model = CentromereNetwork(card_section(weight, "architecture", Architecture))
        load_into(model, weight)
        self.device, self.precision, self.batch_size = choose_device(device), precision, batch_size
        self.model = model.eval().requires_grad_(False).to(self.device)

    def __call__(self, profiles: Sequence[WidthProfile], names: Sequence[str | None]) -> Placed:
        """Place the centromeres of chromosomes.

        Args:
            profiles: of n chromosomes.
            names: one of :data:`karyonet.case.LABELS` each, or None.
        """
        inputs = views_of(profiles, self.preprocessing)
        numbers = np.array([UNNAMED if name is None else LABELS.index(name) for name in names], dtype=np.int64)
        with autocast(self.device, self.precision):
            logits = view_logits(self.model, inputs, numbers, self.device, self.batch_size)
        return place(mean_distribution(logits, self.temperature))


def views_of(profiles: Sequence[WidthProfile], preprocessing: Preprocessing) -> FloatArray:
    """Every profile both ways round: as it is, and turned end over end.

    Returns:
        float32, shape (n, 2, 8, samples).
    """
    placed = [[preprocessing.place(one) for one in (profile, profile.turned())] for profile in profiles]
    return np.array(placed, dtype=np.float32).reshape(len(profiles), 2, len(CHANNELS) + 2, preprocessing.samples)


@torch.inference_mode()
def view_logits(
    model: nn.Module, views: FloatArray, names: NDArray[np.int64], device: torch.device, batch_size: int = 64
) -> NDArray[np.float64]:
    """What a network says of each view, in the direction of the first.

    Args:
        model: in evaluation mode.
        views: of :func:`views_of`.
        names: int64, shape (n,).
        device, batch_size: where, and how many chromosomes at a time.

    Returns:
        float64, shape (n, 2, samples).
    """
    count, ways, channels, samples = views.shape
    said = np.empty((count, ways, samples))
    for start in range(0, count, batch_size):
        part = torch.from_numpy(views[start : start + batch_size]).to(device)
        named = torch.from_numpy(names[start : start + batch_size]).to(device).repeat_interleave(ways)
        logits = model(part.reshape(-1, channels, samples), named).float().cpu().numpy()
        said[start : start + len(part)] = logits.reshape(-1, ways, samples)
    said[:, 1] = said[:, 1, ::-1].copy()
    return said


def mean_distribution(logits: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Probabilities of the positions, of all views together: float64, shape (n, samples)."""
    cooled = logits.mean(axis=1) / temperature
    likely = np.exp(cooled - cooled.max(axis=1, keepdims=True))
    return np.asarray(likely / likely.sum(axis=1, keepdims=True))
