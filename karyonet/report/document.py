"""A case as ``report.json``, and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from karyonet.case import (
    Alternative,
    BandLevel,
    Case,
    Centromere,
    Chromosome,
    Clone,
    Cluster,
    Demand,
    Finding,
    GuidelineCheck,
    HomologComparison,
    ImageError,
    Karyotype,
    LeftOut,
    Metaphase,
    Quality,
)
from karyonet.geometry.region import Region
from karyonet.report.coco import Masks
from karyonet.report.schema import (
    AlternativeRecord,
    BandLevelRecord,
    CaseRecord,
    CentromereRecord,
    ChromosomeRecord,
    CloneRecord,
    ClusterRecord,
    ComparisonRecord,
    DemandRecord,
    EditRecord,
    ErrorRecord,
    FindingRecord,
    GuidelineRecord,
    KaryotypeRecord,
    Label,
    LeftOutRecord,
    MetaphaseRecord,
    Provenance,
    QualityRecord,
    ReportDocument,
)

UNDETERMINED = Karyotype(None, "undetermined", reasons=("no stage has determined a karyotype",))
"""Stands for the karyotype of a case that has none."""


def to_document(case: Case, provenance: Provenance, edits: Sequence[EditRecord] = ()) -> ReportDocument:
    """Everything that the report says of a case.

    Args:
        case: after any number of stages; what is not filled becomes null, a missing outcome ``undetermined``.
        provenance: what made it.
        edits: what a person has changed since.

    Raises:
        pydantic.ValidationError: if a field holds a value that the report does not allow; a fault of a stage.
    """
    karyotype = case.karyotype or UNDETERMINED
    return ReportDocument(
        case=CaseRecord(id=case.id, images=_images_given(case)),
        karyotype=KaryotypeRecord(
            iscn=karyotype.iscn,
            outcome=karyotype.outcome,
            clones=tuple(CloneRecord(iscn=c.iscn, metaphases=c.metaphases) for c in karyotype.clones),
            reasons=karyotype.reasons,
            mosaicism_excluded=karyotype.mosaicism_excluded,
        ),
        findings=tuple(_finding_record(finding) for finding in case.findings),
        guideline=None if case.guideline is None else _guideline_record(case.guideline),
        comparisons=tuple(
            ComparisonRecord(
                chromosome=cast(Label, c.chromosome),
                probability=c.probability,
                metaphases=c.metaphases,
                reason=c.reason,
            )
            for c in case.comparisons
        ),
        metaphases=tuple(_metaphase_record(metaphase) for metaphase in case.metaphases),
        errors=tuple(ErrorRecord(image=e.image, code=e.code, message=e.message) for e in case.errors),
        edits=tuple(edits),
        provenance=provenance,
    )


def from_document(document: ReportDocument, masks: Masks | None = None) -> Case:
    """The case of a report, as far as a report tells.

    Pixels are not in a report: ``grey`` and ``optical_density`` are read-only zeros of the right shape that take no
    memory, strips, probabilities and embeddings are None, and a region without a mask fills its box.

    Args:
        document: the report.
        masks: from :func:`karyonet.report.coco.read_masks`.

    Returns:
        A case for which :func:`to_document` gives the same document, with ``case.images`` counted anew.

    Raises:
        ArrayError: K501 if a mask does not belong to the box of its chromosome.
    """
    return Case(
        id=document.case.id,
        metaphases=tuple(_metaphase(record, masks or {}) for record in document.metaphases),
        karyotype=Karyotype(
            document.karyotype.iscn,
            document.karyotype.outcome,
            tuple(Clone(c.iscn, c.metaphases) for c in document.karyotype.clones),
            document.karyotype.reasons,
            document.karyotype.mosaicism_excluded,
        ),
        findings=tuple(
            Finding(f.kind, f.chromosome, f.change, f.iscn, f.score, f.metaphases, f.clonal, {**f.evidence})
            for f in document.findings
        ),
        comparisons=tuple(
            HomologComparison(c.chromosome, c.probability, c.metaphases, c.reason) for c in document.comparisons
        ),
        errors=tuple(ImageError(e.image, e.code, e.message) for e in document.errors),
        guideline=None if document.guideline is None else _guideline(document.guideline),
    )


def _images_given(case: Case) -> int:
    """Images that became a metaphase, and those that only an error names."""
    return len(case.metaphases) + len({e.image for e in case.errors} - {m.image for m in case.metaphases})


def _finding_record(finding: Finding) -> FindingRecord:
    return FindingRecord(
        kind=finding.kind,
        chromosome=cast(Label, finding.chromosome),
        change=finding.change,
        iscn=finding.iscn,
        score=float(finding.score),
        metaphases=finding.metaphases,
        clonal=bool(finding.clonal),
        evidence=_plain(finding.evidence),
    )


def _guideline_record(check: GuidelineCheck) -> GuidelineRecord:
    demands = tuple(DemandRecord(what=d.what, needed=d.needed, found=d.found) for d in check.demands)
    return GuidelineRecord(name=check.name, demands=demands)


def _guideline(record: GuidelineRecord) -> GuidelineCheck:
    return GuidelineCheck(record.name, tuple(Demand(d.what, d.needed, d.found) for d in record.demands))


def _metaphase_record(metaphase: Metaphase) -> MetaphaseRecord:
    quality = metaphase.quality
    return MetaphaseRecord(
        id=metaphase.id,
        image=metaphase.image,
        sha256=metaphase.sha256,
        width=metaphase.width,
        height=metaphase.height,
        contrast=metaphase.contrast,
        quality=None if quality is None else QualityRecord(score=float(quality.score), flags=quality.flags),
        band_level=None if metaphase.band_level is None else BandLevelRecord(**asdict(metaphase.band_level)),
        band_level_reason=metaphase.band_level_reason,
        count=metaphase.count,
        iscn=metaphase.iscn,
        outcome=metaphase.outcome or "undetermined",
        reasons=metaphase.reasons,
        state=metaphase.state,
        clusters=tuple(
            ClusterRecord(
                id=k.id, bbox=k.region.bbox, type=k.type, probability=k.probability, chromosomes=k.chromosomes
            )
            for k in metaphase.clusters
        ),
        chromosomes=tuple(_chromosome_record(chromosome) for chromosome in metaphase.chromosomes),
        left_out=tuple(LeftOutRecord(**asdict(one)) for one in metaphase.left_out),
    )


def _chromosome_record(chromosome: Chromosome) -> ChromosomeRecord:
    return ChromosomeRecord(
        id=chromosome.id,
        bbox=chromosome.region.bbox,
        label=cast(Label | None, chromosome.label),
        confidence=chromosome.confidence,
        alternatives=tuple(
            AlternativeRecord(label=cast(Label, a.label), confidence=a.confidence) for a in chromosome.alternatives
        ),
        label_set=cast(tuple[Label, ...], chromosome.label_set),
        outlier=chromosome.outlier,
        p_arm_up=chromosome.p_arm_up,
        review=chromosome.review,
        cluster=chromosome.cluster,
        homolog=chromosome.homolog,
        centromere=None if chromosome.centromere is None else CentromereRecord(**asdict(chromosome.centromere)),
    )


def _metaphase(record: MetaphaseRecord, masks: Masks) -> Metaphase:
    quality = record.quality
    blank: NDArray[np.float32] = np.broadcast_to(np.float32(0), (record.height, record.width))
    return Metaphase(
        id=record.id,
        image=record.image,
        sha256=record.sha256,
        grey=blank,
        contrast=record.contrast,
        optical_density=blank,
        clusters=tuple(
            Cluster(k.id, _region(k.bbox, None), k.type, k.probability, k.chromosomes) for k in record.clusters
        ),
        chromosomes=tuple(
            Chromosome(
                id=c.id,
                region=_region(c.bbox, masks.get((record.id, c.id))),
                cluster=c.cluster,
                p_arm_up=c.p_arm_up,
                label=c.label,
                confidence=c.confidence,
                alternatives=tuple(Alternative(a.label, a.confidence) for a in c.alternatives),
                label_set=c.label_set,
                outlier=c.outlier,
                review=c.review,
                homolog=c.homolog,
                centromere=None if c.centromere is None else Centromere(**dict(c.centromere)),
            )
            for c in record.chromosomes
        ),
        left_out=tuple(LeftOut(**dict(one)) for one in record.left_out),
        quality=None if quality is None else Quality(quality.score, quality.flags),
        band_level=None if record.band_level is None else BandLevel(**dict(record.band_level)),
        band_level_reason=record.band_level_reason,
        count=record.count,
        iscn=record.iscn,
        outcome=record.outcome,
        reasons=record.reasons,
        state=record.state,
    )


def _region(bbox: tuple[int, int, int, int], mask: NDArray[np.bool_] | None) -> Region:
    xmin, ymin, xmax, ymax = bbox
    if mask is None:
        return Region(bbox, np.broadcast_to(np.True_, (ymax - ymin, xmax - xmin)))
    return Region(bbox, mask[ymin:ymax, xmin:xmax])


def _plain(values: dict[str, object]) -> dict[str, Any]:
    """Evidence as JSON has it: tuples and arrays as lists, numpy's numbers as Python's, NaN as null."""
    text = json.dumps(values, default=lambda value: value.tolist() if hasattr(value, "tolist") else str(value))
    plain: dict[str, Any] = json.loads(text, parse_constant=lambda _: None)
    return plain
