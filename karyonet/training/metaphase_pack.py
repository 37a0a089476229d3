"""Whole metaphases with the boxes, names and directions of their chromosomes: what a detector is trained on."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from karyonet.case import LABELS, FloatArray
from karyonet.data.metaphases import AnnotatedMetaphase
from karyonet.errors import DataError
from karyonet.geometry.region import Region
from karyonet.training.strip_pack import LEVELS


@dataclass(frozen=True, eq=False)
class MetaphasePack:
    """Images laid end to end, and one row of facts for each image and for each chromosome.

    Attributes:
        pixels: uint8, shape (sum of height * width,): density relative to the metaphase's chromosomes, in 1/64.
        heights, widths: int32, shape (n,), of the images as packed.
        scale: float32, shape (n,): from pixels of the image file to those of the pack.
        cells, cases, splits: str, shape (n,).
        owner: int32, shape (m,): the image of each chromosome.
        boxes: float32, shape (m, 4): ``xmin, ymin, xmax, ymax`` in pixels of the pack.
        labels: int8, shape (m,), index in :data:`karyonet.case.LABELS`.
        angles: float32, shape (m,): direction of the long axis, radians in [0, π), 0 along x, growing towards y.
        elongation: float32, shape (m,): 0 for a round chromosome without a direction, towards 1 for a long one.
    """

    pixels: NDArray[np.uint8]
    heights: NDArray[np.int32]
    widths: NDArray[np.int32]
    scale: NDArray[np.float32]
    cells: NDArray[np.str_]
    cases: NDArray[np.str_]
    splits: NDArray[np.str_]
    owner: NDArray[np.int32]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int8]
    angles: NDArray[np.float32]
    elongation: NDArray[np.float32]

    def __post_init__(self) -> None:
        starts = np.concatenate([[0], np.cumsum(self.heights.astype(np.int64) * self.widths)])
        object.__setattr__(self, "_starts", starts)

    def __len__(self) -> int:
        return len(self.heights)

    def image(self, index: int) -> NDArray[np.uint8]:
        """Density relative to the metaphase in 1/64, uint8, shape (height, width): a view."""
        starts: NDArray[np.int64] = self._starts  # type: ignore[attr-defined]
        return self.pixels[starts[index] : starts[index + 1]].reshape(self.heights[index], self.widths[index])

    def chromosomes(self, index: int) -> NDArray[np.int64]:
        """Rows of the chromosomes of an image."""
        return np.flatnonzero(self.owner == index)

    def of_split(self, split: str) -> NDArray[np.int64]:
        """Indices of a split's images."""
        return np.flatnonzero(self.splits == split)

    def write(self, path: str | Path) -> None:
        """Write the pack as ``.npz``; the file appears when it is complete."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as stream:
            np.savez(stream, **{f.name: getattr(self, f.name) for f in fields(self)})
        partial.replace(path)

    @classmethod
    def read(cls, path: str | Path) -> MetaphasePack:
        """Read a pack.

        Raises:
            DataError: K401 if the file is not there or is no such pack.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(**{f.name: file[f.name] for f in fields(cls)})
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as fault:
            raise DataError("K401", path=path, format="metaphase pack", missing=f"a readable pack ({fault})") from fault


def pack_metaphase(
    annotated: AnnotatedMetaphase, relative_density: FloatArray, regions: Sequence[Region], scale: float
) -> MetaphasePack:
    """Pack one metaphase.

    Args:
        annotated: its boxes and names.
        relative_density: float32, shape (height, width); 1.0 is the mean density of the chromosomes.
        regions: the pixels of each chromosome, in the order of the annotations.
        scale: what to resize the image by.
    """
    size = max(round(relative_density.shape[1] * scale), 1), max(round(relative_density.shape[0] * scale), 1)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(relative_density, size, interpolation=way)
    directions = [long_axis(region) for region in regions]
    count = len(annotated.chromosomes)
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
        labels=np.array([LABELS.index(c.label) for c in annotated.chromosomes], dtype=np.int8),
        angles=np.array([angle for angle, _ in directions], dtype=np.float32),
        elongation=np.array([elongation for _, elongation in directions], dtype=np.float32),
    )


def concatenate_metaphases(packs: Sequence[MetaphasePack]) -> MetaphasePack:
    """The metaphases of several packs, in order.

    Args:
        packs: at least one.
    """
    offsets = np.concatenate([[0], np.cumsum([len(pack) for pack in packs])])
    columns = {f.name: np.concatenate([getattr(p, f.name) for p in packs]) for f in fields(MetaphasePack)}
    columns["owner"] = np.concatenate([p.owner + offset for p, offset in zip(packs, offsets, strict=False)])
    return MetaphasePack(**columns | {"owner": columns["owner"].astype(np.int32)})


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
