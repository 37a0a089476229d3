"""Which found object is which annotated chromosome, and which lie together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import binary_dilation
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import connected_components

from karyonet.geometry.region import BoundingBox, Region, box_iou, shared_pixels


@dataclass(frozen=True, eq=False)
class MatchResult:
    """A one-to-one matching of boxes or masks.

    Attributes:
        pairs: int64, shape (k, 2): index of the predicted and of the true object.
        iou: float64, shape (k,): intersection over union of every pair.
        unmatched_predicted: int64, shape (n - k,).
        unmatched_truth: int64, shape (m - k,).
    """

    pairs: NDArray[np.int64]
    iou: NDArray[np.float64]
    unmatched_predicted: NDArray[np.int64]
    unmatched_truth: NDArray[np.int64]


def match_boxes(predicted: ArrayLike, truth: ArrayLike, threshold: float = 0.5) -> MatchResult:
    """Match boxes one to one, see :func:`match_by_iou`.

    Args:
        predicted: shape (n, 4), ``xmin, ymin, xmax, ymax``.
        truth: shape (m, 4).
        threshold: pairs with a lower intersection over union do not match.
    """
    return match_by_iou(box_iou(np.asarray(predicted, dtype=float), np.asarray(truth, dtype=float)), threshold)


def match_by_iou(iou: NDArray[np.float64], threshold: float = 0.5) -> MatchResult:
    """Match one to one: as many pairs as possible, and among those matchings the one with the highest total IoU.

    Args:
        iou: float64, shape (n, m), 0–1, of every predicted and every true object.
        threshold: pairs with a lower intersection over union do not match.
    """
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


def box_region(bbox: BoundingBox) -> Region:
    """All pixels of a box."""
    return Region(bbox, np.ones((bbox[3] - bbox[1], bbox[2] - bbox[0]), dtype=bool))


def region_iou(first: Sequence[Region], second: Sequence[Region]) -> NDArray[np.float64]:
    """Intersection over union of the pixels of every region of one set and every region of another: shape (n, m)."""
    shared = shared_pixels(first, second)
    union = _areas(first)[:, None] + _areas(second)[None, :] - shared
    return np.asarray(shared / np.maximum(union, 1), dtype=np.float64)


def count_splits_and_merges(
    predicted: Sequence[Region], truth: Sequence[Region], matches: MatchResult
) -> tuple[int, int]:
    """Chromosomes that were cut into pieces, and predictions that join several chromosomes.

    A **merge** is a predicted object that covers more than half of the pixels of each of two or more true objects, of
    which at least one has no match. (Boxes of crossing chromosomes cover each other though both were found.)

    A **split** is a true object with two or more pieces that cover more than half of its pixels together; its pieces
    are the predicted objects that have more than half of their own pixels in it and do not match another true object.
    One of the pieces may match it: what was cut off a chromosome makes a split, however small.

    Args:
        predicted: masks, or boxes as :func:`box_region`.
        truth: the same.
        matches: of the same objects, at IoU 0.5.

    Returns:
        Number of splits and of merges.
    """
    shared = shared_pixels(predicted, truth)
    covers = 2 * shared > _areas(truth)[None, :]
    missed = np.isin(np.arange(len(truth)), matches.unmatched_truth)
    merges = (covers.sum(axis=1) >= 2) & (covers & missed).any(axis=1)
    own = np.zeros(shared.shape, dtype=bool)
    own[matches.pairs[:, 0], matches.pairs[:, 1]] = True
    free = np.isin(np.arange(len(predicted)), matches.unmatched_predicted)
    pieces = (2 * shared > _areas(predicted)[:, None]) & (own | free[:, None])
    splits = 0
    for number in np.flatnonzero(pieces.sum(axis=0) >= 2).tolist():
        covered = _covered(truth[number], [predicted[piece] for piece in np.flatnonzero(pieces[:, number]).tolist()])
        splits += int(2 * covered > truth[number].area)
    return splits, int(merges.sum())


def group_sizes(regions: Sequence[Region], touching: bool = False) -> NDArray[np.int64]:
    """How many objects lie together with each one, itself included: int64, shape (n,).

    Two objects lie together where they share a pixel, or where a chain of others that do leads from one to the other.

    Args:
        regions: masks, or boxes as :func:`box_region`.
        touching: objects with neighbouring pixels (8 neighbours) lie together, too.
    """
    if not regions:
        return np.zeros(0, dtype=np.int64)
    first = [_grown(region) for region in regions] if touching else regions
    _, group = connected_components(shared_pixels(first, regions) > 0, directed=False)
    return np.asarray(np.bincount(group)[group], dtype=np.int64)


def _areas(regions: Sequence[Region]) -> NDArray[np.int64]:
    return np.array([region.area for region in regions], dtype=np.int64)


def _covered(region: Region, others: Sequence[Region]) -> int:
    """Pixels of a region that lie in at least one of the others."""
    xmin, ymin, xmax, ymax = region.bbox
    union = np.zeros_like(region.mask)
    for other in others:
        left, top, right, bottom = other.bbox
        x, y, end_x, end_y = max(xmin, left), max(ymin, top), min(xmax, right), min(ymax, bottom)
        union[y - ymin : end_y - ymin, x - xmin : end_x - xmin] |= other.mask[
            y - top : end_y - top, x - left : end_x - left
        ]
    return int(np.count_nonzero(union & region.mask))


def _grown(region: Region) -> Region:
    """A region and the pixels around it; it may reach out of the image."""
    xmin, ymin, xmax, ymax = region.bbox
    grown = binary_dilation(np.pad(region.mask, 1), structure=np.ones((3, 3), dtype=bool))
    return Region((xmin - 1, ymin - 1, xmax + 1, ymax + 1), grown)
