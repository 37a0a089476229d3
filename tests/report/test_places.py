"""Where chromosomes lie in a karyogram is known from the picture, also after it was a file."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from karyonet.case import Case, Metaphase
from karyonet.report import Provenance, Report
from karyonet.report.karyogram import draw_karyogram
from karyonet.report.places import places_in, png_text, write_places

Make = Callable[..., Metaphase]


def test_every_chromosome_lies_where_the_karyogram_says(make_metaphase: Make) -> None:
    metaphase = make_metaphase(("1", "1", "2", "21", "21", "21", "X", None))
    picture = draw_karyogram(metaphase)
    places = places_in(picture)
    assert places.keys() == {chromosome.id for chromosome in metaphase.chromosomes}
    grey = np.asarray(picture.convert("L"))
    for xmin, ymin, xmax, ymax in places.values():
        assert (grey[ymin:ymax, xmin:xmax] < 200).mean() > 0.5
    taken = np.zeros(grey.shape, dtype=int)
    for xmin, ymin, xmax, ymax in places.values():
        taken[ymin:ymax, xmin:xmax] += 1
    assert taken.max() == 1
    assert places["c1"][0] < places["c2"][0] < places["c3"][0]
    assert places["c4"][1] == places["c5"][1] == places["c6"][1]


@pytest.mark.parametrize("id", ["c1", "\x00é病\n", '"><script>'])
def test_places_survive_a_png_file(id: str) -> None:
    picture = Image.new("RGB", (30, 40))
    write_places(picture, {id: (1, 2, 30, 40)})
    file = io.BytesIO()
    picture.save(file, "PNG", pnginfo=png_text(picture))
    assert places_in(Image.open(file).convert("RGB")) == {id: (1, 2, 30, 40)}


@pytest.mark.parametrize(
    "note",
    ["", "{", "[]", '{"c1": [1, 2, 3]}', '{"c1": [5, 1, 2, 2]}', '{"c1": [0, 0, 9, 99]}', '{"c1": [-1, 0, 9, 9]}'],
)
def test_a_damaged_note_is_none(note: str) -> None:
    picture = Image.new("RGB", (10, 10))
    picture.info["karyonet.places"] = note
    assert places_in(picture) == {}
    assert places_in(Image.new("RGB", (10, 10))) == {}


def test_a_report_that_was_read_back_has_the_same_page(make_metaphase: Make, tmp_path: Path) -> None:
    labels = ("9", "9", "21", "21", "21")
    metaphase = make_metaphase(labels, grey=np.full((74, 400), 0.5, np.float32))
    folder = Report(Case("a", (metaphase,)), Provenance()).save(tmp_path / "out")
    before = (folder / "report.html").read_bytes()
    assert before.count(b'<a href="#chromosome-') == len(labels)
    Report.load(folder).save(folder)
    assert (folder / "report.html").read_bytes() == before
    assert json.loads((folder / "report.json").read_text("utf-8")).keys() >= {"schema", "case"}
