"""The karyotype stage: counts, sex chromosomes, clones and a simple ISCN string."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from karyonet.case import Case, Chromosome, Finding, Karyotype, Metaphase
from karyonet.guideline import load_guideline
from karyonet.stage import Stage, StageOptions

from .clones import Certainty, read_case
from .counting import Reading, read_metaphase
from .evidence import SHIPPED, read_evidence
from .missing import MISSING, in_words, suspected
from .states import with_states


class CountAndSex(Stage):
    """Counts the named chromosomes of every metaphase and writes the karyotype of the case.

    A metaphase whose count cannot be trusted (too many gains and losses, too many chromosomes under review), or that an
    earlier stage gave a reason against, is undetermined and takes no part in the karyotype; if all are, so is the
    case, with the reasons. A case with a clonal structural finding is undetermined as well.
    """

    summary = "Counts, sex chromosomes, clones and the ISCN karyotype"
    requires = frozenset({"metaphase.chromosomes", "chromosome.region", "chromosome.label", "chromosome.review"})
    assigns = frozenset(
        {
            "metaphase.count",
            "metaphase.iscn",
            "metaphase.outcome",
            "metaphase.reasons",
            "metaphase.state",
            "case.karyotype",
            "case.findings",
            "case.guideline",
        }
    )

    class Options(StageOptions):
        max_changes: int = Field(2, ge=0, description="gains and losses in a metaphase that are still believed")
        max_doubtful: float = Field(0.3, ge=0, le=1, description="share of chromosomes under review still accepted")
        smallest: float = Field(
            0.26, ge=0, lt=1, description="smaller objects are not counted; area relative to the median chromosome"
        )
        least_confidence: float = Field(
            0.01, ge=0, le=1, description="a name less probable than this says that a chromosome was missed"
        )
        monosomies: bool = Field(
            False,
            description="autosomes may be missing from all cells, as in tumours; else a changed one is suspected there",
        )
        certainty: Certainty = Field(Certainty(), description="when a karyotype is written")
        evidence: Path | None = Field(None, description="YAML file of tools/fit_karyotype.py; by default ours")
        guideline: str | None = Field(
            None, description="what is asked for: prenatal, constitutional, oncology, or the path of a YAML file"
        )
        most_review: float = Field(
            0.1, ge=0, le=1, description="share of chromosomes under review up to which a counted metaphase is analysed"
        )

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        asked = self.options.guideline
        self._guideline = None if asked is None else load_guideline(asked)
        self._evidence = read_evidence(self.options.evidence or SHIPPED)

    def __call__(self, case: Case) -> Case:
        before = case.metaphases
        small = {m.id: small_objects(m.chromosomes, self.options.smallest) for m in case.metaphases}
        named = {m.id: _named(m, small[m.id]) for m in case.metaphases}
        left_out = {m.id: m.left_out for m in case.metaphases}
        readings = {m.id: self._read(m, named[m.id]) for m in case.metaphases}
        case = case.map_metaphases(lambda m: _with_reading(m, readings[m.id], small[m.id]), stage="karyotype")
        carrying = [id for id, reading in readings.items() if reading.iscn is not None]
        by_looks = {m.id: by_look(named[m.id], self.options.least_confidence) for m in before}
        doubted = [m.id for m in before if m.id not in carrying and self._believed(m, by_looks[m.id]).iscn is not None]
        karyotype, findings = read_case(
            [self._evidence.counted(id, named[id], left_out[id]) for id in carrying],
            self.options.certainty,
            [self._evidence.counted(id, by_looks[id], left_out[id]) for id in doubted],
        )
        if not carrying and readings:
            all_reasons = (f"{r.metaphase}: {reason}" for r in readings.values() for reason in r.reasons)
            karyotype = replace(karyotype, reasons=tuple(dict.fromkeys(all_reasons)))
        others = tuple(f for f in case.findings if f.kind != "numerical" and MISSING not in f.evidence)
        findings = (*findings, *others)
        if not self.options.monosomies:
            findings += suspected(karyotype, findings, case.comparisons)
        case = replace(case, karyotype=with_structural_findings(karyotype, findings), findings=findings)
        return with_states(case, self._guideline, self.options.most_review)

    def _read(self, metaphase: Metaphase, named: Sequence[Chromosome]) -> Reading:
        """A metaphase by the names that its chromosomes bear."""
        reasons = metaphase.reasons or contradictions(named, self.options.least_confidence)
        return self._believed(replace(metaphase, reasons=reasons), named)

    def _believed(self, metaphase: Metaphase, named: Sequence[Chromosome]) -> Reading:
        """The same, whatever the chromosomes look like."""
        return read_metaphase(
            metaphase.id,
            [c.label for c in named if c.label is not None],
            sum(c.review for c in named),
            self.options.max_changes,
            self.options.max_doubtful,
            metaphase.reasons,
        )


def _named(metaphase: Metaphase, small: Set[str]) -> list[Chromosome]:
    """The chromosomes that count."""
    return [c for c in metaphase.chromosomes if c.label is not None and c.id not in small]


def by_look(named: Sequence[Chromosome], least_confidence: float) -> list[Chromosome]:
    """The chromosomes with the names that they look like, where they bear another one (:func:`contradictions`)."""
    found = []
    for chromosome in named:
        if chromosome.contradicted(least_confidence) and chromosome.probabilities is not None:
            confidence = float(chromosome.probabilities.max())
            chromosome = replace(chromosome, label=chromosome.looks_like, confidence=confidence)
        found.append(chromosome)
    return found


def contradictions(named: Sequence[Chromosome], least_confidence: float) -> tuple[str, ...]:
    """Chromosomes that bear a name only because one of that name is missing, while they look like another.

    Where one chromosome was missed and another is there once more than it should be, naming all together makes a
    normal set of them; such a metaphase is evidence neither for the normal karyotype nor against it.
    """
    return tuple(
        f"{c.id} is named {c.label} because one is missing, but looks like another; a chromosome may have been missed"
        for c in named
        if c.contradicted(least_confidence)
    )


def with_structural_findings(karyotype: Karyotype, findings: Sequence[Finding]) -> Karyotype:
    """The karyotype, undetermined where the counts give one but several metaphases show a structural difference.

    What the difference is, a person has to say: breakpoints are not known, so that no ISCN can be written.
    """
    structural = [finding for finding in findings if finding.kind == "structural" and finding.clonal]
    if karyotype.iscn is None or not structural:
        return karyotype
    reasons = tuple(in_words(finding, karyotype, findings) for finding in structural)
    return Karyotype(None, "undetermined", reasons=reasons)


def small_objects(chromosomes: Sequence[Chromosome], smallest: float) -> frozenset[str]:
    """Ids of the objects whose area is below ``smallest`` times the median area: debris, or a small marker.

    Chromosomes 21, 22 and Y have 0.30 of the median or more in metaphases of the training split; debris that passed
    the segmentation has mostly less. Such objects stay in the report, under review, but make no trisomy.
    """
    areas = [chromosome.region.area for chromosome in chromosomes]
    limit = smallest * float(np.median(areas)) if areas else 0.0
    return frozenset(c.id for c, area in zip(chromosomes, areas, strict=True) if area < limit)


def _with_reading(metaphase: Metaphase, reading: Reading, small: Set[str]) -> Metaphase:
    chromosomes = tuple(replace(c, review=c.review or c.id in small) for c in metaphase.chromosomes)
    return replace(
        metaphase,
        chromosomes=chromosomes,
        count=sum(reading.copies.values()),
        iscn=reading.iscn,
        outcome=reading.outcome,
        reasons=reading.reasons,
    )
