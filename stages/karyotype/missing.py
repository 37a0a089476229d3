"""What explains an autosome that seems to be missing from all cells of a person.

About one person in a thousand carries a Robertsonian translocation: two acrocentric chromosomes joined in one, so that
one of them seems to be missing. That a person should have lost an autosome from all cells is hardly ever seen. A count
that says so makes a difference between the homologs of another acrocentric chromosome much more telling than it is by
itself; where there is none, the missing one is likelier to be there unrecognised, as a ring for instance.
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
    """Structural findings that would explain the autosomes that are missing from all cells.

    A missing acrocentric chromosome is explained by a structural finding of another one, or by the acrocentric type
    whose homologs rather differ, and most of all; of any other missing one the type itself is suspect.

    Args:
        karyotype: by the counts.
        findings: of the case.
        comparisons: of the homologs of every type.
    """
    lost = _lost(findings)
    if len(karyotype.clones) != 1:
        return ()
    acrocentric = [loss for loss in lost if loss.chromosome in ACROCENTRIC]
    found: list[Finding] = []
    if acrocentric:
        known = any(f.kind == "structural" and f.clonal and f.chromosome in ACROCENTRIC for f in findings)
        partner = None if known else _partner({loss.chromosome for loss in lost}, acrocentric[0], comparisons)
        found += [partner] if partner else []
        lost = [loss for loss in lost if loss is not acrocentric[0] or not (known or partner)]
    return (*found, *(_unrecognised(loss) for loss in lost))


def in_words(finding: Finding, karyotype: Karyotype, findings: Sequence[Finding]) -> str:
    """Why a structural finding in several metaphases leaves a case undetermined."""
    if finding.evidence.get(MISSING) == finding.chromosome:
        return (
            f"by the counts {karyotype}, but hardly anyone lives without a second chromosome {finding.chromosome}: a "
            "ring or another rearranged one may bear another name or have been left out; look for it"
        )
    partners = [loss.chromosome for loss in _lost(findings) if loss.chromosome in ACROCENTRIC]
    partners = [label for label in partners if label != finding.chromosome]
    common = ""
    if finding.chromosome in ACROCENTRIC and partners:
        first, second = sorted((finding.chromosome, partners[0]), key=LABELS.index)
        robertsonian = f"der({first};{second}), a Robertsonian translocation,"
        common = f": {robertsonian} would explain it and the missing {partners[0]}"
    return (
        f"by the counts {karyotype}, but the homologs of chromosome {finding.chromosome} differ in structure in "
        f"{len(finding.metaphases)} metaphases; look at them{common}"
    )


def _lost(findings: Sequence[Finding]) -> list[Finding]:
    """The autosomes that are missing by the counts."""
    lost = [f for f in findings if f.kind == "numerical" and f.change == "loss" and f.clonal]
    return [finding for finding in lost if finding.chromosome in LABELS[:22]]


def _partner(lost: set[str], loss: Finding, comparisons: Sequence[HomologComparison]) -> Finding | None:
    """The acrocentric type whose homologs differ most, if they rather differ than not."""
    differing = [
        (one.probability, one)
        for one in comparisons
        if one.chromosome in ACROCENTRIC and one.chromosome not in lost and (one.probability or 0.0) > RATHER
    ]
    if not differing:
        return None
    probability, best = max(differing, key=lambda pair: pair[0] or 0.0)
    return _finding(best.chromosome, probability or 0.0, best.metaphases, loss.chromosome)


def _unrecognised(loss: Finding) -> Finding:
    """The missing type itself."""
    return _finding(loss.chromosome, loss.score, loss.metaphases, loss.chromosome)


def _finding(chromosome: str, score: float, metaphases: tuple[str, ...], missing: str) -> Finding:
    return Finding(
        kind="structural",
        chromosome=chromosome,
        change="unknown",
        iscn=None,
        score=round(score, 4),
        metaphases=metaphases,
        clonal=len(metaphases) > 1,
        evidence={MISSING: missing},
    )
