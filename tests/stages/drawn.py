"""Metaphases drawn for the tests of segmentation, cluster type and separation: what is in them is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from karyonet.case import Metaphase
from karyonet.stages.cluster_type import ShapeRules
from karyonet.stages.segmentation import ThresholdSegmenter
from karyonet.stages.separation import GeometricSeparator

WIDTH = 14.0


class Drawing:
    """An optical density that rods are added to: densities add where they cross."""

    def __init__(self, height: int = 420, width: int = 420, scale: float = 1.0) -> None:
        self.scale = scale
        self.grid = np.mgrid[: round(height * scale), : round(width * scale)].astype(float)
        self.optical_density = np.zeros(self.grid.shape[1:], dtype=np.float32)
        self.masks: list[np.ndarray] = []

    def rod(self, row: float, column: float, length: float, degrees: float = 0.0, width: float = WIDTH) -> Drawing:
        """A straight chromosome with dark and light bands; angle 0 lies along the rows, as in columns growing."""
        row, column, length, width = (value * self.scale for value in (row, column, length, width))
        along = np.array([np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))])
        offset = self.grid - np.array([row, column])[:, None, None]
        position = np.tensordot(along, offset, 1)
        beyond = np.maximum(np.abs(position) - (length - width) / 2, 0)
        across = offset[0] * along[1] - offset[1] * along[0]
        inside = np.hypot(beyond, across) <= width / 2
        bands = 0.35 + 0.12 * np.sin(2 * np.pi * position / (11 * self.scale))
        self.optical_density += np.where(inside, bands, 0).astype(np.float32)
        self.masks.append(inside)
        return self

    def disc(self, row: float, column: float, radius: float, density: float = 0.5) -> Drawing:
        """A nucleus or a speck."""
        centre = np.array([row, column])[:, None, None] * self.scale
        self.optical_density[np.hypot(*(self.grid - centre)) <= radius * self.scale] = density
        return self

    def metaphase(self, noise: float = 0.004) -> Metaphase:
        random = np.random.default_rng(0)
        density = ndimage.gaussian_filter(self.optical_density, 0.8 * self.scale)
        density += np.abs(random.normal(0, noise, density.shape))
        return as_metaphase(density.astype(np.float32))


def as_metaphase(optical_density: np.ndarray) -> Metaphase:
    """A metaphase of an optical density, absorbing."""
    grey = np.power(10, -optical_density).astype(np.float32)
    return Metaphase("m1", "drawn.png", "0" * 64, grey, "absorption", optical_density)


def lone_rods(scale: float = 1.0) -> Drawing:
    """Eight chromosomes that lie alone, in the upper half of the drawing."""
    drawing = Drawing(scale=scale)
    lengths = (70, 62, 55, 50, 45, 40, 34, 30)
    for number, length in enumerate(lengths):
        drawing.rod(45 + 75 * (number // 4), 55 + 100 * (number % 4), length, degrees=20 * number)
    return drawing


def processed(metaphase: Metaphase) -> Metaphase:
    """The metaphase after segmentation, cluster type and separation."""
    for stage in (ThresholdSegmenter(), ShapeRules(), GeometricSeparator()):
        metaphase = stage.process(metaphase)
    return metaphase


def mirrored(metaphase: Metaphase, transform: int) -> Metaphase:
    """The metaphase under one of the eight symmetries of the square."""
    return replace(
        metaphase,
        grey=transformed(metaphase.grey, transform),
        optical_density=transformed(metaphase.optical_density, transform),
    )


def transformed(image: np.ndarray, transform: int) -> np.ndarray:
    """One of the eight symmetries of the square: ``transform`` quarter turns, from 4 on after a flip."""
    return np.ascontiguousarray(np.rot90(image[:, ::-1] if transform >= 4 else image, transform % 4))


def intersection_over_union(first: np.ndarray, second: np.ndarray) -> float:
    return float((first & second).sum() / max((first | second).sum(), 1))
