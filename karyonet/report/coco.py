"""``chromosomes.coco.json``: the chromosomes as COCO instances, for annotation tools and other programs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from karyonet.case import LABELS, Case, Chromosome, Metaphase
from karyonet.report import rle
from karyonet.report.schema import NOTICE

UNASSIGNED = 0
"""Category of chromosomes without a label; 1–24 are :data:`karyonet.case.LABELS` in their order."""

Masks = dict[tuple[str, str], NDArray[np.bool_]]
"""Mask of the whole image, bool, shape (height, width), by metaphase id and chromosome id."""


def to_coco(case: Case) -> dict[str, Any]:
    """The chromosomes of a case in COCO's object-detection format, ready for JSON.

    Boxes are ``[x, y, width, height]``; masks are compressed run lengths. Beyond COCO's own keys an image names its
    ``metaphase``, and an annotation its ``chromosome``, ``score`` (confidence of the label) and ``review``.
    """
    categories = [{"id": number, "name": label} for number, label in enumerate(LABELS, 1)]
    if any(c.label is None for m in case.metaphases for c in m.chromosomes):
        categories.insert(0, {"id": UNASSIGNED, "name": "unassigned"})
    images = [
        {"id": number, "file_name": m.image, "width": m.width, "height": m.height, "metaphase": m.id}
        for number, m in enumerate(case.metaphases, 1)
    ]
    annotations: list[dict[str, Any]] = []
    for number, metaphase in enumerate(case.metaphases, 1):
        for chromosome in metaphase.chromosomes:
            annotations.append(_annotation(chromosome, metaphase, number, len(annotations) + 1))
    return {
        "info": {"description": f"Chromosomes of case {case.id}. {NOTICE}"},
        "images": images,
        "categories": categories,
        "annotations": annotations,
    }


def read_masks(coco: dict[str, Any]) -> Masks:
    """The masks that :func:`to_coco` wrote.

    Raises:
        ArrayError: K501 if a mask is damaged.
    """
    metaphases = {image["id"]: image["metaphase"] for image in coco["images"]}
    masks: Masks = {}
    for annotation in coco["annotations"]:
        height, width = annotation["segmentation"]["size"]
        key = (metaphases[annotation["image_id"]], annotation["chromosome"])
        masks[key] = rle.decode(annotation["segmentation"]["counts"], (height, width))
    return masks


def _annotation(chromosome: Chromosome, metaphase: Metaphase, image: int, number: int) -> dict[str, Any]:
    xmin, ymin, xmax, ymax = chromosome.region.bbox
    mask = chromosome.region.to_mask((metaphase.height, metaphase.width))
    return {
        "id": number,
        "image_id": image,
        "category_id": UNASSIGNED if chromosome.label is None else LABELS.index(chromosome.label) + 1,
        "bbox": [xmin, ymin, xmax - xmin, ymax - ymin],
        "area": chromosome.region.area,
        "segmentation": {"size": [metaphase.height, metaphase.width], "counts": rle.encode(mask)},
        "iscrowd": 0,
        "chromosome": chromosome.id,
        "score": None if chromosome.confidence is None else round(float(chromosome.confidence), 6),
        "review": chromosome.review,
    }
