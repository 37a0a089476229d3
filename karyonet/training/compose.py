"""Clusters composed of real chromosomes that lay alone: optical densities add, and every full mask is known.

By the law of Beer and Lambert the densities of both add up where chromosomes cross. Real crossings are less dark than
that, since the darker an object is, the less of it a camera and its contrast table show (see ``addition``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from karyonet.case import FloatArray
from karyonet.geometry.region import Region

Contact = Literal["apart", "touching", "overlapping"]
CONTACTS: tuple[Contact, ...] = ("apart", "touching", "overlapping")
MaskArray = NDArray[np.bool_]


def rising_share(addition: tuple[float, float]) -> tuple[float, float]:
    """A range of ``addition`` from a configuration, as it is.

    Raises:
        ValueError: if it does not rise or leaves 0–1.
    """
    if not 0 <= addition[0] <= addition[1] <= 1:
        raise ValueError("addition must rise and lie between 0 and 1")
    return addition


@dataclass(frozen=True, eq=False)
class Cutout:
    """One chromosome with the soft edge around it.

    Attributes:
        optical_density: float32, shape (height, width); 0 outside the chromosome and its edge.
        mask: bool, same shape: the chromosome.
    """

    optical_density: FloatArray
    mask: MaskArray

    @classmethod
    def of(cls, optical_density: FloatArray, region: Region, edge: int = 2) -> Cutout:
        """Cut an object out of an image.

        Args:
            optical_density: float32, shape (height, width), of the whole image.
            region: the object.
            edge: pixels around it that hold its soft edge.
        """
        wide = region.with_margin(edge, (optical_density.shape[0], optical_density.shape[1]))
        soft = cv2.dilate(wide.mask.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=edge) > 0
        density = np.where(soft, optical_density[wide.slices], np.float32(0))
        return cls(np.asarray(density, dtype=np.float32), wide.mask)

    def posed(self, angle: float, scale: float = 1.0, mirrored: bool = False) -> Cutout:
        """Turned by ``angle`` degrees about its middle, scaled and perhaps mirrored, in a box that holds all of it."""
        height, width = self.mask.shape
        side = int(np.ceil(np.hypot(height, width) * scale)) + 2
        matrix = np.array(cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, scale), dtype=np.float64)
        matrix[:, 2] += (side - 1) / 2 - np.array([width - 1, height - 1]) / 2
        if mirrored:
            matrix = np.array([[-1.0, 0.0, side - 1.0], [0.0, 1.0, 0.0]]) @ np.vstack([matrix, [0.0, 0.0, 1.0]])
        warped = cv2.warpAffine(self.optical_density, matrix, (side, side), flags=cv2.INTER_LINEAR)
        inside = cv2.warpAffine(self.mask.astype(np.float32), matrix, (side, side), flags=cv2.INTER_LINEAR) > 0.5
        return Cutout(np.asarray(warped, dtype=np.float32), np.asarray(inside))


class Composition(NamedTuple):
    """Chromosomes laid into one field.

    Attributes:
        optical_density: float32, shape (height, width), of all chromosomes.
        masks: bool, shape (n, height, width): each whole, pixels of an overlap belong to both.
    """

    optical_density: FloatArray
    masks: MaskArray


class Field:
    """An empty field into which chromosomes are laid one by one.

    Args:
        shape: ``(height, width)`` in pixels.
        addition: share of the lighter of two densities that adds to the darker one, 0–1; 1 is the sum.
    """

    def __init__(self, shape: tuple[int, int], addition: float = 1.0) -> None:
        self.addition = np.float32(addition)
        self.optical_density: FloatArray = np.zeros(shape, dtype=np.float32)
        self.covered: MaskArray = np.zeros(shape, dtype=bool)
        self.masks: list[MaskArray] = []

    def lay(self, cutout: Cutout, centre: tuple[float, float]) -> None:
        """Lay a chromosome with the middle of its box at ``centre`` (x, y); what leaves the field is cut off."""
        height, width = self.covered.shape
        rows, columns = cutout.mask.shape
        left, top = round(centre[0] - columns / 2), round(centre[1] - rows / 2)
        y, x = slice(max(top, 0), min(top + rows, height)), slice(max(left, 0), min(left + columns, width))
        mask = np.zeros_like(self.covered)
        if y.start < y.stop and x.start < x.stop:
            part = slice(y.start - top, y.stop - top), slice(x.start - left, x.stop - left)
            there, added = self.optical_density[y, x], cutout.optical_density[part]
            self.optical_density[y, x] = np.maximum(there, added) + self.addition * np.minimum(there, added)
            mask[y, x] = cutout.mask[part]
            self.covered |= mask
        self.masks.append(mask)

    def composed(self) -> Composition:
        """What lies in the field."""
        return Composition(self.optical_density, np.stack(self.masks))


def contact_distance(covered: MaskArray, mask: MaskArray, origin: tuple[float, float], direction: float) -> float:
    """How far from ``origin`` a chromosome stops touching what is there, when it is moved straight away from it.

    Args:
        covered: bool, shape (height, width): what is there.
        mask: bool: the chromosome, the middle of its box being moved.
        origin: (x, y) in pixels.
        direction: radians.

    Returns:
        pixels, the least distance after which no pixel is shared any more, up to the diagonal of the field.
    """
    height, width = covered.shape
    reach = int(np.hypot(height, width))
    # What is shared last is shared by the outline.
    rows, columns = np.nonzero(mask & (cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0) == 0))
    x = columns - mask.shape[1] / 2 + origin[0]
    y = rows - mask.shape[0] / 2 + origin[1]
    distances = np.arange(0, reach, dtype=np.float64)
    xs = np.rint(x[None] + distances[:, None] * np.cos(direction)).astype(np.intp)
    ys = np.rint(y[None] + distances[:, None] * np.sin(direction)).astype(np.intp)
    inside = (xs >= 0) & (xs < width) & (ys >= 0) & (ys < height)
    shared = (covered[np.clip(ys, 0, height - 1), np.clip(xs, 0, width - 1)] & inside).any(axis=1)
    touching = np.flatnonzero(shared)
    return float(touching[-1] + 1) if touching.size else 0.0


def lay_beside(field: Field, cutout: Cutout, contact: Contact, generator: np.random.Generator, breadth: float) -> None:
    """Lay a chromosome near those that are there.

    Args:
        field: holds at least one chromosome.
        cutout: already posed.
        contact: ``touching`` leaves edges that meet within a pixel or two, ``overlapping`` a crossing, ``apart`` a
            gap.
        generator: of places.
        breadth: width of a chromosome in pixels.
    """
    rows, columns = np.nonzero(field.masks[int(generator.integers(len(field.masks)))])
    if rows.size == 0:
        rows, columns = np.array([field.covered.shape[0] // 2]), np.array([field.covered.shape[1] // 2])
    pick = int(generator.integers(rows.size))
    origin = float(columns[pick]), float(rows[pick])
    direction = float(generator.uniform(0, 2 * np.pi))
    free = contact_distance(field.covered, cutout.mask, origin, direction)
    if contact == "touching":
        distance = free - float(generator.uniform(0.0, 0.25)) * breadth
    elif contact == "overlapping":
        distance = free * float(generator.uniform(0.0, 0.75))
    else:
        distance = free + float(generator.uniform(0.25, 1.25)) * breadth
    field.lay(cutout, (origin[0] + distance * np.cos(direction), origin[1] + distance * np.sin(direction)))


def compose_cluster(
    cutouts: Sequence[Cutout],
    contacts: Sequence[Contact],
    shape: tuple[int, int],
    generator: np.random.Generator,
    breadth: float,
) -> Composition:
    """The first chromosome in the middle of a field, the others laid beside it one after the other.

    Args:
        cutouts: n, already posed.
        contacts: n - 1, of the second and further ones.
        shape: ``(height, width)`` of the field in pixels.
        generator: of places.
        breadth: width of a chromosome in pixels.
    """
    field = Field(shape)
    field.lay(cutouts[0], (shape[1] / 2, shape[0] / 2))
    for cutout, contact in zip(cutouts[1:], contacts, strict=True):
        lay_beside(field, cutout, contact, generator, breadth)
    return field.composed()
