"""Homologs so unlike that one of them bears its name only because a chromosome of that name is missing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from karyonet.case import Case, Chromosome, Finding

from .case_bags import TYPES

_SEVERAL = 2
"""Metaphases from which it is no accident: a chromosome that was missed is another one in each."""


def unlike_pairs(case: Case, least_confidence: float) -> tuple[Finding, ...]:
    """A clonal structural finding for every type of which this holds in several metaphases.

    Names are given to a whole metaphase together, so that a chromosome whose look contradicts a name gets it where one
    of that name is missing. Where one was missed that says nothing; where the same type is concerned again and again,
    its second homolog may be there and look like another chromosome.

    Args:
        case: named.
        least_confidence: a name that is less probable than this is contradicted by the look.
    """
    shown: dict[str, dict[str, Chromosome]] = defaultdict(dict)
    for metaphase in case.metaphases:
        for label in () if metaphase.reasons else TYPES:
            pair = [chromosome for chromosome in metaphase.chromosomes if chromosome.label == label]
            odd = [one for one in pair if one.contradicted(least_confidence)]
            if len(pair) == 2 and len(odd) == 1:
                shown[label][metaphase.id] = odd[0]
    return tuple(_finding(label, odd) for label, odd in shown.items() if len(odd) >= _SEVERAL)


def _finding(label: str, odd: dict[str, Chromosome]) -> Finding:
    homologs = [chromosome.id for chromosome in odd.values()]
    doubt = 1 - max(chromosome.confidence or 0.0 for chromosome in odd.values())
    return Finding(
        kind="structural",
        chromosome=label,
        change="unknown",
        iscn=None,
        score=round(doubt, 4),
        metaphases=tuple(odd),
        clonal=True,
        evidence={"homolog": homologs[0], "homologs": homologs, "looks_like": _looks(odd.values())},
    )


def _looks(chromosomes: Iterable[Chromosome]) -> str:
    """What they look like, the commonest first."""
    found = Counter(one.looks_like for one in chromosomes if one.looks_like is not None)
    return " or ".join(label for label, _ in found.most_common()) or "another chromosome"
