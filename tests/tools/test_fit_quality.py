"""The fit of the quality's score: what is done to an image, and one run on drawn metaphases."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml
from PIL import Image

from karyonet.data.metaphases import AnnotatedChromosome, AnnotatedMetaphase
from karyonet.stages.quality import FEATURES, read_model

from ..stages.drawn import Drawing, lone_rods
from .conftest import loaded

CONFIG = """
stages:
  segmentation: {use: threshold_segmenter}
  cluster_type: {use: shape_rules}
  separation: {use: geometric_separator}
"""


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return loaded("fit_quality")


def boxes(drawing: Drawing) -> list[tuple[int, int, int, int]]:
    found = []
    for mask in drawing.masks:
        rows, columns = np.nonzero(mask)
        found.append((int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1))
    return found


@pytest.fixture
def annotated() -> AnnotatedMetaphase:
    chromosomes = tuple(AnnotatedChromosome("1", box) for box in boxes(lone_rods(0.5)))
    return AnnotatedMetaphase("a", "a", Path("a.png"), 210, 210, chromosomes)


@pytest.mark.parametrize("seed", range(4))
def test_a_cut_moves_the_boxes_with_the_pixels(tool: ModuleType, annotated: AnnotatedMetaphase, seed: int) -> None:
    grey = lone_rods(0.5).metaphase().grey
    kept, moved = tool.damaged(grey, annotated, "cut", 7.0, np.random.default_rng(seed))
    assert kept.size < grey.size
    inside = 0
    for before, after in zip(annotated.chromosomes, moved.chromosomes, strict=True):
        xmin, ymin, xmax, ymax = after.bbox
        if xmin >= 0 and ymin >= 0 and xmax <= kept.shape[1] and ymax <= kept.shape[0]:
            old = before.bbox
            assert np.array_equal(kept[ymin:ymax, xmin:xmax], grey[old[1] : old[3], old[0] : old[2]])
            inside += 1
    assert inside


@pytest.mark.parametrize("kind", ["blur", "noise", "fade"])
def test_other_damage_leaves_the_boxes(tool: ModuleType, annotated: AnnotatedMetaphase, kind: str) -> None:
    grey = lone_rods(0.5).metaphase().grey
    worse, same = tool.damaged(grey, annotated, kind, 7.0, np.random.default_rng(0))
    assert same is annotated
    assert worse.shape == grey.shape and worse.dtype == np.float32
    assert 0 <= worse.min() <= worse.max() <= 1
    slope = {"blur": -1, "noise": 1, "fade": -1}[kind] * (np.abs(np.diff(worse)).max() - np.abs(np.diff(grey)).max())
    assert slope > 0


def test_one_command_writes_coefficients_that_the_stage_reads(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "config.yaml").write_text(CONFIG)
    cells, rows = ["image,case,split"], ["image,label,xmin,ymin,xmax,ymax"]
    for number in range(6):
        drawing = lone_rods(0.5)
        if number % 2:  # a heap that cannot be taken apart
            for turn in range(6):
                drawing.rod(310, 200, 110, 29 * turn)
        image = f"m{number}"
        Image.fromarray((255 * drawing.metaphase().grey).astype(np.uint8)).save(tmp_path / "images" / f"{image}.png")
        cells.append(f"{image},{image},{'train' if number < 4 else 'validation'}")
        rows += [f"{image},1,{','.join(map(str, box))}" for box in boxes(drawing)]
    (tmp_path / "cells.csv").write_text("\n".join(cells) + "\n")
    (tmp_path / "chromosomes.csv").write_text("\n".join(rows) + "\n")
    out = tmp_path / "coefficients.yaml"
    options = ("--target", "detection", "--good", "0.9", "--config", str(tmp_path / "config.yaml"), "--out", str(out))
    monkeypatch.setattr(sys, "argv", ["fit_quality.py", str(tmp_path), *options])
    tool.main()
    model = read_model(out)
    assert set(model.coefficients) == set(FEATURES)
    assert model.target == "F1 of detection at least 0.9"
    figures = yaml.safe_load(out.read_text())["fitted"]
    assert figures["train, as published"]["metaphases"] == 4
    assert figures["train, as published"]["good"] == 2
    assert figures["train, made worse"]["metaphases"] == 4
