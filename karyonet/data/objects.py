"""What stands in the foreground of an annotated metaphase: chromosomes, what nobody boxed, and clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from karyonet.data.boxes import components_of, region_in_box
from karyonet.geometry.region import BoundingBox, Region

ObjectKind = Literal["chromosome", "debris", "cluster"]


class ForegroundObject(NamedTuple):
    """Pixels of a metaphase and what people say that they are.

    Attributes:
        region: its pixels.
        kind: ``chromosome`` is what lies in one box; ``debris`` is a component of the foreground that touches no box
            (stain, dust, a nucleus); ``cluster`` is a component that holds the chromosomes of two or more boxes.
        lone: of a chromosome, that its component holds no other; cut out of a cluster it may show parts of others.
    """

    region: Region
    kind: ObjectKind
    lone: bool = True


def foreground_objects(
    foreground: NDArray[np.bool_],
    boxes: Sequence[BoundingBox],
    smallest: int = 1,
    chromosomes: Sequence[Region] | None = None,
) -> list[ForegroundObject]:
    """Sort the foreground of a metaphase by the boxes that people drew; the chromosomes of a cluster come singly too.

    Args:
        foreground: bool, shape (height, width).
        boxes: ``(xmin, ymin, xmax, ymax)`` in pixels, one a chromosome.
        smallest: components of fewer pixels are no debris, but dirt.
        chromosomes: what lies in each box, where something better than the foreground in it is known.

    Returns:
        Chromosomes in the order of their boxes (those with foreground), then debris and clusters.
    """
    singles = list(chromosomes or ())
    if chromosomes is None:
        singles = [region for box in boxes if (region := region_in_box(foreground, box)) is not None]
    others: list[ForegroundObject] = []
    lone = [True] * len(singles)
    for component in components_of(foreground, smallest):
        held = [number for number, single in enumerate(singles) if holds(component, single)]
        if len(held) >= 2:
            others.append(ForegroundObject(component, "cluster"))
            for number in held:
                lone[number] = False
        elif not held and not any(touches(component, box) for box in boxes):
            others.append(ForegroundObject(component, "debris"))
    named = [ForegroundObject(single, "chromosome", alone) for single, alone in zip(singles, lone, strict=True)]
    return [*named, *others]


def _part(region: Region, box: BoundingBox) -> NDArray[np.bool_]:
    """The mask of a region inside a box."""
    x, y = region.bbox[:2]
    return region.mask[max(box[1] - y, 0) : max(box[3] - y, 0), max(box[0] - x, 0) : max(box[2] - x, 0)]


def touches(region: Region, box: BoundingBox) -> bool:
    """Whether a box holds a pixel of a region."""
    return bool(_part(region, box).any())


def holds(component: Region, single: Region) -> bool:
    """Whether a chromosome, itself a piece of the foreground, is a piece of this component."""
    row, column = np.argwhere(single.mask)[0]
    x, y = int(column) + single.bbox[0], int(row) + single.bbox[1]
    return touches(component, (x, y, x + 1, y + 1))
