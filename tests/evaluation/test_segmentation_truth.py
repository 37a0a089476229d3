from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from karyonet.data.metaphases import read_metaphases
from karyonet.data.mfish import read_mfish
from karyonet.errors import DataError
from karyonet.evaluation.segmentation_truth import read_annotated_images

EXAMPLES = Path(__file__).resolve().parent.parent / "data"


@pytest.fixture
def simulated(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLES / "normal_female", tmp_path / "female"))


def test_simulated_masks_have_the_boxes_of_the_tables() -> None:
    images = read_annotated_images(EXAMPLES / "trisomy21", "simulated")
    boxed = read_metaphases(EXAMPLES / "trisomy21")
    assert [image.id for image in images] == [metaphase.id for metaphase in boxed]
    for image, metaphase in zip(images, boxed, strict=True):
        assert image.masks and image.path == metaphase.path and (image.case, image.split) == ("trisomy21", "test")
        truth = image.read_truth()
        assert Counter(region.bbox for region in truth) == Counter(c.bbox for c in metaphase.chromosomes)
        assert all(region.area < region.mask.size for region in truth)


def test_a_folder_of_simulated_cases() -> None:
    images = read_annotated_images(EXAMPLES, "simulated")
    assert Counter(image.case for image in images) == {"trisomy21": 5, "normal_female": 1, "qband_male": 1}
    assert len({image.id for image in images}) == 7
    few = read_annotated_images(EXAMPLES, "simulated", limit=5)
    assert 0 < len(few) <= 5
    assert all(sum(image.case == one.case for image in images) == sum(f.case == one.case for f in few) for one in few)
    with pytest.raises(DataError, match=r"K403.*it has: test"):
        read_annotated_images(EXAMPLES, "simulated", split="train")


def test_faults_of_a_simulated_case_are_named(simulated: Path) -> None:
    def fault() -> str:
        with pytest.raises(DataError) as caught:
            read_annotated_images(simulated, "simulated")[0].read_truth()
        return str(caught.value)

    coco = simulated / "chromosomes.coco.json"
    content = json.loads(coco.read_text())
    content["annotations"][3]["segmentation"]["counts"] = "PP"
    coco.write_text(json.dumps(content))
    assert fault().startswith("K402") and "chromosomes.coco.json" in fault()
    coco.write_text('{\n"images": [\n')
    assert "line 3" in fault()
    coco.write_text('{"images": [{"id": 1}], "annotations": []}')
    assert fault().startswith("K402")
    coco.unlink()
    assert fault().startswith("K401")
    shutil.copy(EXAMPLES / "normal_female" / "chromosomes.coco.json", coco)
    (simulated / "images" / "m001.png").unlink()
    assert fault().startswith("K404")
    (simulated / "cells.csv").write_text("image,case\nother,c\n")
    assert fault().startswith("K402") and "m001" in fault()
    shutil.rmtree(simulated)
    assert fault().startswith("K401")


def test_boxes_are_truth_without_masks(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in ("a1", "b1"):
        Image.new("L", (60, 40), 200).save(tmp_path / "images" / f"{name}.png")
    (tmp_path / "chromosomes.csv").write_text("image,label,xmin,ymin,xmax,ymax\na1,1,2,3,10,20\na1,X,50,30,61,45\n")
    (tmp_path / "cells.csv").write_text("image,case\na1,a\nb1,b\n")
    first, second = read_annotated_images(tmp_path, "metaphases")
    assert not first.masks
    assert [region.bbox for region in first.read_truth()] == [(2, 3, 10, 20), (50, 30, 60, 40)]
    assert all(region.mask.all() for region in first.read_truth())
    assert second.read_truth() == []
    assert first.difficult is second.difficult is None
    (tmp_path / "cells.csv").write_text("image,case,difficult\na1,a,1\nb1,b,0\n")
    assert [image.difficult for image in read_annotated_images(tmp_path, "metaphases")] == [True, False]
    with pytest.raises(DataError, match=r"K407.*use one of: metaphases, mfish, simulated"):
        read_annotated_images(tmp_path, "strips")


def test_the_public_class_maps_hold_as_many_chromosomes_as_the_laboratory_counted(real_data: Path) -> None:
    stated = {item.id: int((item.iscn or "").split(",")[0]) for item in read_mfish(real_data / "mfish")}
    images = read_annotated_images(real_data / "mfish", "mfish", split="validation", limit=8)
    assert images and all(image.masks and image.path.stem.endswith("_dapi") for image in images)
    off = np.array([len(image.read_truth()) - stated[image.id] for image in images])
    assert np.abs(off).max() <= 2 and (off == 0).mean() > 0.5
