"""Whole metaphases with what is known of their chromosomes: what detectors and mask networks are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from karyonet.case import LABELS, FloatArray
from karyonet.data.metaphases import AnnotatedMetaphase
from karyonet.geometry.region import Region
from karyonet.training.compose import Cutout
from karyonet.training.pack import Pack
from karyonet.training.strip_pack import LEVELS

_EDGE = 2
"""Pixels around the mask that hold the soft edge of a chromosome."""
_BEYOND = 16


@dataclass(frozen=True, eq=False)
class MetaphasePack(Pack):
    """Images, and one row of facts for each image and for each chromosome.

    Attributes:
        scale: float32, shape (n,): from pixels of the image file to those of the pack.
        owner: int32, shape (m,): the image of each chromosome.
        boxes: float32, shape (m, 4): ``xmin, ymin, xmax, ymax`` in pixels of the pack.
        angles: float32, shape (m,): direction of the long axis, radians in [0, π), 0 along x, growing towards y.
        elongation: float32, shape (m,): 0 for a round chromosome without a direction, towards 1 for a long one.
        lone: bool, shape (m,): the chromosome touches no other, so all its pixels are known.
        owners: uint8, laid out like ``pixels``: 0, or the place among those of its image of the lone one here, from 1.
        pixels, heights, widths, cases, cells, splits: as in every pack, one row an image; labels, shape (m,), -1 where
            no name is known.
    """

    kind: ClassVar[str] = "metaphase pack"

    scale: NDArray[np.float32]
    owner: NDArray[np.int32]
    boxes: NDArray[np.float32]
    angles: NDArray[np.float32]
    elongation: NDArray[np.float32]
    lone: NDArray[np.bool_]
    owners: NDArray[np.uint8]

    def image(self, index: int) -> NDArray[np.uint8]:
        """Density relative to the metaphase in 1/64, uint8, shape (height, width): a view."""
        return self.part(self.pixels, index)

    def chromosomes(self, index: int) -> NDArray[np.int64]:
        """Rows of the chromosomes of an image."""
        return np.flatnonzero(self.owner == index)

    def lone_of_split(self, split: str) -> NDArray[np.int64]:
        """Rows of the lone chromosomes of a split."""
        return np.flatnonzero(self.lone & (self.splits[self.owner] == split))

    def region(self, row: int) -> Region:
        """The pixels of a lone chromosome, in pixels of the pack.

        Raises:
            ArrayError: K502 if it does not lie alone.
        """
        index = int(self.owner[row])
        place = row - int(np.searchsorted(self.owner, index)) + 1
        left, top, right, bottom = np.rint(self.boxes[row]).astype(int).tolist()
        # A chromosome may leave its hand-drawn box a little.
        x, y = max(left - _BEYOND, 0), max(top - _BEYOND, 0)
        window = self.part(self.owners, index)[y : bottom + _BEYOND, x : right + _BEYOND]
        return Region.from_mask(window == place, offset=(x, y))

    def cutout(self, row: int) -> Cutout:
        """A lone chromosome without its surroundings, in pixels of the pack.

        Raises:
            ArrayError: K502 if it does not lie alone.
        """
        image = self.image(int(self.owner[row]))
        region = self.region(row).with_margin(_EDGE, (image.shape[0], image.shape[1]))
        soft = binary_dilation(region.mask, iterations=_EDGE)
        density = np.where(soft, image[region.slices].astype(np.float32) / np.float32(LEVELS), 0)
        return Cutout(np.asarray(density, dtype=np.float32), region.mask)

    @classmethod
    def concatenate(cls, packs: Sequence[Self]) -> Self:
        """The metaphases of several packs, in order.

        Args:
            packs: at least one.
        """
        firsts = np.cumsum([0, *(len(pack) for pack in packs[:-1])])
        moved = [(pack.owner + first).astype(np.int32) for pack, first in zip(packs, firsts, strict=True)]
        return super().concatenate([replace(pack, owner=owner) for pack, owner in zip(packs, moved, strict=True)])


def pack_metaphase(
    annotated: AnnotatedMetaphase,
    relative_density: FloatArray,
    regions: Sequence[Region],
    scale: float,
    lone: Sequence[Region | None] = (),
) -> MetaphasePack:
    """Pack one metaphase.

    Args:
        annotated: its boxes and names, empty where a name is not known.
        relative_density: float32, shape (height, width); 1.0 is the mean density of the chromosomes.
        regions: the pixels of each chromosome, in the order of the annotations.
        scale: what to resize the image by.
        lone: all pixels of each chromosome that touches no other, see
            :func:`karyonet.training.lone.lone_chromosomes`; empty if none are known.
    """
    size = max(round(relative_density.shape[1] * scale), 1), max(round(relative_density.shape[0] * scale), 1)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(relative_density, size, interpolation=way)
    directions = [long_axis(region) for region in regions]
    count = len(annotated.chromosomes)
    owners = np.zeros(relative_density.shape, dtype=np.uint8)
    for place, region in enumerate(lone, start=1):
        if region is not None:
            owners[region.slices][region.mask] = place
    owners = cv2.resize(owners, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8)
    return MetaphasePack(
        pixels=np.clip(np.rint(resized * LEVELS), 0, 255).astype(np.uint8).ravel(),
        heights=np.array([size[1]], dtype=np.int32),
        widths=np.array([size[0]], dtype=np.int32),
        scale=np.array([scale], dtype=np.float32),
        cells=np.array([annotated.id]),
        cases=np.array([annotated.case]),
        splits=np.array([annotated.split or ""], dtype=np.str_),
        owner=np.zeros(count, dtype=np.int32),
        boxes=np.array([c.bbox for c in annotated.chromosomes], dtype=np.float32).reshape(-1, 4) * np.float32(scale),
        labels=np.array([LABELS.index(c.label) if c.label else -1 for c in annotated.chromosomes], dtype=np.int8),
        angles=np.array([angle for angle, _ in directions], dtype=np.float32),
        elongation=np.array([elongation for _, elongation in directions], dtype=np.float32),
        lone=np.isin(np.arange(1, count + 1), owners),
        owners=owners.ravel(),
    )


def long_axis(region: Region) -> tuple[float, float]:
    """Direction of a region's long axis by its second moments.

    Returns:
        radians in [0, π), 0 along x and growing towards y; elongation, 1 - short / long axis of the ellipse of inertia.
    """
    rows, columns = np.nonzero(region.mask)
    if rows.size < 2:
        return 0.0, 0.0
    values, vectors = np.linalg.eigh(np.cov(np.stack([columns, rows])))
    x, y = vectors[:, 1]
    short, long = np.sqrt(np.maximum(values, 1e-9))
    return float(np.arctan2(y, x) % np.pi), float(1 - short / long)
