"""From the counts of all metaphases of a case to its karyotype: one explanation of them, and clones beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import expit, softmax

from karyonet.case import LABELS, Clone, Finding, Karyotype, Outcome
from karyonet.iscn import numerical_karyotype
from karyonet.iscn.clone_checks import MINIMUM_CELLS

from .likelihood import NORMAL_SEX, Copies, Counted, Explanation, Prior, departures, explanations, shown

Change = tuple[str, int]
_NORMAL = tuple(numerical_karyotype(Copies(sex).as_mapping()) for sex in NORMAL_SEX)
_CANDIDATES = 24
"""Karyotypes, the likeliest, that are considered with clones beside them."""


class Certainty(BaseModel):
    """When a karyotype is written.

    Attributes:
        prior: how rare departures are that all metaphases of a person have.
        mosaic_gain, mosaic_loss: log odds, before anything was seen, that some of them have one certain change of an
            autosome. Cells lose chromosomes when they are spread.
        mosaic_sex_gain, mosaic_sex_loss: of an X or Y more, or less; set by hand. Of people with 47,XXY 10 to 20 % are
            mosaics (Bojesen & Gravholt, Nat Clin Pract Urol 4, 2007; Samplaski et al., 2014), mostly of 46,XY; a line
            of 46,XX is rare (Guess et al., Genet Med 26, 2024).
        least: probability of the karyotype of a case, and of a clone, from which it is written.
        other_sex: log of how many times likelier a metaphase must be another person's before that is said.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    prior: Prior = Prior()
    mosaic_gain: float = Field(default=-8.0, lt=0)
    mosaic_loss: float = Field(default=-11.0, lt=0)
    mosaic_sex_gain: float = Field(default=-8.0, lt=0)
    mosaic_sex_loss: float = Field(default=-7.0, lt=0)
    least: float = Field(default=0.95, gt=0.5, lt=1)
    other_sex: float = Field(default=5.0, gt=0)

    def of_mosaic(self, change: Change) -> float:
        """Log odds of some of the metaphases having a change."""
        label, sign = change
        if label in ("X", "Y"):
            return self.mosaic_sex_gain if sign > 0 else self.mosaic_sex_loss
        return self.mosaic_gain if sign > 0 else self.mosaic_loss


def _fewest(sign: int) -> int:
    """Metaphases that must share a gain (1) or a loss (-1) before it is clonal."""
    return MINIMUM_CELLS["gain" if sign > 0 else "loss"]


class Shared(NamedTuple):
    """A change that some metaphases show and the karyotype of the others has not.

    Attributes:
        change: name, and +1 or -1.
        metaphases: ids.
        odds: log odds of its being the cells' own, and not an error of the count in each.
    """

    change: Change
    metaphases: tuple[str, ...]
    odds: float

    @property
    def probability(self) -> float:
        return float(expit(self.odds))

    @property
    def enough(self) -> bool:
        """Whether as many share it as the clonality rule asks."""
        return len(self.metaphases) >= _fewest(self.change[1])


class Account(NamedTuple):
    """One way to account for all counts of a case.

    Attributes:
        copies: the karyotype that all metaphases have but for their own changes.
        shared: what departs from it.
        clonal: those of it that make clones.
        clones: what is written then, in the order of the ISCN.
        probability: of this account.
    """

    copies: Copies
    shared: tuple[Shared, ...]
    clonal: tuple[Shared, ...]
    clones: tuple[Clone, ...]
    probability: float = 0.0

    @property
    def written(self) -> tuple[str, ...]:
        return tuple(clone.iscn for clone in self.clones)

    @property
    def changes(self) -> frozenset[Change]:
        """What is abnormal in any of the clones."""
        return frozenset([*self.copies.changes, *_of_sex(self.copies), *(one.change for one in self.clonal)])

    @property
    def content(self) -> tuple[bool, frozenset[str]]:
        """Whether there is a Y, and the abnormal clones: all but which cells are normal."""
        has_y = self.copies.sex[1] > 0 or any(one.change == ("Y", 1) for one in self.clonal)
        return has_y, frozenset(iscn for iscn in self.written if iscn not in _NORMAL)


