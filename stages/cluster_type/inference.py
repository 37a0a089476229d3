"""Weights in use: from the components of a metaphase to what they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from karyonet.case import FloatArray
from karyonet.device import DeviceName, Precision, autocast, choose_device
from karyonet.geometry.region import Region
from karyonet.geometry.stain import chromosome_density, in_contrast
from karyonet.turns import Views, turned, views
from karyonet.weights import WeightFile, card_section, load_into

from .crops import CHANNELS, CropSettings, crop_component
from .decision import Several, decide
from .model import ClusterArchitecture, ClusterNetwork, ClusterPrediction
from .network_stage import ClusterTypes
from .seen import Laid, Seen


class TypeNetwork:
    """A network with its weights and the input of its model card.

    Args:
        weight: a weight file of this stage.
        device, precision: where and in which number format it runs.
        batch_size: components at a time.

    Raises:
        WeightsError: K302, K304, K305 for the file, K306 if its card describes no network of this stage.
    """

    def __init__(
        self, weight: WeightFile, device: DeviceName = "auto", precision: Precision = "auto", batch_size: int = 64
    ) -> None:
        self.settings = card_section(weight, "input", CropSettings)
        model = ClusterNetwork(card_section(weight, "architecture", ClusterArchitecture))
        load_into(model, weight)
        self.temperature = weight.card.temperature
        self.reject = weight.card.thresholds.get("reject", 0.5)
        self.several, self.laid = Several.of(weight.card.thresholds), Laid.of(weight.card.thresholds)
        self.device, self.precision, self.batch_size = choose_device(device), precision, batch_size
        self.model = model.eval().requires_grad_(False).to(self.device).to(memory_format=torch.channels_last)

    def __call__(
        self,
        optical_density: FloatArray,
        regions: Sequence[Region],
        size: float,
        seen: Seen | None = None,
    ) -> ClusterTypes:
        """Judge components; see :meth:`karyonet.stages.cluster_type.SupCAM.classify`.

        Args:
            optical_density: float32, shape (height, width); 0 is background.
            regions: each inside the image, with at least one pixel.
            size: median of the longer sides of the boxes of the metaphase's chromosomes, in pixels.
            seen: as for :func:`~karyonet.stages.cluster_type.decision.decide`.
        """
        return decide(*self.probabilities(optical_density, regions, size), self.reject, self.several, seen, self.laid)

    def probabilities(
        self, optical_density: FloatArray, regions: Sequence[Region], size: float
    ) -> tuple[FloatArray, FloatArray]:
        """Of the kinds, calibrated, and of the numbers, each as the network says; arguments as for a call."""
        crops = torch.from_numpy(self.crops(optical_density, regions, size))
        with torch.inference_mode(), autocast(self.device, self.precision):
            said = predict(self.model, crops, self.device, self.batch_size, self.settings.views)
        kinds = torch.softmax(said.kinds / self.temperature, dim=1).numpy()
        return kinds, torch.softmax(said.counts, dim=1).numpy()

    def crops(self, optical_density: FloatArray, regions: Sequence[Region], size: float) -> FloatArray:
        """The input of the network, float32, shape (n, 2, side, side); arguments as for a call."""
        side = self.settings.side
        crops = np.zeros((len(regions), CHANNELS, side, side), dtype=np.float32)
        if regions:
            relative = optical_density / np.float32(chromosome_density(regions, optical_density))
            if self.settings.contrast is not None:
                relative = in_contrast(regions, relative, self.settings.contrast)
            for crop, region in zip(crops, regions, strict=True):
                crop[:] = crop_component(relative, region, self.settings.size / size, self.settings)
        return crops


def predict(
    model: nn.Module, crops: Tensor, device: torch.device, batch_size: int = 64, ways: Views = 1
) -> ClusterPrediction:
    """What a network in evaluation mode says of crops, float32, on the CPU: the mean of its logits over ways round."""
    parts = []
    for start in range(0, max(len(crops), 1), batch_size):
        part = crops[start : start + batch_size].to(device)
        said = [model(turned(part, way)) for way in views(ways)]
        parts.append([torch.stack([one[column].float() for one in said]).mean(dim=0) for column in (0, 1)])
    kinds, counts = (torch.cat(columns).cpu() for columns in zip(*parts, strict=True))
    return ClusterPrediction(kinds, counts)
