"""The segmentation stage on a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from karyonet.case import Cluster, Metaphase
from karyonet.data.boxes import region_in_box
from karyonet.device import DeviceName, Precision
from karyonet.errors import InputError
from karyonet.geometry.region import BoundingBox, Region
from karyonet.stage import MetaphaseStage, StageOptions
from karyonet.weights import WeightFile, find

from .threshold import SegmentationLimits, components, has_contrast, segment

if TYPE_CHECKING:
    from .masks import BoxMasks


class ThresholdSegmenter(MetaphaseStage):
    """Foreground and clusters of a metaphase by a threshold on its optical density.

    Where nothing is found the clusters stay empty and ``reasons`` says why (K121, K122, K123).
    """

    summary: ClassVar[str] = "Separates chromosomes from background, nuclei and debris by a threshold"
    requires: ClassVar[frozenset[str]] = frozenset({"metaphase.optical_density", "metaphase.contrast"})
    assigns: ClassVar[frozenset[str]] = frozenset(
        {"metaphase.foreground", "metaphase.clusters", "cluster.region", "metaphase.reasons"}
    )

    class Options(StageOptions):
        """Sizes are in chromosome widths (w), areas in squared widths; the width is read from the image."""

        level: float = Field(0.28, gt=0, lt=1, description="threshold, as a share of the chromosomes' median density")
        level_fluorescence: float = Field(0.6, gt=0, lt=1, description="the same for fluorescence, whose halo is wide")
        nucleus_radius: float = Field(1.45, gt=0.6, description="an object that holds such a disc is a nucleus (w)")
        smallest_area: float = Field(0.7, ge=0, description="smaller objects are debris (w²)")
        most_foreground: float = Field(0.6, gt=0, le=1, description="a larger share of foreground is no metaphase")
        most_clusters: int = Field(250, ge=1, description="more objects than this are no metaphase")
        box_masks: str | None = Field("box_masks", description="weights that tell the chromosome in a drawn box")
        box_masks_fluorescence: str | None = Field("box_masks_fluorescence", description="the same for fluorescence")
        device: DeviceName = "auto"
        precision: Precision = "auto"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._box_masks: dict[str, BoxMasks] = {}

    def process(self, metaphase: Metaphase) -> Metaphase:
        options: ThresholdSegmenter.Options = self.options
        limits = SegmentationLimits(
            level=options.level if metaphase.contrast == "absorption" else options.level_fluorescence,
            nucleus_radius=options.nucleus_radius,
            smallest_area=options.smallest_area,
        )
        mask, _ = segment(metaphase.optical_density, limits)
        labels = components(mask)
        error: InputError | None = None
        if not has_contrast(metaphase.optical_density):
            error = InputError("K121")
        elif not mask.any():
            error = InputError("K122")
        elif labels.max() > options.most_clusters:
            error = InputError("K123", reason=f"{int(labels.max())} separate objects")
        elif mask.mean() > options.most_foreground:
            error = InputError("K123", reason=f"{mask.mean():.0%} of it is stained")
        if error is not None:
            empty = np.zeros_like(mask)
            return replace(metaphase, foreground=empty, clusters=(), reasons=(*metaphase.reasons, str(error)))
        return replace(metaphase, foreground=mask, clusters=clusters_of(labels))

    def regions_in_boxes(self, metaphase: Metaphase, boxes: Sequence[BoundingBox]) -> list[Region]:
        """The chromosomes in boxes that a person has drawn, whole where they cross others.

        Args:
            metaphase: as :meth:`process` left it.
            boxes: ``(xmin, ymin, xmax, ymax)`` in pixels, best those of all its chromosomes: they tell the scale.

        Raises:
            WeightsError: K3xx if the weights ``box_masks`` or ``box_masks_fluorescence`` cannot be used.
        """
        options: ThresholdSegmenter.Options = self.options
        fluorescent = metaphase.contrast == "fluorescence"
        name = options.box_masks_fluorescence if fluorescent else options.box_masks
        found: list[Region | None] = [None] * len(boxes)
        if name is not None:
            if name not in self._box_masks:
                from .masks import BoxMasks

                weight: WeightFile = find("segmentation", name)
                self._box_masks[name] = BoxMasks(weight, options.device, options.precision)
            found = self._box_masks[name](metaphase.optical_density, boxes)
        return with_fallback(found, boxes, metaphase.foreground)


def with_fallback(
    found: Sequence[Region | None], boxes: Sequence[BoundingBox], foreground: NDArray[np.bool_] | None
) -> list[Region]:
    """Regions in boxes: where none was found the foreground in the box, and where there is none either the whole box.

    Args:
        found: one a box, or None.
        boxes: in pixels of the image.
        foreground: bool, shape (height, width), of the image.
    """
    regions = []
    for region, box in zip(found, boxes, strict=True):
        if region is None and foreground is not None:
            region = region_in_box(foreground, box)
        if region is None:
            region = Region(box, np.ones((box[3] - box[1], box[2] - box[0]), dtype=bool))
        regions.append(region)
    return regions


def clusters_of(labels: NDArray[np.int32]) -> tuple[Cluster, ...]:
    """Clusters ``k1`` … of a label image, in the order of its labels.

    Args:
        labels: int32, shape (height, width), 0 is background.
    """
    return tuple(
        Cluster(f"k{number}", Region.from_mask(labels[box] == number, offset=(box[1].start, box[0].start)))
        for number, box in enumerate(ndimage.find_objects(labels), start=1)
        if box is not None
    )
