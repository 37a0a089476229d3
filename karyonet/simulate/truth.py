"""What is true of simulated metaphases, ready for JSON and CSV."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from karyonet import __version__
from karyonet.case import LABELS
from karyonet.report import rle
from karyonet.simulate.metaphase import SimulatedChromosome, SimulatedMetaphase

if TYPE_CHECKING:
    from karyonet.simulate.case import SimulatedCase

CELL_COLUMNS = (
    "image",
    "case",
    "width",
    "height",
    "boxes",
    "karyotype",
    "stated_count",
    "affected",
    "difficult",
    "split",
)
CHROMOSOME_COLUMNS = ("image", "label", "xmin", "ymin", "xmax", "ymax")
UNASSIGNED = 0
"""COCO category of chromosomes that cannot be identified; 1–24 are :data:`karyonet.case.LABELS` in their order."""


def image_name(number: int) -> str:
    """Name of a metaphase's image without its ending; the first is 0."""
    return f"m{number + 1:03d}"


def to_truth(case: SimulatedCase) -> dict[str, Any]:
    """Everything but the masks, which are in the COCO file. Positions are ``[row, column]`` in pixels."""
    return {
        "karyotype": case.karyotype,
        "seed": case.seed,
        "version": __version__,
        "metaphases": [_metaphase(number, metaphase) for number, metaphase in enumerate(case.metaphases)],
    }


def _metaphase(number: int, metaphase: SimulatedMetaphase) -> dict[str, Any]:
    return {
        "image": image_name(number),
        "karyotype": metaphase.karyotype,
        "count": len(metaphase.chromosomes),
        "band_level": metaphase.band_level,
        "style": metaphase.style,
        "height": metaphase.image.shape[0],
        "width": metaphase.image.shape[1],
        "look": {name: round(value, 6) for name, value in asdict(metaphase.look).items()},
        "chromosomes": [_chromosome(chromosome) for chromosome in metaphase.chromosomes],
        "clusters": [asdict(cluster) for cluster in metaphase.clusters],
        "contacts": [
            {"first": first, "second": second, "shared_pixels": shared}
            for (first, second), shared in metaphase.overlaps.items()
        ],
    }


def _chromosome(chromosome: SimulatedChromosome) -> dict[str, Any]:
    plan = chromosome.plan
    return {
        "id": chromosome.id,
        "label": chromosome.label,
        "homolog": chromosome.homolog,
        "change": plan.change,
        "bbox": list(chromosome.region.bbox),
        "area": chromosome.region.area,
        "cluster": chromosome.cluster,
        "p_arm_up": chromosome.p_arm_up,
        "ring": plan.ring,
        "axis": [[round(row, 2), round(column, 2)] for row, column in chromosome.axis.tolist()],
        "centromeres": [[round(row, 2), round(column, 2)] for row, column in chromosome.centromeres],
        "breakpoints": {
            "bands": list(plan.breakpoints),
            "positions": [[round(row, 2), round(column, 2)] for row, column in chromosome.breakpoints],
        },
        "segments": [
            {"chromosome": s.chromosome, "start": round(s.start, 1), "stop": round(s.stop, 1), "reversed": s.reversed}
            for s in plan.segments
        ],
    }


def to_coco(case: SimulatedCase) -> dict[str, Any]:
    """Masks and boxes in COCO's object-detection format; masks are compressed run lengths."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, metaphase in enumerate(case.metaphases):
        height, width = metaphase.image.shape
        name = image_name(number)
        images.append(
            {"id": number + 1, "file_name": f"{name}.png", "width": width, "height": height, "metaphase": name}
        )
        for chromosome in metaphase.chromosomes:
            xmin, ymin, xmax, ymax = chromosome.region.bbox
            mask = chromosome.region.to_mask((height, width))
            known = chromosome.label in LABELS
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number + 1,
                    "category_id": LABELS.index(chromosome.label) + 1 if known else UNASSIGNED,
                    "bbox": [xmin, ymin, xmax - xmin, ymax - ymin],
                    "area": chromosome.region.area,
                    "segmentation": {"size": [height, width], "counts": rle.encode(mask)},
                    "iscrowd": 0,
                    "chromosome": chromosome.id,
                }
            )
    categories = [{"id": number, "name": label} for number, label in enumerate(("unassigned", *LABELS))]
    return {
        "info": {"description": f"Simulated metaphases of {case.karyotype}, seed {case.seed}"},
        "images": images,
        "categories": categories,
        "annotations": annotations,
    }


def to_tables(case: SimulatedCase, name: str) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Rows of ``cells.csv`` and ``chromosomes.csv`` of format ``metaphases``; markers have no label and no row."""
    cells: list[dict[str, object]] = []
    boxes: list[dict[str, object]] = []
    for number, metaphase in enumerate(case.metaphases):
        labelled = [chromosome for chromosome in metaphase.chromosomes if chromosome.label in LABELS]
        kind, affected = _kind(metaphase)
        row = (
            *(image_name(number), name, metaphase.image.shape[1], metaphase.image.shape[0], len(labelled), kind),
            *(len(metaphase.chromosomes), ",".join(affected), 0, "test"),
        )
        cells.append(dict(zip(CELL_COLUMNS, row, strict=True)))
        for chromosome in labelled:
            values = (image_name(number), chromosome.label, *chromosome.region.bbox)
            boxes.append(dict(zip(CHROMOSOME_COLUMNS, values, strict=True)))
    return cells, boxes


def _kind(metaphase: SimulatedMetaphase) -> tuple[str, list[str]]:
    """``normal``, ``numerical`` or ``structural``, and the chromosomes that depart from normal."""
    counts = Counter(chromosome.label for chromosome in metaphase.chromosomes)
    changed = {c.label for c in metaphase.chromosomes if c.plan.change and not c.plan.variant}
    odd = {label for label in LABELS[:22] if counts[label] != 2}
    normal = {"X": 1, "Y": 1} if counts["Y"] else {"X": 2, "Y": 0}
    odd |= {label for label, number in normal.items() if counts[label] != number}
    kind = "structural" if changed else "numerical" if odd else "normal"
    return kind, sorted((odd | changed) & set(LABELS), key=LABELS.index)
