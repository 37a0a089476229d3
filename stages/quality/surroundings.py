"""What lies around the chromosomes: nuclei, and the edges of patches that an operator pasted in."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import remove_small_holes

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Points = NDArray[np.int64]

NUCLEUS_RADIUS = 1.45
"""A stained object that holds a disc of this radius (w) is a nucleus, or a blob of stain as large."""
LEAST_EDGE = 1.5
"""Length (w) from which a straight edge counts; shorter ones are found in noise and dust."""
LEAST_SLOPE = 1.5 / 255
"""Slope per pixel of an edge, at least: quantisation and compression make smaller ones."""
STEEP = 4.0
"""Slope of an edge relative to the median slope of the background, at least."""
SHARP = 1.8
"""Slope of an edge relative to the mean slope within 3 pixels, at least: optics make no such steps."""
STRAIGHT = 0.7
"""Root mean square distance in pixels of a straight edge from its line, at most."""
DIRECTIONS = 24
"""Pixels of an edge belong together where their directions lie within 1.5 steps of a circle so divided."""
_NEIGHBOURS = np.ones((3, 3), dtype=bool)


def distance_to(mask: BoolArray) -> FloatArray:
    """Distance in pixels of every pixel to a mask, float32, same shape; infinite where the mask is empty."""
    if not mask.any():
        return np.full(mask.shape, np.inf, dtype=np.float32)
    # Exact, as ndimage's, in a tenth of the time (Felzenszwalb & Huttenlocher, Theory of Computing 8, 2012).
    return np.asarray(cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE))


def find_nuclei(dark: BoolArray, width: float) -> BoolArray:
    """Nuclei among stained pixels: the parts that a disc of :data:`NUCLEUS_RADIUS` widths fits into.

    Small gaps are closed first, as the chromatin of a nucleus is spongy. A nucleus that the border cuts is thicker
    than it looks there, so that its stain is taken to go on beyond.

    Args:
        dark: bool, shape (height, width): stained pixels that are no chromosomes.
        width: of a chromosome, in pixels.
    """
    radius = NUCLEUS_RADIUS * width
    solid = remove_small_holes(dark, max_size=max(1, int(width**2)))
    margin = int(np.ceil(radius))
    core = distance_to(~np.pad(solid, margin, mode="edge")) >= radius
    return np.asarray((distance_to(core) < radius)[margin:-margin, margin:-margin])


def straight_edges(grey: FloatArray, background: BoolArray, width: float) -> float:
    """Length in pixels of the straight edges in the background: the sides of patches that were pasted in.

    Such a side is a small step of the grey value along a line, which neither optics nor cells make. Edges are ridges
    of the slope (Canny, IEEE TPAMI 8, 1986), grouped by direction as in the line segment detector (Grompone von Gioi
    et al., IPOL 2, 2012).

    Args:
        grey: float32, shape (height, width), 0–1.
        background: bool, same shape: pixels well away from everything stained.
        width: of a chromosome, in pixels.
    """
    if not background.any():
        return 0.0
    down, right = ndimage.sobel(grey, axis=0) / 8, ndimage.sobel(grey, axis=1) / 8
    slope = np.hypot(down, right)
    around = ndimage.uniform_filter(slope, size=7)
    steep = background & (slope > max(STEEP * float(np.median(slope[background])), LEAST_SLOPE))
    least, total = LEAST_EDGE * width, 0.0
    counted = np.zeros(grey.shape, dtype=bool)
    for band in _long_components(steep, least):
        top, left = band.min(axis=0)
        box = slice(top, band[:, 0].max() + 1), slice(left, band[:, 1].max() + 1)
        within = np.zeros(slope[box].shape, dtype=bool)
        within[tuple((band - np.array([top, left])).T)] = True
        ridge = within & _is_ridge(np.where(within, slope[box], 0), down[box], right[box])
        direction = np.arctan2(down[box], right[box])
        for angle in np.arange(DIRECTIONS) * (2 * np.pi / DIRECTIONS):
            alike = ridge & (np.cos(direction - angle) >= np.cos(3 * np.pi / DIRECTIONS))
            for points in _long_components(alike, least):
                length, deviation = _along_and_across(points)
                here = tuple((points + np.array([top, left])).T)
                sharp = slope[here].sum() >= SHARP * around[here].sum()
                if sharp and length >= least and deviation <= STRAIGHT:
                    total += length * float(np.mean(~counted[here]))  # neighbouring directions find an edge twice
                    counted[here] = True
    return total


def _long_components(mask: BoolArray, least: float) -> Iterator[Points]:
    """Pixels (row, column), shape (n, 2), of the components whose box has a diagonal of at least ``least``."""
    if 1.5 * mask.sum() < least:  # n connected pixels have a diagonal of 1.42 n at most
        return
    labels, _ = ndimage.label(mask, _NEIGHBOURS)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if np.hypot(*(side.stop - side.start for side in box)) >= least:
            yield np.argwhere(labels[box] == number) + [side.start for side in box]


def _is_ridge(slope: FloatArray, down: FloatArray, right: FloatArray) -> BoolArray:
    """Where a slope is highest along its own direction, to the nearest eighth of a circle."""
    height, width = slope.shape
    around = np.pad(slope, 1)
    steeply, flatly = np.abs(down) > 2.414 * np.abs(right), np.abs(right) > 2.414 * np.abs(down)
    falling = ~steeply & ~flatly & (down * right > 0)
    ridge = np.zeros(slope.shape, dtype=bool)
    steps = ((steeply, 1, 0), (flatly, 0, 1), (falling, 1, 1), (~(steeply | flatly | falling), 1, -1))
    for chosen, row, column in steps:
        after = around[1 + row : 1 + row + height, 1 + column : 1 + column + width]
        before = around[1 - row : 1 - row + height, 1 - column : 1 - column + width]
        ridge |= chosen & (slope >= after) & (slope >= before)
    return ridge


def _along_and_across(points: Points) -> tuple[float, float]:
    """Extent of points along the line that fits them best, and their root mean square distance from it."""
    centred = points - points.mean(axis=0)
    _, spread, axes = np.linalg.svd(centred, full_matrices=False)
    return float(np.ptp(centred @ axes[0])), float(spread[1] / np.sqrt(len(points)))
