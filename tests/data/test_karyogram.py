"""Karyograms that were drawn are read back: names, numbers and boxes."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from karyonet.case import LABELS, Chromosome, Metaphase
from karyonet.data.karyogram import Karyogram, parse_layout, read_karyogram
from karyonet.errors import DataError
from karyonet.geometry.region import box_iou
from karyonet.imaging import to_optical_density
from karyonet.report.karyogram import draw_karyogram
from karyonet.simulate import simulate
from karyonet.stages.straightening import MedialAxisStraightener

from .drawn_karyogram import BY_SIX, CLASSICAL, LAYOUT, MALE, Box, Style, draw

FEMALE = {**MALE, "X": 2, "Y": 0}


def grey_of(picture: Image.Image) -> NDArray[np.float32]:
    return np.asarray(picture.convert("L"), dtype=np.float32) / 255


def as_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=quality)
    return Image.open(data)


def scaled(picture: Image.Image, scale: float) -> Image.Image:
    size = (round(picture.width * scale), round(picture.height * scale))
    return picture.resize(size, Image.Resampling.BICUBIC)


def copies_of(karyogram: Karyogram) -> dict[str, int]:
    return dict(Counter(chromosome.label for chromosome in karyogram.chromosomes))


def filled(copies: Mapping[str, int]) -> dict[str, int]:
    return {label: count for label, count in copies.items() if count}


def least_iou(karyogram: Karyogram, boxes: Sequence[Box], scale: float = 1.0) -> float:
    """The worst overlap of a chromosome with the one that was drawn in its place."""
    found, drawn = defaultdict(list), defaultdict(list)
    for chromosome in karyogram.chromosomes:
        found[chromosome.label].append(chromosome.region.bbox)
    for label, box in boxes:
        drawn[label].append(box)
    pairs = [(f, d) for label in drawn for f, d in zip(sorted(found[label]), sorted(drawn[label]), strict=True)]
    first, second = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    return float(np.diag(box_iou(first, second * scale)).min())


@cache
def simulated() -> Metaphase:
    """A straightened metaphase of 47,XY,+21, as the simulator drew it; three chromosomes are marked for review."""
    drawn = simulate("47,XY,+21", seed=3, crowding=0).metaphases[0]
    grey = (drawn.image / np.float32(255)).astype(np.float32)
    density = to_optical_density(grey, "absorption")
    chromosomes = tuple(
        Chromosome(c.id, c.region, label=c.label, p_arm_up=c.p_arm_up, review=number % 17 == 2)
        for number, c in enumerate(drawn.chromosomes)
    )
    metaphase = Metaphase("m1", "m1.png", "0" * 64, grey, "absorption", density, chromosomes=chromosomes)
    return MedialAxisStraightener().process(replace(metaphase, iscn="47,XY,+21"))


def expected(metaphase: Metaphase) -> dict[str, int]:
    return dict(Counter(c.label for c in metaphase.chromosomes if c.label))


def test_the_karyogram_of_our_report_comes_back() -> None:
    read = read_karyogram(grey_of(draw_karyogram(simulated())))
    assert copies_of(read) == filled({**MALE, "21": 3})
    assert [c.homolog for c in read.chromosomes if c.label == "21"] == [1, 2, 3]
    heights = {c.label: c.region.mask.shape[0] for c in read.chromosomes}
    assert 250 < heights["1"] <= 292 and heights["1"] > heights["10"] > heights["22"]  # flags are not taken in
    assert read.unnamed == 0
    assert read.background == 1


@settings(max_examples=5, deadline=None)
@given(st.data())
def test_it_does_not_matter_which_chromosomes_go_in_and_in_what_order(data: st.DataObject) -> None:
    metaphase = simulated()
    order = data.draw(st.permutations(range(len(metaphase.chromosomes))))
    lost = data.draw(st.sets(st.sampled_from(order), max_size=4))
    chromosomes = tuple(metaphase.chromosomes[number] for number in order if number not in lost)
    read = read_karyogram(grey_of(draw_karyogram(replace(metaphase, chromosomes=chromosomes))))
    assert copies_of(read) == expected(replace(metaphase, chromosomes=chromosomes))


def test_chromosomes_that_nobody_named_are_left_out_and_counted() -> None:
    metaphase = simulated()
    nameless = tuple(replace(c, label=None) if n in (3, 30) else c for n, c in enumerate(metaphase.chromosomes))
    read = read_karyogram(grey_of(draw_karyogram(replace(metaphase, chromosomes=nameless))))
    assert copies_of(read) == expected(replace(metaphase, chromosomes=nameless))
    assert read.unnamed == 2


@pytest.mark.parametrize(
    ("style", "copies", "inverted", "scale", "quality"),
    [
        (Style(), MALE, False, 1.0, None),
        (Style(above=True, title="Case 1234  46,XX  Dr A"), FEMALE, False, 1.0, 75),
        (Style(layout=BY_SIX, rules=True, font_size=22), {**MALE, "18": 3}, True, 1.5, 85),
        (Style(layout=CLASSICAL, centromere_line=True), {**FEMALE, "7": 1}, False, 2.0, 90),
        (Style(rules=True, centromere_line=True, width=30), {**MALE, "X": 3}, True, 0.8, None),
        (Style(font_size=24, pair_gap=12), {**MALE, "Y": 0}, False, 0.6, 80),
        (Style(width=16, pair_gap=6, above=True, rules=True), {**MALE, "Y": 2, "13": 3}, True, 1.0, 60),
    ],
)
def test_plain_grids_come_back(
    style: Style, copies: Mapping[str, int], inverted: bool, scale: float, quality: int | None
) -> None:
    picture, boxes = draw(copies, style)
    picture = ImageOps.invert(picture) if inverted else picture
    picture = scaled(picture, scale)
    read = read_karyogram(grey_of(as_jpeg(picture, quality) if quality else picture))
    assert copies_of(read) == filled(copies)
    assert least_iou(read, boxes, scale) >= 0.8


@pytest.mark.parametrize("font", ["DejaVuSans.ttf", "DejaVuSansMono-Bold.ttf", "LiberationSerif-Regular.ttf"])
def test_fonts_that_there_are_no_templates_of_are_read(font: str) -> None:
    from PIL import ImageFont

    try:
        ImageFont.truetype(font, 18)
    except OSError:
        pytest.skip(f"{font} is not installed")
    picture, _ = draw(MALE, Style(font=font))
    assert copies_of(read_karyogram(grey_of(picture))) == filled(MALE)


def test_a_line_across_chromosomes_is_painted_over() -> None:
    plain, _ = draw(MALE, Style())
    crossed, _ = draw(MALE, Style(centromere_line=True))
    read = read_karyogram(grey_of(crossed))
    inside = np.zeros(read.grey.shape, dtype=bool)
    for chromosome in read.chromosomes:
        inside |= chromosome.region.to_mask(read.grey.shape)
    line = inside & (grey_of(crossed) != grey_of(plain))
    assert line.sum() > 1000
    assert (np.abs(read.grey - grey_of(plain))[line].mean()) < (np.abs(grey_of(crossed) - grey_of(plain))[line].mean())


def test_homologs_that_touch_are_parted() -> None:
    picture, boxes = draw(MALE, Style())
    pen = ImageDraw.Draw(picture)
    (left, top, _, bottom), (_, _, right, _) = (box for label, box in boxes if label == "9")
    pen.rectangle((left + 12, (top + bottom) // 2, right - 12, (top + bottom) // 2 + 6), fill=120)
    read = read_karyogram(grey_of(picture))
    assert copies_of(read) == filled(MALE)
    assert least_iou(read, boxes) >= 0.8


def test_a_bent_chromosome_is_not_taken_for_two() -> None:
    metaphase = simulated()
    lying = tuple(replace(c, strip=None) for c in metaphase.chromosomes)  # drawn as they lay on the slide
    read = read_karyogram(grey_of(draw_karyogram(replace(metaphase, chromosomes=lying))))
    assert copies_of(read) == expected(metaphase)


@pytest.mark.parametrize("blot", ["#", "@", ""])
def test_a_name_that_cannot_be_read_is_an_error_that_layout_cures(blot: str) -> None:
    picture, boxes = draw(MALE, Style(renamed={"8": blot}))
    with pytest.raises(DataError, match=r"K409: me\.png: .*(8|after 7).*--layout"):
        read_karyogram(grey_of(picture), path="me.png")
    read = read_karyogram(grey_of(picture), LAYOUT)
    assert copies_of(read) == filled(MALE)
    assert least_iou(read, boxes) >= 0.8


@pytest.mark.parametrize(("first", "second"), [("3", "4"), ("15", "16"), ("18", "19"), ("5", "17")])
def test_names_that_are_out_of_order_are_an_error(first: str, second: str) -> None:
    picture, _ = draw(MALE, Style(renamed={first: second, second: first}))
    with pytest.raises(DataError, match="K409"):
        read_karyogram(grey_of(picture))


def test_without_printed_names_the_gaps_tell_the_stated_slots() -> None:
    copies = {**MALE, "5": 0, "21": 3}
    picture, boxes = draw(copies, Style(renamed=dict.fromkeys(LABELS, "")))
    with pytest.raises(DataError, match="K408"):
        read_karyogram(grey_of(picture))
    for layout in (LAYOUT.replace("4 5/", "4 -/"), LAYOUT.replace("4 5/", "4/")):
        read = read_karyogram(grey_of(picture), layout)
        assert copies_of(read) == filled(copies)
        assert least_iou(read, boxes) >= 0.8
    with pytest.raises(DataError, match=r"K409.*row 1.*5 slots"):
        read_karyogram(grey_of(picture), LAYOUT)


def test_a_slot_can_be_left_out() -> None:
    picture, _ = draw(MALE, Style())
    read = read_karyogram(grey_of(picture), LAYOUT.replace("22 X", "? X"))
    assert copies_of(read) == filled({**MALE, "22": 0})
    assert read.unnamed == 2


@pytest.mark.parametrize("layout", ["", "1 2 3 4 5/6 7 8 9 10 11 12/13", "1 2 2 3", "1 2 23", "a b"])
def test_a_wrong_layout_is_an_error(layout: str) -> None:
    picture, _ = draw(MALE, Style())
    with pytest.raises(DataError, match=r"K4(09|10)"):
        read_karyogram(grey_of(picture), layout)


def test_a_layout_is_rows_of_names() -> None:
    assert parse_layout(" 1 2 -/? X\n/") == [["1", "2", "-"], ["?", "X"]]


@pytest.mark.parametrize("kind", ["blank", "noise", "slope", "metaphase", "text", "tiny"])
def test_a_picture_of_something_else_is_an_error(kind: str) -> None:
    generator = np.random.default_rng(1)
    picture = Image.new("L", (600, 500), 255)
    if kind == "text":
        ImageDraw.Draw(picture).text((20, 20), "1 2 3 4 5\n6 7 8 9 10 11 12\nX Y", fill=0)
    grey = {
        "noise": generator.random((300, 300), dtype=np.float32),
        "slope": np.tile(np.linspace(0, 1, 400, dtype=np.float32), (300, 1)),
        "metaphase": simulated().grey,
        "tiny": np.zeros((1, 1), dtype=np.float32),
    }.get(kind, grey_of(picture))
    with pytest.raises(DataError, match="K408"):
        read_karyogram(grey)
