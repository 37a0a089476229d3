"""The band tables: counts, tiling, and the queries on them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.errors import ArrayError
from karyonet.ideogram import (
    CHROMOSOMES,
    LEVELS,
    band_at,
    bands,
    centromere_of,
    centromeric_index,
    find_band,
    length_of,
    position_of,
    relative_length,
    to_level,
)

# Bands of every chromosome without the centromere's, as counted in the NCBI tables.
COUNTS = {
    400: (26, 28, 25, 24, 19, 21, 16, 16, 14, 12, 13, 13, 12, 12, 14, 13, 10, 7, 9, 8, 6, 6, 17, 4),
    550: (40, 38, 33, 28, 31, 31, 24, 24, 20, 26, 28, 23, 18, 16, 20, 13, 12, 12, 9, 8, 8, 10, 25, 8),
    850: (61, 60, 60, 45, 43, 46, 42, 38, 41, 40, 34, 39, 34, 30, 30, 23, 22, 18, 17, 18, 12, 14, 38, 9),
}
POSITIVE = {
    400: (12, 13, 12, 11, 9, 10, 7, 7, 6, 5, 6, 6, 4, 4, 5, 5, 4, 3, 3, 3, 1, 1, 8, 1),
    550: (19, 18, 16, 13, 15, 15, 11, 11, 9, 12, 14, 11, 7, 6, 8, 5, 5, 5, 3, 3, 2, 3, 12, 3),
    850: (29, 29, 29, 22, 21, 22, 20, 18, 19, 19, 17, 19, 15, 13, 13, 10, 10, 8, 7, 8, 4, 5, 18, 3),
}
chromosomes = st.sampled_from(CHROMOSOMES)
levels = st.sampled_from(LEVELS)


@pytest.mark.parametrize(("level", "rows"), [(400, 393), (550, 553), (850, 862)])
def test_counts_are_those_of_the_tables(level: int, rows: int) -> None:
    assert sum(len(bands(name, level)) for name in CHROMOSOMES) == rows
    counted = tuple(sum(band.stain != "acen" for band in bands(name, level)) for name in CHROMOSOMES)
    assert counted == COUNTS[level]
    assert tuple(sum(b.stain == "gpos" for b in bands(name, level)) for name in CHROMOSOMES) == POSITIVE[level]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("chromosome", CHROMOSOMES)
def test_bands_tile_the_chromosome(chromosome: str, level: int) -> None:
    known = bands(chromosome, level)
    assert (known[0].iscn_start, known[0].bp_start) == (0, 0)
    assert known[-1].iscn_stop == length_of(chromosome)
    for before, after in pairwise(known):
        assert (before.iscn_stop, before.bp_stop) == (after.iscn_start, after.bp_start)
        assert before.arm <= after.arm
    assert all(band.iscn_start < band.iscn_stop and band.bp_start < band.bp_stop for band in known)
    assert len({band.name for band in known}) == len(known)
    assert all(0 <= band.density <= 1 and band.name[0] == band.arm for band in known)


@given(chromosomes, levels, st.data())
@settings(max_examples=30, deadline=None)
def test_band_and_position_agree(chromosome: str, level: int, data: st.DataObject) -> None:
    band = data.draw(st.sampled_from(bands(chromosome, level)))
    assert position_of(chromosome, band.name, level) == (band.iscn_start, band.iscn_stop)
    assert band_at(chromosome, (band.iscn_start + band.iscn_stop) / 2, level) == band
    assert band in find_band(chromosome, band.name, level)
    assert find_band(chromosome, band.name)  # the finest table knows every coarser band


def test_a_name_covers_its_parts() -> None:
    assert [b.name for b in find_band("9", "q34")] == ["q34.11", "q34.12", "q34.13", "q34.2", "q34.3"]
    assert [b.name for b in find_band("9", "q34", 550)] == ["q34.1", "q34.2", "q34.3"]
    assert [b.name for b in find_band("9", "q34.1")] == ["q34.11", "q34.12", "q34.13"]
    assert {b.arm for b in find_band("5", "p")} == {"p"}
    assert {b.name for b in find_band("13", "q1")} == {b.name for b in bands("13") if b.name.startswith("q1")}


@pytest.mark.parametrize(
    ("chromosome", "band"), [("9", "q99"), ("9", "q34."), ("9", "34"), ("9", ""), ("25", "q11"), ("21", "q22.33")]
)
def test_what_does_not_exist_is_empty(chromosome: str, band: str) -> None:
    assert find_band(chromosome, band) == ()


def test_ends_and_centromere_are_points() -> None:
    assert position_of("1", "pter") == (0, 0)
    assert position_of("1", "qter") == (15100, 15100)
    assert position_of("1", "q10") == position_of("1", "cen") == (centromere_of("1"), centromere_of("1"))
    assert {b.name for b in find_band("1", "cen")} == {"p11.1", "q11"}
    assert band_at("1", 15100).name == bands("1")[-1].name


def test_faults_are_named() -> None:
    with pytest.raises(ArrayError, match="chromosome must be 1 to 22"):
        bands("23", 550)
    with pytest.raises(ArrayError, match="level must be one of"):
        bands("1", 500)
    with pytest.raises(ArrayError, match="position on chromosome 21"):
        band_at("21", 3201)
    with pytest.raises(ArrayError, match="a band of chromosome 9 at 400"):
        position_of("9", "q34.11", 400)


def test_lengths_and_indices() -> None:
    assert sum(relative_length(name) for name in CHROMOSOMES[:22]) == pytest.approx(1)
    assert relative_length("1") > relative_length("X") > relative_length("21")
    assert all(0 < centromeric_index(name, level) < 0.5 for name in CHROMOSOMES for level in LEVELS)
    assert centromeric_index("1") > 0.45 > centromeric_index("4") > centromeric_index("13")


@given(chromosomes, st.floats(0, 1), st.floats(400, 850), st.floats(400, 850))
@settings(max_examples=30, deadline=None)
def test_positions_go_to_another_level_and_back(chromosome: str, share: float, first: float, second: float) -> None:
    position = share * length_of(chromosome)
    there = to_level(chromosome, position, second, first)
    assert to_level(chromosome, there, first, second) == pytest.approx(position, abs=0.01)


@given(chromosomes, levels, levels)
@settings(max_examples=20, deadline=None)
def test_the_centromere_goes_to_the_centromere(chromosome: str, first: int, second: int) -> None:
    there = to_level(chromosome, centromere_of(chromosome, first), second, first)
    assert there == pytest.approx(centromere_of(chromosome, second))
