"""Chromosomes that cross or lie end to side: arms of the skeleton, paired where they go straight on.

The skeleton of a cluster meets in nodes where chromosomes cross (four arms) or where one ends at another's side
(three arms). At every node the two arms that go straight on belong to one chromosome. A crossing belongs to both
chromosomes; this is the classical construction of Ji (Pattern Recognition Letters 8, 1988) on the medial axis.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from karyonet.geometry.skeleton import EIGHT, arm_directions, pair_arms, skeleton_graph

BoolArray = NDArray[np.bool_]


def separate_overlapping(mask: BoolArray, width: float, smallest: float = 0.0) -> list[BoolArray]:
    """Full masks of the chromosomes of a cluster, by its skeleton.

    Args:
        mask: bool, shape (height, width), one connected object.
        width: width of a chromosome in pixels.
        smallest: pieces of a smaller area (squared chromosome widths) go to the neighbour they touch most.

    Returns:
        masks of the same shape; pixels of a crossing are in both masks. ``[mask]`` where no node is found.
    """
    graph = skeleton_graph(mask, width)
    if not graph.nodes or len(graph.arms) < 2:
        return [mask]
    owner = list(range(len(graph.arms)))

    def root(arm: int) -> int:
        while owner[arm] != arm:
            arm = owner[arm]
        return arm

    through: list[list[int]] = []
    for node in range(len(graph.nodes)):
        leaving = arm_directions(graph, node, width)
        passing: list[int] = []
        for i, j in pair_arms([direction for _, _, direction in leaving]):
            first, second = root(leaving[i][0]), root(leaving[j][0])
            owner[max(first, second)] = min(first, second)
            passing.append(leaving[i][0])
        through.append(passing)

    markers = np.zeros(mask.shape, dtype=np.int32)
    for number, arm in enumerate(graph.arms):
        markers[tuple(arm.pixels.T)] = root(number) + 1
    for node, pixels in enumerate(graph.nodes):
        if not through[node]:
            continue
        # Until the crossing is given to all that pass, it goes to the first that passes.
        markers[tuple(pixels.T)] = root(through[node][0]) + 1
    nearest = ndimage.distance_transform_edt(markers == 0, return_distances=False, return_indices=True)
    territory = np.where(mask, markers[tuple(nearest)], 0)
    masks: dict[int, BoolArray] = {
        number: territory == number + 1 for number in {root(a) for a in range(len(graph.arms))}
    }
    grid = np.indices(mask.shape)
    for node in range(len(graph.nodes)):
        passing = [root(arm) for arm in through[node]]
        if len(set(passing)) < 2:
            continue
        for number in set(passing):
            ends = [arm for arm in range(len(graph.arms)) if root(arm) == number and node in graph.arms[arm].ends]
            # The chromosome runs through the crossing as a band between its two arms.
            tips = [graph.arms[arm].pixels[0 if graph.arms[arm].ends[0] == node else -1] for arm in ends[:2]]
            if len(tips) == 2:
                masks[number] |= mask & (_to_segment(grid, tips[0], tips[1]) <= 0.5 * width)
    pieces = [piece for piece in (_largest(piece) for piece in masks.values()) if piece.any()]
    return merge_small(pieces, smallest * width**2)


def merge_small(pieces: list[BoolArray], smallest: float) -> list[BoolArray]:
    """Give pieces of fewer than ``smallest`` pixels to the neighbour that they touch most."""
    pieces = list(pieces)
    while len(pieces) > 1:
        areas = [int(piece.sum()) for piece in pieces]
        least = int(np.argmin(areas))
        if areas[least] >= smallest:
            break
        piece = pieces.pop(least)
        grown = ndimage.binary_dilation(piece, EIGHT)
        contact = [int((grown & other).sum()) for other in pieces]
        if max(contact) > 0:
            neighbour = int(np.argmax(contact))
            pieces[neighbour] = pieces[neighbour] | piece
    return pieces


def _to_segment(grid: NDArray[np.int_], start: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.float64]:
    """Distance in pixels of every pixel to a segment; ``grid`` is the output of ``np.indices``."""
    along = (stop - start).astype(float)[:, None, None]
    offset = grid - start[:, None, None]
    position = np.clip((offset * along).sum(axis=0) / max(float((along**2).sum()), 1e-9), 0, 1)
    return np.asarray(np.hypot(*(offset - position * along)))


def _largest(mask: BoolArray) -> BoolArray:
    labels, count = ndimage.label(mask, EIGHT)
    if count < 2:
        return mask
    return np.asarray(labels == 1 + np.argmax(np.bincount(labels.ravel())[1:]), dtype=bool)
