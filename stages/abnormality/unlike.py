"""Chromosomes that look unlike their type in metaphase after metaphase, where no comparison of homologs can tell.

Homologs may be so unlike that one of them bears its name only because a chromosome of that name is missing; and the X
and the Y of a man have no homolog to be compared with.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from scipy.special import expit

from karyonet.case import Case, Chromosome, Finding

from .case_bags import TYPES
from .look import doubt, evidence_of

_SEVERAL = 2
"""Metaphases from which it is no accident: a chromosome that was missed is another one in each."""
_SEVERAL_LONE = 3
"""The same where there is no second homolog to see beside it."""


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
    found = []
    for label, contradicted in shown.items():
        if len(contradicted) >= _SEVERAL:
            ids = [chromosome.id for chromosome in contradicted.values()]
            surest = max(chromosome.confidence or 0.0 for chromosome in contradicted.values())
            found.append(_finding(label, contradicted, 1 - surest, homolog=ids[0], homologs=ids))
    return tuple(found)


def lone_unlike(case: Case, least_doubt: float, weight: float) -> tuple[Finding, ...]:
    """A structural finding for the one X or Y of three metaphases or more that looks unlike one in each of them.

    It is for a person to look at and never clonal, so that it changes no karyotype: a Y that is longer or shorter than
    most is a common variant, and there is no homolog that would tell.

    Args:
        case: named.
        least_doubt: nats by which its look must speak against its name in every metaphase (:func:`.look.doubt`).
        weight: of a nat of doubt, see :func:`.look.with_look`; the score starts from even odds.
    """
    found = []
    for label in ("X", "Y"):
        lone: dict[str, Chromosome] = {}
        for metaphase in case.metaphases:
            named = [chromosome for chromosome in metaphase.chromosomes if chromosome.label == label]
            if len(named) == 1 and not metaphase.reasons:
                lone[metaphase.id] = named[0]
        least = min((doubt(chromosome) for chromosome in lone.values()), default=0.0)
        if len(lone) >= _SEVERAL_LONE and least >= least_doubt:
            ids = [chromosome.id for chromosome in lone.values()]
            score = float(expit(evidence_of(least, len(lone), weight)))
            found.append(_finding(label, lone, score, clonal=False, lone=ids, look_doubt=round(least, 1)))
    return tuple(found)


def _finding(label: str, odd: dict[str, Chromosome], score: float, clonal: bool = True, **evidence: object) -> Finding:
    return Finding(
        kind="structural",
        chromosome=label,
        change="unknown",
        iscn=None,
        score=round(score, 4),
        metaphases=tuple(odd),
        clonal=clonal,
        evidence={**evidence, "looks_like": _looks(odd.values())},
    )


def _looks(chromosomes: Iterable[Chromosome]) -> str:
    """What they look like, the commonest first."""
    found = Counter(one.looks_like for one in chromosomes if one.looks_like is not None)
    return " or ".join(label for label, _ in found.most_common()) or "another chromosome"
