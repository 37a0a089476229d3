"""The width of a chromosome in an image: the yardstick of every size, so that nothing depends on the magnification."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

ELONGATION = (7.0, 80.0)
"""Area over squared largest inner radius of components that the width is read from: a disc has 3.1, a lone chromosome
8–32, a crossing of a few more."""


def elongated(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The components of a mask that are neither round nor a tangle of many: bool, shape of ``mask``."""
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    area = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return np.asarray(_elongated(labels, count, area, ndimage.distance_transform_edt(mask))[labels], dtype=bool)


def _elongated(
    labels: NDArray[np.int32], count: int, area: NDArray[np.int_], distance: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which labels are elongated, shape (count + 1,); label 0 is not."""
    inside = labels > 0
    radius = np.asarray(ndimage.maximum(distance[inside], labels[inside], np.arange(1, count + 1)))
    elongation = area / np.square(radius)
    return np.concatenate([[False], (elongation > ELONGATION[0]) & (elongation < ELONGATION[1]) & (radius >= 1.5)])


def estimate_width(mask: NDArray[np.bool_]) -> float:
    """Width in pixels of a chromosome: the area-weighted median over elongated components.

    The width of a component is twice the largest inner radius where it is lone; a crossing is thicker there, so the
    median of the distance transform's ridge is used, which crossings hardly move.

    Args:
        mask: bool, shape (height, width), foreground that may hold nuclei and specks.

    Returns:
        pixels; 0.0 if no component is elongated.
    """
    if not mask.any():
        return 0.0
    distance = ndimage.distance_transform_edt(mask)
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    area = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    ridge = (distance == ndimage.maximum_filter(distance, size=3)) & (distance > 1)
    kept = ridge & _elongated(labels, count, area, distance)[labels]
    if not kept.any():
        return 0.0
    ridge_labels, ridge_radii = labels[kept], distance[kept]
    # Small radii on the ridge are spurs of the outline; each component speaks with the upper half of its ridge.
    order = np.lexsort((ridge_radii, ridge_labels))
    ridge_labels, ridge_radii = ridge_labels[order], ridge_radii[order]
    present, first, number = np.unique(ridge_labels, return_index=True, return_counts=True)
    typical = ridge_radii[first + (number * 6) // 10]
    weight = np.minimum(area[present - 1], 8 * np.square(2 * typical))
    order = np.argsort(typical)
    position = np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)
    return float(2 * typical[order][min(position, order.size - 1)] - 0.5)
