"""Chromosomes that touch: cuts between concave points of the outline along the path of least optical density.

After Ji, "Fully automatic chromosome segmentation", Cytometry 17, 1994: where two chromosomes touch, the outline of
their cluster is concave on both sides of the contact and the stain is thinner along it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.graph import route_through_array

from karyonet.geometry.outline import LEAST_TURN, concave_points, spacing

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float32]
Points = NDArray[np.float64]

LONGEST_CUT = 1.5
"""A cut is at most this long (chromosome widths)."""
SHORTEST_ARC = 1.5
"""Along the outline, the two ends of a cut are at least this share of its length apart."""
SMALLEST_PIECE = 1.3
"""Least area of a piece (squared chromosome widths)."""


def candidate_cuts(mask: BoolArray, optical_density: FloatArray, width: float) -> list[tuple[float, Points, Points]]:
    """Cuts between two concave points, or from a sharp one to the opposite outline, best first.

    The score (lower is better) is the length in chromosome widths, times the stain on the way relative to the median
    of the mask, less the sharpness of both ends.

    Returns:
        (score, start, stop), row and column of both ends.
    """
    outlines = concave_points(mask, width)
    if not outlines:
        return []
    points = np.concatenate([outline[0] for outline in outlines])
    turn = np.concatenate([outline[1] for outline in outlines])
    concave = np.concatenate([outline[2] for outline in outlines])
    contour = np.repeat(np.arange(len(outlines)), [len(outline[0]) for outline in outlines])
    position = np.concatenate([np.arange(len(outline[0])) for outline in outlines])
    number = np.bincount(contour)
    typical = max(float(np.median(optical_density[mask])), 1e-6)
    cuts = []
    starts = np.flatnonzero(concave)
    for order, i in enumerate(starts):
        chord = np.hypot(*(points - points[i]).T)
        apart = np.abs(position - position[i])
        arc = np.where(contour == contour[i], np.minimum(apart, number[contour[i]] - apart) * spacing(width), np.inf)
        allowed = (chord <= LONGEST_CUT * width) & (arc >= np.maximum(SHORTEST_ARC * chord, 1.2 * width))
        partners = [j for j in starts[order + 1 :] if allowed[j]]
        if turn[i] > 1.6 * LEAST_TURN and allowed.any():
            # A T-shaped contact may show one concave point only: the nearest point of the outline opposite.
            partners.append(int(np.flatnonzero(allowed)[np.argmin(chord[allowed])]))
        for j in dict.fromkeys(partners):
            samples = np.linspace(points[i], points[j], max(3, int(chord[j]) + 1))[1:-1]
            rows, columns = np.clip(np.rint(samples).astype(int), 0, np.array(mask.shape) - 1).T
            if not mask[rows, columns].mean() > 0.7:
                continue
            stain = float(optical_density[rows, columns].mean()) / typical
            sharpness = min(turn[i], 1.5) + max(min(turn[j], 1.5), -0.3)
            cuts.append((chord[j] / width * (0.3 + stain) - 0.5 * sharpness, points[i], points[j]))
    return sorted(cuts, key=lambda cut: cut[0])


def cut(
    mask: BoolArray, optical_density: FloatArray, start: Points, stop: Points, width: float
) -> tuple[BoolArray, BoolArray] | None:
    """Cut a mask in two along the path of least optical density between two points of its outline.

    Returns:
        the two pieces, which together are the mask; None if the path does not part it.
    """
    margin = int(np.ceil(0.5 * width))
    ends = np.clip(np.rint(np.stack([start, stop])).astype(int), 0, np.array(mask.shape) - 1)
    low = np.maximum(ends.min(axis=0) - margin, 0)
    high = np.minimum(ends.max(axis=0) + margin + 1, mask.shape)
    crop = (slice(low[0], high[0]), slice(low[1], high[1]))
    inside = mask[crop]
    scale = max(float(optical_density[crop].max()), 1e-6)
    cost = np.where(inside, 0.15 + optical_density[crop] / scale, 0.6)
    path, _ = route_through_array(cost, ends[0] - low, ends[1] - low, fully_connected=True, geometric=True)  # type: ignore[no-untyped-call]
    line = np.zeros(mask.shape, dtype=bool)
    line[tuple((np.asarray(path) + low).T)] = True
    # The path is widened by its end points' neighbours only, so that it reaches the background.
    for end in ends:
        line[max(end[0] - 1, 0) : end[0] + 2, max(end[1] - 1, 0) : end[1] + 2] = True
    labels, count = ndimage.label(mask & ~line)  # four-connected: a diagonal path parts
    if count < 2:
        return None
    area = np.bincount(labels.ravel(), minlength=count + 1)
    area[0] = 0
    largest = np.argsort(-area)[:2]
    seeds = np.where(np.isin(labels, largest), labels, 0)
    nearest = ndimage.distance_transform_edt(seeds == 0, return_distances=False, return_indices=True)
    owner = seeds[tuple(nearest)]
    first, second = (mask & (owner == number) for number in largest)
    return first, second


def separate_touching(
    mask: BoolArray,
    optical_density: FloatArray,
    width: float,
    worst_score: float = 0.2,
    smallest: float = SMALLEST_PIECE,
    depth: int = 12,
) -> list[BoolArray]:
    """Cut a cluster into pieces, best cut first, as long as cuts are good and pieces large enough.

    Args:
        mask: bool, shape (height, width), one connected object.
        optical_density: float32, same shape.
        width: width of a chromosome in pixels.
        worst_score: cuts with a higher score (see :func:`candidate_cuts`) are not made.
        smallest: least area of a piece in squared chromosome widths.
        depth: at most this many cuts one inside the other.

    Returns:
        masks of the same shape, which together are the mask.
    """
    if depth == 0 or mask.sum() < 2 * smallest * width**2:
        return [mask]
    for score, start, stop in candidate_cuts(mask, optical_density, width):
        if score > worst_score:
            break
        pieces = cut(mask, optical_density, start, stop, width)
        if pieces is None or min(piece.sum() for piece in pieces) < smallest * width**2:
            continue
        return [
            part
            for piece in pieces
            for part in separate_touching(piece, optical_density, width, worst_score, smallest, depth - 1)
        ]
    return [mask]
