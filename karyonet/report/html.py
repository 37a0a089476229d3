"""``report.html``: the report for a person, in one file that opens offline."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import median

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image
from pydantic import JsonValue

from karyonet.case import LABELS
from karyonet.report.schema import (
    ChromosomeRecord,
    DemandRecord,
    FindingRecord,
    KaryotypeRecord,
    MetaphaseRecord,
    ReportDocument,
)

_DEMANDS = {
    "counted": "metaphases counted",
    "analysed": "metaphases analysed",
    "karyotyped": "metaphases karyotyped",
    "band_level": "band level in bphs",
}


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pictures of one metaphase."""

    karyogram: Image.Image
    overlay: Image.Image


def render_html(document: ReportDocument, pictures: Mapping[str, Pictures]) -> str:
    """The report as one HTML page: no script, no request, every picture inside, every text escaped.

    Args:
        document: what to say.
        pictures: by metaphase id; a metaphase without pictures is described in words alone.
    """
    page = _environment().get_template("report.html.j2")
    return page.render(
        report=document,
        css=Markup(_css()),  # our own file, not anybody's input
        reviews=sum(c.review for m in document.metaphases for c in m.chromosomes),
        # The overlay is a photograph: JPEG takes a tenth of PNG's space here; the PNG file lies beside the page.
        pictures={
            name: {"karyogram": _data_uri(one.karyogram, "PNG"), "overlay": _data_uri(one.overlay, "JPEG")}
            for name, one in pictures.items()
        },
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("karyonet.report", "templates"), autoescape=True, undefined=StrictUndefined
    )
    environment.filters |= {
        "percent": percent,
        "in_words": in_words,
        "evidence": evidence,
        "sentence": lambda text: text[:1].upper() + text[1:].rstrip(".") + ".",
        "without_code": lambda text, code: text.removeprefix(f"{code}: "),
        "by_label": _by_label,
        "count": _count,
        "case_band_level": case_band_level,
        "demand": lambda demand: _DEMANDS[demand.what],
        "found": _found,
        "warning": warning,
        "mosaicism": mosaicism,
    }
    return environment


@cache
def _css() -> str:
    environment = _environment()
    assert environment.loader is not None
    return environment.loader.get_source(environment, "report.css")[0]


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


def _by_label(chromosomes: Sequence[ChromosomeRecord]) -> list[ChromosomeRecord]:
    return sorted(chromosomes, key=lambda c: LABELS.index(c.label) if c.label else len(LABELS))


def _count(metaphase: MetaphaseRecord) -> int:
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
        reached = f"The band level of {_found(demand)} bphs is below the {demand.needed} that the guideline asks for"
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


def _found(demand: DemandRecord) -> str:
    # Rounded down: what is just below the minimum must not look as if it had reached it.
    return "not estimated" if demand.found is None else str(math.floor(demand.found))


def _data_uri(picture: Image.Image, format: str) -> str:
    buffer = io.BytesIO()
    # For JPEG alone: full colour resolution keeps thin lines clean.
    picture.save(buffer, format, quality=85, subsampling=0, compress_level=4)
    return f"data:image/{format.lower()};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
