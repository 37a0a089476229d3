from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from PIL import Image

from karyonet.case import Case, Clone, Demand, Finding, GuidelineCheck, ImageError, Karyotype, Metaphase
from karyonet.report import NOTICE, Provenance, WeightRecord, to_document
from karyonet.report.html import Pictures, render_html
from karyonet.report.places import write_places
from karyonet.report.schema import FindingRecord
from karyonet.report.words import evidence, in_words, percent

HOSTILE = "\"'><script>alert(1)</script><img src=http://example.org/x onerror=alert(1)>"


class Page(HTMLParser):
    """What a browser would make of a page: its elements and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in ("meta", "img", "br", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and any(tag in ("td", "th") for tag in self.open):
            self.rows[-1][-1] += data.strip()


@pytest.fixture(scope="module")
def html(case: Case, provenance: Provenance) -> str:
    picture = Image.new("RGB", (8, 8), "white")
    return render_html(to_document(case, provenance), {m.id: Pictures(picture, picture) for m in case.metaphases})


def test_the_page_is_well_formed(html: str) -> None:
    page = Page(html)
    assert not page.open
    assert ("html", {"lang": "en"}) in page.elements


def test_nothing_is_fetched_and_one_script_runs(html: str) -> None:
    page = Page(html)
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", html, re.DOTALL)
    assert len(scripts) == [tag for tag, _ in page.elements].count("script") == 1
    policy = next(a["content"] for tag, a in page.elements if tag == "meta" and "http-equiv" in a) or ""
    checksum = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    rules = dict(rule.split(maxsplit=1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'" and rules["script-src"] == f"'sha256-{checksum}'"
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "base", "form")
        assert not [name for name in attributes if name.startswith("on")]
        assert (attributes.get("src") or "data:").startswith("data:image/") or tag != "img"
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"url\(|@import|https?://", html)


def test_every_metaphase_has_its_pictures(html: str) -> None:
    images = [attributes for tag, attributes in Page(html).elements if tag == "img"]
    assert len(images) == 6
    assert all(image["alt"] for image in images)


def test_every_chromosome_is_listed_with_what_is_known_of_it(html: str, case: Case) -> None:
    rows = Page(html).rows
    for metaphase in case.metaphases:
        for chromosome in metaphase.chromosomes:
            matching = [
                row
                for row in rows
                if len(row) == 10 and row[1] == chromosome.id and row[0] == (chromosome.label or "–")
            ]
            assert matching, (metaphase.id, chromosome.id)
            assert any(bool(row[4]) == chromosome.review for row in matching)
    assert sum(len(row) == 10 and re.fullmatch(r"c\d+", row[1]) is not None for row in rows) == 94


def test_centromeric_indices_are_listed_where_they_were_measured(
    html: str, make_metaphase: Callable[..., Metaphase]
) -> None:
    rows = {row[1]: row for row in Page(html).rows if len(row) == 10 and row[1] in ("c1", "c2")}
    assert rows["c1"][7] == f"0.38 ({percent(0.875)})" and rows["c2"][7] == "–"
    assert "Centromeric index" in html
    bare = make_metaphase(("1", "2"))
    without = replace(bare, chromosomes=tuple(replace(c, centromere=None) for c in bare.chromosomes))
    assert "Centromeric index" not in render_html(to_document(Case("a", (without,)), Provenance()), {})


@pytest.mark.parametrize(
    "words",
    [
        "47,XY,+21",
        "abnormal",
        "additional chromosome 21",
        "structural difference on a chromosome 9",
        "region 0.31–0.58",
        "Out of focus.",
        "m4.png is empty (0 bytes); export the image again.",
        "Touching chromosomes.",
        "Left out, since the set is complete without:\nwhat looks like X at x 300–330, y 10–60.</p>",
        "gband.safetensors",
        "5e" * 32,
        "c0" * 32,
        "0f" * 32,
        "3.20",
        NOTICE,
    ],
)
def test_the_page_says(html: str, words: str) -> None:
    assert words in html


def test_the_karyotype_comes_before_the_pictures(html: str) -> None:
    assert html.index("<h1>47,XY,+21</h1>") < html.index('<span class="badge abnormal">') < html.index("<img ")


def test_the_best_metaphase_is_shown_first_and_the_others_are_folded(html: str) -> None:
    first = html.index('id="metaphase-1"')
    assert html.index("The best metaphase, m1") < html.index("<img ") < html.index("<h2>Findings</h2>")
    assert first < html.index("<details") < html.index('id="metaphase-2"') < html.index('id="metaphase-3"')


def test_no_text_from_outside_can_become_markup(make_metaphase: Callable[..., Metaphase]) -> None:
    bad = HOSTILE
    metaphase = make_metaphase(("1",), id=bad, image=bad, iscn=bad, sha256=bad, reasons=(bad,))
    changed = replace(metaphase.chromosomes[0], id=bad, cluster=bad, homolog=bad)
    cluster = replace(metaphase.clusters[0], id=bad, type="overlapping", chromosomes=(bad,))
    hostile = Case(
        id=bad,
        metaphases=(replace(metaphase, chromosomes=(changed,), clusters=(cluster,)), make_metaphase((), id="m2")),
        karyotype=Karyotype(bad, "abnormal", (Clone(bad, (bad,)),), (bad,)),
        findings=(Finding("structural", "1", "unknown", bad, 0.5, (bad,), False, {bad: bad}),),
        errors=(ImageError(bad, bad, bad),),
        guideline=GuidelineCheck(bad, (Demand("band_level", 400, None),)),
    )
    provenance = Provenance(
        karyonet=bad,
        config_sha256=bad,
        device=bad,
        seconds={bad: 1.0},
        weights=[WeightRecord(stage=bad, file=bad, sha256=bad)],
    )
    picture = Image.new("RGB", (8, 8))
    write_places(picture, {bad: (1, 1, 7, 7)})
    html = render_html(to_document(hostile, provenance), {bad: Pictures(picture, picture, {bad: "M1 1L2 2Z"})})
    page = Page(html)
    assert not page.open
    tags = [tag for tag, _ in page.elements]
    assert tags.count("script") == 1
    assert tags.count("img") == 3  # karyogram, metaphase, evidence
    assert {"data-chromosome": "1-1", "data-ideogram": "ideogram-550-1"}.items() <= next(
        attributes for tag, attributes in page.elements if tag == "a" and "data-chromosome" in attributes
    ).items()
    assert all(not name.startswith("on") for _, attributes in page.elements for name in attributes)


def test_an_undetermined_case_says_why(provenance: Provenance) -> None:
    case = Case("a", karyotype=Karyotype(None, "undetermined", reasons=("too few metaphases",)))
    html = render_html(to_document(case, provenance), {})
    assert "Karyotype undetermined" in html
    assert "Too few metaphases." in html


def test_what_the_guideline_asks_comes_after_the_findings(html: str) -> None:
    rows = Page(html).rows
    assert ["Metaphases counted", "2", "2", "yes"] in rows
    assert ["Metaphases analysed", "2", "1", "no"] in rows
    assert ["Metaphases karyotyped", "1", "0", "no"] in rows
    assert ["Band level in bphs", "550", "549", "no"] in rows
    place = html.index("<h2>What the guideline asks</h2>")
    assert html.index("<h2>Findings</h2>") < place < html.index("<h2>Metaphases</h2>")
    assert "<b>3</b> of 4 demands of the guideline not met" in html


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (549.9, "The band level of 549 bphs is below the 550 that the guideline asks for"),
        (None, "The guideline asks for a band level of 550 bphs, and none was estimated"),
        (550.0, None),
    ],
)
def test_a_band_level_below_the_minimum_is_a_warning(
    case: Case, provenance: Provenance, found: float | None, words: str | None
) -> None:
    check = GuidelineCheck("ours", (Demand("counted", 20, 1), Demand("band_level", 550, found)))
    html = render_html(to_document(replace(case, guideline=check), provenance), {})
    assert html.count('<p class="warning">') == (words is not None)
    assert words is None or words in html


def test_a_guideline_that_is_met_is_said_first(case: Case, provenance: Provenance) -> None:
    check = GuidelineCheck("ours", (Demand("counted", 2, 2), Demand("band_level", 400, 480.0)))
    html = render_html(to_document(replace(case, guideline=check), provenance), {})
    assert html.index("guideline <b>met</b>") < html.index("<h2>Findings</h2>")
    assert "not met" not in html


def test_without_a_guideline_the_page_asks_for_nothing(case: Case, provenance: Provenance) -> None:
    html = render_html(to_document(replace(case, guideline=None), provenance), {})
    assert "guideline" not in html.lower()


def test_the_state_of_every_metaphase_is_in_the_table(html: str) -> None:
    states = {row[0]: row[3] for row in Page(html).rows if len(row) == 9 and row[0] in ("m1", "m2", "m3")}
    assert states == {"m1": "analysed", "m2": "counted", "m3": "–"}


@pytest.mark.parametrize(
    ("share", "words"), [(0.139108, "in 14 % of"), (0.095034, "in 10 % of"), (0.95, "in 95 % of"), (0.1, "in 10 % of")]
)
def test_excluded_mosaicism_is_rounded_up(provenance: Provenance, share: float, words: str) -> None:
    case = Case("a", karyotype=Karyotype("46,XX", "normal", mosaicism_excluded=share))
    assert words in render_html(to_document(case, provenance), {})


def test_mosaicism_is_not_excluded_for_changes_that_were_seen(case: Case, provenance: Provenance) -> None:
    seen = Finding("numerical", "8", "gain", "+8", 0.1, ("m1",), False)
    words = "does not hold for the changes that are listed as not clonal"
    for findings, said in (((seen,), True), ((replace(seen, clonal=True),), False)):
        html = render_html(to_document(replace(case, findings=findings), provenance), {})
        assert (words in html) == said
    mosaic = replace(case, karyotype=Karyotype("mos", "abnormal"), findings=(seen,))
    assert "second cell line" not in render_html(to_document(mosaic, provenance), {})


def test_every_report_says_what_karyotyping_does_not_see(html: str) -> None:
    assert "Structural changes smaller than the band level resolves" in html


def test_a_normal_case_says_what_it_does_not_exclude(provenance: Provenance) -> None:
    html = render_html(to_document(Case("a", karyotype=Karyotype("46,XX", "normal")), provenance), {})
    assert "No departure from the normal karyotype" in html


@pytest.mark.parametrize(
    ("share", "words"), [(1.0, "> 99.9 %"), (0.9996, "> 99.9 %"), (0.5, "50.0 %"), (0.0, "0.0 %"), (0.0004, "< 0.1 %")]
)
def test_percent_never_claims_certainty(share: float, words: str) -> None:
    assert percent(share) == words


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        ("numerical", "gain", "additional chromosome X"),
        ("numerical", "loss", "missing chromosome X"),
        ("structural", "unknown", "structural difference on a chromosome X"),
        ("structural", "loss", "missing material on a chromosome X"),
        ("heteromorphism", "unknown", "variable bands of unequal length in the chromosomes X, a normal variant"),
    ],
)
def test_findings_in_words(kind: str, change: str, words: str) -> None:
    record = FindingRecord.model_validate(
        {"kind": kind, "chromosome": "X", "change": change, "iscn": None, "score": 1, "metaphases": [], "clonal": True}
    )
    assert in_words(record) == words


def test_evidence_in_words() -> None:
    values = json.loads('{"p_value": 0.01, "cells": ["a", "b", "c"], "region": [0.1, 0.2], "more": {"x": null}}')
    assert evidence(values) == 'p value 0.01; cells a, b, c; region 0.1–0.2; more {"x": null}'
