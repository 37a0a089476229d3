from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from karyonet.case import BandLevel, Case, Metaphase
from karyonet.ideogram import CHROMOSOMES, LEVELS, bands, centromere_of, length_of
from karyonet.report import Provenance, to_document
from karyonet.report.ideogram_picture import LONGEST, WIDTH, draw_ideogram, level_drawn

NUMBER = re.compile(r"\d+(?:\.\d+)?")


def rows(path: str) -> list[float]:
    """First and last height of a band's path."""
    found = re.match(r"M[\d.]+ ([\d.]+)H[\d.]+L[\d.]+ ([\d.]+)", path)
    assert found
    return sorted(float(value) for value in found.groups())


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("chromosome", CHROMOSOMES)
def test_every_dark_band_is_drawn_where_the_table_has_it(chromosome: str, level: int) -> None:
    picture = draw_ideogram(chromosome, level)
    scale = LONGEST / length_of("1")
    assert picture.height == pytest.approx(length_of(chromosome) * scale, abs=0.06)
    stained = [band for band in bands(chromosome, level) if band.stain != "gneg"]
    assert len(picture.bands) == len(stained)
    for band, (path, _) in zip(stained, picture.bands, strict=True):
        assert rows(path) == pytest.approx([band.iscn_start * scale, band.iscn_stop * scale], abs=0.06)
        assert all(0 <= float(value) <= max(WIDTH, picture.height) for value in NUMBER.findall(path))


def test_more_stain_is_drawn_darker() -> None:
    stained = [band for band in bands("1", 850) if band.stain != "gneg"]
    fills = [fill for _, fill in draw_ideogram("1", 850).bands]
    drawn = {band.density: fill for band, fill in zip(stained, fills, strict=True) if band.stain == "gpos"}
    assert len(set(drawn.values())) > 2
    assert [drawn[density] for density in sorted(drawn)] == sorted(drawn.values(), reverse=True)


def test_the_arms_meet_at_the_centromere() -> None:
    picture = draw_ideogram("9", 550)
    arms = re.findall(r"M([\d.]+) ([\d.]+)", picture.outline)
    waist = centromere_of("9", 550) * LONGEST / length_of("1")
    assert [(float(x), float(y)) for x, y in arms] == [(WIDTH / 2, pytest.approx(waist, abs=0.06))] * 2


@pytest.mark.parametrize(
    ("bphs", "level"), [(None, 550), (310.0, 400), (470.0, 400), (480.0, 550), (690.0, 550), (710.0, 850), (900.0, 850)]
)
def test_the_nearest_table_is_drawn(make_metaphase: Callable[..., Metaphase], bphs: float | None, level: int) -> None:
    estimated = None if bphs is None else BandLevel(bphs, (bphs, bphs), 550)
    case = Case("a", (make_metaphase((), band_level=estimated),))
    assert level_drawn(to_document(case, Provenance()).metaphases[0]) == level
