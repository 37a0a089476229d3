from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from karyonet.data.metaphases import AnnotatedChromosome, AnnotatedMetaphase
from karyonet.errors import DataError
from karyonet.training.cutouts import (
    CutoutPack,
    box_size,
    concatenate_cutouts,
    lone_chromosomes,
    pack_cutouts,
)

BOXES = [(5, 5, 25, 55), (45, 5, 65, 55), (55, 35, 95, 55)]


def drawn() -> np.ndarray:
    """A chromosome alone, and two that touch."""
    foreground = np.zeros((80, 110), dtype=bool)
    foreground[10:50, 10:20] = True
    foreground[10:50, 50:60] = True
    foreground[40:50, 60:90] = True
    return foreground


def annotated() -> AnnotatedMetaphase:
    chromosomes = tuple(AnnotatedChromosome(name, box) for name, box in zip("7X9", BOXES, strict=True))
    return AnnotatedMetaphase("m1", "p1", Path("m1.png"), 110, 80, chromosomes, split="train")


def test_only_the_one_alone_is_lone() -> None:
    regions = lone_chromosomes(drawn(), BOXES)
    assert [region is not None for region in regions] == [True, False, False]
    assert regions[0] is not None and regions[0].area == 400


def test_a_piece_is_not_taken_for_the_whole() -> None:
    foreground = drawn()
    foreground[30:34] = False
    assert lone_chromosomes(foreground, BOXES)[0] is None


def test_a_pack_keeps_density_mask_and_name(tmp_path: Path) -> None:
    foreground = drawn()
    density = np.where(foreground, 0.4, 0.0).astype(np.float32)
    pack = pack_cutouts(annotated(), density, foreground)
    path = tmp_path / "cutouts.npz"
    concatenate_cutouts([pack, pack]).write(path)
    read = CutoutPack.read(path)
    assert len(read) == 2 and read.cases.tolist() == ["p1", "p1"] and read.of_split("train").tolist() == [0, 1]
    cutout = read.cutout(1)
    assert cutout.mask.sum() == 400
    assert cutout.optical_density[cutout.mask] == pytest.approx(1.0, abs=0.02)
    assert cutout.optical_density[~cutout.mask].max() == 0.0


def test_scaling_brings_the_boxes_to_one_size() -> None:
    foreground = drawn()
    pack = pack_cutouts(annotated(), foreground.astype(np.float32), foreground, size=25.0)
    assert box_size(BOXES) == 50
    assert pack.cutout(0).mask.sum() == pytest.approx(100, rel=0.15)


def test_a_file_that_is_no_pack_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cut-out pack"):
        CutoutPack.read(tmp_path / "x.npz")
