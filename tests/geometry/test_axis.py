from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.ndimage import rotate

from karyonet.errors import ArrayError
from karyonet.geometry.axis import longest_path, medial_axis
from karyonet.geometry.curve import extend, own_stretch, resample, smooth

MODEST = settings(max_examples=25, deadline=None)


@st.composite
def bent_rods(draw):
    """Arguments of a rod: at least 4 widths long, bent to a C or an S of a radius of at least 1.5 widths."""
    width = draw(st.floats(8, 30))
    length = draw(st.floats(max(25.0, 4.0 * width), 250))
    sharpest = min(length / (1.5 * width), 1.1 * np.pi)
    return {
        "length": length,
        "width": width,
        "turn": draw(st.floats(0, sharpest)),
        "reverse": draw(st.booleans()),
        "heading": draw(st.floats(0, 6.28)),
        "shift": (draw(st.floats(0, 1)), draw(st.floats(0, 1))),
    }


@MODEST
@given(bent_rods())
@example({"length": 39.0, "width": 9.75, "turn": 0.0, "reverse": False, "heading": 0.0, "shift": (0.0, 0.75)})
def test_length_of_a_bent_rod(draw_rod, arguments):
    axis = medial_axis(draw_rod(**arguments).mask)
    assert axis.length == pytest.approx(arguments["length"], rel=0.03, abs=1.0)
    # An upright rod of 9.75 pixels may cover no more than 9 columns.
    assert axis.half_width == pytest.approx(arguments["width"] / 2, rel=0.05, abs=0.5)
    assert axis.confidence > 0.9


@pytest.mark.parametrize("width", [8, 14, 22])
def test_length_of_the_tightest_bend(draw_rod, width):
    length = 6.0 * width
    axis = medial_axis(draw_rod(length, width, turn=length / (1.2 * width) * 0.7).mask)
    assert axis.length == pytest.approx(length, rel=0.03)


@MODEST
@given(st.floats(8, 30), st.floats(1.5, 8), st.floats(0, 6.28))
def test_length_of_a_straight_rod(draw_rod, width, aspect, heading):
    length = min(max(25.0, aspect * width), 250.0)
    axis = medial_axis(draw_rod(length, width, heading=heading).mask)
    if length >= 1.5 * width:
        assert axis.length == pytest.approx(length, rel=0.03, abs=1.5)


@MODEST
@given(bent_rods(), st.floats(0, 360))
def test_rotation_keeps_the_length(draw_rod, arguments, angle):
    mask = draw_rod(**arguments).mask
    turned = rotate(mask.astype(float), angle, order=1) > 0.5
    assert medial_axis(turned).length == pytest.approx(medial_axis(mask).length, rel=0.03, abs=1.0)


@MODEST
@given(bent_rods())
def test_the_form_of_an_axis(draw_rod, arguments):
    mask = draw_rod(**arguments).mask
    axis = medial_axis(mask)
    assert len(axis.points) == round(axis.length)
    # Points lie one pixel of arc length apart, so that chords are a pixel or, in a bend, a little less.
    assert np.hypot(*np.diff(axis.points, axis=0).T) == pytest.approx(1.0, abs=0.05)
    assert np.hypot(*axis.tangents.T) == pytest.approx(1.0, abs=1e-5)
    assert (axis.tangents * axis.normals).sum(axis=1) == pytest.approx(0.0, abs=1e-5)
    assert tuple(axis.points[0].round(2)) <= tuple(axis.points[-1].round(2))
    inside = np.rint(axis.points[1:-1]).astype(int)
    assert mask[tuple(inside.T)].all()


def test_an_upright_axis_has_normals_to_the_right(draw_rod):
    axis = medial_axis(draw_rod(80, 15).mask)
    assert axis.tangents == pytest.approx(np.tile([1.0, 0.0], (80, 1)), abs=0.05)
    assert axis.normals == pytest.approx(np.tile([0.0, 1.0], (80, 1)), abs=0.05)


def test_open_chromatids_do_not_bend_the_axis():
    rows, columns = np.mgrid[:90, :60]
    # A chromosome whose chromatids part at both ends: an X of two crossing bars, long and narrow.
    slope = (rows - 44.5) / 44.5 * 9
    crossing = (np.abs(columns - 29.5 - slope) < 5) | (np.abs(columns - 29.5 + slope) < 5)
    axis = medial_axis(crossing & (rows > 4) & (rows < 85))
    assert np.abs(axis.points[:, 1] - 29.5).max() < 1.0
    assert axis.length == pytest.approx(80, abs=2)


