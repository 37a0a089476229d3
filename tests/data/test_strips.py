from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from karyonet.data.strips import chromosome_regions, crop_chromosomes, read_strips
from karyonet.errors import DataError


def test_folds_become_splits(strips: Path) -> None:
    assert [(c.id, c.case, c.fold, c.split) for c in read_strips(strips)] == [
        ("p", "one", 0, "test"),
        ("q", "two", 1, "validation"),
        ("r", "three", 7, "train"),
    ]
    assert [c.id for c in read_strips(strips, split="train")] == ["r"]
    assert [c.id for c in read_strips(strips, split="fold1")] == ["q"]
    with pytest.raises(DataError, match=r"K403.*fold4.*fold0"):
        read_strips(strips, split="fold4")


def test_a_split_column_goes_before_the_folds(strips: Path) -> None:
    (strips / "cells.csv").write_text("cell,case,fold,split\np,one,0,train\nq,two,1,test\nr,three,2,\n")
    assert [c.split for c in read_strips(strips)] == ["train", "test", None]


def test_without_cells_every_cell_is_a_case(strips: Path) -> None:
    (strips / "cells.csv").unlink()
    cells = read_strips(strips)
    assert [(c.case, c.fold, c.split) for c in cells] == [(name, None, None) for name in "pqr"]
    with pytest.raises(DataError, match=r"K403.*train.*none"):
        read_strips(strips, split="train")


def test_faults_are_named(strips: Path) -> None:
    table = strips / "chromosomes.csv"
    good = table.read_text()
    table.write_text(good + "s,3,0,0,5,5\n")
    with pytest.raises(DataError, match=r"K402.*line 8: the cell s is not in cells.csv"):
        read_strips(strips)
    table.write_text(good + "p,3,0,0,0,5\n")
    with pytest.raises(DataError, match=r"K402.*line 8: the box"):
        read_strips(strips)
    table.write_text(good.replace("xmin", "left"))
    with pytest.raises(DataError, match=r"K401.*the column xmin"):
        read_strips(strips)
    table.write_text(good)
    (strips / "cells" / "q.png").unlink()
    with pytest.raises(DataError, match=r"K404.*q"):
        read_strips(strips)
    (strips / "cells.csv").unlink()
    with pytest.raises(DataError, match=r"K404.*q.*chromosomes\.csv"):
        read_strips(strips)


@pytest.mark.parametrize("light_background", [True, False])
def test_regions_are_the_chromosomes_whichever_way_round(strips: Path, light_background: bool) -> None:
    path = strips / "cells" / "p.png"
    if not light_background:
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    cell = read_strips(strips)[0]
    density, regions = chromosome_regions(cell)
    assert [region.bbox for region in regions] == [(4, 2, 12, 28), (24, 5, 30, 25)]
    assert [region.area for region in regions] == [8 * 26, 6 * 20]  # hole filled, speck left out
    assert density.dtype == np.float32
    assert density[3, 5] > 0.2
    assert density[0, 0] == pytest.approx(0, abs=0.02)


def test_crops_are_grey_values_of_the_boxes(strips: Path) -> None:
    crops = crop_chromosomes(read_strips(strips)[0])
    assert [crop.shape for crop in crops] == [(30, 20), (30, 20)]
    assert crops[0].dtype == np.float32
    assert (crops[0][0, 0], crops[0][3, 5]) == (1.0, pytest.approx(60 / 255))


def test_sex_chromosomes_named_23_and_24_are_recognised(strips: Path) -> None:
    rows = ["2,a", "2,b", "2,3", "2,4", "3,a"]
    (strips / "cells.csv").unlink()
    lines = [f"p,{row},0,0,20,30" for row in rows] + ["q,2,3,0,0,20,30", "q,2,4,0,0,20,30"]
    (strips / "chromosomes.csv").write_text("cell,label,homolog,xmin,ymin,xmax,ymax\n" + "\n".join(lines))
    mended, plain = read_strips(strips)
    assert [(c.label, c.homolog) for c in mended.chromosomes] == [
        ("2", "a"),
        ("2", "b"),
        ("X", "a"),
        ("Y", "a"),
        ("3", "a"),
    ]
    assert [c.label for c in plain.chromosomes] == ["2", "2"]


@pytest.mark.parametrize(
    ("name", "cells", "cases", "chromosomes"), [("pki3", 545, 332, 25_054), ("bioimlab", 119, 119, 5_474)]
)
def test_the_public_strips(real_data: Path, name: str, cells: int, cases: int, chromosomes: int) -> None:
    read = read_strips(real_data / name)
    assert (len(read), len({c.case for c in read})) == (cells, cases)
    assert sum(len(c.chromosomes) for c in read) == chromosomes
    density, regions = chromosome_regions(read[3])
    assert len(regions) == len(read[3].chromosomes)
    for region, chromosome in zip(regions, read[3].chromosomes, strict=True):
        (xmin, ymin, xmax, ymax), (left, top, right, bottom) = chromosome.bbox, region.bbox
        assert xmin <= left < right <= xmax and ymin <= top < bottom <= ymax
        assert region.area > 30
        assert density[region.slices][region.mask].mean() > 0.1


def test_every_man_has_a_y(real_data: Path) -> None:
    for cell in read_strips(real_data / "bioimlab"):
        copies = Counter(c.label for c in cell.chromosomes)
        assert copies["2"] == 2
        assert (copies["X"], copies["Y"]) in {(2, 0), (1, 1)}
