"""Chromosomes that cross or lie end to side: arms of the skeleton, paired where they go straight on.

The skeleton of a cluster meets in nodes where chromosomes cross (four arms) or where one ends at another's side
(three arms). At every node the two arms that go straight on belong to one chromosome. A crossing belongs to both
chromosomes; this is the classical construction of Ji (Pattern Recognition Letters 8, 1988) on the medial axis.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import skeletonize

BoolArray = NDArray[np.bool_]
Points = NDArray[np.float64]
EIGHT = np.ones((3, 3), dtype=int)

SHORTEST_ARM = 0.75
"""Arms shorter than this are spurs of the outline (chromosome widths)."""
MERGED_NODES = 1.3
"""Branch points closer than this are one crossing (chromosome widths)."""
TANGENT = (0.5, 1.8)
"""The direction of an arm is read between these distances from its node (chromosome widths)."""
STRAIGHT = np.deg2rad(130)
"""Two arms go straight on where their directions differ by at least this."""


@dataclass
class Arm:
    """A branch of the skeleton: its pixels in order, and the nodes at its two ends (-1 is a free end)."""

    pixels: NDArray[np.int64]
    ends: tuple[int, int]

    @property
    def length(self) -> float:
        """Arc length in pixels."""
        return float(np.hypot(*np.diff(self.pixels, axis=0).T).sum()) + 1.0


@dataclass
class SkeletonGraph:
    """Arms and nodes of a skeleton; a node is the set of its branch pixels, shape (n, 2)."""

    arms: list[Arm] = field(default_factory=list)
    nodes: list[NDArray[np.int64]] = field(default_factory=list)


def skeleton_graph(mask: BoolArray, width: float) -> SkeletonGraph:
    """The skeleton of a cluster as arms between nodes, without spurs and with close branch points merged.

    Args:
        mask: bool, shape (height, width), one connected object.
        width: width of a chromosome in pixels.
    """
    skeleton = skeletonize(np.pad(mask, 1))
    for _ in range(3):
        graph = _trace(skeleton, width)
        if not graph.nodes:
            break
        spurs = [arm for arm in graph.arms if (arm.ends.count(-1) == 1) and arm.length < SHORTEST_ARM * width]
        if not spurs:
            break
        # The shortest spur of every node goes first: the others may be the end of a chromosome once it is gone.
        shortest: dict[int, Arm] = {}
        for arm in spurs:
            node = max(arm.ends)
            if node not in shortest or arm.length < shortest[node].length:
                shortest[node] = arm
        for arm in shortest.values():
            skeleton[tuple(arm.pixels.T)] = False
        skeleton = skeletonize(skeleton)
    graph = _trace(skeleton, width)
    for arm in graph.arms:
        arm.pixels = arm.pixels - 1
    graph.nodes = [node - 1 for node in graph.nodes]
    return graph


def _trace(skeleton: BoolArray, width: float) -> SkeletonGraph:
    neighbours = ndimage.convolve(skeleton.astype(np.int8), EIGHT.astype(np.int8), mode="constant") - 1
    branch = skeleton & (neighbours >= 3)
    pieces, count = ndimage.label(skeleton & ~branch, EIGHT)
    groups, group_count = ndimage.label(branch, EIGHT)
    parent = list(range(group_count + 1))

    def root(node: int) -> int:
        while parent[node] != node:
            node = parent[node]
        return node

    traced: list[tuple[NDArray[np.int64], list[int]]] = []
    for number, box in enumerate(ndimage.find_objects(pieces), start=1):
        local = np.argwhere(pieces[box] == number) + [box[0].start, box[1].start]
        pixels = _in_order(local)
        ends = [_touching(groups, pixels[0]), _touching(groups, pixels[-1])]
        if len(pixels) == 1:
            around = [int(v) for v in np.unique(_window(groups, pixels[0])) if v]
            ends = (around + [0, 0])[:2]
        traced.append((pixels, ends))
    absorbed: list[list[NDArray[np.int64]]] = [[] for _ in range(group_count + 1)]
    arms: list[tuple[NDArray[np.int64], list[int]]] = []
    for pixels, ends in traced:
        if ends[0] and ends[1] and len(pixels) < MERGED_NODES * width:
            first, second = root(ends[0]), root(ends[1])
            parent[max(first, second)] = min(first, second)
            absorbed[ends[0]].append(pixels)
        else:
            arms.append((pixels, ends))
    roots = sorted({root(node) for node in range(1, group_count + 1)})
    number_of = {node: index for index, node in enumerate(roots)}
    members: list[list[NDArray[np.int64]]] = [[] for _ in roots]
    branch_pixels = np.argwhere(branch)
    for pixel, group in zip(branch_pixels, groups[branch], strict=True):
        members[number_of[root(int(group))]].append(pixel[None])
    for group in range(1, group_count + 1):
        members[number_of[root(group)]].extend(absorbed[group])
    graph = SkeletonGraph(nodes=[np.concatenate(pixels) for pixels in members])
    for pixels, ends in arms:
        first, second = (number_of[root(end)] if end else -1 for end in ends)
        graph.arms.append(Arm(pixels, (first, second)))
    return graph


def _window(image: NDArray[np.int32], pixel: NDArray[np.int64]) -> NDArray[np.int32]:
    row, column = pixel
    return image[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]


def _touching(groups: NDArray[np.int32], pixel: NDArray[np.int64]) -> int:
    return int(_window(groups, pixel).max())


def _in_order(pixels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The pixels of a path without branches from one end to the other."""
    if len(pixels) < 3:
        return pixels
    index = {(int(r), int(c)): number for number, (r, c) in enumerate(pixels)}
    steps = [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]
    beside = [[index[r + dr, c + dc] for dr, dc in steps if (r + dr, c + dc) in index] for r, c in index]
    current = next((number for number, near in enumerate(beside) if len(near) == 1), 0)
    order, seen = [current], {current}
    while True:
        following = next((number for number in beside[current] if number not in seen), None)
        if following is None:
            return pixels[order]
        order.append(following)
        seen.add(following)
        current = following


