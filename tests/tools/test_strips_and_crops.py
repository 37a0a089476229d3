"""The comparison of strips with crops: what is packed, and the table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from karyonet.evaluation.classification import CellResult
from karyonet.training.strip_pack import StripPack

from .conftest import loaded

tool = loaded("benchmarks/strips_and_crops")
EXAMPLES = Path(__file__).resolve().parents[1] / "data"


def result(case: str, right: int, count: int = 10) -> CellResult:
    truth = np.zeros(count, dtype=np.int64)
    said = np.where(np.arange(count) < right, 0, 1)
    return CellResult(f"{case}m", case, truth, said, said, np.ones(count))


def test_the_table_says_how_far_strips_are_ahead_and_how_sure_that_is() -> None:
    cases = [f"p{number}" for number in range(40)]
    strips = [result(case, 9) for case in cases]
    crops = [result(case, 9 - number % 2) for number, case in enumerate(cases)]
    text, figures = tool.table({"strips": strips, "crops": crops})
    assert figures["strips"]["alone"] == pytest.approx(90)
    assert figures["crops"]["alone"] == pytest.approx(85)
    ahead = figures["strips ahead by"]
    assert ahead["joint"] == pytest.approx(5)
    low, high = ahead["joint_interval"]
    assert 2 < low < 5 < high < 8
    assert "| strips | 90.00" in text and "strips ahead by" in text


def test_cases_are_compared_with_themselves() -> None:
    """Cases differ far more than strips and crops do; the interval of the difference does not show it."""
    cases = [(f"p{number}", 2 + number % 8) for number in range(40)]
    _, figures = tool.table(
        {
            "strips": [result(case, right) for case, right in cases],
            "crops": [result(case, right - 1) for case, right in cases],
        }
    )
    assert figures["strips ahead by"]["alone_interval"] == pytest.approx([10, 10])
    low, high = figures["strips"]["alone_interval"]
    assert high - low > 5


def test_crops_are_as_many_as_strips_and_wider(tmp_path: Path) -> None:
    packs = {
        kind: StripPack.read(tool.packed(EXAMPLES / "normal_female", stage, {"test": 1}, tmp_path / f"{kind}.npz"))
        for kind, stage in tool.STAGES.items()
    }
    strips, crops = packs["strips"], packs["crops"]
    assert len(strips) == len(crops) == 46
    assert (strips.labels == crops.labels).all()
    assert crops.widths.mean() > 1.1 * strips.widths.mean()
