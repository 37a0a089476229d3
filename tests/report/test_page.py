"""The report page in a browser: what a reader with a mouse, a keyboard, a telephone or a printer gets."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageChops

from karyonet.case import Case, Metaphase
from karyonet.report import Provenance, Report

from .browser import Browser, installed

PROGRAM = None if os.name == "nt" else installed()
pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="no Chromium or Chrome is installed"),
    pytest.mark.xdist_group("browser"),
]
MARKED = "Array.from(document.querySelectorAll('.{}'), e => e.tagName + ' ' + e.dataset.chromosome).sort()"
FOCUSED = "document.activeElement?.dataset?.chromosome ?? null"
IN_VIEW = (
    "(() => {{ const b = document.querySelector({!r}).getBoundingClientRect();"
    "return b.height > 0 && b.top >= -1 && b.top < innerHeight }})()"
)


@pytest.fixture(scope="module")
def page(case: Case, provenance: Provenance, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Report(case, provenance).save(tmp_path_factory.mktemp("report") / "out") / "report.html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert PROGRAM is not None
    browser = Browser(PROGRAM, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


def keys(browser: Browser) -> dict[str, str | None]:
    """The chromosomes of the metaphase that is shown first, and their homologs, in the order of the karyogram."""
    return dict(
        browser.value(
            "Array.from(document.querySelectorAll('.best a[data-chromosome]'),"
            "e => [e.dataset.chromosome, e.dataset.homolog ?? null])"
        )
    )


def link(key: str) -> str:
    return f"a[data-chromosome='{key}']"


def assert_shown(browser: Browser, key: str, homolog: str | None) -> None:
    assert browser.value(MARKED.format("shown")) == [f"a {key}", f"path {key}"]
    assert browser.value(MARKED.format("partner")) == ([] if homolog is None else [f"a {homolog}", f"path {homolog}"])


def test_the_page_says_nothing_on_the_console(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.problems == []
    assert browser.value("Array.from(document.images).every(i => i.complete && i.naturalWidth > 0)")
    assert not browser.value("document.querySelector('.best .panel').hidden")  # the script ran


def test_another_script_is_refused(browser: Browser, page: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.html"
    other.write_text(page.read_text("utf-8").replace("</main>", "</main><script>window.foreign = 1</script>"), "utf-8")
    browser.open(other)
    assert browser.value("window.foreign ?? null") is None
    assert any("Content Security Policy" in problem for problem in browser.problems)


def test_every_chromosome_is_reached_with_tab(browser: Browser, page: Path, case: Case) -> None:
    browser.open(page)
    wanted = keys(browser)
    assert len(wanted) == len(case.metaphases[0].chromosomes)
    reached = []
    for _ in range(len(wanted) + 12):
        browser.press("Tab")
        if (at := browser.value(FOCUSED)) is not None:
            reached.append(at)
            assert_shown(browser, at, wanted[at])
    assert reached == list(wanted)


def test_arrows_go_from_chromosome_to_chromosome_and_escape_lets_go(browser: Browser, page: Path) -> None:
    browser.open(page)
    order = list(keys(browser))
    browser.value(f'document.querySelector("{link(order[0])}").focus()')
    for key in order[1:]:
        browser.press("ArrowRight")
        assert browser.value(FOCUSED) == key
    browser.press("ArrowLeft")
    assert browser.value(FOCUSED) == order[-2]
    rows = []
    while (at := browser.value(FOCUSED)) not in rows:
        rows.append(at)
        browser.press("ArrowUp")
    assert len(rows) == 4
    browser.press("ArrowDown")
    assert browser.value(FOCUSED) == rows[-2]
    browser.press("Escape")
    assert browser.value(MARKED.format("shown")) == []


@pytest.mark.parametrize("number", [0, 16, 46])
def test_pointing_shows_a_chromosome_and_its_homolog(browser: Browser, page: Path, case: Case, number: int) -> None:
    browser.open(page, height=1400)
    homologs = keys(browser)
    key = list(homologs)[number]
    browser.point_at(link(key))
    assert_shown(browser, key, homologs[key])
    id = browser.value(f"document.getElementById('chromosome-{key}').cells[1].textContent")
    chromosome = next(c for c in case.metaphases[0].chromosomes if c.id == id)
    said = browser.value("Array.from(document.querySelectorAll('.best dd'), e => e.textContent.trim())")
    assert said[:2] == [chromosome.label, chromosome.id]
    assert (chromosome.homolog in said) == (chromosome.homolog is not None)
    assert ("review" in said) == chromosome.review
    assert chromosome.centromere is None or any(word.startswith("0.38") for word in said)
    assert ", ".join(chromosome.label_set) in said
    drawn = browser.value("document.querySelector('.best .known use').getAttribute('href')")
    assert drawn == f"#ideogram-550-{chromosome.label}"
    assert browser.value("document.querySelector('.best .known use').getBoundingClientRect().height") > 20


def test_only_the_two_chromosomes_change_in_the_pictures(browser: Browser, page: Path) -> None:
    browser.open(page, height=1400)
    homologs = keys(browser)
    key = list(homologs)[10]
    browser.point_at("h1")
    browser.value("scrollTo(0, 0)")
    before = browser.screenshot()
    browser.value(f'document.querySelector("{link(key)}").focus({{preventScroll: true}})')
    changed = np.asarray(ImageChops.difference(before, browser.screenshot()).convert("L")) > 24
    boxes = browser.value(
        f"[...document.querySelectorAll(\"[data-chromosome='{key}'], [data-chromosome='{homologs[key]}']\")]"
        ".map(e => e.getBoundingClientRect()).map(b => [b.left, b.top, b.right, b.bottom])"
    )
    assert len(boxes) == 4
    for left, top, right, bottom in boxes:
        area = slice(int(top) - 8, int(bottom) + 9), slice(int(left) - 8, int(right) + 9)
        assert changed[area].any()
        changed[area] = False
    panel = browser.value("document.querySelector('.best .panel').getBoundingClientRect().top")
    assert not changed[: int(panel)].any()


def test_a_click_keeps_a_chromosome_until_the_next(browser: Browser, page: Path) -> None:
    browser.open(page, height=1400)
    homologs = keys(browser)
    first, second = list(homologs)[4], list(homologs)[20]
    browser.point_at(link(first), click=True)
    browser.point_at(link(second))
    assert_shown(browser, first, homologs[first])
    browser.point_at(link(second), click=True)
    assert_shown(browser, second, homologs[second])
    browser.point_at(link(second), click=True)
    assert browser.value(MARKED.format("shown")) == []
    assert browser.value("location.hash") == ""


def test_a_chromosome_of_the_metaphase_is_shown_in_the_karyogram(browser: Browser, page: Path) -> None:
    browser.open(page, height=1400)
    homologs = keys(browser)
    key = list(homologs)[30]
    browser.point_at(f"path[data-chromosome='{key}']")
    assert_shown(browser, key, homologs[key])


@pytest.mark.parametrize("script", [True, False])
def test_the_other_metaphases_are_one_click_away(browser: Browser, page: Path, script: bool) -> None:
    browser.open(page, script=script)
    assert not browser.value("document.querySelector('#metaphase-2 .karyogram img').checkVisibility()")
    browser.point_at("a[href='#metaphase-2']", click=True)
    assert browser.value(IN_VIEW.format("#metaphase-2"))


def test_without_script_a_chromosome_leads_to_its_row(browser: Browser, page: Path) -> None:
    browser.open(page, script=False)
    key = list(keys(browser))[25]
    assert not browser.value(IN_VIEW.format(f"#chromosome-{key}"))
    browser.point_at(link(key), click=True)
    assert browser.value(IN_VIEW.format(f"#chromosome-{key}"))
    assert browser.value("document.querySelector('.panel').hidden")


@pytest.mark.parametrize("script", [True, False])
def test_ideograms_beside_the_pairs_on_demand(browser: Browser, page: Path, script: bool) -> None:
    browser.open(page, height=1400, script=script)
    seen = "getComputedStyle(document.querySelector('.best .ideograms')).visibility"
    assert browser.value(seen) == "hidden"
    browser.point_at(".best .with-ideograms", click=True)
    assert browser.value(seen) == "visible"
    assert browser.value("document.querySelectorAll('.best .ideograms use').length") == 24


@pytest.mark.parametrize("width", [390, 1200])
def test_the_page_is_no_wider_than_the_window(browser: Browser, page: Path, width: int) -> None:
    browser.open(page, width=width, height=844)
    browser.value("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert browser.value("document.documentElement.scrollWidth") <= width


def test_on_a_telephone_the_chromosome_stays_in_view_above_what_is_known(browser: Browser, page: Path) -> None:
    browser.open(page, width=390, height=844)
    key = list(keys(browser))[1]
    browser.point_at(link(key), click=True)
    top, bottom = browser.value(
        f'[document.querySelector(".best .beside").getBoundingClientRect().top,'
        f'document.querySelector("{link(key)}").getBoundingClientRect().bottom]'
    )
    assert 0 < bottom <= top < 844


def test_print_shows_every_metaphase_and_nothing_to_click(browser: Browser, page: Path) -> None:
    browser.open(page, width=794, height=1123)
    browser.show_as("print")
    try:
        assert browser.value("[...document.images].every(i => i.getBoundingClientRect().height > 0)")
        assert browser.value("[...document.querySelectorAll('tbody tr')].every(r => r.getBoundingClientRect().height)")
        assert not browser.value("[...document.querySelectorAll('.screen, input')].some(e => e.checkVisibility())")
    finally:
        browser.show_as("screen")


def test_five_metaphases_fit_into_five_megabytes(
    make_metaphase: Callable[..., Metaphase], provenance: Provenance, tmp_path: Path
) -> None:
    images = Case.read(Path(__file__).parents[1] / "data" / "trisomy21" / "images").metaphases
    metaphases = tuple(replace(make_metaphase(), id=image.id, grey=image.grey) for image in images)
    assert len(metaphases) == 5
    folder = Report(Case("five", metaphases), provenance).save(tmp_path / "out")
    assert (folder / "report.html").stat().st_size <= 5e6
