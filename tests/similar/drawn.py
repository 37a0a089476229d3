"""Clean simulated chromosomes and a small network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from karyonet.case import LABELS
from karyonet.simulate import draw_metaphase, normal_chromosome
from karyonet.stages.classification.model import Architecture, ProxyResNeXtCBAM
from karyonet.weights import ModelCard, save

NAMES = ("1", "5", "9", "13", "18", "21", "X", "Y")


def cut_out(seed: int) -> list[tuple[str, np.ndarray]]:
    """Label and picture, uint8, dark on white, of eight chromosomes that lie alone."""
    plans = tuple(normal_chromosome(name) for name in NAMES)
    generator = np.random.Generator(np.random.PCG64(seed))
    metaphase = draw_metaphase(plans, generator, shape=(420, 420), crowding=0.0)
    grey = np.asarray(metaphase.image, dtype=float)
    grey = grey * 255 / grey.max()
    found = []
    for chromosome in metaphase.chromosomes:
        mask = chromosome.region.mask
        crop = np.where(mask, np.minimum(grey[chromosome.region.slices], 240), 255)
        found.append((chromosome.label, np.pad(crop, 12, constant_values=255).round().astype(np.uint8)))
    return found


def small_weights(path: Path, seed: int = 0) -> Path:
    """A small network that was not trained."""
    torch.manual_seed(seed)
    architecture = Architecture(backbone="test_resnet", embedding_dim=16)
    facts = {
        "name": path.stem, "stage": "classification", "architecture": architecture.model_dump(), "classes": LABELS,
        "input": {"height": 64, "width": 32, "reference_length": 40.0},
    }  # fmt: skip
    model = ProxyResNeXtCBAM(architecture).eval()
    return save(model.state_dict(), ModelCard.model_validate(facts), path).path
