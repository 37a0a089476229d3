"""What the pages of a report say in words."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from statistics import median

from pydantic import JsonValue

from karyonet.case import LABELS
from karyonet.report.schema import ChromosomeRecord, DemandRecord, FindingRecord, KaryotypeRecord, MetaphaseRecord

DEMANDS = {
    "counted": "metaphases counted",
    "analysed": "metaphases analysed",
    "karyotyped": "metaphases karyotyped",
    "band_level": "band level in bphs",
}


def percent(share: float) -> str:
    """A share in per cent, never rounded to certainty."""
    if share > 0.999:
        return "> 99.9 %"
    if 0 < share < 0.001:
        return "< 0.1 %"
    return f"{100 * share:.1f} %"


def in_words(finding: FindingRecord) -> str:
    """What a finding says, for a reader who does not read ISCN."""
    if finding.kind == "numerical":
        change = {"gain": "additional", "loss": "missing", "unknown": "abnormal number of"}[finding.change]
        return f"{change} chromosome {finding.chromosome}"
    if finding.kind == "heteromorphism":
        return f"variable bands of unequal length in the chromosomes {finding.chromosome}, a normal variant"
    what = {"gain": "additional material", "loss": "missing material", "unknown": "structural difference"}[
        finding.change
    ]
    return f"{what} on a chromosome {finding.chromosome}"


def evidence(values: Mapping[str, JsonValue]) -> str:
    """Evidence as text: ``homolog c17; region 0.31–0.58``."""
    return "; ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in values.items())


def _value(value: JsonValue) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and len(value) == 2 and all(isinstance(item, int | float) for item in value):
        return f"{value[0]}–{value[1]}"
    if isinstance(value, list):
        return ", ".join(_value(item) for item in value)
    return json.dumps(value, ensure_ascii=False)


def by_label(chromosomes: Sequence[ChromosomeRecord]) -> list[ChromosomeRecord]:
    """Chromosomes in the order of a karyogram, those without a label last."""
    return sorted(chromosomes, key=lambda c: LABELS.index(c.label) if c.label else len(LABELS))


def count(metaphase: MetaphaseRecord) -> int:
    """The number of chromosomes: as it was decided, or else of those that were found."""
    return len(metaphase.chromosomes) if metaphase.count is None else metaphase.count


def case_band_level(metaphases: Sequence[MetaphaseRecord]) -> str | None:
    """The band level over all metaphases in words: the median of those that have one; None where none has."""
    levels = [metaphase.band_level.bphs for metaphase in metaphases if metaphase.band_level is not None]
    if not levels:
        return None
    extent = f", {min(levels):.0f}–{max(levels):.0f}" if len(levels) > 1 else ""
    return f"{median(levels):.0f} bphs (median of {len(levels)} of {len(metaphases)} metaphases{extent})"


def warning(demand: DemandRecord) -> str | None:
    """What a reader must know of a band level that was not reached; None for every other demand."""
    if demand.what != "band_level" or demand.met:
        return None
    if demand.found is None:
        reached = f"The guideline asks for a band level of {demand.needed} bphs, and none was estimated"
    else:
        reached = f"The band level of {found(demand)} bphs is below the {demand.needed} that the guideline asks for"
    return f"{reached}: structural changes may have been missed."


def mosaicism(karyotype: KaryotypeRecord) -> str | None:
    """Which second cell line the metaphases exclude; the share is rounded up, as in the published tables."""
    if karyotype.mosaicism_excluded is None:
        return None
    share = math.ceil(round(100 * karyotype.mosaicism_excluded, 3))
    return (
        f"A second cell line with other chromosome numbers, in {share} % of the cells or more, "
        "would have been seen with a probability of 95 % (Hook 1977), if the cells are independent of each other."
    )


def found(demand: DemandRecord) -> str:
    """What there is of something that a guideline asks for."""
    # Rounded down: what is just below the minimum must not look as if it had reached it.
    return "not estimated" if demand.found is None else str(math.floor(demand.found))


def spoken(chromosome: ChromosomeRecord) -> str:
    """A chromosome in a few words, for those who hear the page: ``chromosome 9, c4, 98.1 %, to review``."""
    name = f"chromosome {chromosome.label}" if chromosome.label else "chromosome without a label"
    sure = "" if chromosome.confidence is None else percent(chromosome.confidence)
    return ", ".join(filter(None, (name, chromosome.id, sure, "to review" if chromosome.review else "")))
