"""The segmentation stage that learned what a chromosome is: each is found by a detector and drawn by a mask network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from karyonet.case import Contrast, Instance, Metaphase
from karyonet.device import DeviceName, Precision
from karyonet.errors import InputError
from karyonet.geometry.region import BoundingBox, Region
from karyonet.geometry.stain import in_contrast, stain_contrast
from karyonet.stage import MetaphaseStage, StageOptions
from karyonet.weights import WeightFile, find

from .stage import clusters_of, with_fallback
from .threshold import components, has_contrast

if TYPE_CHECKING:
    from .finder import ChromosomeFinder
    from .masks import BoxMasks

EXPLAINED = 0.2
"""How much surer an instance must be if all its stain belongs to surer ones."""
SAME = 0.6
"""Masks that overlap more (intersection over union) are one chromosome."""
USUAL_CONTRAST, MOST_CONTRAST = 0.42, 0.55
"""How much stain varies within chromosomes (standard deviation over mean): mostly, and where it is too much."""
_ENOUGH = 5
"""Chromosomes by which that can be told."""


class InstanceSegmenter(MetaphaseStage):
    """Finds every chromosome of a metaphase with its whole mask.

    Crossing chromosomes share the pixels of their overlap. Clusters are the connected pieces of what the chromosomes
    cover, so nuclei and debris are in none. Where nothing is found they stay empty and ``reasons`` says why (K121,
    K122, K123).
    """

    summary: ClassVar[str] = "Finds every chromosome whole, by a detector and a mask network"
    requires: ClassVar[frozenset[str]] = frozenset({"metaphase.optical_density", "metaphase.contrast"})
    assigns: ClassVar[frozenset[str]] = frozenset(
        {
            "metaphase.foreground", "metaphase.instances", "instance.region", "instance.score", "metaphase.clusters",
            "cluster.region", "metaphase.reasons",
        }
    )  # fmt: skip

    class Options(StageOptions):
        weights: str = Field("detector", description="shipped name or .safetensors file of the detector")
        box_masks: str = Field("box_masks", description="the same of the mask network")
        box_masks_fluorescence: str = Field(
            "box_masks_fluorescence", description="the same for fluorescence, whose edges are wider"
        )
        threshold: float | None = Field(
            None, gt=0, lt=1, description="how sure a chromosome must be; null takes that of the model card"
        )
        possible: float | None = Field(
            None, gt=0, lt=1, description="how sure one must be that later stages may take or leave; null: as all"
        )
        fewest_chromosomes: int = Field(20, ge=0, description="fewer than this are no metaphase")
        most_chromosomes: int = Field(250, ge=1, description="more than this are no metaphase")
        most_contrast: float = Field(
            MOST_CONTRAST,
            gt=0,
            description="standard deviation over mean of the stain within chromosomes above which it is evened first",
        )
        device: DeviceName = "auto"
        precision: Precision = "auto"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        chosen: InstanceSegmenter.Options = self.options
        names = (chosen.weights, chosen.box_masks, chosen.box_masks_fluorescence)
        self._weights = tuple(find("segmentation", name) for name in names)
        self._finder: ChromosomeFinder | None = None
        self._masks: dict[Contrast, BoxMasks] = {}

    @property
    def weights(self) -> tuple[WeightFile, ...]:
        return self._weights

    @property
    def device(self) -> str | None:
        return None if self._finder is None else self._finder.device.type

    def process(self, metaphase: Metaphase) -> Metaphase:
        options: InstanceSegmenter.Options = self.options
        density = metaphase.optical_density
        instances = self.find(density, metaphase.contrast) if has_contrast(density) else []
        error: InputError | None = None
        if not has_contrast(density):
            error = InputError("K121")
        elif not instances:
            error = InputError("K122")
        elif not options.fewest_chromosomes <= (sure := _sure(instances)) <= options.most_chromosomes:
            error = InputError("K123", reason=f"{sure} objects in it look like chromosomes")
        foreground = np.zeros(density.shape, dtype=bool)
        if error is not None:
            return replace(metaphase, foreground=foreground, clusters=(), reasons=(*metaphase.reasons, str(error)))
        for instance in instances:
            foreground[instance.region.slices] |= instance.region.mask
        clusters = clusters_of(components(foreground))
        return replace(metaphase, foreground=foreground, instances=tuple(instances), clusters=clusters)

    def find(self, optical_density: NDArray[np.float32], contrast: Contrast = "absorption") -> list[Instance]:
        """The chromosomes of an image, the surest first; with the option ``possible`` those that might be one as well.

        Where the stain varies within them by more than ``most_contrast`` it is evened, and they are looked for again.

        Args:
            optical_density: float32, shape (height, width); 0 is background.
            contrast: of the image.

        Raises:
            WeightsError: K3xx if the weights cannot be used.
        """
        instances = self._found(optical_density, contrast)
        sure = [instance.region for instance in instances if not instance.doubtful]
        evened = self._evened(optical_density, sure, contrast)
        return instances if evened is None else self._found(evened, contrast)

    def _evened(
        self, optical_density: NDArray[np.float32], chromosomes: Sequence[Region], contrast: Contrast
    ) -> NDArray[np.float32] | None:
        """Stain of usual contrast where light bands are so pale that they tear chromosomes apart; None elsewhere."""
        options: InstanceSegmenter.Options = self.options
        shown = [region for region in chromosomes if region.mask.any()]
        if contrast == "fluorescence" or len(shown) < _ENOUGH:
            return None
        if stain_contrast(shown, optical_density) <= options.most_contrast:
            return None
        return in_contrast(shown, optical_density, USUAL_CONTRAST)

    def _found(self, optical_density: NDArray[np.float32], contrast: Contrast) -> list[Instance]:
        from .detection import whole_boxes  # torch is imported when it is needed
        from .finder import ChromosomeFinder
        from .rescoring import candidates_in, evidence

        if self._finder is None:
            self._finder = ChromosomeFinder(self._weights[0], self.options.device, self.options.precision)
        finder = self._finder
        found = finder(optical_density)
        boxes, drawn = candidates_in(found.boxes, self._box_masks(contrast), optical_density)
        if not drawn:
            return []
        if finder.rescoring:
            relative = np.asarray(optical_density / np.float32(found.density), dtype=np.float32)
            boxes = boxes._replace(scores=finder.rescored(evidence(boxes, drawn, relative, found.size)))
        whole = [in_box(one.region, box) for one, box in zip(drawn, whole_boxes(boxes.boxes), strict=True)]
        instances = [Instance(whole[number], float(boxes.scores[number])) for number in np.argsort(-boxes.scores)]
        threshold = self._threshold()
        if finder.rescoring:
            least = min(threshold, self.options.possible or threshold)
            kept = (instance for instance in instances if instance.score >= least)
            return [replace(instance, doubtful=instance.score < threshold) for instance in kept]
        return convincing(instances, threshold)

    def _threshold(self) -> float:
        """How sure a chromosome must be."""
        chosen, card = self.options.threshold, self._weights[0].card.thresholds
        return float(chosen if chosen is not None else card.get("chromosome", card.get("centre", 0.35)))

    def regions_in_boxes(self, metaphase: Metaphase, boxes: Sequence[BoundingBox]) -> list[Region]:
        """See :class:`karyonet.stage.BoxSegmenter`."""
        masks = self._box_masks(metaphase.contrast)
        found = masks(metaphase.optical_density, boxes)
        evened = self._evened(metaphase.optical_density, [one for one in found if one is not None], metaphase.contrast)
        found = found if evened is None else masks(evened, boxes)
        return with_fallback(found, boxes, metaphase.foreground)

    def _box_masks(self, contrast: Contrast) -> BoxMasks:
        from .masks import BoxMasks

        if contrast not in self._masks:
            weight = self._weights[2 if contrast == "fluorescence" else 1]
            self._masks[contrast] = BoxMasks(weight, self.options.device, self.options.precision)
        return self._masks[contrast]


def _sure(instances: Sequence[Instance]) -> int:
    return sum(not instance.doubtful for instance in instances)


def in_box(region: Region, box: BoundingBox) -> Region:
    """The same pixels in a box that holds them: the given one, wider where they leave it."""
    xmin, ymin, xmax, ymax = region.bbox
    wide = (min(box[0], xmin), min(box[1], ymin), max(box[2], xmax), max(box[3], ymax))
    return Region(wide, np.pad(region.mask, ((ymin - wide[1], wide[3] - ymax), (xmin - wide[0], wide[2] - xmax))))


def convincing(
    instances: Sequence[Instance], threshold: float, explained: float = EXPLAINED, same: float = SAME
) -> list[Instance]:
    """The instances that are chromosomes of their own, for weights without a rescoring network.

    What lies mostly on the stain of surer ones is often a part of them, or of two that touch, so it must be surer too:
    by ``explained`` times the share of its pixels that are theirs. Real crossings share little.

    Args:
        instances: the surest first.
        threshold: how sure one must be that lies alone.
        explained: how much surer one whose pixels all belong to others.
        same: intersection over union of two masks above which they are one chromosome.
    """
    kept: list[Instance] = []
    for instance in instances:
        region = instance.region
        covered = np.zeros_like(region.mask)
        repeated = False
        for other in kept:
            common = shared_pixels(region, other.region)
            covered |= common
            overlap = int(common.sum())
            repeated |= overlap > same * (region.area + other.region.area - overlap)
        if not repeated and instance.score >= threshold + explained * covered.sum() / max(region.area, 1):
            kept.append(instance)
    return kept


def shared_pixels(region: Region, other: Region) -> NDArray[np.bool_]:
    """Pixels of a region that another has too, bool, of the shape of the region's mask."""
    shared = np.zeros_like(region.mask)
    low = np.maximum(region.bbox[:2], other.bbox[:2])
    high = np.minimum(region.bbox[2:], other.bbox[2:])
    if (high > low).all():
        own, theirs = (
            (slice(low[1] - r.bbox[1], high[1] - r.bbox[1]), slice(low[0] - r.bbox[0], high[0] - r.bbox[0]))
            for r in (region, other)
        )
        shared[own] = region.mask[own] & other.mask[theirs]
    return shared
