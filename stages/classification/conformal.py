"""Label sets that hold the true name of 95 or 99 % of the chromosomes, over patients that were never seen."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from karyonet.label_sets import PREFIX

LEVELS = (95, 99)
"""Coverage of the label sets in per cent."""

logger = logging.getLogger(__name__)


def fit_label_sets(
    probabilities: NDArray[np.floating],
    labels: NDArray[np.integer],
    cases: NDArray[np.str_],
    levels: tuple[int, ...] = LEVELS,
) -> dict[str, float]:
    """Thresholds of the label sets for a model card.

    Args:
        probabilities: shape (n, classes), calibrated, of chromosomes that were not trained on.
        labels: int, shape (n,).
        cases: shape (n,): the patient of each.
        levels: in per cent.

    Returns:
        ``label_set_<level>``: how probable a name must be to be in the set. A level that there are too few cases for
        (fewer than 19 for 95 %, 99 for 99 %) is left out, with a warning.
    """
    fitted = {f"{PREFIX}{level}": least_probability(probabilities, labels, cases, level / 100) for level in levels}
    for name, least in fitted.items():
        if least is None:
            logger.warning("%s is left out: %d validation cases are too few", name, len(np.unique(cases)))
    return {name: least for name, least in fitted.items() if least is not None}


def least_probability(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer], cases: NDArray[np.str_], coverage: float
) -> float | None:
    """How probable a name must be, so that a set holds the true one for ``coverage`` of the chromosomes of new cases.

    The score is LAC's, 1 - probability of the truth (Sadinle, Lei & Wasserman, JASA 114, 2019), by mapie. Chromosomes
    of a case are alike, so the cases are what is exchangeable: each of K cases has the weight 1 / (K + 1), shared by
    its chromosomes, and the remaining weight lies at infinity (hierarchical conformal prediction: Lee, Barber &
    Willett, *Distribution-free inference with hierarchical data*, arXiv:2306.06342). A chromosome drawn from a
    new case is then covered with at least the probability asked for, however the cases differ.

    Args:
        probabilities, labels, cases: as for :func:`fit_label_sets`.
        coverage: 0–1.

    Returns:
        0–1; None if there are too few cases for any threshold, fewer than ``coverage / (1 - coverage)``.
    """
    from mapie.conformity_scores import LACConformityScore

    labels = np.asarray(labels, dtype=np.int64)
    scores = LACConformityScore().get_conformity_scores(labels, np.asarray(probabilities), y_enc=labels)[:, 0]
    last = weighted_rank(scores, cases, coverage)
    return None if last is None else float(np.asarray(probabilities)[last, labels[last]])


def weighted_rank(scores: NDArray[np.floating], cases: NDArray[np.str_], coverage: float) -> int | None:
    """Index of the score that is the quantile of hierarchical conformal prediction; None if that is infinite.

    Args:
        scores: shape (n,).
        cases: shape (n,).
        coverage: 0–1.
    """
    _, members, sizes = np.unique(cases, return_inverse=True, return_counts=True)
    weights = 1 / ((len(sizes) + 1) * sizes[members])
    order = np.argsort(scores, kind="stable")
    # Sums of many small weights end a rounding error below what they should be.
    reached = np.flatnonzero(np.cumsum(weights[order]) >= coverage - 1e-9)
    return int(order[reached[0]]) if reached.size else None
