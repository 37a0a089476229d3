"""From the candidates of a metaphase to what the rescoring network is told of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from karyonet.case import FloatArray
from karyonet.geometry.region import box_iou, shared_pixels

from .detection import Boxes, whole_boxes
from .masks import BoxMasks, Drawn
from .rescoring_model import MEASURES, Evidence

NEAR = 1.5
"""Candidates whose middles are further apart, in median longer sides of the boxes, do not meet."""


def candidates_in(found: Boxes, masks: BoxMasks, density: FloatArray) -> tuple[Boxes, list[Drawn]]:
    """The candidates of which the mask network finds pixels, and those."""
    pixels = masks.drawn(density, whole_boxes(found.boxes), found.angles.tolist())
    kept = np.array([number for number, one in enumerate(pixels) if one is not None], dtype=np.int64)
    return found.take(kept), [one for one in pixels if one is not None]


def evidence(boxes: Boxes, drawn: Sequence[Drawn], relative_density: FloatArray, size: float) -> Evidence:
    """Measure the candidates of a metaphase.

    Args:
        boxes: n candidates, in pixels of the image.
        drawn: the pixels of each.
        relative_density: float32, shape (height, width); 1.0 is the mean density of the chromosomes.
        size: median of the longer sides of the chromosomes' boxes, in pixels.
    """
    count = len(boxes.scores)
    regions = [one.region for one in drawn]
    corners = boxes.boxes.astype(np.float64)
    middles, sides = (corners[:, :2] + corners[:, 2:]) / 2, np.maximum(corners[:, 2:] - corners[:, :2], 1.0)
    areas = np.array([region.area for region in regions], dtype=np.float64)
    tight = np.array([region.bbox for region in regions], dtype=np.float64).reshape(-1, 4)
    shared = shared_pixels(regions, regions) / np.maximum(areas, 1)[:, None]
    np.fill_diagonal(shared, 0)
    certain = np.clip(boxes.scores.astype(np.float64), 1e-3, 1 - 1e-3)
    logits = np.log(certain / (1 - certain))
    surer = logits[None, :] > logits[:, None]
    inner = [relative_density[region.slices][region.mask] for region in regions]
    height, width = relative_density.shape
    border = np.minimum(corners[:, :2].min(axis=1), (np.array([width, height]) - corners[:, 2:]).min(axis=1))
    measures = np.column_stack(
        [
            logits,
            np.log(sides / size),
            np.cos(2 * boxes.angles), np.sin(2 * boxes.angles),
            np.log(np.maximum(areas, 1) / size**2),
            areas / sides.prod(axis=1),
            [one.certainty for one in drawn],
            (tight - corners) * np.array([1, 1, -1, -1]) / size * 10,
            np.minimum((shared * surer).sum(axis=1), 2),
            np.minimum((shared * certain[None]).sum(axis=1), 2),
            np.clip(border / size, 0, 1),
            [float(values.mean()) if values.size else 0.0 for values in inner],
            [float(values.std()) if values.size else 0.0 for values in inner],
        ]
    ).reshape(count, MEASURES)  # fmt: skip
    distance = np.linalg.norm(middles[:, None] - middles[None], axis=2) / size
    pairs = np.argwhere((distance < NEAR) & ~np.eye(count, dtype=bool))
    first, second = pairs.T
    turn = boxes.angles[first] - boxes.angles[second]
    common = shared[first, second] * areas[first]
    relations = np.column_stack(
        [
            box_iou(corners, corners)[first, second],
            shared[first, second],
            shared[second, first],
            common / np.maximum(areas[first] + areas[second] - common, 1),
            np.abs((turn + np.pi / 2) % np.pi - np.pi / 2) / (np.pi / 2),
            np.clip(logits[second] - logits[first], -6, 6) / 3,
            distance[first, second],
            (boxes.names[first] * boxes.names[second]).sum(axis=1),
        ]
    )
    return Evidence(
        measures.astype(np.float32),
        boxes.names.astype(np.float32),
        boxes.features.astype(np.float32),
        pairs.astype(np.int64),
        relations.astype(np.float32),
    )
