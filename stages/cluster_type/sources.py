"""What training examples are composed of: lone chromosomes, places without any, and what nobody boxed."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.spatial import ConvexHull, QhullError

from karyonet.case import FloatArray
from karyonet.data.boxes import components_of, region_in_box
from karyonet.data.objects import holds, touches
from karyonet.errors import DataError
from karyonet.geometry.region import BoundingBox, Region, box_iou
from karyonet.training.compose import Cutout
from karyonet.training.metaphase_pack import MetaphasePack
from karyonet.training.strip_pack import LEVELS

from .kinds import CLUSTER, KINDS

logger = logging.getLogger(__name__)


class SourceSettings(BaseModel):
    """What counts as stained, as a nucleus and as debris; lengths in pixels of the packs, areas in squared breadths.

    Attributes:
        level: density, relative to the mean of the chromosomes, above which a pixel is stained.
        breadth: of a chromosome.
        nucleus_radius: of the largest disc inside a nucleus, in breadths. nucleus_solidity: its area over that of its
            convex hull at least; half a nucleus at the edge of the image is one too.
        smallest: area of debris.
        chromosome_area, chromosome_density: debris that is as large and between these densities might be a chromosome
            that nobody boxed, and is left out.
        clearance: pixels without stain around a place where clusters are laid.
        spots: such places an image.
        single_area: least and largest area of a component that may be one chromosome, and of one chromosome's part of a
            cluster: what is smaller is a piece, what is larger has dirt or a nucleus on it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: float = Field(default=0.3, gt=0)
    breadth: float = Field(default=13.0, gt=0)
    nucleus_radius: float = Field(default=1.2, gt=0)
    nucleus_solidity: float = Field(default=0.8, ge=0, le=1)
    smallest: float = Field(default=0.35, ge=0)
    chromosome_area: float = Field(default=1.3, gt=0)
    chromosome_density: tuple[float, float] = (0.6, 1.5)
    clearance: float = Field(default=24.0, gt=0)
    spots: int = Field(default=4, ge=1)
    single_area: tuple[float, float] = (0.7, 12.0)


class Patch(NamedTuple):
    """A stained component of an image of a pack.

    Attributes:
        image: which.
        region: its pixels.
        kind: index in :data:`~karyonet.stages.cluster_type.kinds.KINDS`, or
            :data:`~karyonet.stages.cluster_type.kinds.CLUSTER`: boxes tell several chromosomes from one, but rarely how
            these lie.
        chromosomes: how many are boxed in it.
    """

    image: int
    region: Region
    kind: int
    chromosomes: int


@dataclass(frozen=True, eq=False)
class Sources:
    """Of one split of a pack.

    Attributes:
        pack: the metaphases.
        chromosomes: int64, rows of its lone chromosomes.
        spots: int32, shape (n, 3): image, x and y of places without stain. clearances: float32, shape (n,), ascending,
            how far it is from each to the nearest stain, in pixels.
        nuclei, debris: stained, but outside every annotated box.
        singles, clusters: with one annotated chromosome or several in it.
    """

    pack: MetaphasePack
    chromosomes: NDArray[np.int64]
    spots: NDArray[np.int32]
    clearances: NDArray[np.float32]
    nuclei: tuple[Patch, ...]
    debris: tuple[Patch, ...]
    singles: tuple[Patch, ...]
    clusters: tuple[Patch, ...]

    @classmethod
    def of(cls, pack: MetaphasePack, split: str, settings: SourceSettings) -> Sources:
        """Look through the images of a split; the same images give the same sources.

        Raises:
            DataError: K405 if no chromosome of the split lies alone.
        """
        chromosomes = pack.lone_of_split(split)
        if not len(chromosomes):
            raise DataError("K405", path="the training data", reason=f"no chromosome of split {split} lies alone")
        spots: list[tuple[int, int, int]] = []
        clearances: list[float] = []
        found: list[Patch] = []
        for index in pack.of_split(split).tolist():
            density = relative_density(pack, index)
            stained = cv2.GaussianBlur(density, (0, 0), 0.7) > settings.level
            for x, y, clearance in _free_spots(stained, settings, index):
                spots.append((index, x, y))
                clearances.append(clearance)
            boxes = [tuple(box) for box in np.rint(pack.boxes[pack.chromosomes(index)]).astype(int).tolist()]
            found += [Patch(index, *known) for known in known_components(stained, density, boxes, settings)]
        nuclei, debris = (tuple(p for p in found if p.kind == KINDS.index(name)) for name in ("nucleus", "debris"))
        singles = tuple(patch for patch in found if patch.chromosomes == 1)
        clusters = tuple(patch for patch in found if patch.chromosomes > 1)
        told = "%s: %d nuclei, %d of debris, %d components of one chromosome, %d of several"
        logger.info(told, split, len(nuclei), len(debris), len(singles), len(clusters))
        order = np.argsort(clearances, kind="stable")
        return cls(
            pack,
            chromosomes,
            np.array(spots, dtype=np.int32).reshape(-1, 3)[order],
            np.array(clearances, dtype=np.float32)[order],
            nuclei,
            debris,
            singles,
            clusters,
        )

    def cutout(self, patch: Patch) -> Cutout:
        """A rejected object without its surroundings, in pixels of the pack."""
        return Cutout.of(relative_density(self.pack, patch.image), patch.region)


