from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageColor

from karyonet.case import Case, Finding, Metaphase, Quality
from karyonet.report import Provenance, ReportDocument, to_document
from karyonet.report.drawing import COLOURS
from karyonet.report.evidence import MOST, EvidencePicture, evidence_pictures
from karyonet.report.karyogram import draw_karyogram
from karyonet.report.places import places_in

Make = Callable[..., Metaphase]
LABELS = ("9", "9", "21", "21", "21")


def seen(of_case: tuple[Metaphase, ...], /, **finding: Any) -> list[EvidencePicture]:
    fields: dict[str, Any] = {
        "kind": "numerical", "chromosome": "21", "change": "gain", "iscn": "+21", "score": 1.0,
        "metaphases": tuple(m.id for m in of_case), "clonal": True,
    }  # fmt: skip
    case = Case("a", of_case, findings=(Finding(**(fields | finding)),))
    document: ReportDocument = to_document(case, Provenance())
    karyograms = {m.id: draw_karyogram(m) for m in of_case}
    return evidence_pictures(document.findings[0], document.metaphases, karyograms)


def marked(picture: Image.Image) -> int:
    return int((np.asarray(picture) == ImageColor.getrgb(COLOURS[0])).all(axis=2).sum())


def test_the_chromosomes_concerned_stand_side_by_side_as_in_the_karyogram(make_metaphase: Make) -> None:
    metaphase = make_metaphase(LABELS)
    (one,) = seen((metaphase,))
    assert one.metaphase == "m1" and one.suspect is None
    assert [c.id for c in one.chromosomes] == ["c3", "c4", "c5"]
    karyogram = draw_karyogram(metaphase)
    wide = 0
    for id in ("c3", "c4", "c5"):
        xmin, ymin, xmax, ymax = places_in(karyogram)[id]
        chromosome = np.asarray(karyogram)[ymin:ymax, xmin:xmax]
        windows = np.lib.stride_tricks.sliding_window_view(np.asarray(one.picture), chromosome.shape)[..., 0, :, :, :]
        assert (windows == chromosome).all(axis=(-3, -2, -1)).any()
        wide += xmax - xmin
    assert wide < one.picture.width < 3 * wide + 100


def test_the_best_metaphases_are_shown_and_no_more_than_a_few(make_metaphase: Make) -> None:
    metaphases = tuple(replace(make_metaphase(LABELS), id=f"m{n}", quality=Quality(n / 10)) for n in range(1, MOST + 3))
    assert [one.metaphase for one in seen(metaphases)] == [f"m{n}" for n in range(MOST + 2, 2, -1)]
    assert [one.metaphase for one in seen(metaphases, metaphases=("m2",))] == ["m2"]


def test_a_missing_chromosome_shows_the_one_that_is_left_and_none_shows_nothing(make_metaphase: Make) -> None:
    (one,) = seen((make_metaphase(("9", "21")),), change="loss")
    assert [c.id for c in one.chromosomes] == ["c2"]
    assert seen((make_metaphase(("9",)),), change="loss") == []


def test_the_homolog_that_differs_is_marked_where_it_does(make_metaphase: Make) -> None:
    metaphases = tuple(make_metaphase(LABELS, id=id) for id in ("m1", "m2"))
    structural: dict[str, Any] = {"kind": "structural", "chromosome": "9", "change": "unknown", "iscn": None}
    both = {"homolog": "c2", "homologs": ["c2", "c1"], "region": [0.25, 0.75]}
    first, second = seen(metaphases, **structural, evidence=both)
    assert (first.suspect, second.suspect) == ("c2", "c1")
    (one,) = seen(metaphases[:1], **structural, evidence={"homolog": "c2"})
    assert one.suspect == "c2"
    assert 0 < marked(one.picture) < marked(first.picture)
    blue = (np.asarray(first.picture) == ImageColor.getrgb(COLOURS[0])).all(axis=2)
    rows = np.flatnonzero(blue[:-26].any(axis=1))
    assert len(rows) == pytest.approx(0.5 * (first.picture.height - 34), abs=3)


@pytest.mark.parametrize(
    "evidence",
    [
        {},
        {"homolog": 3},
        {"homologs": []},
        {"homologs": [None]},
        {"homologs": "c2"},
        {"homolog": "c99", "region": [0.2, 0.4]},
        {"homolog": ["c2"]},
    ],
)
def test_evidence_of_another_shape_marks_nothing(make_metaphase: Make, evidence: dict[str, object]) -> None:
    (one,) = seen((make_metaphase(LABELS),), evidence=evidence)
    assert one.suspect is None and marked(one.picture) == 0


@pytest.mark.parametrize("region", [[0.4, 0.2], ["a", 1], [0, 2], 0.5, [0.1, 0.2, 0.3]])
def test_a_region_that_is_none_is_not_drawn(make_metaphase: Make, region: object) -> None:
    metaphase = make_metaphase(LABELS)
    (plain,) = seen((metaphase,), evidence={"homolog": "c3"})
    (odd,) = seen((metaphase,), evidence={"homolog": "c3", "region": region})
    assert np.array_equal(np.asarray(plain.picture), np.asarray(odd.picture))


@pytest.mark.parametrize("id", ["a\nb", "x" * 5000, "病\x00", ""])
def test_any_id_can_be_written_below(make_metaphase: Make, id: str) -> None:
    metaphase = make_metaphase(("21",))
    chromosome = replace(metaphase.chromosomes[0], id=id, homolog=None)
    (one,) = seen((replace(metaphase, chromosomes=(chromosome,), clusters=()),))
    assert one.picture.width < 400


def test_a_karyogram_that_does_not_say_where_its_chromosomes_lie_gives_no_picture(make_metaphase: Make) -> None:
    document = to_document(
        Case("a", (make_metaphase(LABELS),), findings=(Finding("numerical", "21", "gain", "+21", 1, ("m1",), False),)),
        Provenance(),
    )
    for karyograms in ({}, {"m1": Image.new("RGB", (900, 900))}):
        assert evidence_pictures(document.findings[0], document.metaphases, karyograms) == []
