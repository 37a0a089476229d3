"""From what a network says apart, kind and number, to one answer in which they agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp, softmax

from karyonet.case import FloatArray

from .kinds import KINDS, TYPES
from .network_stage import ClusterTypes
from .seen import Laid, Seen

AGREEMENTS = tuple(step / 4 for step in range(17))
"""Which are tried."""
_BOTH = KINDS.index("touching_overlapping") - 1
"""Among the types of several chromosomes."""


class Several(NamedTuple):
    """How probably a component of a real metaphase holds several chromosomes, and how many: a logistic regression.

    The network learns from examples most of which are clusters, while three components in four of a metaphase are lone
    chromosomes; who takes its probabilities as they are finds clusters where there are none.

    Attributes:
        slope, intercept: of the log odds that kind and number give to "several", their mean.
        agreement: log of how many times likelier a number is that the segmentation has seen as well.
    """

    slope: float = 1.0
    intercept: float = 0.0
    agreement: float = 0.0

    @classmethod
    def of(cls, thresholds: Mapping[str, float]) -> Several:
        """As the thresholds of a model card have it; what is not there is as the network says."""
        return cls(*(thresholds.get(f"several_{name}", usual) for name, usual in cls._field_defaults.items()))

    @classmethod
    def fitted(cls, kinds: FloatArray, counts: FloatArray, seen: Seen, true: NDArray[np.int64]) -> Several:
        """Fit it to components of real metaphases, as frequent as they are there.

        Args:
            kinds, counts, seen: as for :func:`decide`.
            true: int64, shape (n,), how many chromosomes are in them; one and several must occur.
        """
        from sklearn.linear_model import LogisticRegression

        place = np.minimum(true, counts.shape[1]) - 1
        best, least = cls(), np.inf
        for agreement in AGREEMENTS:
            odds = log_odds_of_several(kinds, agreeing(counts, seen.numbers, agreement))
            fit = LogisticRegression(C=np.inf).fit(odds[:, None], true > 1)
            tried = cls(float(fit.coef_[0, 0]), float(fit.intercept_[0]), agreement)
            said = decide(kinds, counts, 1.0, tried, seen).count_probabilities[np.arange(len(true)), place]
            loss = -float(_log(said).mean())
            if loss < least:
                best, least = tried, loss
        return best

    def on_card(self) -> dict[str, float]:
        """The thresholds of a model card that :meth:`of` reads."""
        return {f"several_{name}": value for name, value in self._asdict().items()}


def log_odds_of_several(kinds: FloatArray, counts: FloatArray) -> NDArray[np.float64]:
    """What kind and number say of "several", the mean of both, shape (n,); arguments as for :func:`decide`."""
    types, numbers = _log(kinds[:, :TYPES]), _log(counts)
    return np.asarray(sum(logsumexp(said[:, 1:], axis=1) - said[:, 0] for said in (types, numbers)) / 2)


def decide(
    kinds: FloatArray,
    counts: FloatArray,
    reject: float,
    several: Several | None = None,
    seen: Seen | None = None,
    laid: Laid | None = None,
) -> ClusterTypes:
    """From probabilities to answers: first whether it is a chromosome at all, then whether several, then which.

    Several chromosomes have a kind and a number whose probabilities are multiplied; two cannot both touch and overlap.

    Args:
        kinds: float32, shape (n, 6), calibrated. counts: float32, shape (n, most). What the network says of both.
        reject: sum of the probabilities of the rejections from which a component is rejected.
        several: how probably it is more than one; None takes it as the network says.
        seen: the chromosomes that the segmentation sees in them; None where it sees none apart.
        laid: what is made of how those lie; None leaves it to the network.
    """
    several = several or Several()
    if seen is not None:
        counts = agreeing(counts, seen.numbers, several.agreement)
    rejection = kinds[:, TYPES:].sum(axis=1)
    p_several = expit(several.slope * log_odds_of_several(kinds, counts) + several.intercept)
    said_of_types = _log(kinds[:, 1:TYPES])
    if seen is not None and laid is not None:
        said_of_types = laid.weighed(said_of_types, seen.meetings)
    joint = said_of_types[:, :, None] + _log(counts[:, 1:])[:, None, :]
    if counts.shape[1] > 2:  # otherwise the last number means two or more
        joint[:, _BOTH, 0] = -np.inf
    joint = softmax(joint, axis=(1, 2)) * p_several[:, None, None]
    types = np.concatenate([1 - p_several[:, None], joint.sum(axis=2)], axis=1)
    numbers = np.concatenate([1 - p_several[:, None], joint.sum(axis=1)], axis=1)

    rejected, lone = rejection >= reject, p_several < 0.5
    type_of_several = joint.sum(axis=2).argmax(axis=1)
    best = np.where(rejected, TYPES + kinds[:, TYPES:].argmax(axis=1), np.where(lone, 0, 1 + type_of_several))
    number = 2 + joint[np.arange(len(joint)), type_of_several].argmax(axis=1)
    number = np.where(rejected, 0, np.where(lone, 1, number))
    probabilities = np.concatenate([types * (1 - rejection)[:, None], kinds[:, TYPES:]], axis=1)
    return ClusterTypes(
        tuple(KINDS[kind] for kind in best),
        probabilities.astype(np.float32),
        number.astype(np.int64),
        numbers.astype(np.float32),
        rejected,
    )


def agreeing(counts: FloatArray, seen: NDArray[np.int64], agreement: float) -> FloatArray:
    """Probabilities of numbers where one of them has been seen elsewhere as well."""
    numbers, most = np.arange(1, counts.shape[1] + 1), counts.shape[1]
    weighed = counts * np.exp(agreement * (numbers[None] == np.minimum(seen, most)[:, None]))
    return np.asarray(weighed / weighed.sum(axis=1, keepdims=True), dtype=np.float32)


def _log(probabilities: FloatArray) -> NDArray[np.float64]:
    """The logarithm; what is impossible is as good as that."""
    return np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), 1e-30))
