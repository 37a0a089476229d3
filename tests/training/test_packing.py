from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from karyonet.case import LABELS, Chromosome, Strip
from karyonet.data.metaphases import AnnotatedMetaphase
from karyonet.errors import DataError
from karyonet.geometry.region import Region
from karyonet.stages.segmentation import ThresholdSegmenter
from karyonet.training.lone import density_in_boxes
from karyonet.training.packing import (
    Failure,
    Packed,
    pack_metaphases_dataset,
    pack_once,
    pack_strips_dataset,
    pack_whole_metaphases,
)
from karyonet.training.strip_pack import LabelledStrip, StripPack, pack_cell


def straightened(annotated: AnnotatedMetaphase) -> list[Chromosome]:
    """The first chromosome of every image with a strip, the second without; none of the image called `bad`."""
    if annotated.id == "bad":
        raise RuntimeError("no focus")
    strip = Strip(np.full((30, 7), 0.5, np.float32), np.ones(30, bool), np.zeros((2, 512), np.float32),
                  np.zeros((30, 2), np.float32), 1.0)  # fmt: skip
    regions = [Region(c.bbox, np.ones((c.bbox[3] - c.bbox[1], c.bbox[2] - c.bbox[0]), bool))
               for c in annotated.chromosomes]  # fmt: skip
    return [Chromosome("c1", regions[0], strip=strip), Chromosome("c2", regions[1])]


@pytest.fixture
def metaphases(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    picture = np.full((100, 100), 230, np.uint8)
    picture[5:35, 5:15] = 80
    for name in ("good", "bad"):
        Image.fromarray(picture).save(tmp_path / "images" / f"{name}.png")
    (tmp_path / "cells.csv").write_text("image,case,split\ngood,p1,train\nbad,p2,train\n")
    rows = "".join(f"{name},7,5,5,15,35\n{name},X,30,50,40,90\n" for name in ("good", "bad"))
    (tmp_path / "chromosomes.csv").write_text("image,label,xmin,ymin,xmax,ymax\n" + rows)
    return tmp_path


def test_chromosomes_with_a_strip_are_packed_and_failures_counted(metaphases: Path) -> None:
    packed = pack_metaphases_dataset(metaphases, straightened)
    assert [LABELS[label] for label in packed.pack.labels] == ["7"]
    assert packed.pack.strip(0).shape == (30, 7)
    assert packed.pack.polarity.tolist() == [-1]
    assert packed.annotated == 2 and packed.matched_share == 0.5
    assert [name for name, _ in packed.failures] == ["bad"]


def test_the_objects_of_class_maps_are_packed_with_their_names(tmp_path: Path) -> None:
    classes = np.zeros((60, 60), np.uint8)
    classes[5:35, 5:15], classes[10:50, 30:42] = 9, 24
    Image.fromarray(classes).save(tmp_path / "a_classes.png")
    Image.fromarray((classes > 0).astype(np.uint8) * 180).save(tmp_path / "a_dapi.png")
    (tmp_path / "cells.csv").write_text("image,slide,split\na,s,validation\n")
    pack = pack_metaphases_dataset(tmp_path, lambda annotated: straightened(annotated)[:1] * 2).pack
    assert [LABELS[label] for label in pack.labels] == ["9", "Y"]
    assert set(pack.splits) == {"validation"} and set(pack.cases) == {"s"}


def test_a_data_set_of_which_nothing_can_be_packed_says_why(metaphases: Path) -> None:
    (metaphases / "cells.csv").write_text("image,case,split\nbad,p2,train\n")
    rows = (metaphases / "chromosomes.csv").read_text().splitlines(keepends=True)
    (metaphases / "chromosomes.csv").write_text("".join(row for row in rows if not row.startswith("good")))
    with pytest.raises(DataError, match=r"K405.*no focus"):
        pack_metaphases_dataset(metaphases, straightened)


def test_whole_metaphases_are_packed_by_one_process_or_several(metaphases: Path) -> None:
    """A damaged image and one without boxes are named; the others keep their boxes, names and directions."""
    (metaphases / "images" / "bad.png").write_bytes(b"no picture")
    for name in ("empty", "other"):
        shutil.copy(metaphases / "images" / "good.png", metaphases / "images" / f"{name}.png")
    with (metaphases / "cells.csv").open("a") as table:
        table.write("empty,p3,train\nother,p4,validation\n")
    with (metaphases / "chromosomes.csv").open("a") as table:
        table.write("other,9,3,3,17,37\n")
    (metaphases / "cells.csv").write_text(
        (metaphases / "cells.csv").read_text().replace("image,case,split", "image,case,split,width,height")
        .replace("train\n", "train,100,100\n").replace("validation\n", "validation,100,100\n")
    )  # fmt: skip
    one, two = (
        pack_whole_metaphases(metaphases, ThresholdSegmenter(device="cpu"), density_in_boxes, 70.0, processes=number)
        for number in (1, 2)
    )
    for packed in (one, two):
        pack = packed.pack
        assert pack.cells.tolist() == ["good", "other"] and pack.splits.tolist() == ["train", "validation"]
        assert [failure.name for failure in packed.failures] == ["bad", "empty"]
        assert "K1" in packed.failures[0].reason and "no annotated chromosome" in packed.failures[1].reason
        assert pack.chromosomes(0).tolist() == [0, 1] and pack.chromosomes(1).tolist() == [2]
        assert (packed.annotated, packed.matched_share) == (3, 1.0)
        # Sides of 30 and 40 pixels have a median of 35, one of 34 is its own.
        assert pack.scale == pytest.approx([2.0, 70 / 34]) and pack.image(0).shape == (200, 200)
        assert pack.boxes[0] == pytest.approx([10, 10, 30, 70])
        assert np.rad2deg(pack.angles[0]) == pytest.approx(90, abs=5)
    assert all(np.array_equal(getattr(one.pack, name), getattr(two.pack, name)) for name in one.pack.names())


def test_a_pack_is_made_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    made = []

    def make(path: Path) -> Packed[StripPack]:
        made.append(path)
        strip = LabelledStrip(np.ones((9, 4), np.float32), "X")
        pack = pack_cell([strip], case="p", cell="m", split="", source="lab")
        return Packed(pack, 2, (Failure("m2", "no focus"),))

    for _ in range(2):
        assert len(pack_once(StripPack, tmp_path / "lab", tmp_path / "packs", make)) == 1
    assert made == [tmp_path / "lab"] and "50.0 %" in caplog.text and "m2" in caplog.text
    assert len(pack_once(StripPack, tmp_path / "packs" / "lab.npz", tmp_path / "elsewhere", make)) == 1
    assert len(made) == 1


def test_real_strips_are_upright_and_complete(real_data: Path) -> None:
    packed = pack_strips_dataset(real_data / "pki3", limit=2)
    assert packed.failures == () and packed.matched_share == 1.0
    pack = packed.pack
    assert set(pack.polarity.tolist()) == {1}
    assert set(np.unique(pack.labels)) >= set(range(22))
    # Chromosome 1 is about four times as long as chromosome 21, and acrocentrics are heavier below their middle.
    lengths = {label: np.median(pack.heights[pack.labels == label]) for label in (0, 20)}
    assert 2.0 < lengths[0] / lengths[20] < 7.0
    halves = [
        (pack.strip(i)[: pack.heights[i] // 2].sum(), pack.strip(i)[pack.heights[i] // 2 :].sum())
        for i in np.flatnonzero(np.isin(pack.labels, [12, 13, 14]))
    ]
    assert np.mean([top < bottom for top, bottom in halves]) > 0.7
