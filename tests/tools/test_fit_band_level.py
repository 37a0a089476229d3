"""The fit of the counting estimator's constants, on strips drawn from the ideogram."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from karyonet.stages.band_level import CountingEstimator, class_of
from karyonet.stages.band_level.figures import within_one_class

from ..stages.band_level.drawn import NAMES, metaphase_strips
from .conftest import loaded


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return loaded("fit_band_level")


def test_levels_of_clean_chromosomes_are_found(tool: ModuleType) -> None:
    drawn = {level: tool.Drawn(metaphase_strips(level), NAMES, level) for level in np.linspace(420, 840, 8).tolist()}
    calibration = tool.fit([one for place, one in enumerate(drawn.values()) if place % 3 != 1])
    left_out = [one for place, one in enumerate(drawn.values()) if place % 3 == 1]
    found = tool.figures(left_out, CountingEstimator(calibration), 625.0)
    assert found["estimated"] == found["metaphases"] == 3
    assert found["mae_bphs"] < 0.4 * found["constant_answer_mae_bphs"]


@pytest.mark.parametrize(("found", "truth", "share"), [(550, 700, 1.0), (400, 700, 0.0), (640, 460, 0.0)])
def test_neighbouring_classes(found: float, truth: float, share: float) -> None:
    assert within_one_class(np.array([found]), np.array([truth])) == share
    assert (class_of(found) == class_of(truth)) is False


def test_drawn_levels_are_spread_over_what_the_simulator_draws(tool: ModuleType, tmp_path: Path) -> None:
    drawn = tool.draw(70_000, 2, tmp_path)
    levels = sorted(one.level for one in drawn)
    assert levels[0] >= 300 and levels[1] <= 850 and levels[1] - levels[0] > 150
    assert all(len(one.strips) == len(one.labels) == 46 for one in drawn)
    again = tool.draw(70_000, 2, tmp_path)
    assert [one.level for one in again] == [one.level for one in drawn]
