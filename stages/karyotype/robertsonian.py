"""Robertsonian translocations: two acrocentric chromosomes joined in one, so that one of them seems to be missing.

About one person in a thousand carries one; that a person should have lost an acrocentric chromosome from all cells is
hardly ever seen. A count that says so makes a difference between the homologs of another one much more telling than
it is by itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from karyonet.case import LABELS, Finding, HomologComparison, Karyotype
from karyonet.ideogram import ACROCENTRIC

MISSING = "missing"
"""What the evidence of such a finding tells: the type of which one is missing."""
RATHER = 0.5
"""Probability above which homologs rather differ in structure than not."""


def suspected(
    karyotype: Karyotype, findings: Sequence[Finding], comparisons: Sequence[HomologComparison]
) -> tuple[Finding, ...]:
    """A structural finding for the acrocentric type that explains a missing one best, where none is a finding already.

    Args:
        karyotype: by the counts.
        findings: of the case.
        comparisons: of the homologs of every type.

    Returns:
        None or one.
    """
    lost = _lost(findings)
    known = any(f.kind == "structural" and f.clonal and f.chromosome in ACROCENTRIC for f in findings)
    if not lost or known or len(karyotype.clones) != 1:
        return ()
    differing = [
        (one.probability, one)
        for one in comparisons
        if one.chromosome in ACROCENTRIC and one.chromosome not in lost and (one.probability or 0.0) > RATHER
    ]
    if not differing:
        return ()
    probability, best = max(differing, key=lambda pair: pair[0] or 0.0)
    return (
        Finding(
            kind="structural",
            chromosome=best.chromosome,
            change="unknown",
            iscn=None,
            score=round(probability or 0.0, 4),
            metaphases=best.metaphases,
            clonal=len(best.metaphases) > 1,
            evidence={MISSING: lost[0]},
        ),
    )


def explanation(chromosome: str, findings: Sequence[Finding]) -> str:
    """What an acrocentric chromosome that differs and a lost one have in common, if that is so."""
    partners = [label for label in _lost(findings) if label != chromosome]
    if chromosome not in ACROCENTRIC or not partners:
        return ""
    first, second = sorted((chromosome, partners[0]), key=LABELS.index)
    return f": der({first};{second}), a Robertsonian translocation, would explain it and the missing {partners[0]}"


def _lost(findings: Sequence[Finding]) -> list[str]:
    """Acrocentric types of which one is missing."""
    lost = [f.chromosome for f in findings if f.kind == "numerical" and f.change == "loss" and f.clonal]
    return [label for label in lost if label in ACROCENTRIC]
