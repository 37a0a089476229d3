"""How likely a karyotype makes what was counted in a metaphase, and which karyotype that makes likely for a case.

A count errs in two ways: a chromosome is missed (hidden, or taken with its neighbour for one), and something is counted
that is none, or that bears the wrong name. How likely either is, every metaphase and every chromosome says for itself
(:mod:`karyonet.stages.karyotype.evidence`), so that a loss in a poor spread weighs less than one in a good spread.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations, repeat
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.optimize import linear_sum_assignment
from scipy.special import logsumexp

from karyonet.case import LABELS

AUTOSOMES = LABELS[:22]
VIABLE = ("13", "18", "21")
"""Autosomes of which a person may have one more in all cells."""
NORMAL_SEX = ((2, 0), (1, 1))
SEX_CHROMOSOMES = (*NORMAL_SEX, (1, 0), (3, 0), (2, 1), (1, 2))
"""Copies of X and Y that a person may have."""
_HELPFUL = 6
"""Changes of which combinations are considered."""


class Named(NamedTuple):
    """A chromosome that was counted by its name.

    Attributes:
        odds: log odds that it is a whole chromosome of that name.
        instead: by other names, log of how many times likelier its own is by its look.
    """

    odds: float
    instead: Mapping[str, float] = {}


@dataclass(frozen=True)
class Counted:
    """What was counted in a metaphase, and how far that can be trusted.

    Attributes:
        metaphase: its id.
        named: its chromosomes by name, the least credible first.
        left_out: by what it looks like, log odds of being one of what was left out, the most credible first.
        missed: log odds that any one chromosome of the cell was missed.
        gained_missed: the same of one beyond the normal complement. What is doubtful is taken for a chromosome where
            its type is incomplete, and names are given as if no type had three: both forget what is there once more.
    """

    metaphase: str
    named: Mapping[str, tuple[Named, ...]]
    missed: float
    gained_missed: float = -np.inf
    left_out: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def copies(self, label: str) -> int:
        """How many chromosomes bear a name."""
        return len(self.named.get(label, ()))


class Prior(BaseModel):
    """How rare a karyotype is before anything was seen, each as log odds against the normal one.

    Set for people who are examined for a reason, before birth or after it; tumours need others.

    Attributes:
        viable: of a gain of 13, 18 or 21.
        gain, loss: of any other one autosome; of a loss of one. Both are hardly ever compatible with life.
        sex: of an abnormal number of sex chromosomes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    viable: float = Field(default=-5.0, lt=0)
    gain: float = Field(default=-8.0, lt=0)
    loss: float = Field(default=-9.0, lt=0)
    sex: float = Field(default=-5.5, lt=0)

    def of(self, copies: Copies) -> float:
        """Of a karyotype."""
        sex = 0.0 if copies.sex in NORMAL_SEX else self.sex
        return sex + sum(self._of_change(label, change) for label, change in copies.changes)

    def _of_change(self, label: str, change: int) -> float:
        if change < 0:
            return self.loss
        return self.viable if label in VIABLE else self.gain


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
        return not self.changes and self.sex in NORMAL_SEX

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

    A chromosome that is there too often, the least credible first, is none, or one of those that seem to be missing
    under a wrong name; every other one that seems to be missing was missed, or is among what was left out. The
    likeliest of these explanations counts.
    """
    surplus: list[Named] = []
    lacking: list[str] = []
    costs: list[float] = []
    for label in LABELS:
        found, true = counted.named.get(label, ()), copies.of(label)
        surplus += found[: max(len(found) - true, 0)]
        short = max(true - len(found), 0)
        gained = min(short, max(true - _normal(counted, label), 0))
        lacking += [label] * short
        missed = [max(counted.missed, counted.gained_missed)] * gained + [counted.missed] * (short - gained)
        costs += map(max, missed, chain(counted.left_out.get(label, ()), repeat(-np.inf)))
    apart = sum(costs) - sum(one.odds for one in surplus)
    if not surplus or not lacking:
        return apart
    renamed = np.array(
        [
            [
                max(one.odds - cost - one.instead.get(label, np.inf), 0.0)
                for label, cost in zip(lacking, costs, strict=True)
            ]
            for one in surplus
        ]
    )
    rows, columns = linear_sum_assignment(renamed, maximize=True)
    return apart + float(renamed[rows, columns].sum())


def _normal(counted: Counted, label: str) -> int:
    """Copies that a cell with the found sex chromosomes normally has."""
    if label in ("X", "Y"):
        return NORMAL_SEX[counted.copies("Y") > 0]["XY".index(label)]
    return 2


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
    single: list[tuple[tuple[str, int], ...]] = [(), *((change,) for change in shown)]
    found = {Copies(sex, changes): 0.0 for sex in SEX_CHROMOSOMES for changes in single}
    for copies in found:
        found[copies] = _log_posterior(counted, copies, prior)
    # What makes the counts less likely on its own hardly does otherwise in company.
    alone = {
        change: max(found[Copies(sex, (change,))] - found[Copies(sex)] for sex in SEX_CHROMOSOMES) for change in shown
    }
    helpful = sorted((change for change in shown if alone[change] > 0), key=lambda change: -alone[change])[:_HELPFUL]
    for number in range(2, most_changes + 1):
        for chosen in combinations(helpful, number):
            if len({label for label, _ in chosen}) == number:
                changes = tuple(sorted(chosen, key=lambda change: LABELS.index(change[0])))
                for sex in SEX_CHROMOSOMES:
                    copies = Copies(sex, changes)
                    found[copies] = _log_posterior(counted, copies, prior)
    logs = np.array(list(found.values()))
    probabilities = np.exp(logs - logsumexp(logs))
    order = np.argsort(-probabilities, kind="stable")
    known = list(found)
    return [Explanation(known[i], float(probabilities[i])) for i in order.tolist()]


def _log_posterior(counted: Sequence[Counted], copies: Copies, prior: Prior) -> float:
    """Up to a constant."""
    return prior.of(copies) + sum(log_likelihood(one, copies) for one in counted)


def shown(counted: Counted, copies: Copies) -> list[tuple[str, int]]:
    """Names that were counted more often (+1) or more rarely (-1) than a karyotype has them."""
    signs = ((label, int(np.sign(counted.copies(label) - copies.of(label)))) for label in LABELS)
    return [(label, sign) for label, sign in signs if sign]


def departures(
    counted: Counted, copies: Copies, elsewhere: Collection[tuple[str, int]] = ()
) -> dict[tuple[str, int], float]:
    """What a metaphase shows otherwise than a karyotype says.

    Args:
        elsewhere: changes that other metaphases show; it shows those of them that it rather has than not.

    Returns:
        by name and +1 or -1: log of how many times likelier the count is if the cell has that change.
    """
    without = log_likelihood(counted, copies)
    own = shown(counted, copies)
    found = {}
    for change in dict.fromkeys([*own, *elsewhere]):
        likelier = log_likelihood(counted, _with(copies, *change)) - without
        if change in own or likelier > 0:
            found[change] = likelier
    return found


def _with(copies: Copies, label: str, change: int) -> Copies:
    """A karyotype with one chromosome more or less."""
    if label in ("X", "Y"):
        x, y = copies.sex
        return copies._replace(sex=(x + change, y) if label == "X" else (x, y + change))
    return copies._replace(
        changes=(*((one, by) for one, by in copies.changes if one != label), (label, copies.of(label) - 2 + change))
    )
