"""What the copy numbers of one metaphase say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from karyonet.case import LABELS, Outcome
from karyonet.iscn import numerical_karyotype

NORMAL_SEX = ({"X": 2, "Y": 0}, {"X": 1, "Y": 1})


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
