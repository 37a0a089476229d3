from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.errors import ArrayError
from karyonet.stages.classification.preprocessing import Preprocessing, metaphase_scale, place, prepare

REFERENCE = Preprocessing()


def banded(length: int, width: int = 14) -> np.ndarray:
    """A smooth strip with a soft border."""
    rows, columns = np.linspace(0, 1, length)[:, None], np.linspace(-1, 1, width)[None]
    body = (0.6 + 0.3 * np.sin(18 * rows)) * np.clip(1.4 * (1 - np.abs(columns)), 0, 1)
    return (body * np.clip(8 * np.minimum(rows, 1 - rows), 0, 1)).astype(np.float32)


def metaphase() -> list[np.ndarray]:
    return [banded(int(length)) for length in np.linspace(25, 110, 46)]


def test_shape_type_and_density() -> None:
    images = prepare(metaphase())
    assert images.shape == (46, 1, 160, 32) and images.dtype == np.float32
    stained = [image[image > 0].mean() for image in images]
    assert np.median(stained) == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize("factor", [0.6, 1.5, 2.0])
def test_the_pixel_pitch_does_not_matter(factor: float) -> None:
    strips = metaphase()
    enlarged = [
        cv2.resize(s, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
        for s in strips
    ]
    first, second = prepare(strips), prepare(enlarged)
    correlation = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(first, second, strict=True)]
    assert min(correlation) > 0.95


@settings(max_examples=20, deadline=None)
@given(gain=st.floats(0.2, 5))
def test_the_strength_of_the_stain_does_not_matter(gain: float) -> None:
    strips = metaphase()
    np.testing.assert_allclose(prepare([s * np.float32(gain) for s in strips]), prepare(strips), rtol=1e-3, atol=1e-4)


def test_relative_length_survives() -> None:
    rows = (prepare(metaphase())[:, 0] > 0.05).any(axis=2).sum(axis=1)
    assert rows[-1] / rows[0] == pytest.approx(110 / 25, rel=0.15)
    assert np.median(rows) == pytest.approx(REFERENCE.reference_length, rel=0.1)


def test_an_explicit_scale_is_kept() -> None:
    alone = prepare([banded(60)], scale=0.5)
    assert (alone[0, 0] > 0.01).any(axis=1).sum() == pytest.approx(30, abs=3)


def test_long_strips_are_shrunk_and_wide_ones_cropped_to_the_middle() -> None:
    whole = place(banded(400), 1.0, (160, 32))
    filled = np.flatnonzero((whole > 0.02).any(axis=1))
    assert filled[0] < 6 and filled[-1] > 153
    wide = np.tile(np.arange(61, dtype=np.float32), (40, 1))
    shown = place(wide, 1.0, (160, 32))[80]
    assert shown.shape == (32,) and 29 <= shown[16] <= 31


def test_nothing_gives_nothing() -> None:
    assert prepare([]).shape == (0, 1, 160, 32)
    assert not prepare([np.zeros((20, 9), np.float32)]).any()


@pytest.mark.parametrize("strip", [np.zeros(5), np.zeros((0, 4)), np.full((4, 4), np.nan)])
def test_wrong_strips_are_refused(strip: np.ndarray) -> None:
    with pytest.raises(ArrayError) as raised:
        prepare([strip.astype(np.float32)])
    assert raised.value.code == "K501"


def test_a_scale_needs_lengths() -> None:
    assert metaphase_scale([36, 36, 100]) == 2.0
    for lengths in ([], [0, 0]):
        with pytest.raises(ArrayError):
            metaphase_scale(lengths)
