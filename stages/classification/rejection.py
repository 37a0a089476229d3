"""How little a strip looks like exactly one whole chromosome: debris, nuclei and clusters that were not separated.

The distance to the nearest proxy alone cannot tell: a network that was trained on chromosomes alone lays a cluster
near some proxy as well. A logistic regression adds how the strip is shaped, and has seen real debris and real clusters
(outlier exposure: Hendrycks, Mazeika & Dietterich, ICLR 2019). It lives in the model card of the weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, xlogy

from karyonet.case import FloatArray
from karyonet.training.strip_pack import typical_density

REJECT = "reject"
"""Name of the threshold: a strip with a larger score is no chromosome."""
PREFIX = "outlier_"
"""Of the coefficients in a model card, ``outlier_intercept`` and one for each of :data:`FEATURES`."""

_PROXIES = ("distance", "margin", "entropy")
_SHAPE = (
    "length", "area", "width", "broadest", "narrowest", "unevenness", "roughness", "stain", "mottling", "darkest",
    "bands", "span",
)  # fmt: skip
FEATURES: tuple[str, ...] = (*_PROXIES, *_SHAPE, *(f"{name}_squared" for name in _SHAPE))
"""Columns of :func:`outlier_features`."""


def proxy_features(cosines: NDArray[np.floating], probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Distance to the nearest proxy, how much farther the next one is, and the entropy of the types.

    Args:
        cosines: shape (n, classes), similarity to the proxies.
        probabilities: shape (n, classes), of a strip alone.

    Returns:
        float64, shape (n, 3).
    """
    nearest = np.sort(np.asarray(cosines, dtype=np.float64), axis=1)[:, ::-1][:, :2]
    p = np.asarray(probabilities, dtype=np.float64)
    return np.stack([1 - nearest[:, 0], nearest[:, 0] - nearest[:, 1], -xlogy(p, p).sum(axis=1)], axis=1)


def shape_features(strips: Sequence[FloatArray], median_length: float) -> NDArray[np.float64]:
    """Size, outline and stain of strips relative to their metaphase.

    Lengths are in units of the median length, densities of the metaphase's typical density. Length, area, width, stain
    are logarithms; ``broadest``, ``narrowest``, ``unevenness`` and ``roughness`` (mean change from row to row) are in
    mean widths, ``mottling``, ``darkest`` and ``bands`` in mean densities; ``span`` is the largest width of a row.

    Args:
        strips: float32, shape (length, width) each, with at least one stained pixel; 0 is background.
        median_length: of the metaphase's strips, in pixels.

    Returns:
        float64, shape (n, 12).
    """
    density = typical_density(strips)
    rows = [_shape(strip.astype(np.float64) / density, median_length) for strip in strips]
    return np.array(rows, dtype=np.float64).reshape(-1, len(_SHAPE))


def outlier_features(
    cosines: NDArray[np.floating],
    probabilities: NDArray[np.floating],
    strips: Sequence[FloatArray],
    median_length: float,
) -> NDArray[np.float64]:
    """What outliers are told by: float64, shape (n, 27), in the order of :data:`FEATURES`.

    Args:
        cosines, probabilities: as for :func:`proxy_features`.
        strips, median_length: as for :func:`shape_features`.
    """
    shape = shape_features(strips, median_length)
    return np.hstack([proxy_features(cosines, probabilities), shape, shape**2])


def outlier_scores(features: NDArray[np.floating], thresholds: Mapping[str, float]) -> FloatArray | None:
    """Scores of 0–1: the probability that a strip is no chromosome if every second one were none.

    Args:
        features: of :func:`outlier_features`.
        thresholds: of the model card.

    Returns:
        float32, shape (n,); None if the card has no coefficients.
    """
    names = [f"{PREFIX}{name}" for name in ("intercept", *FEATURES)]
    if any(name not in thresholds for name in names):
        return None
    intercept, *coefficients = (thresholds[name] for name in names)
    scores: FloatArray = expit(np.asarray(features) @ np.array(coefficients) + intercept).astype(np.float32)
    return scores


def fit_outliers(features: NDArray[np.floating], kinds: NDArray[np.str_]) -> dict[str, float]:
    """Coefficients for a model card.

    Args:
        features: shape (n, 27), of :func:`outlier_features`.
        kinds: shape (n,), ``chromosome``, and any other names for what is none; chromosomes together weigh as much as
            all others together, and those others' kinds weigh alike.

    Returns:
        by ``outlier_<name>``, for features as they are, not standardised.
    """
    from sklearn.linear_model import LogisticRegression

    features, kinds = np.asarray(features, dtype=np.float64), np.asarray(kinds)
    mean, deviation = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-9)
    outlier = kinds != "chromosome"
    names, members, counts = np.unique(kinds, return_inverse=True, return_counts=True)
    share = np.where(names == "chromosome", 0.5, 0.5 / max(len(names) - 1, 1))
    weights = (share / counts)[members] * len(kinds)
    model = LogisticRegression(C=1.0, max_iter=2000)
    model.fit((features - mean) / deviation, outlier, sample_weight=weights)
    slopes = model.coef_[0] / deviation
    intercept = float(model.intercept_[0] - slopes @ mean)
    return {f"{PREFIX}intercept": intercept} | {
        f"{PREFIX}{name}": float(slope) for name, slope in zip(FEATURES, slopes, strict=True)
    }


def reject_threshold(scores: NDArray[np.floating], cases: NDArray[np.str_], kept: float = 0.99) -> float:
    """The score that ``kept`` of the chromosomes of a case do not exceed, every case counting the same.

    Args:
        scores: shape (n,), of chromosomes that the coefficients were not fitted on.
        cases: shape (n,).
        kept: 0–1.
    """
    _, members, sizes = np.unique(cases, return_inverse=True, return_counts=True)
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum((1 / (len(sizes) * sizes[members]))[order]) >= kept - 1e-9
    return float(np.asarray(scores)[order[int(np.argmax(reached))]])


def _shape(strip: NDArray[np.float64], median_length: float) -> list[float]:
    stained = strip > 0
    widths = stained.sum(axis=1).astype(float)
    rows = widths > 0
    profile = strip.sum(axis=1) / np.maximum(widths, 1)
    widths, values = widths[rows], strip[stained]
    length, mean, stain = len(widths), widths.mean(), values.mean()
    return [
        np.log(length / median_length),
        np.log(widths.sum() / median_length**2),
        np.log(mean / median_length),
        np.quantile(widths, 0.9) / mean,
        np.quantile(widths, 0.1) / mean,
        widths.std() / mean,
        np.abs(np.diff(widths)).sum() / max(length - 1, 1) / mean,
        np.log(stain),
        values.std() / stain,
        np.quantile(values, 0.95) / stain,
        np.abs(np.diff(profile)).sum() / max(len(profile) - 1, 1),
        widths.max() / median_length,
    ]