def arm_directions(graph: SkeletonGraph, node: int, width: float) -> list[tuple[int, int, Points]]:
    """Arms that leave a node: index of the arm, which of its ends it is, and its unit direction away from the node."""
    centre = graph.nodes[node].mean(axis=0)
    found = []
    for number, arm in enumerate(graph.arms):
        for end in (0, 1):
            if arm.ends[end] != node:
                continue
            outward = arm.pixels if end == 0 else arm.pixels[::-1]
            near = min(int(TANGENT[0] * width), len(outward) // 3)
            far = min(int(TANGENT[1] * width), len(outward) - 1)
            direction = outward[near : far + 1].mean(axis=0) - (outward[near] if far > near + 2 else centre)
            # The start of an arm is bent by the crossing itself: weigh the direction from the centre as well.
            direction = direction / max(np.linalg.norm(direction), 1e-9)
            radial = outward[far] - centre
            direction = direction + radial / max(np.linalg.norm(radial), 1e-9)
            found.append((number, end, direction / max(np.linalg.norm(direction), 1e-9)))
    return found


def pair_arms(directions: list[Points]) -> list[tuple[int, int]]:
    """Pairs of arms that go straight on, straightest first; each arm is used at most once."""
    if len(directions) < 2:
        return []
    unit = np.asarray(directions)
    angle = np.arccos(np.clip(unit @ unit.T, -1, 1))
    first, second = np.triu_indices(len(directions), 1)
    used: set[int] = set()
    pairs = []
    for k in np.argsort(-angle[first, second], kind="stable"):
        i, j = int(first[k]), int(second[k])
        if angle[i, j] >= STRAIGHT and i not in used and j not in used:
            used |= {i, j}
            pairs.append((i, j))
    return pairs


def separate_overlapping(mask: BoolArray, width: float) -> list[BoolArray]:
    """Full masks of the chromosomes of a cluster, by its skeleton.

    Args:
        mask: bool, shape (height, width), one connected object.
        width: width of a chromosome in pixels.

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

    distance = ndimage.distance_transform_edt(mask)
    markers = np.zeros(mask.shape, dtype=np.int32)
    for number, arm in enumerate(graph.arms):
        markers[tuple(arm.pixels.T)] = root(number) + 1
    for node, pixels in enumerate(graph.nodes):
        if not through[node]:
            continue
        # Until the crossing is given to all that pass, it goes to the first that passes.
        markers[tuple(pixels.T)] = root(through[node][0]) + 1
    # The distance to the skeleton less the radius there: a wide chromosome reaches further than a thin one.
    nearest = ndimage.distance_transform_edt(markers == 0, return_distances=False, return_indices=True)
    territory = np.where(mask, markers[tuple(nearest)], 0)
    masks: dict[int, BoolArray] = {number: territory == number + 1 for number in {root(a) for a in range(len(graph.arms))}}
    rows, columns = np.indices(mask.shape)
    for node, pixels in enumerate(graph.nodes):
        passing = [root(arm) for arm in through[node]]
        if len(set(passing)) < 2:
            continue
        for number in set(passing):
            ends = [arm for arm in range(len(graph.arms)) if root(arm) == number and node in graph.arms[arm].ends]
            # The chromosome runs through the crossing as a band between its two arms.
            tips = [graph.arms[arm].pixels[0 if graph.arms[arm].ends[0] == node else -1] for arm in ends[:2]]
            if len(tips) == 2:
                masks[number] |= mask & (_to_segment(rows, columns, tips[0], tips[1]) <= 0.5 * width)
        del pixels
    del distance
    return [piece for piece in (_largest(piece) for piece in masks.values()) if piece.any()]


def _to_segment(
    rows: NDArray[np.int64], columns: NDArray[np.int64], start: NDArray[np.int64], stop: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Distance of every pixel to a segment, in pixels."""
    along = (stop - start).astype(float)
    length = max(float(along @ along), 1e-9)
    position = np.clip(((rows - start[0]) * along[0] + (columns - start[1]) * along[1]) / length, 0, 1)
    return np.hypot(rows - start[0] - position * along[0], columns - start[1] - position * along[1])


def _largest(mask: BoolArray) -> BoolArray:
    labels, count = ndimage.label(mask, EIGHT)
    if count < 2:
        return mask
    return np.asarray(labels == 1 + np.argmax(np.bincount(labels.ravel())[1:]), dtype=bool)
