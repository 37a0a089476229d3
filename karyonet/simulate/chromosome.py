"""A straight chromosome: two chromatids with bands, a centromere, satellites, rounded ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from karyonet.simulate.appearance import Look
from karyonet.simulate.layout import Layout

FloatArray = NDArray[np.float64]
_MARGIN = 2
"""Pixels beside the widest place."""
_SHORTEST = 6
"""Pixels; a fragment is drawn at least this long."""


@dataclass(frozen=True, eq=False)
class StraightChromosome:
    """A chromosome before it is bent.

    Attributes:
        density: float64, shape (n, 2 r + 1): stain in units of the metaphase's contrast, the axis in the middle column.
        coverage: float64, same shape, 0–1: how far a pixel belongs to the chromosome.
        half_width: pixels, of its arms.
        centromeres, junctions: rows.
    """

    density: FloatArray
    coverage: FloatArray
    half_width: float
    centromeres: tuple[float, ...]
    junctions: tuple[float, ...]


def render(layout: Layout, look: Look, generator: np.random.Generator, closed: bool = False) -> StraightChromosome:
    """Draw a layout at the scale of a metaphase.

    Args:
        layout: what lies where.
        look: of the metaphase.
        generator: of this chromosome's own variation.
        closed: a ring has no ends.
    """
    stretch, breadth, own_contrast, own_gap = generator.standard_normal(4)
    pitch = look.scale / 1000 * np.exp(look.length_spread * stretch)
    rows = max(_SHORTEST, round(layout.length * pitch))
    half_width = look.width / 2 * np.exp(0.05 * breadth)
    contrast = np.exp(look.contrast_spread * own_contrast)
    gap = float(np.clip(look.chromatid_gap * np.exp(0.1 * own_gap), 0.0, 0.56))
    scale = rows / layout.length
    centromeres = tuple(position * scale for position in layout.centromeres)

    mode = "wrap" if closed else "nearest"
    stain = _resampled(layout.edges * scale, layout.stain, rows)
    waist = gaussian_filter1d(_resampled(layout.edges * scale, layout.waist, rows), 0.12 * half_width, mode=mode)
    place = np.arange(rows) + 0.5
    for position in centromeres:
        waist = waist * (1 - look.constriction * np.exp(-0.5 * ((place - position) / (0.3 * half_width)) ** 2))
    # Dark bands are condensed and bulge; outlines are uneven.
    smooth_stain = gaussian_filter1d(stain, 0.1 * half_width, mode=mode)
    ragged = gaussian_filter1d(generator.standard_normal((2, rows)), 0.35 * half_width, axis=1, mode=mode)
    ragged *= look.raggedness / max(float(ragged.std()), 1e-9)
    widths = half_width * waist * (1 + look.bulge * (smooth_stain - 0.4)) * (1 + ragged)

    reach = int(np.ceil(1.15 * widths.max())) + _MARGIN
    across = np.arange(-reach, reach + 1, dtype=float)
    density, coverage = np.zeros((rows, across.size)), np.zeros((rows, across.size))
    shifts = gaussian_filter1d(generator.standard_normal((2, rows)), 1.5 * half_width, axis=1, mode=mode)
    shifts *= look.chromatid_shift * half_width / max(float(shifts.std()), 1e-9)
    ends = generator.uniform(0.0, 0.18 * half_width, (2, 2))
    for side in (0, 1):
        width = widths[side]
        apart = gap * width * (1 - 0.5 * _near(place, centromeres, half_width))
        radius = width - apart
        if not closed:
            radius = radius * _caps(place, rows, 0.75 * half_width, ends[side])
        bands = np.interp(place + shifts[side], place, smooth_stain)
        amount = look.base_stain + (1 - look.base_stain) * bands
        distance = (across[None, :] - (1 if side else -1) * apart[:, None]) / np.maximum(radius[:, None], 1e-3)
        body = np.clip(1 - distance**2, 0, None) ** look.flatness
        density = np.maximum(density, amount[:, None] * body)  # side by side, not one over the other
        # The outline goes round both chromatids; the slit between them belongs to the chromosome.
        outwards = across[None, :] * (1 if side else -1)
        inside = np.clip(apart[:, None] + radius[:, None] - outwards + 0.5, 0, 1)
        coverage = np.maximum(coverage, inside * (outwards >= 0) * (radius[:, None] > 0.8))
    density *= contrast
    grain = gaussian_filter(generator.standard_normal(density.shape), look.grain_size)
    density *= np.clip(1 + grain * look.grain / max(float(grain.std()), 1e-9), 0.2, 2.5)
    return StraightChromosome(
        density, coverage, float(half_width), centromeres, tuple(position * scale for position in layout.junctions)
    )


def _resampled(edges: FloatArray, values: FloatArray, rows: int) -> FloatArray:
    """Means of a step function over rows of one pixel."""
    amount = np.concatenate([[0.0], np.cumsum(np.diff(edges) * values)])
    means: FloatArray = np.diff(np.interp(np.arange(rows + 1), edges, amount))
    return means


def _near(place: FloatArray, positions: tuple[float, ...], half_width: float) -> FloatArray:
    """1 at the positions, falling to 0 within a width."""
    near = np.zeros_like(place)
    for position in positions:
        near = np.maximum(near, np.exp(-0.5 * ((place - position) / half_width) ** 2))
    return near


def _caps(place: FloatArray, rows: int, radius: float, ends: FloatArray) -> FloatArray:
    """Rounded ends: relative width of every row; ``ends`` are pixels by which either end is shorter."""
    radius = min(radius, 0.45 * rows)
    inwards = np.minimum(place - ends[0], rows - place - ends[1])
    missing = np.clip((radius - inwards) / radius, 0, 1)
    caps: FloatArray = np.sqrt(1 - missing**2.5) * (inwards > 0)
    return caps
