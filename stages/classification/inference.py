"""From strips to what the network says of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from karyonet.case import LABELS, FloatArray
from karyonet.device import DeviceName, Precision, autocast, choose_device
from karyonet.weights import WeightFile, card_section, load_into

from .context import measure_strips
from .model import Architecture, ProxyResNeXtCBAM
from .preprocessing import Preprocessing, prepare
from .rejection import outlier_features, outlier_scores
from .stage import Classification

FEWEST_IN_CONTEXT = 20
"""Fewer chromosomes are no metaphase that names could be read from; each is then named alone."""


class Network:
    """A network with its weights and the preprocessing of its model card.

    Args:
        weight: a weight file of this stage.
        device, precision: where and in which number format it runs.
        batch_size: strips at a time.
        views: of every strip, see :meth:`~karyonet.stages.classification.model.ProxyResNeXtCBAM.viewed`.

    Raises:
        WeightsError: K302, K304, K305 for the file, K306 if its card describes no network of this stage.
    """

    def __init__(
        self,
        weight: WeightFile,
        device: DeviceName = "auto",
        precision: Precision = "auto",
        batch_size: int = 64,
        views: int = 1,
    ) -> None:
        architecture = card_section(weight, "architecture", Architecture)
        self.preprocessing = card_section(weight, "input", Preprocessing)
        model = ProxyResNeXtCBAM(architecture)
        load_into(model, weight)
        self.device, self.precision, self.batch_size, self.views = choose_device(device), precision, batch_size, views
        self.temperature = weight.card.temperature
        self.thresholds = weight.card.thresholds
        # The logits of a proxy head are cosines over its temperature; those of another head stand for themselves.
        self.cosine_scale = architecture.temperature if architecture.head == "proxy" else 1.0
        self.context_temperature = weight.card.thresholds.get("context_temperature", 1.0)
        self.model = model.eval().requires_grad_(False).to(self.device).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def __call__(
        self, strips: Sequence[FloatArray], scale: float | None = None, context: bool = False
    ) -> Classification:
        """Classify strips; see :meth:`karyonet.stages.classification.ProxyClassifier.classify`."""
        images = torch.from_numpy(prepare(strips, scale, self.preprocessing))
        dim = self.model.embedding_dim
        embeddings, logits, polarity = [torch.zeros(0, dim)], [torch.zeros(0, len(LABELS))], [torch.zeros(0)]
        with autocast(self.device, self.precision):
            for start in range(0, len(images), self.batch_size):
                said = self.model.viewed(images[start : start + self.batch_size].to(self.device), self.views)
                embeddings.append(said.embeddings.float().cpu())
                logits.append(said.logits.float().cpu())
                polarity.append(said.polarity.float().cpu())
        scores = torch.cat(logits) / self.temperature
        vectors = torch.cat(embeddings)
        alone = torch.softmax(scores, dim=1).numpy()
        cosines = torch.cat(logits).numpy() * self.cosine_scale
        lengths = [len(strip) for strip in strips]
        median = float(np.median(lengths)) if scale is None and lengths else self.preprocessing.reference_length
        features = outlier_features(cosines, alone, strips, median if scale is None else median / scale)
        if context and self.model.context is not None and len(strips) >= FEWEST_IN_CONTEXT:
            measures = torch.from_numpy(measure_strips(strips))
            inputs = (values[None].to(self.device) for values in (vectors, scores, measures))
            scores = self.model.context(*inputs)[0].cpu() / self.context_temperature
        probabilities = torch.softmax(scores, dim=1).numpy()
        up = torch.sigmoid(torch.cat(polarity)).numpy()
        return Classification(
            labels=tuple(LABELS[index] for index in probabilities.argmax(axis=1)),
            probabilities=probabilities,
            p_arm_up=np.asarray(up >= 0.5),
            polarity_probability=up,
            embeddings=vectors.numpy(),
            outlier_features=features,
            outliers=outlier_scores(features, self.thresholds),
        )
