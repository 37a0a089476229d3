"""A small network that has learned nothing, and cases of drawn chromosomes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from karyonet.case import Case, Chromosome, Metaphase, Strip
from karyonet.geometry.region import Region
from karyonet.stages.abnormality import HomologComparer
from karyonet.stages.abnormality.model import Architecture, HomNet
from karyonet.stages.abnormality.profiles import Preprocessing
from karyonet.weights import ModelCard, WeightFile, save

from .drawn import TYPES, strip

PREPROCESSING = Preprocessing(samples=128, reference_length=47)
SMALL = Architecture(samples=128, channels=16, embedding=16, stem=4, heads=2, head_dim=8)


@pytest.fixture(scope="module")
def weight(tmp_path_factory: pytest.TempPathFactory) -> WeightFile:
    """Weights of a small network that has learned nothing."""
    torch.manual_seed(1)
    network = HomNet(SMALL)
    with torch.no_grad():  # so that what it says differs from bag to bag
        network.bag.head.weight *= 5
    card = ModelCard(
        name="tiny", stage="abnormality", architecture=SMALL.model_dump(mode="json"),
        input=PREPROCESSING.model_dump(mode="json"), classes=("normal", "abnormal"), temperature=2.0,
        thresholds={"specificity_99": 0.9},
    )  # fmt: skip
    return save(network.state_dict(), card, tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture(scope="module")
def stage(weight: WeightFile) -> HomologComparer:
    return comparer(weight)


def comparer(weight: WeightFile, **options: Any) -> HomologComparer:
    return HomologComparer(weights=str(weight.path), device="cpu", precision="fp32", **options)


def metaphase(name: str = "m1", labels: tuple[str, ...] = TYPES * 2, seed: int = 0) -> Metaphase:
    """Drawn chromosomes, every other one upside down."""
    generator = np.random.default_rng(seed)
    blank, region = np.zeros((4, 4), np.float32), Region((0, 0, 4, 4), np.ones((4, 4), bool))
    chromosomes = []
    for number, label in enumerate(labels):
        density = strip(label, generator, (number + seed) % 2).optical_density
        nothing = np.zeros((2, 512), np.float32), np.zeros((len(density), 2), np.float32)
        straight = Strip(density, np.ones(len(density), bool), *nothing, 1.0)
        up = (number + seed) % 2 == 1
        chromosomes.append(Chromosome(f"c{number + 1}", region, strip=straight, label=label, p_arm_up=up))
    return Metaphase(name, f"{name}.png", "0" * 64, blank, "absorption", blank, chromosomes=tuple(chromosomes))


def case(count: int = 3) -> Case:
    return Case("p1", tuple(metaphase(f"m{number}", seed=number) for number in range(count)))
