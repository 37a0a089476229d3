"""The comparison of networks and boosted trees at telling what a component is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import typer
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from karyonet.errors import DataError
from karyonet.evaluation.metrics import accuracy, class_counts, confusion_matrix, precision_recall_f1
from karyonet.pipeline import Pipeline
from karyonet.stages.cluster_type.crops import CropSettings
from karyonet.stages.cluster_type.kinds import KINDS, TYPES
from karyonet.stages.cluster_type.model import ClusterArchitecture, ClusterNetwork
from karyonet.stages.segmentation import ThresholdSegmenter
from karyonet.weights import ModelCard, WeightFile, save

from ..stages.cluster_type.conftest import drawn_pack
from ..stages.drawn import lone_rods
from .conftest import loaded

NAMES = ("accuracy", "macro_f1", "single_or_cluster", "count_accuracy", "rejected")


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return loaded("benchmarks/cluster_type")


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pack") / "drawn.npz"
    drawn_pack().write(path)
    return path


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> list[WeightFile]:
    """Two that have learned nothing, with crops of their own."""
    files = []
    for seed, side in ((0, 64), (1, 48)):
        torch.manual_seed(seed)
        architecture = ClusterArchitecture(backbone="test_resnet")
        crops = CropSettings(side=side, size=side / 2.5)
        card = ModelCard(
            name="tiny", stage="cluster_type", architecture=architecture.model_dump(mode="json"),
            input=crops.model_dump(mode="json"), classes=KINDS,
        )  # fmt: skip
        path = tmp_path_factory.mktemp("weights") / f"step{seed}.safetensors"
        files.append(save(ClusterNetwork(architecture).state_dict(), card, path))
    return files


@pytest.fixture
def main(tool: ModuleType, pack: Path, tmp_path: Path) -> Callable[..., dict[str, object]]:
    """The tool on a drawn pack, and what it wrote."""

    def run(**changes: object) -> dict[str, object]:
        path = tmp_path / "figures.json"
        given = {
            "data": pack, "split": "validation", "train_split": "train", "weights": None, "examples": 40,
            "train_examples": 120, "speed": False, "images": 2, "threads": None, "packs": tmp_path / "packs",
            "processes": 1, "json": path,
        }  # fmt: skip
        tool.main(**{**given, **changes})
        return json.loads(path.read_text())

    return run


def truth(tool: ModuleType, kinds: list[int], counts: list[int]) -> object:
    return tool.Compared(np.zeros((len(kinds), 11)), np.array(kinds), np.array(counts), ())


def sure(tool: ModuleType, kinds: list[int], counts: list[int]) -> object:
    """Answers of somebody who is quite sure."""
    numbers = np.eye(6)[np.maximum(np.array(counts), 1) - 1]
    return tool.Answers((0.94 * np.eye(6)[kinds] + 0.01).astype(np.float32), numbers.astype(np.float32))


def test_rows_gains_and_tables(
    main: Callable[..., dict[str, object]], networks: list[WeightFile], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(file.path) for file in networks]
    found = main(weights=[*paths, paths[1]])
    assert [row["name"] for row in found["rows"]] == ["geometry, boosted trees", "step0", "step1", "step1"]
    assert [row["sha256"] for row in found["rows"][1:3]] == [file.sha256 for file in networks]
    for row in found["rows"]:
        assert tuple(row["metrics"]) == NAMES
        for metric in row["metrics"].values():
            low, high = metric["interval"]
            assert 0 <= low <= high <= 1 and 0 <= metric["value"] <= 1
    learned, _, last, _ = (row["metrics"]["accuracy"]["value"] for row in found["rows"])
    assert learned > 0.6 > last, "the trees learn something of 120 rods, networks that were not trained do not"
    first, second = found["gains"]
    assert (first["from"], first["to"]) == ("step0", "step1")
    values = [row["metrics"]["count_accuracy"]["value"] for row in found["rows"]]
    assert first["metrics"]["count_accuracy"]["value"] == pytest.approx(values[2] - values[1])
    assert all(m["value"] == 0 and m["interval"] == [0, 0] for m in second["metrics"].values())
    printed = capsys.readouterr().out
    assert "gain of each network" in printed and "step1 over step0" in printed and "40 compositions" in printed


def test_without_networks_the_trees_stand_alone(main: Callable[..., dict[str, object]]) -> None:
    found = main(weights=None, examples=12, train_examples=60)
    assert len(found["rows"]) >= 1 and len(found["gains"]) == max(len(found["rows"]) - 2, 0)


def test_speed_needs_images(main: Callable[..., dict[str, object]], networks: list[WeightFile]) -> None:
    with pytest.raises(typer.BadParameter, match="folder"):
        main(weights=[str(networks[0].path)], speed=True)


def test_the_stage_alone_is_timed(
    tool: ModuleType, networks: list[WeightFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter = ThresholdSegmenter()
    monkeypatch.setattr(tool.Pipeline, "from_config", lambda name: Pipeline({"segmentation": segmenter}))
    (tmp_path / "images").mkdir()
    grey = np.round(230 * lone_rods().metaphase().grey).astype(np.uint8)
    for name in "ab":
        Image.fromarray(grey).save(tmp_path / "images" / f"{name}.png")
    (tmp_path / "cells.csv").write_text("image,case,split\na,p,test\nb,p,test\n")
    (tmp_path / "chromosomes.csv").write_text("image,label,xmin,ymin,xmax,ymax\na,1,5,5,90,90\nb,1,5,5,90,90\n")
    found = tool.time_stage(networks, tmp_path, "test", 5)
    assert found["images"] == 1 and found["components"] == 8
    assert len(found["seconds"]) == 2 and min(found["seconds"]) > 0
    with pytest.raises(DataError, match="K403"):
        tool.time_stage(networks, tmp_path, "validation", 5)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=40))
def test_figures_are_those_of_the_confusion_matrix(tool: ModuleType, pairs: list[tuple[int, int]]) -> None:
    true, said = ([pair[place] for pair in pairs] for place in (0, 1))
    known = truth(tool, true, [(1, 2, 3, 4, 0, 0)[kind] for kind in true])
    tallied = tool.tallies(sure(tool, said, [(1, 2, 3, 4, 0, 0)[kind] for kind in said]), known).sum(axis=0)
    rejected = np.array([kind >= TYPES for kind in said])
    chromosomes = np.array([kind < TYPES for kind in true])
    if (rejected & chromosomes).any():
        return  # so many are rejected that the threshold keeps some of them
    matrix = confusion_matrix(np.array(true)[chromosomes], np.array(said)[chromosomes], len(KINDS))
    assert tool.FIGURES["accuracy"](tallied) == pytest.approx(accuracy(matrix))
    expected = precision_recall_f1(class_counts(matrix))[2][:TYPES].mean()
    assert tool.FIGURES["macro_f1"](tallied) == pytest.approx(expected)
    if chromosomes.any():
        several = [(a > 0) == (b > 0) for a, b in pairs if a < TYPES]
        assert tool.FIGURES["single_or_cluster"](tallied) == pytest.approx(np.mean(several))
    if not chromosomes.all():
        assert tool.FIGURES["rejected"](tallied) == pytest.approx(rejected[~chromosomes].mean())


def test_more_than_can_be_counted_is_right_as_the_most(tool: ModuleType) -> None:
    known = truth(tool, [1, 1, 2], [7, 6, 2])
    figures = tool.FIGURES["count_accuracy"]
    assert figures(tool.tallies(sure(tool, [1, 1, 2], [6, 6, 3]), known).sum(axis=0)) == pytest.approx(2 / 3)


def test_geometry_does_not_depend_on_scale_or_place(tool: ModuleType) -> None:
    mask = np.zeros((120, 120), bool)
    mask[20:80, 30:44] = mask[40:54, 20:70] = True
    one = tool.geometry(mask, 60.0)
    assert tool.geometry(np.kron(mask, np.ones((3, 3), bool)), 180.0) == pytest.approx(one, rel=0.05)
    assert np.array_equal(tool.geometry(np.roll(mask, 30, axis=1), 60.0), one)
    rod = np.zeros((120, 120), bool)
    rod[20:80, 30:44] = True
    assert not np.allclose(tool.geometry(rod, 60.0), one, rtol=0.1)


def test_trees_may_learn_from_kinds_that_are_not_all_there(tool: ModuleType) -> None:
    generator = np.random.default_rng(0)
    kinds = generator.integers(0, 2, 80)
    features = kinds[:, None] + 0.1 * generator.random((80, 11))
    learned = replace(truth(tool, kinds.tolist(), (kinds + 1).tolist()), features=features)
    said = tool.boosted_trees(learned, features)
    assert said.kinds.shape == (80, len(KINDS)) and said.counts.shape == (80, 6)
    assert np.array_equal(said.kinds.argmax(axis=1), kinds) and not said.kinds[:, 2:].any()