def relative_density(pack: MetaphasePack, index: int) -> FloatArray:
    """An image of a pack, float32, shape (height, width); 1.0 is the mean density of its chromosomes."""
    return pack.image(index).astype(np.float32) / np.float32(LEVELS)


def known_components(
    stained: NDArray[np.bool_], density: FloatArray, boxes: Sequence[BoundingBox], settings: SourceSettings
) -> Iterator[tuple[Region, int, int]]:
    """The components of a metaphase of which the boxes that people drew say what they are.

    Args:
        stained: bool, shape (height, width).
        density: float32, shape (height, width), relative.
        boxes: of all its chromosomes.
        settings: what is a nucleus, debris, or too large for its number of chromosomes.

    Yields:
        pixels, kind and number of chromosomes, as in :class:`Patch`.
    """
    areas = [area * settings.breadth**2 for area in (settings.smallest, *settings.single_area)]
    chromosomes = [region_in_box(stained, box) for box in boxes]
    for component in components_of(stained, int(areas[0])):
        held = [box for box, one in zip(boxes, chromosomes, strict=True) if one is not None and holds(component, one)]
        if held and areas[1] <= component.area / len(held) <= areas[2]:
            yield component, _kind_of_held(held), len(held)
        elif not held and not any(touches(component, box) for box in boxes):
            kind = rejection(component, density, settings)
            if kind is not None:
                yield component, KINDS.index(kind), 0


def _kind_of_held(boxes: Sequence[BoundingBox]) -> int:
    """One is single, boxes without common pixels can only touch, of all others the boxes do not say it."""
    if len(boxes) == 1:
        return KINDS.index("instance")
    corners = np.array(boxes, dtype=float)
    overlaps = box_iou(corners, corners)
    np.fill_diagonal(overlaps, 0)
    return CLUSTER if overlaps.any() else KINDS.index("touching")


def rejection(region: Region, density: FloatArray, settings: SourceSettings) -> Literal["nucleus", "debris"] | None:
    """What an object outside every box is: round and large is a nucleus, all else debris.

    Args:
        region: the object.
        density: float32, shape (height, width), relative, of its image.

    Returns:
        None for what might be a chromosome that nobody boxed.
    """
    inside = cv2.distanceTransform(np.pad(region.mask, 1).astype(np.uint8), cv2.DIST_L2, 5)
    if inside.max() >= settings.nucleus_radius * settings.breadth and _solidity(region) >= settings.nucleus_solidity:
        return "nucleus"
    low, high = settings.chromosome_density
    mean = float(density[region.slices][region.mask].mean())
    if region.area >= settings.chromosome_area * settings.breadth**2 and low <= mean <= high:
        return None
    return "debris"


def _solidity(region: Region) -> float:
    """Area over that of the convex hull of the pixels, 0–1."""
    rows, columns = np.nonzero(region.mask)
    corners = np.concatenate([np.stack([rows + i, columns + j], axis=1) for i in (0, 1) for j in (0, 1)])
    try:
        return float(region.area / ConvexHull(corners).volume)
    except QhullError:  # pragma: no cover - pixels have corners that span a plane
        return 1.0


def _free_spots(stained: NDArray[np.bool_], settings: SourceSettings, seed: int) -> Iterator[tuple[int, int, float]]:
    """Places (x, y) without stain around them and how far it is to the next: the freest, and others at random."""
    distance = cv2.distanceTransform((~stained).astype(np.uint8), cv2.DIST_L2, 5)
    free = np.flatnonzero(distance >= settings.clearance)
    if not free.size:
        return
    generator = np.random.default_rng(seed)
    chosen = [int(distance.argmax()), *generator.choice(free, settings.spots - 1).tolist()]
    # Without any stain the distance has no end.
    reach = float(np.hypot(*stained.shape))
    for place in chosen:
        row, column = divmod(place, stained.shape[1])
        yield column, row, min(float(distance[row, column]), reach)