def test_a_hole_does_not_split_the_axis(draw_rod):
    rod = draw_rod(100, 20)
    holed = rod.mask.copy()
    middle = tuple(size // 2 for size in holed.shape)
    holed[middle[0] - 6 : middle[0] + 6, middle[1] - 3 : middle[1] + 3] = False
    assert medial_axis(holed).points == pytest.approx(medial_axis(rod.mask).points, abs=1e-4)


def _disc(radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:50, :50] - 24.5
    return np.hypot(rows, columns) < radius


DEGENERATE = {
    "pixel": np.ones((1, 1), bool),
    "two pixels": np.ones((1, 2), bool),
    "line": np.ones((40, 1), bool),
    "diagonal line": np.eye(30, dtype=bool),
    "square": np.ones((12, 12), bool),
    "disc": _disc(20),
    "ring": _disc(20) & ~_disc(15),
    "two pieces": np.pad(np.ones((30, 10), bool), 2) | np.roll(np.pad(np.ones((30, 10), bool), 2), 17, axis=0),
    "two far pieces": np.repeat(np.array([[1, 0, 0, 1]], bool), 12, axis=0),
    "corners": np.array([[1, 0, 1], [0, 0, 0], [1, 0, 1]], bool),
}
DEGENERATE["two pieces"][16:20] = False


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_masks(name):
    axis = medial_axis(DEGENERATE[name])
    assert np.isfinite(axis.points).all()
    assert len(axis.points) == round(axis.length) >= 1
    assert axis.confidence < 0.4


@MODEST
@given(st.integers(0, 2**32 - 1), st.floats(0.02, 0.98), st.integers(1, 40), st.integers(1, 40))
def test_any_mask_has_an_axis(seed, density, height, width):
    mask = np.random.default_rng(seed).random((height, width)) < density
    mask[height // 2, width // 2] = True
    axis = medial_axis(mask)
    assert np.isfinite(axis.points).all()
    assert 0 <= axis.confidence <= 1
    assert len(axis.points) == len(axis.tangents) == len(axis.normals) == round(axis.length)


def test_a_branched_mask_is_not_trusted():
    cross = np.zeros((120, 120), bool)
    cross[53:67, 5:115] = True
    cross[5:115, 53:67] = True
    assert medial_axis(cross).confidence < 0.75


def test_errors():
    with pytest.raises(ArrayError, match="K502"):
        medial_axis(np.zeros((5, 5), bool))
    with pytest.raises(ArrayError, match="K501"):
        medial_axis(np.ones((5, 5, 3), bool))


def test_longest_path_of_a_tree():
    skeleton = np.zeros((20, 30), bool)
    skeleton[10, 2:28] = True
    skeleton[5:10, 12] = True  # a branch
    path, share = longest_path(skeleton)
    assert sorted(map(tuple, path)) == [(10.0, float(column)) for column in range(2, 28)]
    assert np.abs(np.diff(path[:, 1])) == pytest.approx(1.0)
    assert share == pytest.approx(26 / 31)


def test_smoothing_keeps_a_straight_line_and_takes_a_zigzag_out():
    line = np.stack([np.arange(60.0), np.arange(60.0) * 0.5], axis=1)
    assert smooth(line, None, 6.0) == pytest.approx(line, abs=1e-6)
    zigzag = line + np.where(np.arange(60) % 2, 1.0, -1.0)[:, None]
    assert np.abs(smooth(zigzag, None, 6.0) - line)[5:-5].max() < 0.05


def test_extension_runs_on_along_an_arc():
    angle = np.arange(0.0, 1.5, 1 / 40)
    arc = 40.0 * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    longer = extend(resample(arc, 1.0), scale=8.0, step=1.0)
    assert len(longer) > len(arc) + 30
    assert np.hypot(*longer.T) == pytest.approx(40.0, abs=1.5)


def test_the_other_arm_of_a_hairpin_is_not_its_own_stretch():
    down = np.stack([np.arange(40.0), np.zeros(40)], axis=1)
    over = np.stack([np.full(9, 40.0), np.arange(9.0)], axis=1)
    hairpin = np.concatenate([down, over, down[::-1] + np.array([0.0, 8.0])])
    offsets = np.arange(-3, 11)
    positions = np.stack([hairpin[:, :1] + 0 * offsets, hairpin[:, 1:] + offsets])
    own = own_stretch(hairpin, positions, tolerance=5.0)
    assert own[5, offsets <= 2].all()
    assert not own[5, offsets >= 6].any()
