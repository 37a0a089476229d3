"""Grey profiles along a straightened chromosome."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from karyonet.errors import ArrayError


def left_right_profiles(
    strip_density: NDArray[np.float32],
    coverage: NDArray[np.bool_] | NDArray[np.floating] | None = None,
    samples: int = 512,
) -> NDArray[np.float32]:
    """Mean optical density of the left and of the right half of every row: the input of HomNet.

    Rows stay at the strip's pixel pitch and are followed by zeros, so that a lost or doubled segment changes the
    length (the paper does not say how it fills its 512 samples). Only a strip with more rows than samples is
    resampled, each sample being the mean over the stretch that it stands for. The middle column of a strip of odd
    width counts half to either side.

    Args:
        strip_density: float32, shape (length, width).
        coverage: shape (length, width), how much of each pixel is chromosome (bool or 0–1). Halves without coverage
            are 0. By default every pixel counts.
        samples: length of the result.

    Returns:
        float32, shape (2, samples): left, right.

    Raises:
        ArrayError: K501 if the strip has not two dimensions or the coverage another shape.
    """
    density = np.asarray(strip_density, dtype=np.float64)
    if density.ndim != 2 or density.size == 0:
        shape = f"shape {density.shape}"
        raise ArrayError("K501", what="strip_density", expected="shape (length, width)", actual=shape)
    weight = np.ones_like(density) if coverage is None else np.asarray(coverage, dtype=np.float64)
    if weight.shape != density.shape:
        raise ArrayError("K501", what="coverage", expected=f"shape {density.shape}", actual=f"shape {weight.shape}")
    length, width = density.shape
    right = np.clip(np.arange(width) - width / 2 + 1.0, 0.0, 1.0)  # 0 left of the middle column, 0.5 on it, 1 beyond
    halves = np.stack([1.0 - right, right])
    totals, covered = halves @ (density * weight).T, halves @ weight.T
    means = np.divide(totals, covered, out=np.zeros_like(totals), where=covered > 0)
    if length > samples:
        sums = np.concatenate([np.zeros((2, 1)), means.cumsum(axis=1)], axis=1)
        edges = np.linspace(0.0, length, samples + 1)
        means = np.stack([np.diff(np.interp(edges, np.arange(length + 1), half)) for half in sums]) * samples / length
    profiles = np.zeros((2, samples), dtype=np.float32)
    profiles[:, : means.shape[1]] = means
    return profiles
