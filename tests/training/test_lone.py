from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from karyonet.data.metaphases import AnnotatedChromosome, AnnotatedMetaphase
from karyonet.errors import ArrayError
from karyonet.geometry.region import Region
from karyonet.training.lone import lone_chromosomes
from karyonet.training.metaphase_pack import MetaphasePack, pack_metaphase

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


def packed(scale: float) -> MetaphasePack:
    foreground = drawn()
    whole = [Region(box, np.ones((box[3] - box[1], box[2] - box[0]), bool)) for box in BOXES]
    return pack_metaphase(annotated(), foreground.astype(np.float32), whole, scale, lone_chromosomes(foreground, BOXES))


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.6])
def test_a_pack_knows_every_pixel_of_those_that_lie_alone(scale: float) -> None:
    pack = MetaphasePack.concatenate([packed(scale), packed(scale)])
    assert pack.lone.tolist() == [True, False, False] * 2
    assert pack.lone_of_split("train").tolist() == [0, 3] and pack.lone_of_split("test").size == 0
    region, cutout = pack.region(3), pack.cutout(3)
    assert region.area == pytest.approx(400 * scale**2, rel=0.1)
    assert region.bbox == pytest.approx(np.array([10, 10, 20, 50]) * scale, abs=1)
    assert cutout.mask.sum() == region.area
    assert cutout.optical_density[cutout.mask].mean() == pytest.approx(1.0, abs=0.1)


def test_a_cut_out_leaves_its_neighbours_behind() -> None:
    pack = packed(1.0)
    pack.pixels[:] = 64  # stain everywhere
    cutout = pack.cutout(0)
    assert cutout.optical_density[0, 0] == 0 and (cutout.optical_density[cutout.mask] == 1).all()
    with pytest.raises(ArrayError, match="K502"):
        pack.cutout(1)
