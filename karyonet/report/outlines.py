"""Outlines of chromosomes as paths of SVG, in pixels of the image."""

from __future__ import annotations

from skimage.measure import approximate_polygon

from karyonet.case import Metaphase
from karyonet.geometry.region import Region
from karyonet.report.overlay import contours

TOLERANCE = 0.35
"""How far the simplified outline may be from the outline, in pixels of the image."""


def outlines_of(metaphase: Metaphase) -> dict[str, str]:
    """The outline of every chromosome of a metaphase, by its id; see :func:`outline_path`."""
    return {chromosome.id: outline_path(chromosome.region) for chromosome in metaphase.chromosomes}


def outline_path(region: Region) -> str:
    """The outline of a region as path data, ``M10.5 20L11 21…Z``; empty for an empty region.

    Corners are left out as far as the line stays within :data:`TOLERANCE` (Douglas and Peucker, 1973).
    """
    return "".join(_closed(approximate_polygon(points, TOLERANCE).tolist()) for points in contours(region))


def _closed(points: list[list[float]]) -> str:
    corners = "L".join(f"{x:.1f} {y:.1f}" for x, y in points[:-1])  # the last one is the first again
    return f"M{corners}Z"
