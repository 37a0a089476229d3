"""The karyotype stage: counts, sex chromosomes, clones and a simple ISCN string."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from karyonet.case import Case, Cluster, Metaphase, Quality
from karyonet.stage import Stage, StageOptions

from .counting import Reading, read_case, read_metaphase


class CountAndSex(Stage):
    """Counts the named chromosomes of every metaphase and writes the karyotype of the case.

    A metaphase whose count cannot be trusted (too many gains and losses, too many chromosomes under review) is
    undetermined and takes no part in the karyotype; if all are, so is the case, with the reasons.
    """

    summary = "Counts, sex chromosomes, clones and the ISCN karyotype"
    requires = frozenset({"metaphase.chromosomes", "chromosome.label", "chromosome.review"})
    assigns = frozenset(
        {
            "metaphase.count",
            "metaphase.iscn",
            "metaphase.outcome",
            "metaphase.reasons",
            "metaphase.quality",
            "case.karyotype",
            "case.findings",
        }
    )

    class Options(StageOptions):
        max_changes: int = Field(2, ge=0, description="gains and losses in a metaphase that are still believed")
        max_doubtful: float = Field(0.3, ge=0, le=1, description="share of chromosomes under review still accepted")

    def __call__(self, case: Case) -> Case:
        readings = {metaphase.id: self._read(metaphase) for metaphase in case.metaphases}
        case = case.map_metaphases(lambda m: _with_reading(m, readings[m.id]), stage="karyotype")
        karyotype, findings = read_case(list(readings.values()))
        return replace(case, karyotype=karyotype, findings=findings)

    def _read(self, metaphase: Metaphase) -> Reading:
        named = [c for c in metaphase.chromosomes if c.label is not None]
        return read_metaphase(
            metaphase.id,
            [c.label for c in named if c.label is not None],
            sum(c.review for c in named),
            self.options.max_changes,
            self.options.max_doubtful,
            metaphase.reasons,
        )


def _with_reading(metaphase: Metaphase, reading: Reading) -> Metaphase:
    return replace(
        metaphase,
        count=sum(reading.copies.values()),
        iscn=reading.iscn,
        outcome=reading.outcome,
        reasons=reading.reasons,
        quality=_quality(metaphase),
    )


def _quality(metaphase: Metaphase) -> Quality:
    """Share of a full set of 46 that was found in components of its own and needs no review."""
    clusters: dict[str, Cluster] = {cluster.id: cluster for cluster in metaphase.clusters}
    crowded = [c for c in metaphase.chromosomes if c.cluster in clusters and clusters[c.cluster].type != "instance"]
    doubtful = [c for c in metaphase.chromosomes if c.review]
    sound = len(metaphase.chromosomes) - len({c.id for c in crowded} | {c.id for c in doubtful})
    flags = []
    if len(metaphase.chromosomes) != 46:
        flags.append(f"{len(metaphase.chromosomes)} chromosomes")
    if crowded:
        flags.append(f"{len(crowded)} chromosomes in clusters")
    if doubtful:
        flags.append(f"{len(doubtful)} chromosomes need review")
    return Quality(round(min(1.0, sound / 46), 4), tuple(flags))
