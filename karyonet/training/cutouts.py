"""Chromosomes that lie alone, cut out of annotated metaphases: what clusters are composed of."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_fill_holes, find_objects, label

from karyonet.case import LABELS, FloatArray
from karyonet.data.metaphases import AnnotatedMetaphase
from karyonet.errors import DataError
from karyonet.geometry.region import BoundingBox, Region, box_iou
from karyonet.training.compose import Cutout
from karyonet.training.strip_pack import LEVELS

_EIGHT_CONNECTED = np.ones((3, 3), dtype=bool)
_EDGE = 2
"""Pixels around the mask that hold the soft edge of a chromosome."""


def lone_chromosomes(
    foreground: NDArray[np.bool_], boxes: Sequence[BoundingBox], margin: int = 5, min_iou: float = 0.7
) -> list[Region | None]:
    """For every annotated box the component of the foreground that it holds, if that is this chromosome alone.

    A component is one lone chromosome if the pixels in the middle of one box only belong to it and its own box,
    widened by the margin that annotators leave, agrees with the annotated one.

    Args:
        foreground: bool, shape (height, width).
        boxes: of all chromosomes of the metaphase.
        margin: pixels that annotators leave around a chromosome.
        min_iou: least overlap of the two boxes.
    """
    components, count = label(foreground, structure=_EIGHT_CONNECTED)
    objects = find_objects(components)
    owners = np.zeros(count + 1, dtype=int)
    candidates: list[int] = []
    for xmin, ymin, xmax, ymax in boxes:
        width, height = xmax - xmin, ymax - ymin
        middle = components[ymin + height // 4 : ymax - height // 4, xmin + width // 4 : xmax - width // 4]
        sizes = np.bincount(middle.ravel(), minlength=count + 1)
        sizes[0] = 0
        owners[sizes > 0] += 1
        candidates.append(int(sizes.argmax()) if sizes.any() else 0)
    found: list[Region | None] = []
    for number, box in zip(candidates, boxes, strict=True):
        region = None
        if number and owners[number] == 1:
            place = objects[number - 1]
            tight = (place[1].start, place[0].start, place[1].stop, place[0].stop)
            wide = np.array([[tight[0] - margin, tight[1] - margin, tight[2] + margin, tight[3] + margin]])
            if box_iou(wide, np.array([box]))[0, 0] >= min_iou:
                region = Region(tight, binary_fill_holes(components[place] == number))
        found.append(region)
    return found


def cut_out(optical_density: FloatArray, region: Region, density: float) -> Cutout:
    """A chromosome with its soft edge; 1.0 is the mean density of the metaphase's chromosomes.

    Args:
        optical_density: float32, shape (height, width), of the whole image.
        region: the chromosome.
        density: what to divide by.
    """
    wide = region.with_margin(_EDGE, (optical_density.shape[0], optical_density.shape[1]))
    edge = binary_dilation(wide.mask, iterations=_EDGE)
    relative = np.where(edge, optical_density[wide.slices] / density, 0)
    return Cutout(np.asarray(relative, dtype=np.float32), wide.mask)


@dataclass(frozen=True, eq=False)
class CutoutPack:
    """Cut-outs laid end to end, and one row of facts for each.

    Attributes:
        pixels: uint8, shape (sum of height * width,): density relative to the metaphase, in 1/64.
        inside: uint8, same shape: 1 on the chromosome.
        heights, widths: int32, shape (n,).
        size: float32, shape (n,): median of the longer sides of the metaphase's boxes in pixels of the cut-outs.
        labels: int8, shape (n,), index in :data:`karyonet.case.LABELS`.
        cases, cells, splits: str, shape (n,).
    """

    pixels: NDArray[np.uint8]
    inside: NDArray[np.uint8]
    heights: NDArray[np.int32]
    widths: NDArray[np.int32]
    size: NDArray[np.float32]
    labels: NDArray[np.int8]
    cases: NDArray[np.str_]
    cells: NDArray[np.str_]
    splits: NDArray[np.str_]

    def __post_init__(self) -> None:
        starts = np.concatenate([[0], np.cumsum(self.heights.astype(np.int64) * self.widths)])
        object.__setattr__(self, "_starts", starts)

    def __len__(self) -> int:
        return len(self.labels)

    def cutout(self, index: int) -> Cutout:
        """One of them."""
        starts: NDArray[np.int64] = self._starts  # type: ignore[attr-defined]
        rows = slice(starts[index], starts[index + 1])
        shape = self.heights[index], self.widths[index]
        density = self.pixels[rows].reshape(shape).astype(np.float32) / np.float32(LEVELS)
        return Cutout(density, self.inside[rows].reshape(shape).astype(bool))

    def of_split(self, split: str) -> NDArray[np.int64]:
        """Indices of a split's cut-outs."""
        return np.flatnonzero(self.splits == split)

    def write(self, path: str | Path) -> None:
        """Write the pack as ``.npz``; the file appears when it is complete."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as stream:
            np.savez_compressed(stream, **{f.name: getattr(self, f.name) for f in fields(self)})
        partial.replace(path)

    @classmethod
    def read(cls, path: str | Path) -> CutoutPack:
        """Read a pack.

        Raises:
            DataError: K401 if the file is not there or is no such pack.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(**{f.name: file[f.name] for f in fields(cls)})
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as fault:
            raise DataError("K401", path=path, format="cut-out pack", missing=f"a readable pack ({fault})") from fault


