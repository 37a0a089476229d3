"""Where the bands lie that differ between healthy people."""

from __future__ import annotations

import pytest

from karyonet.ideogram import ACROCENTRIC, CHROMOSOMES, centromeric_index, find_band, length_of, variable_stretch


def test_chromosomes_without_variable_bands_have_no_stretch() -> None:
    variable = {name for name in CHROMOSOMES if variable_stretch(name) is not None}
    assert variable == {"1", "9", "16", "Y", *ACROCENTRIC}


@pytest.mark.parametrize(("chromosome", "band"), [("1", "q12"), ("9", "q12"), ("16", "q11.2"), ("Y", "q12")])
def test_heterochromatin_of_a_long_arm_is_where_its_band_is(chromosome: str, band: str) -> None:
    stretch = variable_stretch(chromosome)
    assert stretch is not None and centromeric_index(chromosome) <= stretch[0] < stretch[1] <= 1
    found = find_band(chromosome, band)
    assert stretch[0] * length_of(chromosome) == pytest.approx(found[0].iscn_start)
    assert stretch[1] * length_of(chromosome) == pytest.approx(found[-1].iscn_stop)


@pytest.mark.parametrize("chromosome", ACROCENTRIC)
def test_an_acrocentric_varies_from_its_end_to_its_centromere(chromosome: str) -> None:
    stretch = variable_stretch(chromosome)
    assert stretch is not None and stretch[0] == 0 < stretch[1] < centromeric_index(chromosome)
