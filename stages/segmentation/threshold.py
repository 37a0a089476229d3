"""Foreground of a metaphase by thresholding its optical density.

Every size is relative to the width of a chromosome, which is estimated from the image itself, so that nothing depends
on the magnification. Functions take and return arrays and can be used alone::

    mask, width = segment(optical_density)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.morphology import remove_small_holes

from karyonet.geometry.width import elongated, estimate_width

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

GAPS = 0.105
"""A nucleus has at most this share of pixels below half its median density; knots of real chromosomes have more."""
MOST_NUCLEI = 12
LEAST_CONTRAST = 0.02
"""Optical density that the foreground must stand above the background, at least."""


@dataclass(frozen=True)
class SegmentationLimits:
    """Limits in chromosome widths (w) and squared widths.

    Attributes:
        level: threshold as a share of the median optical density of the chromosomes.
        nucleus_radius: an object that holds a disc of this radius (w) holds a nucleus.
        smallest_area: least area of an object (w²).
        thinnest: least inner diameter of an object (w).
        roundest: a small object less elongated than this (area over squared inner radius) is a speck.
    """

    level: float = 0.28
    nucleus_radius: float = 1.45
    smallest_area: float = 0.7
    thinnest: float = 0.45
    roundest: float = 3.9


def has_contrast(optical_density: FloatArray) -> bool:
    """Whether anything at all can be seen: False for an image of one grey value."""
    return bool(optical_density.size) and float(optical_density.max() - optical_density.min()) >= LEAST_CONTRAST


def nuclei(mask: BoolArray, optical_density: FloatArray, width: float, radius: float) -> BoolArray:
    """The parts of a mask that hold a disc of ``radius`` chromosome widths: interphase nuclei and blobs of stain.

    Small gaps are closed first, as the chromatin of a nucleus is spongy. Chromosomes that lie against a nucleus stay
    outside, because the result is an opening. A dense knot of chromosomes holds such discs as well once its gaps are
    closed, but its gaps are nearly as light as the background (:data:`GAPS`): it is left out of the result.

    Returns:
        bool, shape of ``mask``.
    """
    step = max(1, round(width / 6))  # nuclei are large: a reduced image is enough
    small = width / step
    solid = remove_small_holes(_reduced(mask, step) > 0.5, max_size=max(1, int(small**2)))
    # Nuclei cut by the border are thicker than they look there.
    margin = int(np.ceil(radius * small))
    distance = ndimage.distance_transform_edt(np.pad(solid, margin, mode="edge"))
    core = distance >= radius * small
    if not core.any():
        return np.zeros_like(mask)
    from_core = ndimage.distance_transform_edt(~core)[margin:-margin, margin:-margin]
    reach = from_core <= (radius + 0.3) * small
    inner = from_core <= (radius - 0.1) * small
    density = _reduced(optical_density, step)
    labels, count = ndimage.label(reach)
    for number in range(1, count + 1):
        values = density[inner & (labels == number)]
        if values.size and (values < 0.5 * np.median(values)).mean() > GAPS:
            reach[labels == number] = False
    return np.kron(reach, np.ones((step, step), dtype=bool))[: mask.shape[0], : mask.shape[1]]


def _reduced(image: NDArray[np.generic], step: int) -> NDArray[np.float64]:
    """Mean of every block of ``step`` by ``step`` pixels; blocks at the far edges repeat the last pixels."""
    height, width = image.shape
    padded = np.pad(image, ((0, -height % step), (0, -width % step)), mode="edge")
    return np.asarray(padded.reshape(padded.shape[0] // step, step, -1, step).mean(axis=(1, 3)), dtype=np.float64)


def remove_debris(mask: BoolArray, optical_density: FloatArray, width: float, limits: SegmentationLimits) -> BoolArray:
    """Drop components that are too small, too thin, or small, round and dark: dust and stain.

    Components cut by the border of the image are kept at half the area.
    """
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    if count == 0:
        return mask
    index = np.arange(1, count + 1)
    area = np.bincount(labels.ravel(), minlength=count + 1)[1:].astype(float)
    distance = ndimage.distance_transform_edt(mask)
    radius = np.asarray(ndimage.maximum(distance[mask], labels[mask], index))
    border = np.zeros(count + 1, dtype=bool)
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        border[edge] = True
    density = np.asarray(ndimage.mean(optical_density[mask], labels[mask], index))
    typical = float(np.median(np.repeat(density, np.maximum(area / width**2, 1).astype(int))))
    small = area < limits.smallest_area * width**2 * np.where(border[1:], 0.5, 1.0)
    thin = 2 * radius < limits.thinnest * width
    odd = (density > 1.5 * typical) | (density < 0.6 * typical)
    speck = (area < 2.5 * width**2) & (area < np.where(odd, 4.6, limits.roundest) * radius**2)
    faint = density < 0.35 * typical
    black = density > 2.5 * typical
    keep = np.concatenate([[False], ~(small | thin | speck | faint | black)])
    return np.asarray(keep[labels], dtype=bool)


def first_threshold(optical_density: FloatArray) -> float:
    """Otsu's threshold (IEEE Trans. SMC 9, 1979) where large dark nuclei do not count.

    Where round objects make up most of what is above the threshold they are nuclei, and the threshold is set anew
    without them. No pixel counts for more than half as much again as the threshold.
    """
    values, threshold = optical_density, 0.0
    counted = np.ones(optical_density.shape, dtype=bool)
    for _ in range(3):
        values = optical_density[counted]
        if values.size == 0 or values.max() - values.min() < LEAST_CONTRAST:
            return threshold
        threshold = _otsu(np.minimum(values, 1.5 * _otsu(values)))
        mask = counted & (optical_density > threshold)
        round_objects = mask & ~elongated(mask)
        # An image holds fewer nuclei than a metaphase holds chromosomes, which may be short and round as well.
        if round_objects.sum() < 0.7 * mask.sum() or ndimage.label(round_objects)[1] > MOST_NUCLEI:
            return threshold
        size = 2 * round(0.1 * float(ndimage.distance_transform_edt(round_objects).max())) + 3
        counted &= ~ndimage.maximum_filter(round_objects, size=size)
    return threshold


def _otsu(values: FloatArray) -> float:
    return float(threshold_otsu(values))  # type: ignore[no-untyped-call]


def segment(optical_density: FloatArray, limits: SegmentationLimits | None = None) -> tuple[BoolArray, float]:
    """Foreground of a metaphase: chromosomes without nuclei and debris.

    Otsu's threshold (IEEE Trans. SMC 9, 1979) gives a first mask. Nuclei are taken out of it, and the threshold is set
    again to a share of the optical density of what is left, so that dark nuclei cannot raise it.

    Args:
        optical_density: float32, shape (height, width), 0 is background.
        limits: sizes in chromosome widths.

    Returns:
        bool, shape (height, width), and the width of a chromosome in pixels; all False and 0.0 if nothing was found.
    """
    limits = limits or SegmentationLimits()
    nothing = np.zeros(optical_density.shape, dtype=bool)
    if not has_contrast(optical_density) or min(optical_density.shape) < 8:
        return nothing, 0.0
    smooth = ndimage.gaussian_filter(optical_density, 0.7)
    threshold = first_threshold(smooth)
    mask, width, blobs = nothing, 0.0, nothing
    for _ in range(2):
        mask = smooth > threshold
        width = estimate_width(mask & ~blobs)
        if width < 3:
            return nothing, 0.0
        blobs = nuclei(mask, smooth, width, limits.nucleus_radius)
        chromosomes = smooth[mask & ~blobs]
        if chromosomes.size == 0:
            return nothing, 0.0
        threshold = max(limits.level * float(np.median(chromosomes)), LEAST_CONTRAST / 2)
    mask = smooth > threshold
    mask &= ~nuclei(mask, smooth, width, limits.nucleus_radius)
    mask = remove_small_holes(mask, max_size=int(0.05 * width**2))
    return remove_debris(mask, optical_density, width, limits), width


def components(mask: BoolArray) -> NDArray[np.int32]:
    """Eight-connected components in reading order of their top left pixel: int32, 0 is background."""
    return np.asarray(ndimage.label(mask, np.ones((3, 3)))[0], dtype=np.int32)
