"""What stands against reading a metaphase, in numbers: pure functions on arrays and regions.

Lengths are in chromosome widths (w), so that nothing depends on the magnification; every number grows with what is
wrong. All of them stay the same when the image is turned by quarter turns or mirrored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull

from karyonet.case import Chromosome, Metaphase
from karyonet.geometry.region import Region
from karyonet.geometry.shape import measure_scale

from .surroundings import distance_to, find_nuclei, straight_edges

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

DIPLOID = 46
"""Chromosomes of a human cell."""
REBLUR = (0.08, 0.16)
"""By how much an image is blurred to see how blurred it was: standard deviations (w)."""


@dataclass(frozen=True)
class QualityFeatures:
    """What stands against a metaphase.

    Attributes:
        missing: chromosomes that a set of 46 lacks, as a share of it.
        surplus: chromosomes beyond 46, as a share of 46.
        clustered: share of the chromosomes that were found in a cluster with others.
        overlapping: share of the chromosomes' pixels that belong to several.
        cut: share of the chromosomes that reach the border of the image.
        large: share of the chromosomes' area in objects of more than 2.5 times the median area.
        small: share of the objects with less than 0.26 of the median area.
        blur: standard deviation of the blur at the chromosomes' edges (w).
        crowding: share of the convex hull of all chromosomes that they cover.
        nucleus: share of the chromosomes that lie within half a chromosome width of a nucleus.
        patches: length of straight, sharp edges in the background (w).
        haze: stain of the background around the chromosomes, noise included, relative to theirs.
    """

    missing: float
    surplus: float
    clustered: float
    overlapping: float
    cut: float
    large: float
    small: float
    blur: float
    crowding: float
    nucleus: float
    patches: float
    haze: float

    def as_array(self) -> NDArray[np.float64]:
        """The numbers in the order of :data:`FEATURES`: float64, shape (12,)."""
        return np.array(astuple(self), dtype=np.float64)


FEATURES: tuple[str, ...] = tuple(field.name for field in fields(QualityFeatures))


def measure(metaphase: Metaphase) -> QualityFeatures | None:
    """Measure a metaphase whose chromosomes were found; None where there are none.

    Args:
        metaphase: with ``foreground`` and ``chromosomes``, their ``region`` and ``cluster``.
    """
    chromosomes, density = [c for c in metaphase.chromosomes if not c.doubtful], metaphase.optical_density
    if not chromosomes:
        return None
    regions = [chromosome.region for chromosome in chromosomes]
    scale = measure_scale(regions, density)
    owners = count_owners(density.shape, regions)
    stained = owners > 0
    outside = ~stained if metaphase.foreground is None else ~(stained | metaphase.foreground)
    dark = stained | (ndimage.gaussian_filter(density, 0.06 * scale.width) > 0.35 * scale.density)
    background = distance_to(dark) > 0.4 * scale.width
    around = background & (distance_to(stained) < 2 * scale.width)
    nuclei = find_nuclei(dark & outside, scale.width)
    areas = np.array([region.area for region in regions], dtype=np.float64)
    return QualityFeatures(
        missing=max(DIPLOID - len(chromosomes), 0) / DIPLOID,
        surplus=max(len(chromosomes) - DIPLOID, 0) / DIPLOID,
        clustered=clustered_share(chromosomes),
        overlapping=float((owners > 1).sum() / max(stained.sum(), 1)),
        cut=float(np.mean([reaches_border(region, density.shape) for region in regions])),
        large=float(areas[areas > 2.5 * np.median(areas)].sum() / areas.sum()),
        small=float(np.mean(areas < 0.26 * np.median(areas))),
        blur=edge_blur(metaphase.grey, stained, scale.width) / scale.width,
        crowding=float(stained.sum() / hull_area(stained)),
        nucleus=near_share(regions, nuclei, 0.5 * scale.width),
        patches=straight_edges(metaphase.grey, background, scale.width) / scale.width,
        haze=haze_between(density[around]) / scale.density,
    )


def clustered_share(chromosomes: Sequence[Chromosome]) -> float:
    """Share of the chromosomes whose cluster holds more than one, 0–1; at least one chromosome."""
    sizes = Counter(chromosome.cluster for chromosome in chromosomes if chromosome.cluster is not None)
    return sum(size for size in sizes.values() if size > 1) / len(chromosomes)


def count_owners(shape: tuple[int, ...], regions: Sequence[Region]) -> NDArray[np.int32]:
    """How many regions hold each pixel: int32, of the given shape (height, width)."""
    owners = np.zeros(shape, dtype=np.int32)
    for region in regions:
        owners[region.slices] += region.mask
    return owners


def reaches_border(region: Region, shape: tuple[int, ...]) -> bool:
    """Whether a region touches the border of an image of ``shape`` (height, width)."""
    xmin, ymin, xmax, ymax = region.bbox
    mask, (height, width) = region.mask, shape
    return bool(
        (ymin <= 0 and mask[-ymin].any())
        or (xmin <= 0 and mask[:, -xmin].any())
        or (ymax >= height and mask[height - 1 - ymin].any())
        or (xmax >= width and mask[:, width - 1 - xmin].any())
    )


def edge_blur(grey: FloatArray, stained: BoolArray, width: float) -> float:
    """Standard deviation in pixels of the blur that the outlines of the chromosomes show.

    The image is blurred twice by known amounts. At a step that was blurred by s before, the slope goes with
    1 / sqrt(s² + known²), so that the ratio of the two slopes gives s whatever the height of the step (Hu & de Haan,
    ICIP 2006). The steepest slopes near every pixel of the outline are compared; the median over the outline counts.
    The amounts go with the width of the chromosomes: the size of the image does not matter.

    Args:
        grey: float32, shape (height, width), light on dark or dark on light.
        stained: bool, same shape: the chromosomes, at least one pixel.
        width: of a chromosome, in pixels.
    """
    outline = stained & ~ndimage.binary_erosion(stained, border_value=1)
    if not outline.any():
        return 0.0
    reach = 2 * max(1, round(0.2 * width)) + 1
    little, more = (amount * width for amount in REBLUR)
    first, second = (
        ndimage.maximum_filter(ndimage.gaussian_gradient_magnitude(grey, amount), size=reach)[outline]
        for amount in (little, more)
    )
    ratio = np.clip(first.astype(np.float64) / np.maximum(second, 1e-6), 1.001, None)
    return float(np.sqrt(np.median(np.clip((more**2 - ratio**2 * little**2) / (ratio**2 - 1), 0, None))))


def hull_area(stained: BoolArray) -> float:
    """Area in pixels of the convex hull of a mask with at least one pixel."""
    rows = np.flatnonzero(stained.any(axis=1))
    first = stained[rows].argmax(axis=1)
    last = stained.shape[1] - stained[rows][:, ::-1].argmax(axis=1)
    corners = [
        (row + down, column) for down in (0, 1) for row, column in zip((*rows, *rows), (*first, *last), strict=True)
    ]
    return float(ConvexHull(corners).volume)  # of whole pixels, which never lie on one line


def haze_between(background: FloatArray) -> float:
    """The 84th percentile of the stain of background pixels: its median and, above that, one standard deviation.

    Args:
        background: float32, shape (n,), optical densities; 0.0 is returned where there are none.
    """
    return float(np.percentile(background, 84)) if background.size else 0.0


def near_share(regions: Sequence[Region], objects: BoolArray, distance: float) -> float:
    """Share of the regions with a pixel within ``distance`` pixels of a mask: 0–1; at least one region."""
    if not objects.any():
        return 0.0
    near = distance_to(objects) <= distance
    return float(np.mean([(near[region.slices] & region.mask).any() for region in regions]))
