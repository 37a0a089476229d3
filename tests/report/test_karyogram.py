from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from karyonet.case import LABELS, Case, Centromere, Metaphase
from karyonet.report.drawing import AMBER, stain_to_grey, upright_stain
from karyonet.report.karyogram import ROWS, draw_karyogram

Make = Callable[..., Metaphase]


def amber(picture: Image.Image) -> int:
    wanted = tuple(int(AMBER[i : i + 2], 16) for i in (1, 3, 5))
    return int((np.asarray(picture) == wanted).all(axis=2).sum())


def stained(picture: Image.Image, x: slice = slice(None), y: slice = slice(None)) -> int:
    """Pixels of any grey between ink and white, which only chromosomes have in number."""
    grey = np.asarray(picture.convert("L"))[y, x]
    return int(((grey > 30) & (grey < 240)).sum())


def test_rows_hold_every_chromosome_once_in_order() -> None:
    assert tuple(label for row in ROWS for _, group in row for label in group) == LABELS


def test_a_karyogram_is_white_paper_with_46_chromosomes(make_metaphase: Make) -> None:
    picture = draw_karyogram(make_metaphase())
    assert picture.mode == "RGB"
    assert picture.width >= 1500
    assert np.median(np.asarray(picture)) == 255
    assert stained(picture) > 30_000


def test_the_short_arm_is_drawn_up(make_metaphase: Make) -> None:
    chromosome = make_metaphase(("1",)).chromosomes[0]
    metaphase = make_metaphase(("1",))
    up = upright_stain(replace(chromosome, p_arm_up=True), metaphase)
    down = upright_stain(replace(chromosome, p_arm_up=False), metaphase)
    unknown = upright_stain(replace(chromosome, p_arm_up=None), metaphase)
    assert up[0].mean() > up[-1].mean()
    assert np.array_equal(down, up[::-1, ::-1])
    assert np.array_equal(unknown, up)


def test_without_a_strip_the_image_is_drawn(make_metaphase: Make) -> None:
    metaphase = make_metaphase(("1",))
    chromosome = replace(metaphase.chromosomes[0], strip=None)
    assert np.array_equal(upright_stain(chromosome, metaphase), metaphase.optical_density[chromosome.region.slices])


def test_without_pixels_a_silhouette_is_drawn(make_metaphase: Make) -> None:
    metaphase = make_metaphase(("1", "1"))
    blank = replace(
        metaphase,
        optical_density=np.zeros_like(metaphase.grey),
        chromosomes=tuple(replace(c, strip=None) for c in metaphase.chromosomes),
    )
    assert stained(draw_karyogram(blank)) > 5000


def test_a_missing_homolog_leaves_its_place(make_metaphase: Make) -> None:
    labels = [label for label in LABELS[:22] for _ in range(2)] + ["X", "X"]
    whole = draw_karyogram(make_metaphase(labels))
    labels.remove("5")
    less = draw_karyogram(make_metaphase(labels))
    assert whole.size == less.size
    assert stained(less) < stained(whole) - 200


@pytest.mark.parametrize("label", ["21", "X", "Y", "1"])
def test_a_further_copy_is_drawn(make_metaphase: Make, label: str) -> None:
    labels = [label for label in LABELS[:22] for _ in range(2)] + ["X", "Y"]
    assert stained(draw_karyogram(make_metaphase([*labels, label]))) > stained(draw_karyogram(make_metaphase(labels)))


def test_a_chromosome_without_a_label_is_drawn_in_a_row_of_its_own(make_metaphase: Make) -> None:
    without = draw_karyogram(make_metaphase(("1", "1")))
    both = draw_karyogram(make_metaphase(("1", "1", None)))
    assert both.height > without.height
    assert stained(both, y=slice(without.height - 60, both.height - 60)) > 100


