"""Straightening: a bent chromosome becomes an upright strip, by sampling along the normals of its axis.

Nothing is invented: every value of a strip is an interpolated value of the image, at the image's pixel pitch.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, gaussian_filter1d, map_coordinates

from karyonet.errors import ArrayError
from karyonet.geometry.axis import Axis, medial_axis, principal_axis
from karyonet.geometry.curve import normals_of, own_stretch
from karyonet.geometry.folds import folded_axes
from karyonet.geometry.profiles import left_right_profiles
from karyonet.geometry.region import Region
from karyonet.geometry.strip import Strip

FloatArray = NDArray[np.float32]
_EIGHT_CONNECTED = np.ones((3, 3), dtype=bool)
_PAD = 4
_DOUBTFUL, _BETTER = 0.25, 0.08
"""Unevenness from which a strip may be that of a folded chromosome, and by how much that one has to be less uneven."""
_INSIDE = 0.499
"""Interpolated mask above which a sample is inside: samples halfway between two pixels are, whatever the rounding."""


def straighten(
    optical_density: FloatArray,
    region: Region,
    hidden: NDArray[np.bool_] | None = None,
    margin: float = 2.0,
    usual: float | None = None,
) -> Strip:
    """Straighten one chromosome.

    Args:
        optical_density: float32, shape (height, width): the whole image; 0 is background.
        region: the chromosome's pixels. Everything else is 0 in the strip, so that neighbours do not intrude.
        hidden: bool, shape (height, width): pixels that show another chromosome as well. Rows of which they cover
            more than half are not valid.
        margin: pixels left free on both sides of the chromosome's width.
        usual: half width of the chromosomes of the image in pixels, by which a folded one is recognised, see
            :func:`karyonet.geometry.folds.usual_half_width`; None follows the outline alone.

    Returns:
        The strip; its width is odd, its middle column the axis. Profiles are in optical density as given.

    Raises:
        ArrayError: K501 if the arrays do not fit each other, K502 if the region is empty.
    """
    _check(optical_density, region, hidden)

    def sampled(axis: Axis) -> _Sampled:
        reach = int(np.ceil(max(3.0 * axis.half_width, 4.0)))
        return _Sampled(axis, *_along(axis, uncrossed_normals(axis), reach, optical_density, region, hidden, margin))

    chosen = sampled(medial_axis(region.mask))
    if usual is not None and (uneven := chosen.unevenness(usual)) > _DOUBTFUL:
        others = [sampled(axis) for axis in folded_axes(region.mask, optical_density[region.slices], usual)]
        best = min(others, key=lambda other: other.unevenness(usual), default=chosen)
        if best.unevenness(usual) < uneven - _BETTER:
            chosen = best
    return replace(chosen.strip, confidence=_confidence(chosen.axis, chosen.body, region.area))


class _Sampled(NamedTuple):
    """What lies along an axis; ``body`` says which samples of the strip's full reach are the chromosome."""

    axis: Axis
    strip: Strip
    body: NDArray[np.bool_]

    def unevenness(self, usual: float) -> float:
        """How little the rows look like those of one straight chromosome: their widths differ, or are not the usual."""
        widths = self.body.sum(axis=1)
        tips = len(widths) // 10
        widths = widths[tips : len(widths) - tips]
        spread = float(widths.std() / max(float(widths.mean()), 1e-6))
        return spread + 0.5 * abs(float(np.log(self.axis.half_width / usual)))


def turn_upright(
    optical_density: FloatArray, region: Region, hidden: NDArray[np.bool_] | None = None, margin: float = 2.0
) -> Strip:
    """Cut one chromosome out and turn it until its long axis stands upright; what is bent stays bent.

    Args, returns and errors as of :func:`straighten`, but the width holds the whole chromosome and the confidence is
    that of its long axis alone.
    """
    _check(optical_density, region, hidden)
    axis = principal_axis(region.mask)
    reach = int(np.ceil(np.hypot(*region.mask.shape)))
    return _along(axis, axis.normals.astype(np.float64), reach, optical_density, region, hidden, margin)[0]


def _along(
    axis: Axis,
    normals: NDArray[np.float64],
    reach: int,
    optical_density: FloatArray,
    region: Region,
    hidden: NDArray[np.bool_] | None,
    margin: float,
) -> tuple[Strip, NDArray[np.bool_]]:
    """What lies along an axis within ``reach`` pixels, and which pixels of it are the chromosome."""
    mask, wider, density = _crop(optical_density, region)
    points = axis.points.astype(np.float64) + _PAD
    positions = _positions(points, normals, reach)
    own = own_stretch(points, positions, max(axis.half_width, 2.0))
    body = (map_coordinates(mask.astype(np.float32), positions, order=1) > _INSIDE) & own

    half = min(int(np.ceil(_half_width(body) + margin)), reach)
    window = slice(reach - half, reach + half + 1)
    positions = positions[:, :, window]
    # One more pixel than the mask keeps the soft edge of the chromosome.
    coverage = (map_coordinates(wider.astype(np.float32), positions, order=1) > _INSIDE) & own[:, window]
    sampled = map_coordinates(density, positions, order=3, mode="nearest")
    sampled = np.clip(sampled, min(float(density.min()), 0.0), float(density.max()))  # cubic overshoot
    strip = np.where(coverage, sampled, 0.0).astype(np.float32)

    valid = np.ones(len(points), dtype=bool)
    body = body[:, window]
    if hidden is not None:
        covered = _crop(hidden.astype(np.float32), region)[2]
        overlapped = (map_coordinates(covered, positions, order=1) > _INSIDE) & body
        valid = overlapped.sum(axis=1) <= 0.5 * body.sum(axis=1)
    return Strip(
        optical_density=strip,
        valid=valid,
        profiles=left_right_profiles(strip, body),
        axis=(axis.points + np.array([region.bbox[1], region.bbox[0]], dtype=np.float32)).astype(np.float32),
        confidence=axis.confidence,
    ), body


