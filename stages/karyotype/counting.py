"""What copy numbers say: of one metaphase, and of all metaphases of a case."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from karyonet.case import LABELS, Clone, Finding, Karyotype, Outcome
from karyonet.iscn import numerical_karyotype

NORMAL_SEX = ({"X": 2, "Y": 0}, {"X": 1, "Y": 1})
NORMAL_KARYOTYPES = frozenset(numerical_karyotype(dict.fromkeys(LABELS[:22], 2) | sex) for sex in NORMAL_SEX)
MINIMUM_METAPHASES = {"gain": 2, "loss": 3}
"""How many metaphases must show a change before it is clonal."""


@dataclass(frozen=True)
class Reading:
    """What one metaphase says: ``iscn`` is None and ``reasons`` are given where it says nothing certain."""

    metaphase: str
    copies: Mapping[str, int]
    iscn: str | None
    outcome: Outcome
    reasons: tuple[str, ...] = ()


def changes(copies: Mapping[str, int]) -> dict[str, int]:
    """Departure from the nearest normal karyotype: label to gained (positive) or lost (negative) copies."""
    found = {label: copies.get(label, 0) - 2 for label in LABELS[:22]}
    sex = min(
        ({label: copies.get(label, 0) - normal[label] for label in ("X", "Y")} for normal in NORMAL_SEX),
        key=lambda departure: sum(map(abs, departure.values())),
    )
    return {label: change for label, change in (found | sex).items() if change}


def read_metaphase(
    metaphase: str,
    labels: Sequence[str],
    doubtful: int,
    max_changes: int,
    max_doubtful: float,
    context: Sequence[str] = (),
) -> Reading:
    """Decide whether the count of one metaphase carries a karyotype.

    Args:
        metaphase: its id.
        labels: the name of every chromosome.
        doubtful: how many of them are marked for review.
        max_changes: gains and losses that are still believed to be the cell's and not the separation's.
        max_doubtful: share of chromosomes under review that is still accepted.
        context: reasons of earlier stages why the metaphase carries no karyotype.
    """
    copies = Counter(labels)
    if context or not labels:
        return Reading(metaphase, copies, None, "undetermined", tuple(context) or ("no chromosome was found",))
    found = changes(copies)
    reasons = []
    if sum(map(abs, found.values())) > max_changes:
        reasons.append(
            f"{len(labels)} chromosomes were counted with {sum(map(abs, found.values()))} gains and losses, "
            f"more than {max_changes}; clusters may not be fully separated"
        )
    if doubtful > max_doubtful * len(labels):
        reasons.append(f"{doubtful} of {len(labels)} chromosomes need review")
    if not copies["X"] and not copies["Y"]:
        reasons.append("no sex chromosome was recognised")
    if reasons:
        return Reading(metaphase, copies, None, "undetermined", tuple(reasons))
    return Reading(metaphase, copies, numerical_karyotype(copies), "abnormal" if found else "normal")


def read_case(readings: Sequence[Reading]) -> tuple[Karyotype, tuple[Finding, ...]]:
    """One karyotype from the metaphases that carry one, by the clonality rule.

    A gain counts when at least two metaphases show it, a loss when at least three do. Changes below that are random as
    far as can be told: they are listed as findings that are not clonal, and a metaphase is read without them. Where
    they are not the exception (half of the metaphases or more), or where an abnormal clone is left with a single
    metaphase, the karyotype is undetermined.
    """
    certain = [reading for reading in readings if reading.iscn is not None]
    if not certain:
        reasons = tuple(dict.fromkeys(f"{r.metaphase}: {reason}" for r in readings for reason in r.reasons))
        return Karyotype(None, "undetermined", reasons=reasons or ("no metaphase could be used",)), ()

    shown: dict[tuple[str, int], list[str]] = defaultdict(list)
    for reading in certain:
        for label, change in changes(reading.copies).items():
            shown[label, _sign(change)].append(reading.metaphase)
    clonal = {key for key, ids in shown.items() if len(ids) >= MINIMUM_METAPHASES["gain" if key[1] > 0 else "loss"]}
    findings = tuple(
        _finding(label, sign, ids, len(certain), (label, sign) in clonal)
        for (label, sign), ids in sorted(shown.items(), key=lambda i: (i[0] not in clonal, LABELS.index(i[0][0])))
    )
    return _decide(certain, clonal), findings


def _decide(certain: Sequence[Reading], clonal: Set[tuple[str, int]]) -> Karyotype:
    random = [r for r in certain if any((label, _sign(n)) not in clonal for label, n in changes(r.copies).items())]
    if 2 * len(random) >= len(certain):
        reason = (
            f"{len(random)} of {len(certain)} metaphases show changes that too few of the others share to be clonal "
            f"({', '.join(reading.metaphase for reading in random)})"
        )
        return Karyotype(None, "undetermined", reasons=(reason,))
    groups: dict[str, list[str]] = defaultdict(list)
    for reading in certain:
        copies = _without_random_changes(reading.copies, clonal)
        if copies is not None:
            groups[numerical_karyotype(copies)].append(reading.metaphase)
    normal = {iscn for iscn in groups if iscn in NORMAL_KARYOTYPES}
    # Abnormal clones by size, the normal clone last.
    order = sorted(groups, key=lambda iscn: (iscn in normal, -len(groups[iscn]), iscn))
    clones = tuple(Clone(iscn, tuple(groups[iscn])) for iscn in order)
    if len(normal) > 1:  # XX and XY side by side: two people, or a misread sex chromosome
        return Karyotype(None, "undetermined", clones, ("the metaphases disagree on the sex chromosomes",))
    lone = [clone for clone in clones if clone.iscn not in normal and len(clone.metaphases) < 2]
    if lone:
        reason = f"{lone[0].iscn} was seen in one metaphase only ({lone[0].metaphases[0]})"
        return Karyotype(None, "undetermined", clones, (reason,))
    outcome: Outcome = "normal" if len(normal) == len(clones) else "abnormal"
    if len(clones) == 1:
        return Karyotype(clones[0].iscn, outcome, clones)
    parts = "/".join(f"{clone.iscn}[{len(clone.metaphases)}]" for clone in clones)
    return Karyotype(f"mos {parts}", outcome, clones)


def _without_random_changes(copies: Mapping[str, int], clonal: Set[tuple[str, int]]) -> dict[str, int] | None:
    """Copy numbers with the changes undone that are not clonal; None if that leaves the sex open."""
    kept = dict(copies)
    for label, change in changes(copies).items():
        if (label, _sign(change)) in clonal:
            continue
        if label in ("X", "Y"):
            return None
        kept[label] = copies.get(label, 0) - change
    return kept


def _sign(change: int) -> int:
    return 1 if change > 0 else -1


def _finding(label: str, sign: int, metaphases: Sequence[str], analysed: int, clonal: bool) -> Finding:
    # Constitutional changes of the sex chromosomes have no signed ISCN form of their own.
    iscn = None if label in ("X", "Y") else f"{'+' if sign > 0 else '-'}{label}"
    return Finding(
        kind="numerical",
        chromosome=label,
        change="gain" if sign > 0 else "loss",
        iscn=iscn,
        score=round(len(metaphases) / analysed, 4),
        metaphases=tuple(metaphases),
        clonal=clonal,
        evidence={"metaphases_analysed": analysed},
    )
