"""The comparison of networks: what it shares between rows, and what becomes of rows that fail."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import typer

from karyonet.stages.classification.model import ProxyResNeXtCBAM
from karyonet.stages.classification.train import ClassificationRecipe
from karyonet.training.recipe import read_recipe
from karyonet.training.strip_pack import LabelledStrip, StripPack, concatenate, pack_cell

from .conftest import loaded


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return loaded("benchmarks/chromosomenet")


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    cells = [
        pack_cell(
            [
                LabelledStrip(generator.random((size, 12), dtype=np.float32), label)
                for size, label in ((60, "1"), (30, "16"), (20, "21"), (24, "Y"))
            ],
            case=f"p{number}",
            cell=f"m{number}",
            split=("train", "train", "validation")[number % 3],
            source="drawn",
        )
        for number in range(12)
    ]
    path = tmp_path / "drawn.npz"
    concatenate(cells).write(path)
    return path


@pytest.fixture
def main(tool: ModuleType, pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The tool with toy networks, rows in this process; ResNet-50 cannot be built."""

    def toy(kind: type[ClassificationRecipe], path: Path | None, name: str, steps: int | None, **_: object) -> object:
        backbone = "no_such_network" if name.endswith("resnet50") else "test_resnet"
        return kind.model_validate(
            {"name": name, "steps": steps or 2, "batch_size": 8, "precision": "fp32", "device": "cpu", "fewest": 0,
             "architecture": {"backbone": backbone, "embedding_dim": 16},
             "preprocessing": {"height": 64, "width": 16, "reference_length": 30}}
        )  # fmt: skip

    def here(target: Callable[..., object], *arguments: object) -> tuple[int, bool]:
        try:
            target(*arguments)
        except SystemExit as left:
            return int(str(left)), False
        except Exception:
            return 1, False
        return 0, False

    monkeypatch.setattr(tool, "read_recipe", toy)
    monkeypatch.setattr(tool, "in_own_process", here)

    def run(network: list[str] | None, **options: object) -> None:
        tool.main(**{"runs": tmp_path / "runs", "data": [pack], "network": network, **options})

    return run


def options(**changes: object) -> dict[str, object]:
    return {"steps": None, "seed": None, "threads": None, "test": False, "table_only": False, **changes}


def test_networks_differ_in_nothing_but_the_architecture(tool: ModuleType) -> None:
    recipes = [read_recipe(ClassificationRecipe, None, f"chromosomenet_{name}") for name in tool.NETWORKS]
    assert len({recipe.model_copy(update={"architecture": None}).fingerprint for recipe in recipes}) == 1
    assert len({(recipe.steps, recipe.validation_steps) for recipe in recipes}) == 1
    assert len({recipe.architecture.backbone for recipe in recipes}) == len(recipes)
    heads = {name: recipe.architecture.head for name, recipe in zip(tool.NETWORKS, recipes, strict=True)}
    assert {name for name, head in heads.items() if head == "proxy"} == {"proxy_resnext_cbam", "proxy_regnety"}


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"),
    [("mobilenetv2", 2.26e6, 0.054e9), ("densenet121", 6.97e6, 0.281e9), ("proxy_regnety", 5.97e6, 0.115e9)],
)
def test_small_networks_take_the_canvas(tool: ModuleType, name: str, parameters: float, multiply_adds: float) -> None:
    recipe = read_recipe(ClassificationRecipe, None, f"chromosomenet_{name}")
    model = ProxyResNeXtCBAM(recipe.architecture).eval()
    with torch.inference_mode():
        said = model(torch.rand(2, 1, *recipe.preprocessing.canvas))
    assert said.logits.shape == (2, 24) and all(bool(torch.isfinite(part).all()) for part in said)
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(parameters, rel=0.01)
    assert tool.multiply_adds(model, recipe.preprocessing.canvas) == pytest.approx(multiply_adds, rel=0.01)


def test_a_fault_stops_its_own_row_alone(
    main: Callable[..., None], tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    asked = ["resnet50", "mobilenetv2"]
    main(asked, **options())
    row = json.loads((tmp_path / "runs" / "validation_mobilenetv2.json").read_text())
    assert (row["training_strips"], row["scored_strips"], row["scored_cases"]) == (32, 16, 4)
    assert row["seconds_per_1000"] > 0 and row["accuracy_interval"][0] <= row["accuracy"]
    capsys.readouterr()
    monkeypatch.setattr(tool, "run_row", lambda row: pytest.fail("a finished row is repeated"))
    main(["mobilenetv2"], **options())
    main(None, **options(table_only=True))
    lines = {line.split("|")[1].strip(): line for line in capsys.readouterr().out.splitlines() if line.startswith("|")}
    assert "failed" in lines["ResNet-50"] and "no_such_network" in lines["ResNet-50"]
    assert f"{100 * row['accuracy']:.2f} (" in lines["MobileNetV2"]
    assert "not run" in lines["ResNeSt-50"] and len({line.count("|") for line in lines.values()}) == 1
    with pytest.raises(typer.BadParameter, match="other steps"):
        main(asked, **options(steps=3))


def test_the_test_split_is_asked_for_and_shares_no_case(main: Callable[..., None], pack: Path, tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="split test"):
        main(["mobilenetv2"], **options(test=True))
    drawn = StripPack.read(pack)
    splits = np.where(drawn.cases == "p0", "test", drawn.splits)
    replace(drawn, splits=splits).write(pack)
    main(["mobilenetv2"], **options(test=True))
    row = json.loads((tmp_path / "runs" / "test_mobilenetv2.json").read_text())
    assert (row["scored_strips"], row["scored_cases"]) == (4, 1)
    assert not (tmp_path / "runs" / "validation_mobilenetv2.json").exists()
    replace(drawn, splits=splits, cases=np.where(drawn.cases == "p0", "p1", drawn.cases)).write(pack)
    with pytest.raises(typer.BadParameter, match="p1"):
        main(["mobilenetv2"], **options(test=True))


def test_a_process_of_its_own_may_end_in_any_way(tool: ModuleType) -> None:
    assert tool.in_own_process(os._exit, 143) == (143, False)
    assert tool.in_own_process(os.abort) == (-signal.SIGABRT, False)
