"""The objects of a karyogram's picture: chromosomes, and everything else that is printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, label
from scipy.sparse.csgraph import connected_components
from skimage.segmentation import watershed

from karyonet.case import LABELS
from karyonet.data.boxes import components_of
from karyonet.errors import DataError
from karyonet.geometry.region import Region

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

MOST_OBJECTS = 6000
"""Objects in a picture; one with more of them is noise or a photograph."""
_SEX_LIKE = {"X": 7, "Y": 21}
"""The autosomes that are about as large."""


def chromosomes_and_marks(
    foreground: BoolArray, depth: FloatArray, path: str | Path = "the picture"
) -> tuple[list[Region], list[Region]]:
    """Tell the chromosomes from everything else that is printed.

    Chromosomes are all about as wide, hold most of the ink, and are far thicker than the strokes of letters. Pieces of
    one that lie in line are put together.

    Args:
        foreground: bool, shape (height, width), without lines.
        depth: float32, shape (height, width), from :func:`stain`.
        path: for error messages.

    Raises:
        DataError: K408 if there are no chromosomes, or far too many objects.
    """
    objects = components_of(foreground, smallest=6)
    if not 1 <= len(objects) <= MOST_OBJECTS:
        raise no_karyogram(path, f"it has {len(objects)} objects")
    thickness = np.array([_half_width(region) for region in objects])
    area = np.array([region.area for region in objects], dtype=float)
    side = np.array([max(region.mask.shape) for region in objects], dtype=float)
    half = _weighted_median(thickness, area)
    thick = (thickness >= 0.45 * half) & (thickness <= 4 * half)
    thick &= np.array([not _flat(region, depth) for region in objects])
    if not thick.any():
        raise no_karyogram(path, "it has no objects like chromosomes")
    large = thick & (side >= 0.18 * _weighted_median(side[thick], area[thick]))
    large &= area >= 0.06 * _weighted_median(area[thick], area[thick])
    pieces = np.flatnonzero(thick)
    bodies = _joined([objects[piece] for piece in pieces], large[pieces].tolist())
    used = {pieces[member] for members in bodies for member in members}
    chromosomes = [_union([objects[pieces[member]] for member in members]) for members in bodies]
    return chromosomes, [region for number, region in enumerate(objects) if number not in used]


def _half_width(region: Region) -> float:
    return float(distance_transform_edt(np.pad(region.mask, 1)).max())


def _flat(region: Region, depth: FloatArray) -> bool:
    """Whether the inside of an object has one tone, as that of lettering and marks has, and that of chromosomes not."""
    inside = distance_transform_edt(np.pad(region.mask, 1))[1:-1, 1:-1] > 2
    if not inside.any():
        return False
    low, high = np.percentile(depth[region.slices][inside], (20, 80))
    return bool(high - low < 0.012)


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def _joined(pieces: Sequence[Region], large: Sequence[bool]) -> list[list[int]]:
    """Which pieces lie one above the other with hardly a gap; groups without a large one are left out."""
    if not pieces:
        return []
    boxes = np.array([piece.bbox for piece in pieces], dtype=float)
    left, top, right, bottom = boxes.T
    width = right - left
    usual = float(np.median(width))
    shared = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
    gap = np.maximum(top[:, None], top) - np.minimum(bottom[:, None], bottom)
    _, group = connected_components((shared >= 0.6 * np.minimum(width[:, None], width)) & (gap <= 0.2 * usual))
    groups = [np.flatnonzero(group == number).tolist() for number in range(int(group.max()) + 1)]
    return [members for members in groups if any(large[member] for member in members)]


def _union(regions: Sequence[Region]) -> Region:
    if len(regions) == 1:
        return regions[0]
    left, top = min(region.bbox[0] for region in regions), min(region.bbox[1] for region in regions)
    right, bottom = max(region.bbox[2] for region in regions), max(region.bbox[3] for region in regions)
    mask = np.zeros((bottom - top, right - left), dtype=bool)
    for region in regions:
        rows, columns = region.slices
        mask[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] |= region.mask
    return Region((left, top, right, bottom), mask)


def touching_parted(slots: Mapping[str, Sequence[Region]]) -> dict[str, list[Region]]:
    """The chromosomes of every slot, those that touch side by side each for itself.

    Two that touch cover far more pixels than a chromosome of nearly the same number, whichever way it is bent.

    Args:
        slots: regions by label.

    Returns:
        Regions by label, in the order of :data:`karyonet.case.LABELS`, from left to right.
    """
    place = {name: _SEX_LIKE.get(name, number) for number, name in enumerate(LABELS, start=1)}
    parted: dict[str, list[Region]] = {}
    for name in sorted(slots, key=LABELS.index):
        parted[name] = []
        for region in slots[name]:
            near = [r for other, rs in slots.items() if abs(place[other] - place[name]) <= 2 for r in rs]
            usual = [other for other in near if other is not region]
            if usual and region.area >= 1.5 * float(np.median([other.area for other in usual])):
                parted[name] += _parted(region)
            else:
                parted[name].append(region)
    return parted


def _parted(region: Region) -> list[Region]:
    """The upright pieces that touch side by side, from left to right; anything else as it is."""
    height = region.mask.shape[0]
    distance = distance_transform_edt(np.pad(region.mask, 1))[1:-1, 1:-1]
    for share in (0.3, 0.45, 0.6, 0.75):
        cores, count = label(distance > share * distance.max())
        sizes = np.bincount(cores.ravel(), minlength=count + 1)[1:]
        kept = 1 + np.flatnonzero(sizes >= 0.15 * sizes.sum())
        if kept.size < 2:
            continue
        parts = watershed(-distance, np.where(np.isin(cores, kept), cores, 0), mask=region.mask)
        found = [Region.from_mask(parts == number, region.bbox[:2]) for number in kept]
        found.sort(key=lambda part: part.bbox[0] + part.bbox[2])
        apart = np.diff([(part.bbox[0] + part.bbox[2]) / 2 for part in found])
        if all(part.mask.shape[0] >= 0.4 * height for part in found) and apart.min() >= distance.max():
            return found
    return [region]


def no_karyogram(path: str | Path, reason: str) -> DataError:
    """The error K408."""
    return DataError("K408", path=path, reason=reason)
