"""What a detector should say of an image, and how far it is from saying it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import generalized_box_iou_loss

from .detector_model import STRIDE, Detections

SPREAD = 1.2
"""Standard deviation of a centre in cells."""
TURN = np.deg2rad(20.0)
"""Standard deviation of a direction."""
NEAR = 0.5
"""Cells of at least this target predict the box."""


class Targets(NamedTuple):
    """Targets of n images.

    Attributes:
        centres: float32, shape (n, directions, height, width), 1 at the middle and direction of every chromosome.
        boxes: float32, shape (k, 4), in pixels of the input, for k cells near a centre.
        cells: int64, shape (k, 4): image, direction, row and column of each.
        weights: float32, shape (k,).
        names: int64, shape (n, height, width): class at the middle of every chromosome, -100 elsewhere.
    """

    centres: Tensor
    boxes: Tensor
    cells: Tensor
    weights: Tensor
    names: Tensor

    def to(self, device: torch.device) -> Targets:
        """The same on a device."""
        return Targets(*(tensor.to(device) for tensor in self))


def directions_of(angle: float, elongation: float, count: int) -> NDArray[np.float64]:
    """How well each of ``count`` directions fits a chromosome, the best one 1; a round one fits all.

    Args:
        angle: radians in [0, π). elongation: 0 (round) to 1.
    """
    axes = np.arange(count) * np.pi / count
    apart = np.abs((axes - angle + np.pi / 2) % np.pi - np.pi / 2)
    wide = TURN / max(elongation, 0.1)
    fit: NDArray[np.float64] = np.exp(-0.5 * ((apart - apart.min()) / min(wide, 10.0)) ** 2)
    return fit


def draw_targets(
    shape: tuple[int, int],
    boxes: NDArray[np.floating],
    angles: NDArray[np.floating],
    elongation: NDArray[np.floating],
    labels: NDArray[np.integer],
    directions: int,
) -> Targets:
    """Targets of one image.

    Args:
        shape: ``(height, width)`` of the input in pixels, divisible by 4.
        boxes: shape (m, 4) in pixels; middles outside the image are left out.
        angles, elongation: shape (m,), see :func:`karyonet.training.metaphase_pack.long_axis`.
        labels: int, shape (m,), -1 where no name is known.
        directions: of the detector.
    """
    height, width = shape[0] // STRIDE, shape[1] // STRIDE
    centres = np.zeros((directions, height, width), dtype=np.float32)
    names = np.full((height, width), -100, dtype=np.int64)
    chosen: dict[tuple[int, int, int], tuple[float, int]] = {}
    reach = int(np.ceil(3 * SPREAD))
    for number, (xmin, ymin, xmax, ymax) in enumerate(boxes):
        column, row = int((xmin + xmax) / 2 // STRIDE), int((ymin + ymax) / 2 // STRIDE)
        if not (0 <= row < height and 0 <= column < width):
            continue
        names[row, column] = labels[number] if labels[number] >= 0 else -100
        fit = directions_of(float(angles[number]), float(elongation[number]), directions)
        rows = np.arange(max(row - reach, 0), min(row + reach + 1, height))
        columns = np.arange(max(column - reach, 0), min(column + reach + 1, width))
        near = np.exp(-0.5 * np.add.outer((rows - row) ** 2, (columns - column) ** 2) / SPREAD**2)
        bump = fit[:, None, None] * near
        window = centres[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        np.maximum(window, bump, out=window, casting="same_kind")
        for d, r, c in zip(*np.nonzero(bump >= NEAR), strict=True):
            cell, value = (int(d), int(rows[r]), int(columns[c])), float(bump[d, r, c])
            if value > chosen.get(cell, (0.0, 0))[0]:
                chosen[cell] = value, number
    cells = np.array([(0, *cell) for cell in chosen], dtype=np.int64).reshape(-1, 4)
    owners = [number for _, number in chosen.values()]
    return Targets(
        torch.from_numpy(centres)[None],
        torch.from_numpy(np.asarray(boxes, dtype=np.float32).reshape(-1, 4)[owners]),
        torch.from_numpy(cells),
        torch.tensor([value for value, _ in chosen.values()], dtype=torch.float32),
        torch.from_numpy(names)[None],
    )


def batched(targets: list[Targets]) -> Targets:
    """The targets of several images as those of a batch."""
    cells = [t.cells + torch.tensor([number, 0, 0, 0]) for number, t in enumerate(targets)]
    return Targets(
        torch.cat([t.centres for t in targets]),
        torch.cat([t.boxes for t in targets]),
        torch.cat(cells),
        torch.cat([t.weights for t in targets]),
        torch.cat([t.names for t in targets]),
    )


def detection_loss(said: Detections, targets: Targets) -> Tensor:
    """Focal loss of the centres, overlap loss of the boxes and cross entropy of the names.

    Centres: penalty-reduced focal loss (Law & Deng, ECCV 2018, eq. 1). Boxes: generalised IoU (Rezatofighi et al., CVPR
    2019), weighted by how near a cell is to the centre.
    """
    count = max(int((targets.centres == 1).sum()), 1)
    logits = said.centres
    probability = torch.sigmoid(logits).clamp(1e-4, 1 - 1e-4)
    positive = targets.centres == 1
    found = -(1 - probability).square() * torch.log(probability)
    absent = -(1 - targets.centres).pow(4) * probability.square() * torch.log(1 - probability)
    loss: Tensor = torch.where(positive, found, absent).sum() / count
    if len(targets.cells):
        boxes = boxes_at(said.distances, targets.cells)
        overlap = generalized_box_iou_loss(boxes, targets.boxes, reduction="none")
        loss = loss + (overlap * targets.weights).sum() / targets.weights.sum()
    if said.names.shape[1] and bool((targets.names >= 0).any()):
        loss = loss + 0.3 * F.cross_entropy(said.names, targets.names, ignore_index=-100)
    return loss


def boxes_at(distances: Tensor, cells: Tensor) -> Tensor:
    """The boxes that some cells predict, float32, shape (k, 4), in pixels of the input.

    Args:
        distances: shape (n, directions, 4, height, width).
        cells: int64, shape (k, 4): image, direction, row, column.
    """
    image, direction, row, column = cells.T
    left, top, right, bottom = distances[image, direction, :, row, column].T
    x, y = (column + 0.5) * STRIDE, (row + 0.5) * STRIDE
    return torch.stack([x - left, y - top, x + right, y + bottom], dim=1)
