"""Which of the possible separations of a cluster to take.

A piece that is one chromosome with probability p adds p - c to the value of a separation. With c half the best F1 in
reach, the separation of the highest value has the highest expected F1 (Ye et al., ICML 2012); below that a further
piece costs more in false chromosomes than it brings.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .overlapping import separate_overlapping
from .touching import candidate_cuts, cut

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float32]
Plausibility = Callable[[BoolArray], float]

SURE = 0.9
"""A piece at least this probable is not cut any further."""
HOPELESS = 0.25
"""A piece less probable than this is certainly several chromosomes or none: a good cut is made even where its pieces
are not yet plausible."""
CUTS_TRIED = 5
DEEPEST = 12


def separate(
    mask: BoolArray,
    optical_density: FloatArray,
    width: float,
    plausibility: Plausibility,
    smallest: float = 1.0,
    worst_cut: float = 0.0,
    cost: float = 0.4,
) -> list[BoolArray]:
    """The chromosomes of a cluster: first its crossings are taken apart, then what touches is cut.

    Args:
        mask: bool, shape (height, width), one connected object.
        optical_density: float32, same shape.
        width: width of a chromosome in pixels.
        plausibility: probability that a mask of the same shape is one chromosome.
        smallest: least area of a piece in squared chromosome widths; smaller ones go back to their neighbour.
        worst_cut: cuts with a higher score (:func:`candidate_cuts`) are not considered.
        cost: of a piece, 0–1.

    Returns:
        full masks of the same shape; pixels of a crossing are in all that cross there.
    """
    probability = plausibility(mask)
    if probability >= SURE:
        return [mask]
    pieces = separate_overlapping(mask, width, smallest)
    if len(pieces) > 1:
        found = [(piece, plausibility(piece)) for piece in pieces]
        if probability < HOPELESS or _value(found, cost) > probability - cost:
            return [
                part
                for piece, p in found
                for part in _cut(piece, optical_density, width, plausibility, p, smallest, worst_cut, cost, DEEPEST)
            ]
    return _cut(mask, optical_density, width, plausibility, probability, smallest, worst_cut, cost, DEEPEST)


def _value(pieces: list[tuple[BoolArray, float]], cost: float) -> float:
    return sum(probability - cost for _, probability in pieces)


def _cut(
    mask: BoolArray,
    optical_density: FloatArray,
    width: float,
    plausibility: Plausibility,
    probability: float,
    smallest: float,
    worst_cut: float,
    cost: float,
    depth: int,
) -> list[BoolArray]:
    """Cut a piece in two where that raises the value, and each half again."""
    if probability >= SURE or depth == 0 or mask.sum() < 2 * smallest * width**2:
        return [mask]
    best: list[tuple[BoolArray, float]] = [(mask, probability)]
    best_value = probability - cost
    if probability < HOPELESS:
        best_value = -2 * cost  # anything better than two hopeless halves
    tried = 0
    for score, start, stop in candidate_cuts(mask, optical_density, width):
        if score > worst_cut or tried == CUTS_TRIED:
            break
        halves = cut(mask, optical_density, start, stop, width)
        if halves is None or min(half.sum() for half in halves) < smallest * width**2:
            continue
        tried += 1
        found = [(half, plausibility(half)) for half in halves]
        value = _value(found, cost)
        if value > best_value:
            best, best_value = found, value
    if len(best) == 1:
        return [mask]
    return [
        part
        for half, p in best
        for part in _cut(half, optical_density, width, plausibility, p, smallest, worst_cut, cost, depth - 1)
    ]
