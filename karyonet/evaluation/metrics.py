"""Metrics as pure functions of counts.

Each works on sums over cases with any leading dimensions, so that the same function gives the value and, in one call,
all its bootstrap replicates. A ratio without anything to divide by is 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
BINS = 15
"""Bins of the expected calibration error (Guo et al., ICML 2017)."""


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> FloatArray:
    """Element-wise quotient, 0 where the denominator is 0."""
    top, bottom = np.broadcast_arrays(np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float))
    quotient = np.zeros_like(top)
    np.divide(top, bottom, out=quotient, where=bottom != 0)
    return quotient


def f1(right: ArrayLike, predicted: ArrayLike, truth: ArrayLike) -> FloatArray:
    """Harmonic mean of precision ``right / predicted`` and recall ``right / truth``, from the three counts."""
    return ratio(
        2 * np.asarray(right, dtype=float), np.asarray(predicted, dtype=float) + np.asarray(truth, dtype=float)
    )


def confusion_matrix(truth: ArrayLike, predicted: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Counts: int64, shape (classes, classes), one row a true class, one column a predicted class.

    Args:
        truth: int, shape (n,), 0 … classes - 1.
        predicted: int, shape (n,).
        classes: how many there are.
    """
    index = np.asarray(truth, dtype=np.int64) * classes + np.asarray(predicted, dtype=np.int64)
    return np.bincount(index, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def accuracy(matrix: ArrayLike) -> float:
    """Share on the diagonal of a confusion matrix."""
    matrix = np.asarray(matrix)
    return float(ratio(np.trace(matrix), matrix.sum()))


def class_counts(matrix: ArrayLike) -> FloatArray:
    """Right, predicted and true counts of every class: float64, shape (3, classes), of a confusion matrix."""
    matrix = np.asarray(matrix, dtype=float)
    return np.stack([np.diagonal(matrix), matrix.sum(axis=0), matrix.sum(axis=1)])


def precision_recall_f1(counts: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Precision, recall and F1 of every class, each of shape (..., classes).

    Args:
        counts: shape (..., 3, classes), as of :func:`class_counts`.
    """
    right, predicted, truth = np.moveaxis(np.asarray(counts, dtype=float), -2, 0)
    return ratio(right, predicted), ratio(right, truth), f1(right, predicted, truth)


def macro_f1(counts: ArrayLike) -> FloatArray:
    """Mean F1 over the classes that occur, in the truth or in the prediction; shape (...).

    Args:
        counts: shape (..., 3, classes), as of :func:`class_counts`.
    """
    counts = np.asarray(counts, dtype=float)
    occurs = (counts[..., 1, :] + counts[..., 2, :]) > 0
    return ratio(np.where(occurs, precision_recall_f1(counts)[2], 0).sum(axis=-1), occurs.sum(axis=-1))


def calibration_counts(confidence: ArrayLike, right: ArrayLike, bins: int = BINS) -> FloatArray:
    """What the expected calibration error is computed from.

    Args:
        confidence: shape (n,), 0–1.
        right: bool, shape (n,).
        bins: of equal width.

    Returns:
        float64, shape (3, bins): number, sum of confidences, number right.
    """
    confidence = np.asarray(confidence, dtype=float)
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.intp) - 1, 0, bins - 1)
    weights = (np.ones_like(confidence), confidence, np.asarray(right, dtype=float))
    return np.stack([np.bincount(bin_of, weights=weight, minlength=bins) for weight in weights])


def expected_calibration_error(counts: ArrayLike) -> FloatArray:
    """Mean distance of confidence and accuracy over the bins, weighted by their size; shape (...).

    Args:
        counts: shape (..., 3, bins), as of :func:`calibration_counts`.
    """
    number, confidence, right = np.moveaxis(np.asarray(counts, dtype=float), -2, 0)
    return ratio(np.abs(confidence - right).sum(axis=-1), number.sum(axis=-1))