def uncrossed_normals(axis: Axis) -> NDArray[np.float64]:
    """Normals that do not cross within the chromosome: headings smoothed until no bend is tighter than the half width.

    Returns:
        float64, shape (n, 2).
    """
    heading = np.unwrap(np.arctan2(axis.tangents[:, 1], axis.tangents[:, 0]).astype(np.float64))
    limit = 0.9 / max(axis.half_width, 1.0)
    smooth, sigma = heading, 0.5 * axis.half_width
    while len(heading) > 2 and np.abs(np.diff(smooth)).max() > limit and sigma < 8.0 * axis.half_width:
        smooth, sigma = gaussian_filter1d(heading, sigma, mode="nearest"), 1.5 * sigma
    return normals_of(np.stack([np.cos(smooth), np.sin(smooth)], axis=1))


def _check(optical_density: FloatArray, region: Region, hidden: NDArray[np.bool_] | None) -> None:
    if optical_density.ndim != 2:
        raise ArrayError(
            "K501", what="optical_density", expected="shape (height, width)", actual=f"shape {optical_density.shape}"
        )
    xmin, ymin, xmax, ymax = region.bbox
    height, width = optical_density.shape
    if xmin < 0 or ymin < 0 or xmax > width or ymax > height:
        raise ArrayError("K501", what="region", expected=f"inside an image of {width}x{height}", actual=region.bbox)
    if hidden is not None and hidden.shape != optical_density.shape:
        raise ArrayError(
            "K501", what="hidden", expected=f"shape {optical_density.shape}", actual=f"shape {hidden.shape}"
        )


def _crop(image: FloatArray, region: Region) -> tuple[NDArray[np.bool_], NDArray[np.bool_], FloatArray]:
    """Mask, mask with one more pixel around, and image, all cropped to a region and padded by ``_PAD``.

    The image is kept two pixels around the region, what samples on its soft edge are interpolated from, and 0 beyond.
    The wider mask ends where the image ends.
    """
    xmin, ymin, xmax, ymax = region.bbox
    height, width = image.shape
    top, left, bottom, right = (
        max(ymin - _PAD, 0),
        max(xmin - _PAD, 0),
        min(ymax + _PAD, height),
        min(xmax + _PAD, width),
    )
    place = ((top - ymin + _PAD, ymax + _PAD - bottom), (left - xmin + _PAD, xmax + _PAD - right))
    mask = np.pad(region.mask, _PAD)
    wider = binary_dilation(mask, _EIGHT_CONNECTED)
    around = np.pad(image[top:bottom, left:right].astype(np.float32), place, mode="edge")
    around[~binary_dilation(wider, _EIGHT_CONNECTED)] = 0.0
    wider &= np.pad(np.ones((bottom - top, right - left), dtype=bool), place)
    return mask, wider, around


def _positions(points: NDArray[np.float64], normals: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Rows and columns of the samples, shape (2, n, 2 reach + 1)."""
    offsets = np.arange(-reach, reach + 1.0)
    return points.T[:, :, None] + normals.T[:, :, None] * offsets


def _half_width(body: NDArray[np.bool_]) -> float:
    """98th percentile over the rows of how far the body reaches from the axis, in pixels."""
    reach = body.shape[1] // 2
    offsets = np.abs(np.arange(-reach, reach + 1))
    farthest = (body * (offsets + 0.5)).max(axis=1)
    return float(np.quantile(farthest, 0.98))


def _confidence(axis: Axis, body: NDArray[np.bool_], area: int) -> float:
    """The axis' confidence, less for tight bends and for a strip that shows less, or more, than the mask holds."""
    heading = np.unwrap(np.arctan2(axis.tangents[:, 1], axis.tangents[:, 0]))
    curvature = np.abs(np.diff(heading))
    tightest = float(curvature.max()) * axis.half_width if curvature.size else 0.0
    bend = np.clip(1.6 - tightest, 0.2, 1.0)
    # Rows fan out on the outer side of a bend: weigh every pixel with the area that it stands for. Pixels far beyond
    # the usual width are no part of this chromosome, but of one that was not separated from it, or of its other arm.
    offsets = np.arange(body.shape[1]) - body.shape[1] // 2
    usual = 1.5 * float(np.median((body * (np.abs(offsets) + 0.5)).max(axis=1))) + 1.0
    turning = np.gradient(heading) if len(heading) > 1 else np.zeros(1)
    shown = float((body * (np.abs(offsets) <= usual) * np.clip(1.0 - np.outer(turning, offsets), 0.0, 2.0)).sum())
    conserved = min(shown / area, area / shown) if shown > 0 else 0.0
    return float(np.clip(axis.confidence * bend * np.clip((conserved - 0.6) / 0.38, 0.0, 1.0), 0.0, 1.0))
