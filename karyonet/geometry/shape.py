"""Shape of an object in numbers that tell one chromosome from several, relative to the width of a chromosome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from karyonet.geometry.outline import concave_points
from karyonet.geometry.region import Region
from karyonet.geometry.skeleton import skeleton_graph
from karyonet.geometry.width import estimate_width

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

DESCRIPTOR = (
    "size",
    "size²",
    "solidity",
    "thickness",
    "thickness²",
    "irregularity",
    "nodes",
    "ends",
    "first turn",
    "second turn",
    "darkness",
    "stain",
    "stain²",
    "slenderness",
)
"""What :meth:`Shape.descriptor` holds: size and stain are logarithms of ratios to the metaphase's own."""


@dataclass(frozen=True)
class Scale:
    """What the sizes and stains of a metaphase are relative to.

    Attributes:
        width: of a chromosome, in pixels.
        area: median of the clusters, in squared widths.
        density: median optical density of the foreground.
    """

    width: float
    area: float
    density: float


@dataclass(frozen=True)
class Shape:
    """Lengths are in chromosome widths (w), areas in squared widths.

    Attributes:
        area: in w².
        solidity: area over the area of the convex hull, 0–1.
        thickness: diameter of the largest disc inside, in w.
        irregularity: standard deviation over mean of the inner radius along the skeleton.
        length: arc length of the skeleton, spurs left out, in w.
        nodes: branch points of the skeleton, close ones merged.
        ends: free ends of the skeleton.
        first_turn, second_turn: the two sharpest inward turns of the outline, in radians.
        darkness: 95th percentile over median of the optical density.
        density: mean optical density.
    """

    area: float
    solidity: float
    thickness: float
    irregularity: float
    length: float
    nodes: float
    ends: float
    first_turn: float
    second_turn: float
    darkness: float
    density: float

    def descriptor(self, scale: Scale) -> NDArray[np.float64]:
        """Numbers for a linear rule, in the order of :data:`DESCRIPTOR`: float64, shape (14,)."""
        size = np.log(self.area / scale.area)
        stain = np.log(max(self.density, 1e-6) / scale.density)
        return np.array(
            [
                size,
                size**2,
                self.solidity,
                self.thickness,
                self.thickness**2,
                self.irregularity,
                np.log1p(self.nodes),
                abs(self.ends - 2),
                self.first_turn,
                self.second_turn,
                self.darkness,
                stain,
                stain**2,
                self.length / self.area,
            ],
            dtype=np.float64,
        )


def measure_shape(mask: BoolArray, optical_density: FloatArray, width: float) -> Shape:
    """Measure one connected object.

    Args:
        mask: bool, shape (height, width), at least one pixel.
        optical_density: float32, same shape.
        width: width of a chromosome in pixels.

    Raises:
        ArrayError: K502 if the mask is empty.
    """
    region = Region.from_mask(mask)
    mask, optical_density = region.mask, optical_density[region.slices]
    distance = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    graph = skeleton_graph(mask, width)
    arms = [arm for arm in graph.arms if len(arm.pixels)]
    radii = np.concatenate([distance[tuple(arm.pixels.T)] for arm in arms]) if arms else distance[mask]
    outlines = concave_points(mask, width)
    turns = np.concatenate([turn[peak] for _, turn, peak in outlines]) if outlines else np.zeros(0)
    sharpest = np.sort(np.concatenate([turns, [0.0, 0.0]]))[::-1]
    stain = optical_density[mask]
    area = float(mask.sum())
    return Shape(
        area=area / width**2,
        solidity=area / max(_hull_area([points for points, _, _ in outlines], area), area),
        thickness=2 * float(distance.max()) / width,
        irregularity=float(radii.std() / max(radii.mean(), 1e-6)),
        length=sum(arm.length for arm in arms) / width,
        nodes=float(len(graph.nodes)),
        ends=float(sum(arm.ends.count(-1) for arm in arms)),
        first_turn=float(sharpest[0]),
        second_turn=float(sharpest[1]),
        darkness=float(np.percentile(stain, 95) / max(float(np.median(stain)), 1e-6)),
        density=float(stain.mean()),
    )


def measure_scale(regions: Sequence[Region], optical_density: FloatArray) -> Scale:
    """The scale of a metaphase, from the regions of its clusters.

    Where no cluster is elongated, half the root of the median area stands in for the width of a chromosome.

    Args:
        regions: at least one.
        optical_density: float32, shape (height, width), of the whole image.
    """
    foreground = np.zeros(optical_density.shape, dtype=bool)
    for region in regions:
        foreground[region.slices] |= region.mask
    area = float(np.median([region.area for region in regions]))
    width = estimate_width(foreground) or max(0.5 * area**0.5, 1.0)
    return Scale(width, area / width**2, max(float(np.median(optical_density[foreground])), 1e-6))


def _hull_area(outlines: list[NDArray[np.float64]], area: float) -> float:
    if not outlines:
        return area
    try:
        return float(ConvexHull(np.concatenate(outlines)).volume)
    except QhullError:  # all points on one line
        return area
