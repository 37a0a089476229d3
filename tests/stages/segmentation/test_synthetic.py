"""Metaphases that nobody has annotated: their boxes hold what was drawn, at the size of the packs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from karyonet.data.boxes import box_size
from karyonet.stages.segmentation.metaphases import PACKED_SIZE
from karyonet.stages.segmentation.synthetic import Drawn, composed_metaphase, simulated_metaphase
from karyonet.training.metaphase_pack import MetaphasePack

from .test_detector import rods_pack


def stain_in_boxes(drawn: Drawn) -> float:
    """Share of the stain that lies in the boxes."""
    inside = np.zeros(drawn.density.shape, dtype=bool)
    for left, top, right, bottom in np.rint(drawn.boxes).astype(int).tolist():
        inside[top:bottom, left:right] = True
    stain = np.where(drawn.density > 0.4, drawn.density, 0)
    return float(stain[inside].sum() / stain.sum())


def test_a_composed_metaphase_is_known_by_its_boxes(tmp_path: Path) -> None:
    pack = MetaphasePack.read(rods_pack(tmp_path / "rods.npz"))
    rows = pack.lone_of_split("train")
    numbers = set()
    for seed in range(4):
        drawn = composed_metaphase(pack, rows, (0, seed))
        assert stain_in_boxes(drawn) > 0.999
        numbers.add(len(drawn.boxes))
        again = composed_metaphase(pack, rows, (0, seed))
        assert np.array_equal(drawn.density, again.density) and np.array_equal(drawn.boxes, again.boxes)
    assert len(numbers) > 1  # nobody learns to count to 46


def test_a_simulated_metaphase_has_the_size_and_the_stain_of_a_packed_one() -> None:
    drawn = simulated_metaphase((0, 5))
    assert 45 <= len(drawn.boxes) <= 47
    assert abs(box_size([tuple(box) for box in drawn.boxes.tolist()]) - PACKED_SIZE) < 1.0
    assert stain_in_boxes(drawn) > 0.8  # nuclei and debris lie beside them
    assert np.array_equal(drawn.density, simulated_metaphase((0, 5)).density)
