"""Two homologs of whose orientation nobody is sure are turned to each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.stages.abnormality.orientation import orient_pair

from .drawn import TYPES, strip

probabilities = st.floats(0, 1).filter(lambda p: p != 0.5)


def homologs(label: str, seed: int = 0, polarity: tuple[int, int] = (1, 1)) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    first, second = (strip(label, generator, one).optical_density for one in polarity)
    return first, second


@pytest.mark.parametrize("label", TYPES)
@pytest.mark.parametrize("polarity", [(1, 1), (1, 0), (0, 1), (0, 0)])
@pytest.mark.parametrize("slip", [0.3, 0.45, 0.55, 0.8])
def test_the_bands_tell_how_one_lies_of_which_nobody_is_sure(
    label: str, polarity: tuple[int, int], slip: float
) -> None:
    """Even where what is said of it is wrong, as long as its homolog is sure."""
    up = (0.99 if polarity[0] else 0.01, slip)
    assert orient_pair(homologs(label, polarity=polarity), up) == (polarity[0] == 1, polarity[1] == 1)


@given(up=st.tuples(st.sampled_from([0.0, 0.03, 0.97, 1.0]), st.sampled_from([0.0, 0.04, 0.96, 1.0])))
def test_what_is_sure_is_believed_whatever_the_bands_say(up: tuple[float, float]) -> None:
    assert orient_pair(homologs("1"), up) == (up[0] > 0.5, up[1] > 0.5)


@settings(max_examples=60, deadline=None)
@given(up=st.tuples(probabilities, probabilities), label=st.sampled_from(TYPES), seed=st.integers(0, 50))
def test_swapping_swaps_and_turning_turns(up: tuple[float, float], label: str, seed: int) -> None:
    first, second = homologs(label, seed)
    said = orient_pair((first, second), up)
    if said is None:
        assert up[0] + up[1] == pytest.approx(1) or up[0] == pytest.approx(up[1])
        return
    assert orient_pair((second, first), up[::-1]) == said[::-1]
    turned = orient_pair((first[::-1, ::-1], second[::-1, ::-1]), (1 - up[0], 1 - up[1]))
    assert turned == (not said[0], not said[1])


def test_nothing_is_known_where_nothing_was_said() -> None:
    assert orient_pair(homologs("1"), (0.5, 0.5)) is None
    assert orient_pair(homologs("1", polarity=(1, 0)), (0.5, 0.2)) == (True, False)
