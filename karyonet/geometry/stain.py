"""How dark the chromosomes of a metaphase are stained, and how much their bands differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from karyonet.geometry.region import Region

FloatArray = NDArray[np.float32]
_POWERS, _HALVINGS = (0.25, 4.0), 12
"""Of a density, and in how many steps the right one is found between them."""


def chromosome_density(components: Sequence[Region], optical_density: FloatArray) -> float:
    """Mean optical density of a metaphase's chromosomes: the median over its components, so that nuclei do not count.

    Args:
        components: of the foreground, each with at least one pixel.
        optical_density: float32, shape (height, width).
    """
    means = [float(optical_density[component.slices][component.mask].mean()) for component in components]
    return max(float(np.median(means)), 1e-3)


def stain_contrast(components: Sequence[Region], density: FloatArray) -> float:
    """How much the stain varies within a component: standard deviation over mean, the median over the components.

    Args:
        components: of the foreground, at least one, each with at least one pixel.
        density: float32, shape (height, width).
    """
    return _contrast([density[component.slices][component.mask] for component in components])


def in_contrast(components: Sequence[Region], density: FloatArray, usual: float) -> FloatArray:
    """A density of which the chromosomes have a usual contrast.

    Banding methods, cameras and exported pictures differ in how pale the light bands are; a power of the density keeps
    the order of the greys and mends that.

    Args:
        components: as for :func:`stain_contrast`.
        density: float32, shape (height, width); negative values count as 0.
        usual: the contrast.

    Returns:
        float32, the same shape and mean within the components; the density itself if its contrast cannot be told.
    """
    parts = [np.maximum(density[component.slices][component.mask], 0) for component in components]
    if _contrast(parts) == 0:
        return density
    low, high = _POWERS
    for _ in range(_HALVINGS):
        # The contrast grows with the power.
        power = float(np.sqrt(low * high))
        low, high = (low, power) if _contrast([part**power for part in parts]) > usual else (power, high)
    raised = np.maximum(density, 0) ** np.float32(np.sqrt(low * high))
    mean = chromosome_density(components, density) / chromosome_density(components, raised)
    return np.asarray(raised * np.float32(mean), dtype=np.float32)


def _contrast(parts: Sequence[NDArray[np.floating]]) -> float:
    means = [float(part.mean()) for part in parts]
    return float(
        np.median([float(part.std()) / mean if mean > 0 else 0.0 for part, mean in zip(parts, means, strict=True)])
    )