def test_chromosomes_to_review_are_marked(make_metaphase: Make) -> None:
    metaphase = make_metaphase()
    calm = replace(metaphase, chromosomes=tuple(replace(c, review=False) for c in metaphase.chromosomes))
    assert amber(draw_karyogram(calm)) == 0
    assert amber(draw_karyogram(metaphase)) > 100


def test_hidden_rows_are_marked(make_metaphase: Make) -> None:
    metaphase = make_metaphase(("1", "2"))
    first = metaphase.chromosomes[0]
    assert first.strip is not None
    valid = first.strip.valid.copy()
    valid[10:30] = False
    hidden = replace(first, strip=replace(first.strip, valid=valid))
    marked = replace(metaphase, chromosomes=(hidden, metaphase.chromosomes[1]))
    assert not np.array_equal(np.asarray(draw_karyogram(marked)), np.asarray(draw_karyogram(metaphase)))


def test_a_centromere_has_a_tick_where_it_is_known_and_sure(make_metaphase: Make) -> None:
    bare = make_metaphase(("1", "2"))
    chromosomes = [replace(c, centromere=None, p_arm_up=True) for c in bare.chromosomes]

    def drawn(centromere: Centromere | None, p_arm_up: bool = True) -> np.ndarray:
        first = replace(chromosomes[0], centromere=centromere, p_arm_up=p_arm_up)
        picture = draw_karyogram(replace(bare, chromosomes=(first, chromosomes[1]))).convert("L")
        return np.asarray(picture)[92:].astype(int)  # without the words above

    plain, sure = drawn(None), drawn(Centromere(0.25, 0.9, 1.0))
    rows = np.flatnonzero((plain != sure).any(axis=1))
    assert len(rows) == 1
    assert (np.flatnonzero((drawn(Centromere(0.5, 0.9, 1.0)) != plain).any(axis=1)) > rows).all()
    assert np.array_equal(drawn(Centromere(0.25, 0.4, 1.0)), plain)
    upside_down = drawn(None, p_arm_up=False)
    turned = np.flatnonzero((drawn(Centromere(0.75, 0.9, 0.0), p_arm_up=False) != upside_down).any(axis=1))
    assert abs(int(turned[0]) - int(rows[0])) <= 1


@pytest.mark.parametrize("labels", [(), (None,) * 60, ("X",), tuple(label for label in LABELS for _ in range(4))])
def test_any_number_of_chromosomes_can_be_drawn(make_metaphase: Make, labels: tuple[str | None, ...]) -> None:
    picture = draw_karyogram(make_metaphase(labels))
    edge = np.asarray(picture.convert("L"))[:, -20:]
    assert (edge == 255).all()  # nothing runs off the paper


def test_a_huge_piece_without_a_label_does_not_shrink_the_others(case: Case, make_metaphase: Make) -> None:
    metaphase = make_metaphase(("1", "1"))
    piece = make_metaphase((None,)).chromosomes[0]
    assert piece.strip is not None
    large = replace(piece.strip, optical_density=np.full((900, 700), 0.4, dtype=np.float32), valid=np.ones(900, bool))
    with_piece = replace(metaphase, chromosomes=(*metaphase.chromosomes, replace(piece, id="c9", strip=large)))
    top = slice(90, 400)
    assert stained(draw_karyogram(with_piece), y=top) >= 0.9 * stained(draw_karyogram(metaphase), y=top)


@pytest.mark.parametrize("contrast", ["absorption", "fluorescence"])
def test_stain_is_drawn_dark_on_white(contrast: str) -> None:
    stain = np.linspace(0, 0.6, 50, dtype=np.float32)[None]
    grey = stain_to_grey(stain, contrast, 0.6)  # type: ignore[arg-type]
    assert grey[0, 0] == 255
    assert grey[0, -1] < 40
    assert (np.diff(grey[0].astype(int)) <= 0).all()


def test_a_title_of_any_letters_can_be_drawn(make_metaphase: Make) -> None:
    draw_karyogram(make_metaphase(("1",)), "病例 <b>&\n\x00")
