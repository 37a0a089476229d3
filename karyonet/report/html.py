"""``report.html``: the report for a person, in one file that opens offline."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Mapping, Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from karyonet.report.best import best_first
from karyonet.report.evidence import evidence_pictures
from karyonet.report.ideogram_picture import LONGEST, WIDTH, IdeogramPicture, draw_ideogram
from karyonet.report.schema import ReportDocument
from karyonet.report.view import MetaphaseView, Pictures, view_metaphase
from karyonet.report.words import (
    DEMANDS,
    by_label,
    case_band_level,
    count,
    evidence,
    found,
    in_words,
    mosaicism,
    percent,
    spoken,
    warning,
)

__all__ = ["Pictures", "render_html"]

_LARGEST_WEBP = 16383
"""Pixels of a side that the format can hold."""
_LONGEST_SIDE = 2000
"""Pixels of a photograph on the page: five metaphases must fit into 5 MB."""


def render_html(document: ReportDocument, pictures: Mapping[str, Pictures]) -> str:
    """The report as one HTML page: no request, every picture inside, every text escaped.

    The one script of the page is our own (``templates/report.js``), allowed by its checksum alone; it highlights the
    chromosome that a reader points at and its homolog. Without it everything is there and can be reached.

    Args:
        document: what to say.
        pictures: by metaphase id; a metaphase without pictures is described in words alone.
    """
    views = [view_metaphase(n, m, pictures.get(m.id)) for n, m in enumerate(document.metaphases, start=1)]
    best = next(
        (v for m in best_first(document.metaphases, document.karyotype.clones)[:1] for v in views if v.record is m),
        None,
    )
    karyograms = {id: one.karyogram for id, one in pictures.items()}
    script = _source("report.js")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=document,
            # Style and script are our own files, not anybody's input.
            css=Markup(_source("report.css") + _source("metaphase.css")),
            script=Markup(script),
            script_sha256=_checksum(script),
            best=best,
            views=views,
            findings=[(f, evidence_pictures(f, document.metaphases, karyograms)) for f in document.findings],
            ideograms=_ideograms(views),
            ideogram_size=(WIDTH, LONGEST),
            reviews=sum(c.review for m in document.metaphases for c in m.chromosomes),
        )
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
        "by_label": by_label,
        "count": count,
        "case_band_level": case_band_level,
        "demand": lambda demand: DEMANDS[demand.what],
        "found": found,
        "warning": warning,
        "mosaicism": mosaicism,
        "spoken": spoken,
        "drawing": _drawing,
        "photograph": _photograph,
    }
    return environment


@cache
def _source(name: str) -> str:
    environment = _environment()
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _checksum(script: str) -> str:
    """As a content security policy names a script: of the text between its tags."""
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


def _ideograms(views: Sequence[MetaphaseView]) -> list[tuple[int, str, IdeogramPicture]]:
    """The ideograms that the page can show, each once: level, chromosome type, picture."""
    wanted = {(v.level, c.record.label): None for v in views for c in v.chromosomes if c.record.label is not None}
    return [(level, label, draw_ideogram(label, level)) for level, label in wanted]


def _drawing(picture: Image.Image) -> str:
    """A drawing as WebP, a quarter of PNG's size here; the lossless PNG lies beside the page."""
    return _data_uri(picture, "WEBP" if max(picture.size) <= _LARGEST_WEBP else "PNG", quality=90)


def _photograph(picture: Image.Image) -> str:
    """A photograph as JPEG, which goes into a PDF as it is; the lossless PNG lies beside the page."""
    smaller = picture.copy()
    smaller.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    return _data_uri(smaller, "JPEG", quality=80)


def _data_uri(picture: Image.Image, format: str, quality: int) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format, quality=quality)  # which PNG ignores
    return f"data:image/{format.lower()};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
