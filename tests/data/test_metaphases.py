from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from karyonet.data.metaphases import AnnotatedChromosome, read_metaphases
from karyonet.errors import DataError, InputError


def replace_line(path: Path, line: int, text: str) -> None:
    lines = path.read_text().splitlines()
    lines[line - 1] = text
    path.write_text("\n".join(lines) + "\n")


def test_mandatory_columns_are_enough(metaphases: Path) -> None:
    first, second, third = read_metaphases(metaphases)
    assert (first.id, first.case, first.path.name) == ("a1", "a", "a1.png")
    assert (first.width, first.height) == (60, 40)
    assert (first.karyotype, first.stated_count, first.affected, first.split) == (None, None, (), None)
    assert first.difficult is False
    assert second.chromosomes == ()
    assert third.chromosomes == (AnnotatedChromosome("22", (0, 0, 5, 5)),)


def test_boxes_are_clipped_to_the_image(metaphases: Path) -> None:
    assert read_metaphases(metaphases)[0].chromosomes[1].bbox == (50, 30, 60, 40)


def test_optional_columns_are_read(metaphases: Path) -> None:
    rows = [
        "image,case,width,height,karyotype,stated_count,affected,difficult,split",
        'a1,a,60,40,structural,46,"9,16",1,test',
        "a2,a,60,40,normal,,,0,train",
    ]
    (metaphases / "cells.csv").write_text("\n".join(rows), encoding="utf-8-sig")
    (metaphases / "chromosomes.csv").write_text("image,label,xmin,ymin,xmax,ymax\n")
    first, second = read_metaphases(metaphases)
    assert (first.karyotype, first.stated_count, first.affected) == ("structural", 46, ("9", "16"))
    assert (first.difficult, first.split) == (True, "test")
    assert (second.stated_count, second.affected, second.difficult) == (None, (), False)
    assert [m.id for m in read_metaphases(metaphases, split="test")] == ["a1"]
    with pytest.raises(DataError, match=r"K403.*validation.*test, train"):
        read_metaphases(metaphases, split="validation")


@pytest.mark.parametrize(
    ("line", "text", "reason"),
    [
        (2, "a1,1,2,3,x,20", "xmax must be a whole number"),
        (2, "a1,1,2.5,3,10,20", "xmin must be a whole number"),
        (2, "a1,1,,3,10,20", "xmin is empty"),
        (3, "a1,23,2,3,10,20", "label must be"),
        (3, "a1,x,2,3,10,20", "label must be"),
        (3, "a1,1,10,3,10,20", "is empty"),
        (3, "a1,1,2,20,10,3", "is empty"),
        (4, "b1,1,60,3,70,20", "outside the image"),
        (4, "c1,1,2,3,10,20", "c1 is not in cells.csv"),
        (4, "b1,1,2,3", "4 values"),
    ],
)
def test_a_wrong_row_is_named(metaphases: Path, line: int, text: str, reason: str) -> None:
    replace_line(metaphases / "chromosomes.csv", line, text)
    with pytest.raises(DataError, match=rf"K402.*chromosomes\.csv, line {line}: .*{reason}"):
        read_metaphases(metaphases)


@pytest.mark.parametrize("column", ["image", "label", "xmin", "ymin", "xmax", "ymax"])
def test_a_missing_column_is_named(metaphases: Path, column: str) -> None:
    path = metaphases / "chromosomes.csv"
    path.write_text(path.read_text().replace(column, "other", 1))
    with pytest.raises(DataError, match=rf"K401.*chromosomes\.csv.*the column {column}"):
        read_metaphases(metaphases)


@pytest.mark.parametrize("name", ["cells.csv", "chromosomes.csv"])
def test_a_missing_table_is_named(metaphases: Path, name: str) -> None:
    (metaphases / name).unlink()
    with pytest.raises(DataError, match=f"K401.*{name} is missing"):
        read_metaphases(metaphases)


def test_a_missing_folder_or_image_is_named(metaphases: Path) -> None:
    (metaphases / "images" / "a2.jpg").unlink()
    with pytest.raises(DataError, match=r"K404.*a2.*cells\.csv"):
        read_metaphases(metaphases)
    (metaphases / "images").rename(metaphases / "pictures")
    with pytest.raises(DataError, match=r"K401.*images/ is missing"):
        read_metaphases(metaphases)


def test_repeated_images_and_wrong_flags_are_refused(metaphases: Path) -> None:
    cells = metaphases / "cells.csv"
    replace_line(cells, 3, "a1,a")
    with pytest.raises(DataError, match=r"K402.*line 3: the image a1 was named before"):
        read_metaphases(metaphases)
    cells.write_text("image,case,difficult\na1,a,maybe\na2,a,0\nb1,b,1\n")
    with pytest.raises(DataError, match=r"K402.*difficult must be 0 or 1"):
        read_metaphases(metaphases)
    cells.write_text("image,case,width,height\na1,a,0,40\n")
    with pytest.raises(DataError, match=r"K402.*line 2: width and height must be positive"):
        read_metaphases(metaphases)


def test_a_table_that_is_no_text_is_refused(metaphases: Path) -> None:
    (metaphases / "cells.csv").write_bytes(b"image,case\na1,\xff\xfe\n")
    with pytest.raises(DataError, match=r"K402.*UTF-8"):
        read_metaphases(metaphases)


def test_a_file_that_is_no_image_is_refused(metaphases: Path) -> None:
    (metaphases / "images" / "a1.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match="K103"):
        read_metaphases(metaphases)


def test_the_public_metaphases(real_data: Path) -> None:
    read = read_metaphases(real_data / "gband_metaphases")
    assert len(read) == 4370
    assert len({m.case for m in read}) == 1339
    assert sum(len(m.chromosomes) for m in read) == 200_895
    assert Counter(m.split for m in read) == {"train": 3596, "validation": 366, "test": 408}
    boxes = [(c.bbox, m.width, m.height) for m in read for c in m.chromosomes]
    assert all(0 <= b[0] < b[2] <= w and 0 <= b[1] < b[3] <= h for b, w, h in boxes)
    by_split = {s: {m.case for m in read if m.split == s} for s in ("train", "validation", "test")}
    assert not by_split["train"] & by_split["test"]
    assert not by_split["train"] & by_split["validation"]
