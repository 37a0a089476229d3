"""Label sets: all the names that a chromosome may have, given how probable a name must be to be kept."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

PREFIX = "label_set_"
"""Of the thresholds in a model card: ``label_set_99`` is the least probability of a name in the 99 % set."""


def label_sets(probabilities: NDArray[np.floating], least: float) -> NDArray[np.bool_]:
    """The names whose probability is at least ``least``, and the most probable one in any case.

    Args:
        probabilities: shape (n, classes); a row of NaN was not classified and has an empty set.
        least: 0–1.

    Returns:
        bool, shape (n, classes).
    """
    probabilities = np.asarray(probabilities)
    largest = np.max(probabilities, axis=1, keepdims=True, initial=-np.inf)
    kept: NDArray[np.bool_] = (probabilities >= least) | (probabilities == largest)
    return kept


def least_probabilities(thresholds: Mapping[str, float]) -> dict[int, float]:
    """Coverage in per cent and least probability of every label set that a model card has a threshold for."""
    named = {name.removeprefix(PREFIX): value for name, value in thresholds.items() if name.startswith(PREFIX)}
    return {int(level): value for level, value in named.items() if level.isdecimal()}
