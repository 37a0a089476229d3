"""The skeleton of a mask as a graph: arms between nodes, at the scale of a chromosome."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import skeletonize

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


def skeleton_graph(mask: NDArray[np.bool_], width: float) -> SkeletonGraph:
    """The skeleton of a cluster as arms between nodes, without spurs and with close branch points merged.

    Args:
        mask: bool, shape (height, width), one connected object.
        width: width of a chromosome in pixels.
    """
    skeleton = skeletonize(np.pad(mask, 1))  # type: ignore[no-untyped-call]
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
        skeleton = skeletonize(skeleton)  # type: ignore[no-untyped-call]
    graph = _trace(skeleton, width)
    for arm in graph.arms:
        arm.pixels = arm.pixels - 1
    graph.nodes = [node - 1 for node in graph.nodes]
    return graph


def _trace(skeleton: NDArray[np.bool_], width: float) -> SkeletonGraph:
    neighbours = ndimage.convolve(skeleton.astype(np.int8), EIGHT.astype(np.int8), mode="constant") - 1
    branch = skeleton & (neighbours >= 3)
    pieces, _ = ndimage.label(skeleton & ~branch, EIGHT)
    groups, group_count = ndimage.label(branch, EIGHT)
    parent = list(range(group_count + 1))

    def root(node: int) -> int:
        while parent[node] != node:
            node = parent[node]
        return node

    traced: list[tuple[NDArray[np.int64], list[int]]] = []
    for number, box in enumerate(ndimage.find_objects(pieces), start=1):
        local = np.argwhere(pieces[box] == number) + np.array([box[0].start, box[1].start])
        pixels = _in_order(local)
        ends = [_touching(groups, pixels[0]), _touching(groups, pixels[-1])]
        if len(pixels) == 1:
            around = [int(v) for v in np.unique(_window(groups, pixels[0])) if v]
            ends = [*around, 0, 0][:2]
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
