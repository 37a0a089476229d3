"""Which predicted box is which annotated chromosome."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from karyonet.geometry.region import box_iou


@dataclass(frozen=True, eq=False)
class MatchResult:
    """A one-to-one matching of boxes.

    Attributes:
        pairs: int64, shape (k, 2): index of the predicted and of the true box.
        iou: float64, shape (k,): intersection over union of every pair.
        unmatched_predicted: int64, shape (n - k,).
        unmatched_truth: int64, shape (m - k,).
    """

    pairs: NDArray[np.int64]
    iou: NDArray[np.float64]
    unmatched_predicted: NDArray[np.int64]
    unmatched_truth: NDArray[np.int64]


def match_boxes(predicted: ArrayLike, truth: ArrayLike, threshold: float = 0.5) -> MatchResult:
    """Match boxes one to one: as many as possible, and among those matchings the one with the highest total IoU.

    Args:
        predicted: shape (n, 4), ``xmin, ymin, xmax, ymax``.
        truth: shape (m, 4).
        threshold: pairs with a lower intersection over union do not match.
    """
    iou = box_iou(np.asarray(predicted, dtype=float), np.asarray(truth, dtype=float))
    allowed = (iou >= threshold) & (iou > 0)
    # One more pair outweighs any sum of IoU, since each is at most 1.
    rows, columns = linear_sum_assignment(np.where(allowed, 1 + min(iou.shape, default=0) + iou, 0), maximize=True)
    kept = allowed[rows, columns]
    rows, columns = rows[kept].astype(np.int64), columns[kept].astype(np.int64)
    return MatchResult(
        pairs=np.stack([rows, columns], axis=1),
        iou=iou[rows, columns],
        unmatched_predicted=np.setdiff1d(np.arange(iou.shape[0]), rows),
        unmatched_truth=np.setdiff1d(np.arange(iou.shape[1]), columns),
    )


def count_splits_and_merges(
    predicted: ArrayLike, truth: ArrayLike, matches: MatchResult, share: float = 0.5
) -> tuple[int, int]:
    """Chromosomes that were cut into pieces, and predictions that join several chromosomes.

    A merge is a predicted box that contains at least ``share`` of the area of two or more true boxes, where a true
    box that another prediction matches does not count (crossing chromosomes have boxes that contain each other's).
    A split is the same with the roles exchanged.

    Args:
        predicted: shape (n, 4), ``xmin, ymin, xmax, ymax``.
        truth: shape (m, 4).
        matches: of the same boxes.
        share: of a box's area.

    Returns:
        Number of splits and of merges.
    """
    predicted = np.asarray(predicted, dtype=float).reshape(-1, 4)
    truth = np.asarray(truth, dtype=float).reshape(-1, 4)
    own = np.zeros((len(predicted), len(truth)), dtype=bool)
    own[matches.pairs[:, 0], matches.pairs[:, 1]] = True
    free_predicted = np.isin(np.arange(len(predicted)), matches.unmatched_predicted)
    free_truth = np.isin(np.arange(len(truth)), matches.unmatched_truth)
    truth_inside, predicted_inside = _inside(truth, predicted).T, _inside(predicted, truth)
    joined = (truth_inside >= share) & (free_truth[None, :] | own)
    cut = (predicted_inside >= share) & (free_predicted[:, None] | own)
    return int((cut.sum(axis=0) >= 2).sum()), int((joined.sum(axis=1) >= 2).sum())


def _inside(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of each box's area that lies in each of the others, shape (n, m)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)[:, None]
    return np.asarray(np.prod(np.clip(high - low, 0, None), axis=2) / np.maximum(area, 1e-9))