def read_case(
    counted: Sequence[Counted], certainty: Certainty, doubted: Sequence[Counted] = ()
) -> tuple[Karyotype, tuple[Finding, ...]]:
    """The karyotype of a case, and what departs from the normal one.

    All metaphases are explained by one karyotype as far as errors of the counts allow; what several of them show
    beyond it, and what is likelier theirs than such errors, makes a clone by the clonality rule. The likeliest such
    account is taken. Undetermined is a case where none is probable enough, where a change is probable but too few
    metaphases share it, and where metaphases seem to be of two people.

    Args:
        counted: of the metaphases that carry a karyotype.
        certainty: when it is written.
        doubted: of metaphases that carry none. They weigh what is likely, but no clone is counted in them.

    Returns:
        The karyotype; clonal findings first, then those that are not.
    """
    if not counted:
        return Karyotype(None, "undetermined", reasons=("no metaphase could be used",)), ()
    possible = explanations([*counted, *doubted], certainty.prior)
    accounts = _accounts(counted, doubted, possible, certainty)
    best, clones = accounts[0], accounts[0].clones
    findings = _findings(counted, possible, best)
    reason = (
        _of_two_people(counted, best.copies, certainty)
        or _improbable(accounts, certainty)
        or _too_few(counted, best.copies, [one for one in best.shared if one not in best.clonal], clones)
    )
    if reason is not None:
        return Karyotype(None, "undetermined", clones, (reason,)), findings
    normal = not best.changes
    outcome: Outcome = "normal" if normal else "abnormal"
    if len(clones) == 1:
        return Karyotype(clones[0].iscn, outcome, clones), findings
    parts = "/".join(f"{clone.iscn}[{len(clone.metaphases)}]" for clone in clones)
    return Karyotype(f"mos {parts}", outcome, clones), findings


def _accounts(
    counted: Sequence[Counted], doubted: Sequence[Counted], possible: Sequence[Explanation], certainty: Certainty
) -> tuple[Account, ...]:
    """The ways to account for a case that are written differently, the most probable first."""
    found: dict[tuple[str, ...], tuple[float, Account]] = {}
    for one in possible[:_CANDIDATES]:
        shared = _shared(counted, one.copies, certainty)
        clonal = _clonal(shared, one.copies, certainty)
        clones = _clones(counted, one.copies, clonal)
        account = Account(one.copies, tuple(shared), clonal, clones)
        score = float(np.log(max(one.probability, 1e-300))) + sum(each.odds for each in clonal)
        for other in doubted:
            departing = departures(other, one.copies, [each.change for each in clonal])
            score += sum(max(departing.get(each.change, 0.0), 0.0) for each in clonal)
        if account.written not in found or found[account.written][0] < score:
            found[account.written] = score, account
    probabilities = softmax([score for score, _ in found.values()]).tolist()
    accounts = [account._replace(probability=p) for (_, account), p in zip(found.values(), probabilities, strict=True)]
    return tuple(sorted(accounts, key=lambda account: -account.probability))


def _clonal(shared: Sequence[Shared], copies: Copies, certainty: Certainty) -> tuple[Shared, ...]:
    """What makes clones beside a karyotype.

    Cells in which a change of the karyotype is undone are normal: it is not in all, and the account from the normal
    karyotype says so. Those that have an X for the Y, or a Y for an X, are another person's.
    """
    clonal = [one for one in shared if one.enough and one.probability >= certainty.least]
    of_sex = {one.change for one in clonal if one.change[0] in ("X", "Y")}
    swapped = {("X", 1), ("Y", -1)} <= of_sex or {("X", -1), ("Y", 1)} <= of_sex
    return tuple(
        one
        for one in clonal
        if (copies.of(one.change[0]) - _normal_copies(one.change[0], copies)) * one.change[1] >= 0
        and not (swapped and one.change in of_sex)
    )


def _shared(counted: Sequence[Counted], copies: Copies, certainty: Certainty) -> list[Shared]:
    """Every departure from the karyotype of the case with the metaphases that show it.

    A metaphase that has the change by its count shows it, and so does one that rather has it than not: what makes
    the difference was left out of it, is doubtful, or bears another name.
    """
    every = {change for one in counted for change in shown(one, copies)}
    ratios = {one.metaphase: departures(one, copies, every) for one in counted}
    found = []
    for change in sorted(every, key=lambda change: (LABELS.index(change[0]), -change[1])):
        having = {metaphase: own[change] for metaphase, own in ratios.items() if change in own}
        found.append(Shared(change, tuple(having), sum(having.values()) + certainty.of_mosaic(change)))
    return found


def _clones(counted: Sequence[Counted], copies: Copies, clonal: Sequence[Shared]) -> tuple[Clone, ...]:
    """Metaphases by the clonal changes that they show: abnormal clones by size, the normal one last."""
    groups: dict[str, list[str]] = defaultdict(list)
    normal = set()
    for one in counted:
        own = [each.change for each in clonal if one.metaphase in each.metaphases]
        written = numerical_karyotype(_changed(copies.as_mapping(), own))
        groups[written].append(one.metaphase)
        if copies.normal and not own:
            normal.add(written)
    order = sorted(groups, key=lambda iscn: (iscn in normal, -len(groups[iscn]), iscn))
    return tuple(Clone(iscn, tuple(groups[iscn])) for iscn in order)


