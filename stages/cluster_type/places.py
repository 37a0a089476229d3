"""Where in a composed cluster chromosomes overlap, where they touch and where each has its middle.

A composition knows it, and a network that is asked for it too learns sooner what makes a cluster one of its kind.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from karyonet.case import FloatArray

from .compositions import Composed, Compositions
from .crops import CropSettings

PLACES = ("overlap", "contact", "middle")
"""What is told of each cell, in the order of the network's maps."""
STRIDE = 4
"""Pixels of a crop along each side of a cell."""
_MIDDLE = 3
"""Radius of a middle in pixels of the packs."""
_SQUARE = np.ones((3, 3), np.uint8)


def places_of(masks: NDArray[np.bool_], settings: Compositions) -> NDArray[np.uint8]:
    """Where chromosomes lie how.

    Args:
        masks: bool, shape (n, height, width), each chromosome whole.
        settings: how near is touching and how much is overlapping.

    Returns:
        uint8, shape (3, height, width), 1 where it is so: pixels of two chromosomes that overlap, pixels between two
        that only touch, and a disc around the pixel of each chromosome that is nearest to its centre of mass.
    """
    found = np.zeros((len(PLACES), *masks.shape[1:]), dtype=np.uint8)
    sliver = settings.sliver * settings.sources.breadth**2
    near, reach = (
        [cv2.dilate(mask.astype(np.uint8), _SQUARE, iterations=by) > 0 for mask in masks]
        for by in (settings.closing + 1, 2 * settings.closing + 1)
    )
    for number, mask in enumerate(masks):
        for other in range(number):
            shared = mask & masks[other]
            if np.count_nonzero(shared) > sliver:
                found[0] |= shared
            elif (mask & reach[other]).any():
                found[1] |= near[number] & near[other]
        rows, columns = np.nonzero(mask)
        nearest = int(np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2))
        cv2.circle(found[2], (int(columns[nearest]), int(rows[nearest])), _MIDDLE, 1, -1)
    return found


def places_in_crop(
    composed: Composed, matrix: NDArray[np.float64], crops: CropSettings, settings: Compositions
) -> FloatArray:
    """What the network is to say of the cells of a crop.

    Args:
        composed: with the masks of its chromosomes; nuclei and debris have none.
        matrix: float64, shape (2, 3), from the image to the crop.
        crops, settings: of the recipe.

    Returns:
        float32, shape (3, side / 4, side / 4), 0 or 1.
    """
    cells = crops.side // STRIDE
    if not len(composed.masks):
        return np.zeros((len(PLACES), cells, cells), dtype=np.float32)
    maps = [
        cv2.warpAffine(place, matrix, (cells * STRIDE, cells * STRIDE), flags=cv2.INTER_NEAREST)
        for place in places_of(composed.masks, settings)
    ]
    held = np.stack(maps).reshape(len(PLACES), cells, STRIDE, cells, STRIDE)
    return np.asarray(held.max(axis=(2, 4)), dtype=np.float32)
