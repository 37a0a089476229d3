"""COCO's average precision of found boxes or masks, with what its interval needs.

What matches what is decided by pycocotools. The precision-recall curve is drawn here, because an interval needs it for
every resample of the cases, and because chromosomes of equal score must not depend on their order: they count as one
point of the curve, where pycocotools takes them one by one as they come. Where all scores differ the figures are those
of pycocotools; where a pipeline gives no scores at all, average precision is nearly precision times recall.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from karyonet.errors import InputError
from karyonet.evaluation.metrics import ratio
from karyonet.geometry.region import Region

FloatArray = NDArray[np.float64]
THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""IoU thresholds over which COCO averages; the first and the sixth are those of AP50 and AP75."""
_RECALLS = np.linspace(0.0, 1.0, 101)
_MOST_AT_ONCE = 2_000_000
"""Points of all curves that are drawn together, for the sake of memory."""


class RankedMatches(NamedTuple):
    """Which of the objects found in one image are true ones.

    Attributes:
        scores: float64, shape (n,).
        right: bool, shape (10, n): matched at every one of :data:`THRESHOLDS`.
        truth: number of true objects.
    """

    scores: FloatArray
    right: NDArray[np.bool_]
    truth: int


def require_pycocotools() -> None:
    """Refuse to go on without pycocotools.

    Raises:
        InputError: K110 if it is not installed.
    """
    try:
        import pycocotools.cocoeval  # noqa: F401
    except ImportError as fault:
        raise InputError("K110", path="COCO average precision", extra="evaluation") from fault


def coco_matches(
    found: Sequence[Region], scores: Sequence[float], truth: Sequence[Region], masks: bool
) -> RankedMatches:
    """Match the objects of one image as COCO does: the surest first, each to the best true object that is free.

    Args:
        found: what was found; equal scores are taken in this order.
        scores: of each.
        truth: the true objects.
        masks: compare masks, not boxes.

    Raises:
        InputError: K110 if pycocotools is not installed.
    """
    require_pycocotools()
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    right = np.zeros((len(THRESHOLDS), len(found)), dtype=bool)
    if not found or not truth:
        return RankedMatches(np.asarray(scores, dtype=np.float64), right, len(truth))
    corners = np.array([region.bbox for region in (*found, *truth)])
    shape = (int(corners[:, 3].max()), int(corners[:, 2].max()))  # large enough for every mask
    with contextlib.redirect_stdout(io.StringIO()):  # it reports its progress
        said, true = COCO(), COCO()
        for coco, regions in ((said, found), (true, truth)):
            coco.dataset = {
                "images": [{"id": 1, "height": shape[0], "width": shape[1]}],
                "categories": [{"id": 1}],
                "annotations": [_annotation(n, region, shape, masks) for n, region in enumerate(regions, start=1)],
            }
        for annotation, score in zip(said.dataset["annotations"], scores, strict=True):
            annotation["score"] = float(score)
        said.createIndex()
        true.createIndex()
        evaluation = COCOeval(true, said, "segm" if masks else "bbox")
        evaluation.params.iouThrs = THRESHOLDS
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, np.inf]], ["all"]
        evaluation.params.maxDets = [len(found)]
        evaluation.evaluate()
    matched = evaluation.evalImgs[0]
    right[:, np.array(matched["dtIds"]) - 1] = matched["dtMatches"] > 0
    return RankedMatches(np.asarray(scores, dtype=np.float64), right, len(truth))


def average_precision(images: Sequence[RankedMatches], weights: NDArray[np.floating] | None = None) -> FloatArray:
    """Average precision at every threshold, interpolated at 101 recalls.

    Args:
        images: of :func:`coco_matches`.
        weights: shape (k, images): how often every image counts in each of k resamples; None is once.

    Returns:
        float64, shape (k, 10), for k = 1 where no weights are given; 0 where there is nothing true.
    """
    counted = np.ones((1, len(images))) if weights is None else np.asarray(weights, dtype=np.float64)
    scores = np.concatenate([image.scores for image in images])
    order = np.argsort(-scores, kind="stable")
    image_of = np.repeat(np.arange(len(images)), [image.scores.size for image in images])[order]
    right = np.concatenate([image.right for image in images], axis=1)[:, order]
    last_of_score = np.flatnonzero(np.diff(scores[order], append=-np.inf))
    truth = counted @ np.array([image.truth for image in images], dtype=np.float64)
    values = np.zeros((len(counted), len(THRESHOLDS)))
    rows = max(1, _MOST_AT_ONCE // max(scores.size, 1))
    for some in (slice(start, start + rows) for start in range(0, len(counted), rows)):
        each = counted[some][:, image_of]
        found = np.cumsum(each, axis=1)[:, last_of_score]
        for column, hit in enumerate(right):
            hits = np.cumsum(each * hit, axis=1)[:, last_of_score]
            values[some, column] = _area(ratio(hits, found), ratio(hits, truth[some, None]))
    return values


def _area(precision: FloatArray, recall: FloatArray) -> FloatArray:
    """Mean over the recalls of the best precision at that recall or a higher one, 0 where it is not reached.

    Args:
        precision, recall: shape (k, points), the surest first.
    """
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    reached = np.diff(np.searchsorted(_RECALLS, recall, side="right"), axis=1, prepend=0)  # for the first time
    return np.asarray((best * reached).sum(axis=1) / _RECALLS.size)


def _annotation(number: int, region: Region, shape: tuple[int, int], masks: bool) -> dict[str, Any]:
    from pycocotools import mask as encoder

    xmin, ymin, xmax, ymax = region.bbox
    annotation: dict[str, Any] = {"id": number, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": region.area}
    annotation["bbox"] = [xmin, ymin, xmax - xmin, ymax - ymin]
    if masks:
        annotation["segmentation"] = encoder.encode(np.asfortranarray(region.to_mask(shape), dtype=np.uint8))
    return annotation
