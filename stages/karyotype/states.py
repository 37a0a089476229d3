"""What every metaphase counts as, what a guideline finds in a case, and which mosaicism the metaphases exclude.

The states are those of the ACMG Standards and Guidelines for Clinical Genetics Laboratories (section E), as far as a
program can vouch for them.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace
from statistics import median
from typing import get_args

from karyonet.case import (
    Case,
    Demand,
    Finding,
    GuidelineCheck,
    Karyotype,
    Metaphase,
    MetaphaseState,
)
from karyonet.guideline import Guideline

STATES: tuple[MetaphaseState, ...] = get_args(MetaphaseState)
MISSED = 0.05
"""Probability with which a second cell line of the excluded share would have been missed."""


def with_states(case: Case, guideline: Guideline | None, most_review: float) -> Case:
    """The case with the state of every metaphase, the mosaicism that is excluded, and the check of a guideline.

    Args:
        case: with its karyotype and findings.
        guideline: what is asked for; None for no check, and no least band level of an analysed metaphase.
        most_review: share of chromosomes under review up to which a metaphase is analysed.
    """
    least = None if guideline is None else guideline.band_level
    metaphases = tuple(
        replace(m, state=state_of(m, known_single(m, case.findings), most_review, least)) for m in case.metaphases
    )
    karyotype = case.karyotype
    if karyotype is not None:
        excluded = excluded_mosaicism(agreeing(karyotype, case.findings))
        karyotype = replace(karyotype, mosaicism_excluded=excluded)
    check = None if guideline is None else check_guideline(guideline, metaphases)
    return replace(case, metaphases=metaphases, karyotype=karyotype, guideline=check)


def state_of(
    metaphase: Metaphase, single: Set[str], most_review: float, least_band_level: float | None = None
) -> MetaphaseState | None:
    """What a metaphase counts as; None where its count does not carry.

    *Counted*: its count carries a karyotype. *Analysed*: besides, every object in it is named, few are under review,
    and its band level, where one was estimated, is not below the least. *Karyotyped*: besides, none is under review,
    and each has a homolog or is of a type that is known to have one without.

    Args:
        metaphase: with its outcome.
        single: types of which a chromosome may be without a homolog, see :func:`known_single`.
        most_review: share of chromosomes under review up to which it is analysed.
        least_band_level: in bands per haploid set.
    """
    if metaphase.outcome not in ("normal", "abnormal"):
        return None
    chromosomes, level = metaphase.chromosomes, metaphase.band_level
    under_review = sum(c.review for c in chromosomes)
    coarse = level is not None and least_band_level is not None and level.bphs < least_band_level
    if coarse or under_review > most_review * len(chromosomes) or any(c.label is None for c in chromosomes):
        return "counted"
    if under_review or any(c.homolog is None and c.label not in single for c in chromosomes):
        return "analysed"
    return "karyotyped"


def known_single(metaphase: Metaphase, findings: Sequence[Finding]) -> frozenset[str]:
    """Types of which a chromosome of this metaphase may be without a homolog.

    These are X and Y where both are there, and those of which the metaphase shows a clonal gain or loss.
    """
    single = {
        f.chromosome for f in findings if f.kind == "numerical" and f.clonal and metaphase.id in f.metaphases
    }  # fmt: skip
    sex = {"X", "Y"}
    # A lone X may be written as a lost X or as a lost Y.
    if single & sex or sex <= {c.label for c in metaphase.chromosomes}:
        single |= sex
    return frozenset(single)


def check_guideline(guideline: Guideline, metaphases: Sequence[Metaphase]) -> GuidelineCheck:
    """What a guideline asks for, and what there is of it.

    Args:
        guideline: what is asked for.
        metaphases: with their states.
    """
    needed = {"counted": guideline.counted, "analysed": guideline.analysed, "karyotyped": guideline.karyotyped}
    demands = [Demand(state, needed[state], at_least(metaphases, state)) for state in STATES]
    if guideline.band_level is not None:
        found = best_band_level(metaphases, guideline.analysed)
        demands.append(Demand("band_level", guideline.band_level, found))
    return GuidelineCheck(guideline.name, tuple(demands))


def at_least(metaphases: Sequence[Metaphase], state: MetaphaseState) -> int:
    """How many metaphases have this state or one that includes it."""
    return sum(m.state is not None and STATES.index(m.state) >= STATES.index(state) for m in metaphases)


def best_band_level(metaphases: Sequence[Metaphase], number: int) -> float | None:
    """Median band level, in bphs, of the best counted metaphases; None where none has been estimated.

    The structure of chromosomes is judged in as many metaphases as must be analysed; that others, which are only
    counted, show fewer bands takes nothing from it.

    Args:
        metaphases: with their states.
        number: how many of the best.
    """
    levels = [m.band_level.bphs for m in metaphases if m.state is not None and m.band_level is not None]
    best = sorted(levels, reverse=True)[:number]
    return median(best) if best else None


def agreeing(karyotype: Karyotype, findings: Sequence[Finding]) -> int:
    """How many metaphases show the one karyotype of a case and nothing else; 0 without such a karyotype."""
    if karyotype.outcome == "undetermined" or len(karyotype.clones) != 1:
        return 0
    departing = {id for f in findings if f.kind == "numerical" and not f.clonal for id in f.metaphases}
    return len(set(karyotype.clones[0].metaphases) - departing)


def excluded_mosaicism(metaphases: int) -> float | None:
    """The share of cells from which a second cell line would have been seen with a probability of 95 %.

    ``1 - 0.05 ** (1 / n)``: n cells miss a line of this share with a probability of 5 %, if they are independent of
    each other (E. B. Hook, American Journal of Human Genetics 29:94–97, 1977).

    Args:
        metaphases: how many agree; None is returned for 0.
    """
    return None if metaphases < 1 else 1.0 - MISSED ** (1.0 / metaphases)
