from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from karyonet.case import LABELS, Case, Chromosome, Metaphase, Strip
from karyonet.geometry.region import Region
from karyonet.training.packing import pack_metaphases_dataset, pack_strips_dataset


@dataclass(frozen=True)
class Outcome:
    case: Case


def found_boxes(case: Case) -> Outcome:
    """A pipeline that finds two boxes in every image but the one called `bad`."""
    if "bad" in case.metaphases[0].image:
        raise RuntimeError("no focus")
    strip = Strip(np.full((30, 7), 0.5, np.float32), np.ones(30, bool), np.zeros((2, 512), np.float32),
                  np.zeros((30, 2), np.float32), 1.0)  # fmt: skip
    other = replace(strip, optical_density=np.full((50, 7), 0.5, np.float32))
    chromosomes = tuple(
        Chromosome(f"c{i}", Region((x, 5, x + 10, 35), np.ones((30, 10), bool)), strip=s)
        for i, (x, s) in enumerate([(5, strip), (60, other)])
    )
    metaphase: Metaphase = replace(case.metaphases[0], chromosomes=chromosomes)
    return Outcome(replace(case, metaphases=(metaphase,)))


@pytest.fixture
def metaphases(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    picture = np.full((100, 100), 230, np.uint8)
    picture[5:35, 5:15] = 80
    for name in ("good", "bad"):
        Image.fromarray(picture).save(tmp_path / "images" / f"{name}.png")
    (tmp_path / "cells.csv").write_text("image,case,split\ngood,p1,train\nbad,p2,train\n")
    rows = "".join(f"{name},7,5,5,15,35\n{name},X,30,50,40,90\n" for name in ("good", "bad"))
    (tmp_path / "chromosomes.csv").write_text("image,label,xmin,ymin,xmax,ymax\n" + rows)
    return tmp_path


def test_matched_chromosomes_are_packed_and_failures_counted(metaphases: Path) -> None:
    packed = pack_metaphases_dataset(metaphases, found_boxes)
    assert [LABELS[label] for label in packed.pack.labels] == ["7"]
    assert packed.pack.strip(0).shape == (30, 7)
    assert packed.pack.median_length.tolist() == [40.0]  # of both strips found, not of the matched one
    assert packed.pack.polarity.tolist() == [-1]
    assert packed.annotated == 2 and packed.matched_share == 0.5
    assert [name for name, _ in packed.failures] == ["bad"]


def test_real_strips_are_upright_and_complete(real_data: Path) -> None:
    packed = pack_strips_dataset(real_data / "pki3", limit=2)
    assert packed.failures == () and packed.matched_share == 1.0
    pack = packed.pack
    assert set(pack.polarity.tolist()) == {1}
    assert set(np.unique(pack.labels)) >= set(range(22))
    # Chromosome 1 is about four times as long as chromosome 21, and acrocentrics are heavier below their middle.
    lengths = {label: np.median(pack.heights[pack.labels == label]) for label in (0, 20)}
    assert 2.0 < lengths[0] / lengths[20] < 7.0
    halves = [
        (pack.strip(i)[: pack.heights[i] // 2].sum(), pack.strip(i)[pack.heights[i] // 2 :].sum())
        for i in np.flatnonzero(np.isin(pack.labels, [12, 13, 14]))
    ]
    assert np.mean([top < bottom for top, bottom in halves]) > 0.7
