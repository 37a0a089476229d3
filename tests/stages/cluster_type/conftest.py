"""Metaphases drawn for the tests of SupCAM: lone rods, and a nucleus and specks that nobody boxed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from karyonet.data.metaphases import AnnotatedChromosome, AnnotatedMetaphase
from karyonet.geometry.region import Region
from karyonet.stages.cluster_type.crops import CropSettings
from karyonet.stages.cluster_type.kinds import KINDS
from karyonet.stages.cluster_type.model import ClusterArchitecture, ClusterNetwork
from karyonet.training.metaphase_pack import MetaphasePack, pack_metaphase
from karyonet.weights import ModelCard, WeightFile, save

TINY = ClusterArchitecture(backbone="test_resnet", projection=16)
SMALL_CROPS = CropSettings(side=64, size=24.0)


def drawn_pack(splits: tuple[str, ...] = ("train", "train", "validation"), others: bool = True) -> MetaphasePack:
    """One image a split, with lone rods of density 1 and, where asked for, a nucleus and specks outside the boxes."""
    packs = []
    for number, split in enumerate(splits):
        density = np.zeros((260, 300), np.float32)
        regions, chromosomes = [], []
        for place, length in enumerate((70, 60, 52, 44, 36)):
            x, y = 16 + 48 * place, 18 + 4 * number
            mask = np.ones((length, 13), bool)
            region = Region((x, y, x + 13, y + length), mask)
            density[region.slices][mask] = 1.0
            regions.append(region)
            chromosomes.append(AnnotatedChromosome("1", (x - 3, y - 3, x + 16, y + length + 3)))
        if others:
            cv2.circle(density, (70, 190), 34, 0.9, -1)
            cv2.circle(density, (180, 170), 5, 2.0, -1)
            cv2.circle(density, (150, 230), 6, 0.5, -1)
        annotated = AnnotatedMetaphase(
            f"m{number}", f"p{number}", Path("m.png"), 300, 260, tuple(chromosomes), split=split
        )
        packs.append(pack_metaphase(annotated, density, regions, 1.0, regions))
    return MetaphasePack.concatenate(packs)


@pytest.fixture(scope="session")
def pack() -> MetaphasePack:
    return drawn_pack()


@pytest.fixture(scope="session")
def weight(tmp_path_factory: pytest.TempPathFactory) -> WeightFile:
    """Weights of a small network that has learned nothing."""
    torch.manual_seed(0)
    network = ClusterNetwork(TINY)
    card = ModelCard(
        name="tiny",
        stage="cluster_type",
        architecture=TINY.model_dump(mode="json"),
        input=SMALL_CROPS.model_dump(mode="json"),
        classes=KINDS,
        thresholds={"reject": 0.99},
    )
    return save(network.state_dict(), card, tmp_path_factory.mktemp("weights") / "tiny.safetensors")
