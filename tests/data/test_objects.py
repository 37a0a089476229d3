from __future__ import annotations

import numpy as np

from karyonet.data.objects import foreground_objects


def test_chromosomes_debris_and_clusters() -> None:
    foreground = np.zeros((60, 80), dtype=bool)
    foreground[5:25, 5:10] = True  # alone
    foreground[5:25, 30:35] = foreground[24:29, 30:60] = True  # two that touch
    foreground[50:54, 70:74] = True  # nobody boxed it
    foreground[58, 2] = True  # a speck
    foreground[40:44, 20:24] = True  # part of what was boxed, but not taken: in the corner of a box
    boxes = [(3, 3, 12, 27), (28, 3, 37, 23), (38, 22, 62, 31), (1, 30, 3, 38), (22, 42, 45, 58)]
    found = foreground_objects(foreground, boxes, smallest=4)
    kinds = [(item.kind, item.lone) for item in found]
    alone, cut = ("chromosome", True), ("chromosome", False)
    assert kinds == [alone, cut, cut, alone, ("cluster", True), ("debris", True)]
    assert found[0].region.bbox == (5, 5, 10, 25)
    assert found[4].region.bbox == (30, 5, 60, 29)
    assert found[5].region.bbox == (70, 50, 74, 54)


def test_nothing_in_an_empty_metaphase() -> None:
    assert foreground_objects(np.zeros((10, 10), dtype=bool), [(1, 1, 5, 5)]) == []