def box_size(boxes: Sequence[BoundingBox]) -> float:
    """Median of the longer sides of a metaphase's boxes in pixels: what its magnification is told by."""
    sides = [max(xmax - xmin, ymax - ymin) for xmin, ymin, xmax, ymax in boxes]
    return float(np.median(sides)) if sides else 1.0


def pack_cutouts(
    annotated: AnnotatedMetaphase,
    optical_density: FloatArray,
    foreground: NDArray[np.bool_],
    size: float | None = None,
) -> CutoutPack:
    """The lone chromosomes of one metaphase.

    Args:
        annotated: its boxes and names.
        optical_density: float32, shape (height, width).
        foreground: bool, same shape.
        size: what :func:`box_size` is brought to by scaling; None leaves the pixels of the image.
    """
    boxes = [chromosome.bbox for chromosome in annotated.chromosomes]
    regions = lone_chromosomes(foreground, boxes)
    density = chromosome_density(optical_density, foreground)
    native = box_size(boxes)
    kept: list[tuple[Cutout, str]] = []
    for chromosome, region in zip(annotated.chromosomes, regions, strict=True):
        if region is not None:
            cutout = cut_out(optical_density, region, density)
            kept.append((cutout if size is None else _scaled(cutout, size / native), chromosome.label))
    count = len(kept)
    flat = [np.clip(np.rint(c.optical_density * LEVELS), 0, 255).astype(np.uint8).ravel() for c, _ in kept]
    return CutoutPack(
        pixels=np.concatenate([np.zeros(0, np.uint8), *flat]),
        inside=np.concatenate([np.zeros(0, np.uint8), *(c.mask.astype(np.uint8).ravel() for c, _ in kept)]),
        heights=np.array([c.mask.shape[0] for c, _ in kept], dtype=np.int32),
        widths=np.array([c.mask.shape[1] for c, _ in kept], dtype=np.int32),
        size=np.full(count, size or native, dtype=np.float32),
        labels=np.array([LABELS.index(name) for _, name in kept], dtype=np.int8),
        cases=np.array([annotated.case] * count, dtype=np.str_),
        cells=np.array([annotated.id] * count, dtype=np.str_),
        splits=np.array([annotated.split or ""] * count, dtype=np.str_),
    )


def concatenate_cutouts(packs: Sequence[CutoutPack]) -> CutoutPack:
    """The cut-outs of several packs, in order.

    Args:
        packs: at least one.
    """
    return CutoutPack(**{f.name: np.concatenate([getattr(pack, f.name) for pack in packs]) for f in fields(CutoutPack)})


def chromosome_density(optical_density: FloatArray, foreground: NDArray[np.bool_]) -> float:
    """Mean optical density of a metaphase's foreground; 1 where there is none."""
    return max(float(optical_density[foreground].mean()), 1e-3) if foreground.any() else 1.0


def _scaled(cutout: Cutout, scale: float) -> Cutout:
    height, width = cutout.mask.shape
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    density = np.asarray(cv2.resize(cutout.optical_density, size, interpolation=way), dtype=np.float32)
    return Cutout(density, np.asarray(cv2.resize(cutout.mask.astype(np.float32), size, interpolation=way) > 0.5))