def _changed(copies: Mapping[str, int], changes: Iterable[Change]) -> dict[str, int]:
    changed = dict(copies)
    for label, change in changes:
        changed[label] += change
    return changed


def _of_two_people(counted: Sequence[Counted], copies: Copies, certainty: Certainty) -> str | None:
    """Metaphases that show a Y for an X, or an X for a Y, are somebody else's, or a sex chromosome was misread."""
    strange = []
    for one in counted:
        ratios = departures(one, copies)
        for there, gone in (("X", "Y"), ("Y", "X")):
            ratio = ratios.get((there, 1), 0.0), ratios.get((gone, -1), 0.0)
            if min(ratio) > 0 and sum(ratio) >= certainty.other_sex:
                strange.append(one.metaphase)
    if not strange:
        return None
    return f"the metaphases disagree on the sex chromosomes ({', '.join(strange)} against the others)"


def _improbable(accounts: Sequence[Account], certainty: Certainty) -> str | None:
    """The two karyotypes between which the counts do not decide."""
    # Whether some cells are normal may be open: what was counted is written.
    if sum(one.probability for one in accounts if one.content == accounts[0].content) >= certainty.least:
        return None
    first, second = (f"{'/'.join(one.written)} ({100 * one.probability:.0f} %)" for one in accounts[:2])
    return f"the counts do not decide between {first} and {second}; more metaphases are needed"


def _too_few(
    counted: Sequence[Counted], copies: Copies, others: Sequence[Shared], clones: Sequence[Clone]
) -> str | None:
    """A change that is more likely than not, but that too few metaphases show for it to be clonal."""
    constitutional = [*copies.changes, *_of_sex(copies)]
    for label, change in constitutional:
        holding = [one.metaphase for one in counted if (one.copies(label) - _normal_copies(label, copies)) * change > 0]
        if len(holding) < _fewest(change):
            return _not_clonal((label, change), holding)
    for one in others:
        if one.probability >= 0.5:
            return _not_clonal(one.change, one.metaphases)
    main = numerical_karyotype(copies.as_mapping())
    lone = [clone for clone in clones if clone.iscn != main and len(clone.metaphases) < _fewest(1)]
    return f"{lone[0].iscn} was seen in one metaphase only ({lone[0].metaphases[0]})" if lone else None


def _of_sex(copies: Copies) -> list[Change]:
    """What an abnormal number of sex chromosomes has more or less than the nearest normal one."""
    x, y = copies.sex
    normal = (1, 1) if y else (2, 0)
    return [(label, 1 if d > 0 else -1) for label, d in (("X", x - normal[0]), ("Y", y - normal[1])) if d]


def _normal_copies(label: str, copies: Copies) -> int:
    if label in ("X", "Y"):
        return ((1, 1) if copies.sex[1] else (2, 0))["XY".index(label)]
    return 2


def _not_clonal(change: Change, metaphases: Sequence[str]) -> str:
    label, sign = change
    what = f"{'an additional' if sign > 0 else 'a missing'} chromosome {label}"
    seen = f"{what} was seen in {len(metaphases)} {'metaphase' if len(metaphases) == 1 else 'metaphases'}"
    return (
        f"{seen} ({', '.join(metaphases)}), and a {'gain' if sign > 0 else 'loss'} needs {_fewest(sign)} to be clonal"
    )


def _findings(counted: Sequence[Counted], possible: Sequence[Explanation], account: Account) -> tuple[Finding, ...]:
    best, clonal = account.copies, account.clonal
    found = []
    for label, change in sorted([*best.changes, *_of_sex(best)], key=lambda c: LABELS.index(c[0])):
        normal = _normal_copies(label, best)
        holding = tuple(one.metaphase for one in counted if (one.copies(label) - normal) * change > 0)
        probability = sum(p.probability for p in possible if (p.copies.of(label) - normal) * change > 0)
        found.append(_finding((label, change), holding, probability, len(counted), len(holding) >= _fewest(change)))
    for one in sorted(account.shared, key=lambda s: s not in clonal):
        found.append(_finding(one.change, one.metaphases, one.probability, len(counted), one in clonal))
    return tuple(sorted(found, key=lambda finding: not finding.clonal))


def _finding(change: Change, metaphases: Sequence[str], probability: float, number: int, clonal: bool) -> Finding:
    label, sign = change
    # Constitutional changes of the sex chromosomes have no signed ISCN form of their own.
    iscn = None if label in ("X", "Y") else f"{'+' if sign > 0 else '-'}{label}"
    return Finding(
        kind="numerical",
        chromosome=label,
        change="gain" if sign > 0 else "loss",
        iscn=iscn,
        score=round(min(probability, 1.0), 4),
        metaphases=tuple(metaphases),
        clonal=clonal,
        evidence={"metaphases_counted": number},
    )
