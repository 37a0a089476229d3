"""Metaphases without an annotator: composed of real chromosomes that lay alone, or simulated."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from karyonet.case import FloatArray
from karyonet.data.boxes import box_size, drawn_boxes
from karyonet.geometry.region import Region
from karyonet.imaging.optical_density import to_optical_density
from karyonet.simulate import simulate
from karyonet.training.lone import density_in_boxes
from karyonet.training.metaphase_pack import MetaphasePack
from karyonet.training.spreads import compose_crossings, compose_spread

from .metaphases import PACKED_SIZE

CROSSINGS = 0.2
"""Share of the composed images that are pairs which cross."""
NUMBERS = 30, 51
"""Chromosomes of a composed spread, from and to (exclusive)."""
KARYOTYPES = ("46,XX", "46,XY", "47,XX,+21", "47,XXY", "47,XYY", "45,X", "47,XY,+18", "46,XX,t(7;14)(q22;q24)")
"""Simulated; how many chromosomes a metaphase has is not what is learned from them."""
_FIRST_SEED = 10_000_000
"""Of the simulated metaphases: far from those that benchmarks draw."""
_NOISE = 0.06
"""Standard deviation at most, in mean densities."""


class Drawn(NamedTuple):
    """A metaphase at :data:`~karyonet.stages.segmentation.metaphases.PACKED_SIZE`.

    Attributes:
        density: float32, shape (height, width); 1.0 is the mean density of its chromosomes.
        boxes: float64, shape (n, 4), as people draw them, in pixels.
    """

    density: FloatArray
    boxes: NDArray[np.float64]


def composed_metaphase(pack: MetaphasePack, rows: NDArray[np.int64], seed: tuple[int, ...]) -> Drawn:
    """A spread, or pairs that cross.

    Args:
        pack: metaphases at ``PACKED_SIZE``.
        rows: lone chromosomes of it that may be used.
        seed: the same seed draws the same metaphase.
    """
    generator = np.random.default_rng(seed)
    addition = float(generator.random())
    if generator.random() < CROSSINGS:
        composed = compose_crossings(pack, rows, PACKED_SIZE, generator, addition)
    else:
        contacts = generator.dirichlet((2.5, 1.5, 1.0)).tolist()
        number = int(generator.integers(*NUMBERS))
        composed = compose_spread(pack, rows, PACKED_SIZE, generator, number, contacts, addition)
    density = composed.optical_density
    noise = _NOISE * float(generator.random()) * generator.standard_normal(density.shape, dtype=np.float32)
    boxes = drawn_boxes([Region.from_mask(mask) for mask in composed.masks], (density.shape[0], density.shape[1]))
    return Drawn(density + noise, np.array(boxes, dtype=np.float64))


def simulated_metaphase(seed: tuple[int, ...]) -> Drawn:
    """A simulated metaphase of any band level, more or less crowded."""
    generator = np.random.default_rng(seed)
    karyotype, band_level = str(generator.choice(KARYOTYPES)), float(generator.uniform(300, 850))
    own_seed = _FIRST_SEED + int(generator.integers(_FIRST_SEED))
    (metaphase,) = simulate(karyotype, own_seed, band_level, float(generator.uniform(0, 0.7))).metaphases
    grey = metaphase.image.astype(np.float32) / np.float32(np.iinfo(metaphase.image.dtype).max)
    density = to_optical_density(grey, "absorption")
    boxes = drawn_boxes([one.region for one in metaphase.chromosomes], (density.shape[0], density.shape[1]))
    scale = PACKED_SIZE / box_size(boxes)
    relative = density / density_in_boxes(density, boxes)
    size = round(density.shape[1] * scale), round(density.shape[0] * scale)
    resized = cv2.resize(relative, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return Drawn(np.asarray(resized, dtype=np.float32), np.array(boxes, dtype=np.float64) * scale)
