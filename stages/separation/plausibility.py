"""How likely a mask is exactly one chromosome."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from karyonet.geometry.shape import Scale, measure_shape

INTERCEPT = -1.724
COEFFICIENTS = np.array(
    [1.06, -1.24, 1.844, 3.064, -0.827, -4.467, 0.101, -0.151, 0.058, -0.916, 0.429, -1.999, -6.996, 0.452]
)
"""Logistic regression on :data:`karyonet.geometry.shape.DESCRIPTOR`, fitted by ``tools/benchmarks/fit_shape_rules.py``:
whether the box of a cluster, or of a piece that this stage offers, overlaps an annotated box by half."""


def chromosome_probability(mask: NDArray[np.bool_], optical_density: NDArray[np.float32], scale: Scale) -> float:
    """Probability, 0–1, that a mask is one whole chromosome.

    Args:
        mask: bool, shape (height, width), one connected object.
        optical_density: float32, same shape.
        scale: of the metaphase (:func:`karyonet.geometry.shape.measure_scale`).
    """
    descriptor = measure_shape(mask, optical_density, scale.width).descriptor(scale)
    return float(1 / (1 + np.exp(-np.clip(INTERCEPT + COEFFICIENTS @ descriptor, -30, 30))))
