"""How likely a karyotype makes what was counted in a metaphase, and which karyotype that makes likely for a case.

A count errs in two ways: a chromosome is missed (hidden, or taken with its neighbour for one), and something is counted
that is none, or that bears the wrong name. How likely either is, every metaphase and every chromosome says for itself
(:mod:`karyonet.stages.karyotype.evidence`), so that a loss in a poor spread weighs less than one in a good spread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import logsumexp

from karyonet.case import LABELS

AUTOSOMES = LABELS[:22]
SEX_CHROMOSOMES = ((2, 0), (1, 1), (1, 0), (3, 0), (2, 1), (1, 2))
"""Copies of X and Y that a person may have; the first two are normal."""
_NORMAL_SEX = 2


@dataclass(frozen=True)
class Counted:
    """What was counted in a metaphase, and how far that can be trusted.

    Attributes:
        metaphase: its id.
        odds: by name, for each chromosome that bears it, the log odds that it is a whole chromosome of that name.
        missed: log odds that any one chromosome of the cell was missed.
    """

    metaphase: str
    odds: Mapping[str, tuple[float, ...]]
    missed: float

    def copies(self, label: str) -> int:
        """How many chromosomes bear a name."""
        return len(self.odds.get(label, ()))


class Prior(BaseModel):
    """How rare a karyotype is before anything was seen, each as log odds against the normal one.

    Attributes:
        gain, loss: of one autosome; a loss is hardly ever compatible with life, but found in tumours.
        sex: of an abnormal number of sex chromosomes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    gain: float = Field(default=-6.0, lt=0)
    loss: float = Field(default=-9.0, lt=0)
    sex: float = Field(default=-6.0, lt=0)


class Copies(NamedTuple):
    """A karyotype without structural changes.

    Attributes:
        sex: copies of X and Y.
        changes: gains and losses of autosomes, each name with +1 or -1, in the order of :data:`LABELS`.
    """

    sex: tuple[int, int]
    changes: tuple[tuple[str, int], ...] = ()

    @property
    def normal(self) -> bool:
        """Whether it is 46,XX or 46,XY."""
        return not self.changes and self.sex in SEX_CHROMOSOMES[:_NORMAL_SEX]

    def of(self, label: str) -> int:
        """How many chromosomes of a name there are."""
        if label in ("X", "Y"):
            return self.sex["XY".index(label)]
        return 2 + dict(self.changes).get(label, 0)

    def as_mapping(self) -> dict[str, int]:
        """Copies of every name."""
        return {label: self.of(label) for label in LABELS}


class Explanation(NamedTuple):
    """A karyotype and how probable it is after all that was counted."""

    copies: Copies
    probability: float


def log_likelihood(counted: Counted, copies: Copies) -> float:
    """Log likelihood of a count, up to a constant that the karyotype does not change.

    Every chromosome that is there too often is taken for none, the least credible first; every one that is not there,
    for missed.
    """
    return sum(_of_label(counted, label, copies.of(label)) for label in LABELS)


def _of_label(counted: Counted, label: str, true: int) -> float:
    found = counted.odds.get(label, ())
    if len(found) <= true:
        return (true - len(found)) * counted.missed
    return -sum(sorted(found)[: len(found) - true])


def explanations(counted: Sequence[Counted], prior: Prior, most_changes: int = 3) -> list[Explanation]:
    """The karyotypes that one and the same one in all metaphases could be, the most probable first.

    Args:
        counted: at least one.
        prior: how rare they are.
        most_changes: autosomal changes of one karyotype that are considered, among those that any metaphase shows.
    """
    shown = [
        (label, change)
        for label in AUTOSOMES
        for change in (1, -1)
        if any((one.copies(label) - 2) * change > 0 for one in counted)
    ]
    # Of each change alone what it adds, so that combinations need no counting anew: labels do not depend on each other.
    base = {sex: sum(_of_sex(one, sex) for one in counted) for sex in SEX_CHROMOSOMES}
    gain = {
        key: sum(_of_label(one, key[0], 2 + key[1]) - _of_label(one, key[0], 2) for one in counted)
        + (prior.gain if key[1] > 0 else prior.loss)
        for key in shown
    }
    # A change that makes the counts less likely on its own does so in company as well.
    helpful = [key for key in shown if gain[key] > 0]
    helpful = sorted(helpful, key=lambda key: -gain[key])[:8]
    sets = [(), *((key,) for key in shown), *(c for n in range(2, most_changes + 1) for c in combinations(helpful, n))]
    found, logs = [], []
    for place, sex in enumerate(SEX_CHROMOSOMES):
        for changes in sets:
            if len({label for label, _ in changes}) < len(changes):
                continue
            found.append(Copies(sex, tuple(sorted(changes, key=lambda c: LABELS.index(c[0])))))
            logs.append(base[sex] + (prior.sex if place >= _NORMAL_SEX else 0.0) + sum(gain[c] for c in changes))
    probabilities = np.exp(np.array(logs) - logsumexp(logs))
    order = np.argsort(-probabilities, kind="stable")
    return [Explanation(found[i], float(probabilities[i])) for i in order.tolist()]


def _of_sex(counted: Counted, sex: tuple[int, int]) -> float:
    return _of_label(counted, "X", sex[0]) + _of_label(counted, "Y", sex[1])


def departures(counted: Counted, copies: Copies) -> dict[tuple[str, int], float]:
    """What a metaphase shows otherwise than a karyotype says.

    Returns:
        by name and +1 or -1: log of how many times likelier the count is if the cell has that change.
    """
    found: dict[tuple[str, int], float] = {}
    for label in LABELS:
        true = copies.of(label)
        change = int(np.sign(counted.copies(label) - true))
        if change and true + change >= 0:
            found[label, change] = _of_label(counted, label, true + change) - _of_label(counted, label, true)
    return found
