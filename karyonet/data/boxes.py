"""From an annotated box to the pixels of the chromosome in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, find_objects, label

from karyonet.geometry.region import BoundingBox, Region

_MARGIN = 0.04
"""Of the boxes in ``gband_metaphases``: about 3 pixels where the median box is 84 long."""
_EIGHT_CONNECTED = np.ones((3, 3), dtype=bool)


def box_size(boxes: Sequence[BoundingBox]) -> float:
    """Median of the longer sides of a metaphase's boxes in pixels: what its magnification is told by."""
    sides = [max(xmax - xmin, ymax - ymin) for xmin, ymin, xmax, ymax in boxes]
    return float(np.median(sides)) if sides else 1.0


def drawn_boxes(regions: Sequence[Region], shape: tuple[int, int]) -> list[BoundingBox]:
    """Boxes as people draw them around the chromosomes of a metaphase: they leave a margin, and detectors learn it.

    Args:
        regions: the chromosomes, without a margin.
        shape: height and width of the image, which no box leaves.
    """
    margin = max(round(_MARGIN * box_size([region.bbox for region in regions])), 1)
    return [region.with_margin(margin, shape).bbox for region in regions]


def region_in_box(foreground: NDArray[np.bool_], bbox: BoundingBox) -> Region | None:
    """The chromosome that a person boxed, without the neighbours that reach into the box.

    Of the components of the foreground inside the box the one with the most pixels in the middle of the box (half
    of its width and height) is taken; where nothing lies in the middle, as in a bent chromosome, the largest.

    Args:
        foreground: bool, shape (height, width).
        bbox: ``(xmin, ymin, xmax, ymax)`` in pixels; parts outside the image do not count.

    Returns:
        The component; None where the box holds no foreground.
    """
    components, count, offset = _components(foreground, bbox)
    if count == 0:
        return None
    height, width = components.shape
    middle = components[height // 4 : height - height // 4, width // 4 : width - width // 4]
    sizes = np.bincount(middle.ravel(), minlength=count + 1)[1:]
    if not sizes.any():
        sizes = np.bincount(components.ravel(), minlength=count + 1)[1:]
    return Region.from_mask(components == 1 + int(np.argmax(sizes)), offset)


def solid_region(foreground: NDArray[np.bool_], bbox: BoundingBox, share: float = 0.25) -> Region:
    """The foreground of a box that holds one chromosome alone.

    Args:
        foreground: bool, shape (height, width).
        bbox: ``(xmin, ymin, xmax, ymax)`` in pixels.
        share: pieces of at least this share of the largest one belong to it; smaller ones are specks.

    Returns:
        The pieces with their holes filled; the whole box where it holds no foreground.
    """
    components, count, offset = _components(foreground, bbox)
    if count == 0:
        return Region.from_mask(np.ones_like(components, dtype=bool), offset)
    sizes = np.bincount(components.ravel(), minlength=count + 1)
    sizes[0] = 0
    return Region.from_mask(binary_fill_holes((sizes >= share * sizes.max())[components]), offset)


def components_of(mask: NDArray[np.bool_], smallest: int = 1) -> list[Region]:
    """The 8-connected components of a mask of a whole image.

    Args:
        mask: bool, shape (height, width).
        smallest: components of fewer pixels are left out.
    """
    components, _ = label(mask, structure=_EIGHT_CONNECTED)
    found = [
        Region.from_mask(components[box] == number, (box[1].start, box[0].start))
        for number, box in enumerate(find_objects(components), start=1)
    ]
    return [region for region in found if region.area >= smallest]


def _components(foreground: NDArray[np.bool_], bbox: BoundingBox) -> tuple[NDArray[np.int32], int, tuple[int, int]]:
    """Components inside a box: their numbers, how many, and ``(x, y)`` of the part of the box inside the image."""
    xmin, ymin = max(bbox[0], 0), max(bbox[1], 0)
    components, count = label(foreground[ymin : max(bbox[3], 0), xmin : max(bbox[2], 0)], structure=_EIGHT_CONNECTED)
    return components, int(count), (xmin, ymin)
