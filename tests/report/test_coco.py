from __future__ import annotations

import json

import numpy as np

from karyonet.case import LABELS, Case
from karyonet.report.coco import read_masks, to_coco


def test_every_chromosome_is_an_annotation_with_its_box_and_mask(case: Case) -> None:
    coco = json.loads(json.dumps(to_coco(case)))
    images = {image["id"]: image for image in coco["images"]}
    masks = read_masks(coco)
    found = {(images[a["image_id"]]["metaphase"], a["chromosome"]): a for a in coco["annotations"]}
    assert len(found) == len(coco["annotations"]) == sum(len(m.chromosomes) for m in case.metaphases)
    for metaphase in case.metaphases:
        for chromosome in metaphase.chromosomes:
            annotation = found[metaphase.id, chromosome.id]
            x, y, width, height = annotation["bbox"]
            assert (x, y, x + width, y + height) == chromosome.region.bbox
            assert annotation["area"] == chromosome.region.area
            shape = (metaphase.height, metaphase.width)
            assert np.array_equal(masks[metaphase.id, chromosome.id], chromosome.region.to_mask(shape))


def test_categories_are_the_labels_in_order(case: Case) -> None:
    coco = to_coco(Case("a", case.metaphases[:1]))
    assert [(c["id"], c["name"]) for c in coco["categories"]] == list(enumerate(LABELS, 1))
    labels = [c.label for c in case.metaphases[0].chromosomes]
    assert [LABELS[a["category_id"] - 1] for a in coco["annotations"]] == labels


def test_a_chromosome_without_a_label_has_a_category_of_its_own(case: Case) -> None:
    coco = to_coco(case)
    assert coco["categories"][0] == {"id": 0, "name": "unassigned"}
    assert [a["chromosome"] for a in coco["annotations"] if a["category_id"] == 0] == ["c47"]


def test_ids_are_unique(case: Case) -> None:
    coco = to_coco(case)
    for kind in ("images", "annotations", "categories"):
        ids = [entry["id"] for entry in coco[kind]]
        assert len(set(ids)) == len(ids)
