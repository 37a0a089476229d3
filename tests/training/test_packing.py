from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from karyonet.case import LABELS, Chromosome, Strip
from karyonet.data.metaphases import AnnotatedMetaphase
from karyonet.geometry.region import Region
from karyonet.training.packing import pack_metaphases_dataset, pack_strips_dataset


def straightened(annotated: AnnotatedMetaphase) -> list[Chromosome]:
    """The first chromosome of every image with a strip, the second without; none of the image called `bad`."""
    if annotated.id == "bad":
        raise RuntimeError("no focus")
    strip = Strip(np.full((30, 7), 0.5, np.float32), np.ones(30, bool), np.zeros((2, 512), np.float32),
                  np.zeros((30, 2), np.float32), 1.0)  # fmt: skip
    regions = [Region(c.bbox, np.ones((c.bbox[3] - c.bbox[1], c.bbox[2] - c.bbox[0]), bool))
               for c in annotated.chromosomes]  # fmt: skip
    return [Chromosome("c1", regions[0], strip=strip), Chromosome("c2", regions[1])]


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


def test_chromosomes_with_a_strip_are_packed_and_failures_counted(metaphases: Path) -> None:
    packed = pack_metaphases_dataset(metaphases, straightened)
    assert [LABELS[label] for label in packed.pack.labels] == ["7"]
    assert packed.pack.strip(0).shape == (30, 7)
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
