"""How likely a mask is exactly one chromosome."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from karyonet.geometry.shape import measure_shape

INTERCEPT = -2.322
COEFFICIENTS = np.array(
    [1.06, -1.232, 1.824, 3.559, -0.909, -4.38, 0.113, -0.186, 0.08, -0.956, 0.533, -1.84, -6.852, 0.403]
)
"""Logistic regression on :data:`karyonet.geometry.shape.DESCRIPTOR`, fitted by ``tools/benchmarks/fit_shape_rules.py``:
whether the box of a cluster, or of a piece that this stage offers, overlaps an annotated box by half."""


def chromosome_probability(
    mask: NDArray[np.bool_],
    optical_density: NDArray[np.float32],
    width: float,
    typical_area: float,
    typical_density: float,
) -> float:
    """Probability, 0–1, that a mask is one whole chromosome.

    Args:
        mask: bool, shape (height, width), one connected object.
        optical_density: float32, same shape.
        width: width of a chromosome in pixels.
        typical_area: median area of the metaphase's clusters in squared chromosome widths.
        typical_density: median optical density of the metaphase's foreground.
    """
    descriptor = measure_shape(mask, optical_density, width).descriptor(typical_area, typical_density)
    return float(1 / (1 + np.exp(-np.clip(INTERCEPT + COEFFICIENTS @ descriptor, -30, 30))))
