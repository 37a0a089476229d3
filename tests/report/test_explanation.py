"""The picture of what decided the types."""

from __future__ import annotations

import numpy as np
import pytest

from karyonet.explanation import Explanations
from karyonet.report.explanation import COLUMNS, ExplainedMetaphase, draw_explanations


def explained(kinds: list[str], probabilities: list[float], counts: list[int], peak: float = 1.0) -> ExplainedMetaphase:
    count = len(kinds)
    crops = np.zeros((count, 2, 64, 64), np.float32)
    crops[:, :, 20:44, 26:38] = 1.0
    maps = np.zeros((count, 64, 64), np.float32)
    maps[:, 24:32, 26:38] = peak
    said = Explanations(tuple(kinds), np.array(probabilities, np.float32), np.array(counts), 6, crops, maps, "LayerCAM")
    return ExplainedMetaphase("m1", "absorption", tuple(f"k{n}" for n in range(count)), said)


def orange(metaphases: list[ExplainedMetaphase]) -> int:
    pixels = np.asarray(draw_explanations(metaphases)).astype(int)[110:]
    return int((pixels[..., 0] - pixels[..., 2] > 60).sum())


def test_clusters_come_first_and_in_each_group_the_least_sure() -> None:
    kinds = ["instance", "touching", "debris", "overlapping", "instance"]
    assert explained(kinds, [0.9, 0.8, 0.6, 0.7, 0.5], [1, 2, 0, 3, 1]).order() == [3, 1, 4, 2, 0]


def test_what_spoke_for_the_kind_is_seen() -> None:
    one = explained(["touching"], [0.8], [2])
    assert orange([one]) > 100
    assert orange([explained(["touching"], [0.8], [2], peak=0.0)]) == 0


@pytest.mark.parametrize("counts", [[1], [1] * COLUMNS, [7] * (COLUMNS + 1)])
def test_every_metaphase_and_every_row_takes_its_room(counts: list[int]) -> None:
    one = explained(["instance"] * len(counts), [0.9] * len(counts), counts)
    single, double = draw_explanations([one]), draw_explanations([one, one])
    assert double.width == single.width and double.height > single.height
    more = explained(["instance"] * (len(counts) + COLUMNS), [0.9] * (len(counts) + COLUMNS), counts + [1] * COLUMNS)
    assert draw_explanations([more]).height > single.height
