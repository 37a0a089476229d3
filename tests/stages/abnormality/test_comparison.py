"""Where the homologs differ: the stretch of strongest evidence, and the bands that it covers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.case import LABELS
from karyonet.errors import ArrayError
from karyonet.stages.abnormality.comparison import bands_of, strongest_stretch


@settings(deadline=None)
@given(values=st.lists(st.floats(0, 1) | st.just(float("nan")), min_size=1, max_size=60))
def test_the_strongest_stretch_is_connected_and_holds_the_peak(values: list[float]) -> None:
    evidence = np.array(values, dtype=np.float32)
    start, stop = (round(end * len(values)) for end in strongest_stretch(evidence))
    assert 0 <= start < stop <= len(values)
    if np.isfinite(evidence).any():
        inside, peak = evidence[start:stop], np.float64(np.nanmax(evidence))
        assert (inside >= peak / 2).all() and inside.max() == peak
        for beside in (start - 1, stop):
            assert not 0 <= beside < len(values) or not evidence[beside] >= peak / 2


@settings(deadline=None)
@given(ends=st.tuples(st.floats(0, 1), st.floats(0, 1)), chromosome=st.sampled_from(LABELS))
def test_bands_go_from_the_short_arm_to_the_long_one(ends: tuple[float, float], chromosome: str) -> None:
    start, stop = sorted(ends)
    if stop - start < 1e-6:
        with pytest.raises(ArrayError, match="K501"):
            bands_of(chromosome, (start, start))
        return
    first, last = bands_of(chromosome, (start, stop)).split("–")[0], bands_of(chromosome, (start, stop)).split("–")[-1]
    assert (first[0], last[0]) != ("q", "p")
    assert bands_of(chromosome, (0.0, 1.0)).startswith("p") and "–q" in bands_of(chromosome, (0.0, 1.0))


def test_bands_of_known_places() -> None:
    assert bands_of("9", (0.999, 1.0)) == "q34" and bands_of("9", (0.0, 0.001)) == "p24"
    for region in ((0.5, 0.4), (-0.1, 0.5), (0.5, 1.1)):
        with pytest.raises(ArrayError, match="K501"):
            bands_of("9", region)
