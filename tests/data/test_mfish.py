from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from karyonet.data.mfish import boxed, class_regions, objects_of_classes, read_mfish, regions_by_class
from karyonet.errors import DataError, InputError


def test_metaphase_and_its_regions(mfish: Path) -> None:
    (metaphase,) = read_mfish(mfish)
    assert (metaphase.id, metaphase.slide, metaphase.case, metaphase.split) == ("m", "s", "s", "test")
    assert metaphase.iscn == "46,X"  # what follows the end of the field is cut off
    assert (metaphase.dapi.name, metaphase.classes.name) == ("m_dapi.png", "m_classes.png")
    found = class_regions(metaphase, smallest=1)
    assert {label: [r.bbox for r in regions] for label, regions in found.regions.items()} == {
        "1": [(2, 2, 8, 8), (2, 12, 8, 15)],
        "X": [(20, 5, 24, 9), (20, 11, 24, 15)],
    }
    assert found.overlap.sum() == 8
    assert not any(region.to_mask((20, 30))[found.overlap].any() for rs in found.regions.values() for region in rs)
    assert [r.area for r in class_regions(metaphase, smallest=20).regions["1"]] == [36]


def test_boxes_leave_a_margin_around_the_objects(mfish: Path) -> None:
    (metaphase,) = read_mfish(mfish)
    annotated = boxed(metaphase)
    assert (annotated.id, annotated.case, annotated.path, annotated.split) == ("m", "s", metaphase.dapi, "test")
    assert (annotated.width, annotated.height) == (30, 20) and {c.label for c in annotated.chromosomes} == {"1", "X"}
    for label, region in objects_of_classes(class_regions(metaphase, smallest=1)):
        xmin, ymin, xmax, ymax = region.bbox
        assert (label, (xmin - 1, ymin - 1, xmax + 1, ymax + 1)) in [(c.label, c.bbox) for c in annotated.chromosomes]


def test_faults_are_named(mfish: Path) -> None:
    (metaphase,) = read_mfish(mfish)
    with pytest.raises(DataError, match="K403"):
        read_mfish(mfish, split="train")
    values = np.asarray(Image.open(metaphase.classes)).copy()
    values[7, 3] = 40
    Image.fromarray(values).save(metaphase.classes)
    with pytest.raises(DataError, match=r"K402.*line 8: column 4 has the class 40"):
        class_regions(metaphase)
    Image.fromarray(np.stack([values] * 3, axis=-1)).save(metaphase.classes)
    with pytest.raises(InputError, match="K111"):
        class_regions(metaphase)
    metaphase.classes.unlink()
    with pytest.raises(DataError, match=r"K404.*m_classes"):
        read_mfish(mfish)


def test_the_public_set(real_data: Path) -> None:
    read = read_mfish(real_data / "mfish")
    assert len(read) == 138
    assert not any("\0" in (m.iscn or "") or "\n" in (m.iscn or "") for m in read)
    found = class_regions(read[0])
    assert set(found.regions) == {*(str(n) for n in range(1, 23)), "X", "Y"}


CLASSES = """
0 1 1 0 0 0 0 0 0
0 1 1 0 0 0 0 0 0
2 2 o o 2 2 0 3 3
2 2 o o 2 2 0 3 3
0 1 1 0 0 0 0 0 0
0 1 1 0 0 3 3 0 o
0 0 0 0 0 3 3 0 0
"""


def test_a_class_map_gives_whole_chromosomes() -> None:
    rows = [[255 if cell == "o" else int(cell) for cell in row.split()] for row in CLASSES.strip().splitlines()]
    found = objects_of_classes(regions_by_class(np.array(rows, dtype=np.uint8)), smallest=2)
    # The first two cross and share the overlap; those of class 3 lie apart, and nothing borders on the last overlap.
    assert [(label, region.bbox, region.area) for label, region in found] == [
        ("1", (1, 0, 4, 6), 12),
        ("2", (0, 2, 6, 4), 12),
        ("3", (7, 2, 9, 4), 4),
        ("3", (5, 5, 7, 7), 4),
    ]
    assert len(objects_of_classes(regions_by_class(np.array(rows, dtype=np.uint8)), smallest=5)) == 2
