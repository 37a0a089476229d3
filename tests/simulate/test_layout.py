"""What lies where along a chromosome."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.errors import ArrayError
from karyonet.ideogram import CHROMOSOMES, LEVELS, Segment, centromere_of, length_of
from karyonet.ideogram.band import bands
from karyonet.simulate.layout import Style, lay_out, stain_at_level
from karyonet.simulate.plan import normal_chromosome

chromosomes = st.sampled_from(CHROMOSOMES)


@given(chromosomes, st.floats(300, 850), st.floats(0.2, 0.9), st.sampled_from(["gband", "qband"]))
@settings(max_examples=30, deadline=None)
def test_segments_put_together_are_the_chromosome(name: str, level: float, share: float, style: str) -> None:
    cut, end = share * length_of(name), float(length_of(name))
    whole = lay_out(normal_chromosome(name).segments, level, style)  # type: ignore[arg-type]
    joined = lay_out((Segment(name, 0, cut), Segment(name, cut, end)), level, style)  # type: ignore[arg-type]
    assert joined.length == pytest.approx(whole.length)
    assert len(joined.junctions) == 1 and 0 < joined.junctions[0] < joined.length
    turned = lay_out((Segment(name, 0, end, True),), level, style)  # type: ignore[arg-type]
    assert np.allclose(turned.stain[::-1], whole.stain) and np.allclose(
        turned.edges[-1] - turned.edges[::-1], whole.edges
    )
    assert (np.diff(whole.edges) > 0).all() and (whole.stain >= 0).all()


@pytest.mark.parametrize("name", CHROMOSOMES)
def test_a_normal_chromosome_has_one_centromere_near_the_ideograms(name: str) -> None:
    layout = lay_out(normal_chromosome(name).segments, 550)
    assert len(layout.centromeres) == 1
    assert layout.centromeres[0] / layout.length == pytest.approx(centromere_of(name) / length_of(name), abs=0.12)


def test_fragments_and_dicentrics() -> None:
    assert lay_out((Segment("1", 9000, 12000),), 550).centromeres == ()
    dicentric = (Segment("13", 0, 4000), Segment("15", 0, 4000, True))
    assert len(lay_out(dicentric, 550).centromeres) == 2
    fused = (Segment("14", centromere_of("14"), 6300, True), Segment("21", centromere_of("21"), 3200))
    assert len(lay_out(fused, 550).centromeres) == 1


def test_variable_bands_change_the_length() -> None:
    segments = normal_chromosome("Y").segments
    normal, long = lay_out(segments, 550), lay_out(segments, 550, "gband", {"Yq12": 1.5, "1q12": 3.0})
    assert 1.1 < long.length / normal.length < 1.3


@given(chromosomes)
@settings(max_examples=24, deadline=None)
def test_detail_grows_with_the_level(name: str) -> None:
    detail = [np.abs(np.diff(stain_at_level(name, level, "gband"))).sum() for level in LEVELS]
    assert detail[0] <= detail[1] + 1e-9 and detail[1] <= detail[2] + 1e-9


@pytest.mark.parametrize("style", ["gband", "qband"])
def test_below_the_lowest_table_bands_go_on_merging(style: Style) -> None:
    for name in CHROMOSOMES:
        lengths = [band.iscn_stop - band.iscn_start for band in bands(name)]
        stains = [stain_at_level(name, level, style) for level in (300, 350, 399.999, 400)]
        spreads = [float(np.sqrt(np.cov(stain, aweights=lengths, ddof=0))) for stain in stains]
        assert spreads == sorted(spreads)
        assert spreads[2] == pytest.approx(spreads[3], rel=1e-4)
        means = [float(np.average(stain, weights=lengths)) for stain in stains]
        assert means == pytest.approx([means[-1]] * 4)


@pytest.mark.parametrize("level", [299.9, 850.1])
def test_levels_beyond_the_range_are_refused(level: float) -> None:
    with pytest.raises(ArrayError, match="K501"):
        lay_out(normal_chromosome("1").segments, level)
