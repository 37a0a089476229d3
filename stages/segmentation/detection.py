"""From what a detector says to boxes: peaks, and the suppression of repeats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from karyonet.geometry.region import BoundingBox, box_iou

from .detector_model import Detections
from .detector_targets import boxes_at


class Boxes(NamedTuple):
    """Detected chromosomes of one image, the surest first.

    Attributes:
        boxes: float32, shape (k, 4), in pixels of the input.
        scores: float32, shape (k,), 0–1.
        angles: float32, shape (k,): direction of the long axis, radians in [0, π).
        names: float32, shape (k, classes): probabilities.
        features: float32, shape (k, channels): of the detector, in the middle of the box.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    angles: NDArray[np.float32]
    names: NDArray[np.float32]
    features: NDArray[np.float32]

    def take(self, rows: NDArray[np.integer]) -> Boxes:
        """Some of them, in the order given."""
        return Boxes(*(array[rows] for array in self))


def together(parts: Sequence[Boxes]) -> Boxes:
    """The boxes of several parts, the surest first.

    Args:
        parts: at least one.
    """
    every = Boxes(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
    return every.take(np.argsort(-every.scores, kind="stable"))


def peaks(said: Detections, index: int = 0, threshold: float = 0.3, most: int = 200) -> Boxes:
    """The local maxima of an image's centre maps, over place and direction.

    Args:
        said: of the detector.
        index: of the image in the batch.
        threshold: least probability.
        most: peaks at most.
    """
    centres = torch.sigmoid(said.centres[index : index + 1])
    # Directions go round: the last is a neighbour of the first.
    circular = torch.cat([centres[:, -1:], centres, centres[:, :1]], dim=1)
    highest = F.max_pool3d(circular[None], 3, stride=1, padding=(0, 1, 1))[0]
    return _boxes(said, index, centres, (centres == highest) & (centres >= threshold), most)


def every_cell(said: Detections, index: int = 0, threshold: float = 0.1, most: int = 5000) -> Boxes:
    """What all cells of an image's centre maps say, repeats included: beside a peak another box may be the right one.

    Args:
        said: of the detector.
        index: of the image in the batch.
        threshold: least probability.
        most: cells at most.
    """
    centres = torch.sigmoid(said.centres[index : index + 1])
    return _boxes(said, index, centres, centres >= threshold, most)


def _boxes(said: Detections, index: int, centres: Tensor, chosen: Tensor, most: int) -> Boxes:
    """What the chosen cells, bool, of centre maps, both of shape (1, directions, height, width), say."""
    cells, scores = chosen.nonzero(), centres[chosen]
    order = torch.argsort(scores, descending=True, stable=True)[:most]
    cells, scores = cells[order], scores[order]
    boxes = boxes_at(said.distances[index : index + 1], cells)
    names = torch.softmax(said.names[index][:, cells[:, 2], cells[:, 3]], dim=0).T
    features = said.features[index][:, cells[:, 2], cells[:, 3]].T
    angles = cells[:, 1].float() * torch.pi / centres.shape[1]
    return Boxes(*(tensor.float().cpu().numpy() for tensor in (boxes, scores, angles, names, features)))


def suppressed(found: Boxes, overlap: float = 0.5, crossing: float = 0.9, turn: float = 50.0) -> Boxes:
    """Without repeats: of boxes that overlap only the surest stays, unless they lie in different directions.

    Args:
        found: the surest first.
        overlap: intersection over union above which boxes of one direction are the same chromosome.
        crossing: the same for boxes of different directions.
        turn: degrees from which directions are different.
    """
    left, kept = np.arange(len(found.scores)), list[int]()
    while len(left):
        best, left = left[0], left[1:]
        kept.append(int(best))
        apart = np.abs((found.angles[left] - found.angles[best] + np.pi / 2) % np.pi - np.pi / 2)
        limit = np.where(apart >= np.deg2rad(turn), crossing, overlap)
        left = left[box_iou(found.boxes[best], found.boxes[left])[0] <= limit]
    return found.take(np.array(kept, dtype=np.int64))


def whole_boxes(boxes: NDArray[np.floating]) -> list[BoundingBox]:
    """Boxes in whole pixels, none of them empty.

    Args:
        boxes: shape (k, 4), in pixels of the image.
    """
    found: list[BoundingBox] = []
    for xmin, ymin, xmax, ymax in np.rint(boxes).astype(int).tolist():
        found.append((xmin, ymin, max(xmax, xmin + 1), max(ymax, ymin + 1)))
    return found
