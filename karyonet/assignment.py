"""Names for all chromosomes of a metaphase at once.

A metaphase has mostly two of each autosome and XX or XY, so the names are decided together: the most probable
assignment under a prior on copy numbers. The prior allows gains and losses at a price, because a plain two-slot
assignment would hide every trisomy. The same prior helps to say what is a chromosome at all: a doubtful object is
likelier to be one where its type is incomplete without it than where it would be a third.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from karyonet.case import LABELS
from karyonet.errors import ArrayError

X, Y = LABELS.index("X"), LABELS.index("Y")
_SEX_PATTERNS = ((2, 0), (1, 1))
_COPIES = 6
_NONE = -1
_FORBIDDEN = 1e6


@dataclass(frozen=True)
class CopyNumberPrior:
    """What a departure from the normal copy number costs, in nats of log probability.

    Attributes:
        loss: for each missing chromosome of a type. Low, since chromosomes get lost or stay hidden in clusters.
        gain: for each additional chromosome of a type; every further one costs ``growth`` more.
        growth: added to the price of each further departure of one type.
    """

    loss: float = 3.0
    gain: float = 5.0
    growth: float = 2.0

    def slot_costs(self, normal: int) -> NDArray[np.float64]:
        """What each further copy of a type adds to the cost, shape (6,): increasing, so that slots fill in order."""
        copies = np.arange(1, _COPIES + 1)
        missing = -self.loss - self.growth * (normal - copies)
        extra = self.gain + self.growth * (copies - normal - 1)
        return np.where(copies <= normal, missing, extra)


@dataclass(frozen=True, eq=False)
class Assignment:
    """Names decided together.

    Attributes:
        labels: n names.
        confidences: float64, shape (n,): the probability that the chromosome alone gives to its name.
        margins: float64, shape (n,), nats: by how much the best assignment that gives this chromosome another
            name is worse.
        homologs: for each chromosome the index of the one that it is paired with, or None.
    """

    labels: tuple[str, ...]
    confidences: NDArray[np.float64]
    margins: NDArray[np.float64]
    homologs: tuple[int | None, ...]


def assign(probabilities: NDArray[np.floating], prior: CopyNumberPrior | None = None) -> Assignment:
    """The most probable names of a metaphase's chromosomes.

    For each sex-chromosome pattern (XX, XY) every type offers slots whose prices rise from copy to copy; the
    cheapest one-to-one assignment of chromosomes to slots is exact because the prices are convex in the copy number.

    Args:
        probabilities: shape (n, 24), in the order of :data:`karyonet.case.LABELS`.
        prior: the price of gains and losses.

    Raises:
        ArrayError: K501 for another shape, for values that are not finite or below zero.
    """
    probabilities = _checked(probabilities)
    prior = prior or CopyNumberPrior()
    count = len(probabilities)
    if count == 0:
        return Assignment((), np.zeros(0), np.zeros(0), ())

    unary = -np.log(np.maximum(probabilities, 1e-9))
    patterns = _patterns(prior, count)
    best, types = min((_solve(unary, slots) for slots in patterns), key=lambda result: result[0])
    margins = np.empty(count)
    for index in range(count):
        barred = unary.copy()
        barred[index, types[index]] = _FORBIDDEN
        margins[index] = min(_solve(barred, slots)[0] for slots in patterns) - best
    confidences: NDArray[np.float64] = probabilities[np.arange(count), types].astype(np.float64)
    return Assignment(tuple(LABELS[t] for t in types), confidences, margins, _pair(types, confidences))


def chromosomes_among(
    probabilities: NDArray[np.floating], existence: NDArray[np.floating], prior: CopyNumberPrior | None = None
) -> NDArray[np.bool_]:
    """Which objects of a metaphase are chromosomes, by what each looks like and by what the others leave missing.

    As :func:`assign`, but that each object may also be none, at the price of its log odds of being one.

    Args:
        probabilities: shape (n, 24), in the order of :data:`karyonet.case.LABELS`, of its name if it is a chromosome.
        existence: shape (n,), log odds that it is one, infinite where there is no doubt.
        prior: the price of gains and losses.

    Returns:
        bool, shape (n,).

    Raises:
        ArrayError: K501 for other shapes, for probabilities that are not finite or below zero, for odds that are nan.
    """
    probabilities, existence = _checked(probabilities), np.asarray(existence, dtype=float)
    if existence.shape != probabilities.shape[:1] or np.isnan(existence).any():
        expected = f"shape ({len(probabilities)},), no nan"
        raise ArrayError("K501", what="existence", expected=expected, actual=f"shape {existence.shape} or nan")
    if not len(existence):
        return np.zeros(0, dtype=bool)
    unary, none = -np.log(np.maximum(probabilities, 1e-9)), np.clip(existence, -_FORBIDDEN, _FORBIDDEN)
    solved = (_solve(unary, slots, none) for slots in _patterns(prior or CopyNumberPrior(), len(existence)))
    return np.asarray(min(solved, key=lambda result: result[0])[1] != _NONE)


def _checked(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    checked: NDArray[np.float64] = np.asarray(probabilities, dtype=np.float64)
    if checked.ndim != 2 or checked.shape[1] != len(LABELS):
        raise ArrayError("K501", what="probabilities", expected=f"shape (n, {len(LABELS)})", actual=checked.shape)
    if not np.isfinite(checked).all() or (checked < 0).any():
        raise ArrayError("K501", what="probabilities", expected="finite and not negative", actual="other values")
    return checked


def _patterns(prior: CopyNumberPrior, count: int) -> list[NDArray[np.float64]]:
    """The slots of XX and of XY, for so many chromosomes."""
    return [_slots(prior, *pattern, slots=max(_COPIES, -(-count // len(LABELS)))) for pattern in _SEX_PATTERNS]


def _slots(prior: CopyNumberPrior, normal_x: int, normal_y: int, slots: int) -> NDArray[np.float64]:
    """Price of every slot of every type, shape (24, slots), for one sex pattern."""
    normal = np.full(len(LABELS), 2)
    normal[X], normal[Y] = normal_x, normal_y
    prices = np.stack([prior.slot_costs(int(copies)) for copies in normal])
    further = prices[:, -1:] + prior.growth * np.arange(1, slots - _COPIES + 1)
    return np.concatenate([prices, further], axis=1)


def _solve(
    unary: NDArray[np.float64], slots: NDArray[np.float64], none: NDArray[np.float64] | None = None
) -> tuple[float, NDArray[np.int64]]:
    """Cost and types of the cheapest assignment; ``none`` is what it costs to have no type."""
    cost = (unary[:, :, None] + slots[None]).reshape(len(unary), -1)
    named = cost.shape[1]
    if none is not None:
        unnamed = np.full((len(none), len(none)), _FORBIDDEN)
        np.fill_diagonal(unnamed, none)
        cost = np.concatenate([cost, unnamed], axis=1)
    rows, columns = linear_sum_assignment(cost)
    # Slots that stay empty leave their (negative) price unpaid: subtracting all of them makes patterns comparable.
    price = float(cost[rows, columns].sum() - slots[slots < 0].sum())
    return price, np.where(columns < named, columns // slots.shape[1], _NONE)


def _pair(types: NDArray[np.int64], confidences: NDArray[np.float64]) -> tuple[int | None, ...]:
    partner: list[int | None] = [None] * len(types)
    for kind in np.unique(types):
        members = np.flatnonzero(types == kind)
        if len(members) >= 2:
            first, second = members[np.argsort(-confidences[members], kind="stable")[:2]]
            partner[first], partner[second] = int(second), int(first)
    return tuple(partner)
