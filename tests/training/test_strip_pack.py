from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from karyonet.case import LABELS
from karyonet.training.strip_pack import LabelledStrip, StripPack, concatenate, pack_cell

IMAGES = hnp.arrays(np.float32, st.tuples(st.integers(1, 40), st.integers(1, 12)), elements=st.floats(0, 1, width=32))
STRIPS = st.lists(
    st.builds(LabelledStrip, IMAGES, st.sampled_from(LABELS), st.sampled_from([-1, 0, 1])), min_size=0, max_size=5
)


@settings(max_examples=25, deadline=None)
@given(first=STRIPS, second=STRIPS)
def test_strips_survive_writing_and_reading(
    tmp_path_factory: pytest.TempPathFactory, first: list[LabelledStrip], second: list[LabelledStrip]
) -> None:
    path = tmp_path_factory.mktemp("pack") / "strips.npz"
    packs = [
        pack_cell(first, case="a case", cell="1", split="train", source="one"),
        pack_cell(second, case="b", cell="2", split="validation", source="another source"),
    ]
    concatenate(packs).write(path)
    pack = StripPack.read(path)
    strips = [*first, *second]
    assert [LABELS[label] for label in pack.labels] == [strip.label for strip in strips]
    assert pack.polarity.tolist() == [strip.polarity for strip in strips]
    assert list(pack.cases) == ["a case"] * len(first) + ["b"] * len(second)
    for index, strip in enumerate(strips):
        step = float(pack.density[index]) / 64
        limited = np.minimum(strip.optical_density, 255 * step)
        assert pack.optical_density(index).shape == strip.optical_density.shape
        assert np.abs(pack.optical_density(index) - limited).max() <= 0.51 * step + 1e-6
    chosen = pack.select(split="validation")
    assert len(chosen) == len(second) == len(pack.select(source="another source"))
    assert all((chosen.strip(i) == pack.strip(len(first) + i)).all() for i in range(len(second)))


def test_median_and_density_are_of_the_whole_metaphase() -> None:
    strips = [LabelledStrip(np.full((length, 4), 0.3, np.float32), "1") for length in (10, 20, 60)]
    pack = pack_cell(strips, case="c", cell="c1", split="", source="s")
    assert pack.median_length.tolist() == [20, 20, 20]
    np.testing.assert_allclose(pack.density, 0.3, rtol=1e-6)
