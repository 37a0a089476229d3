"""The slide around the chromosomes and the camera above it: nuclei, debris, light, optics, noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, gaussian_filter, zoom

from karyonet.simulate.appearance import Look
from karyonet.simulate.layout import Style

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_FINE = 0.8
"""Pixels that the noise of stained parts is smoothed by."""
_SHAKEN = 0.38
"""Pixels over which neighbours are misplaced alike."""
_FULL_STAIN = 0.45
"""Difference in grey to the empty slide at which it is full."""
_FREE = 4
"""Pixels between a chromosome and a nucleus or a speck, at least."""


def add_surroundings(
    stain: FloatArray, chromosomes: BoolArray, look: Look, generator: np.random.Generator
) -> BoolArray:
    """Draw nuclei and specks where no chromosome lies, in place.

    Args:
        stain: float64, shape (height, width): stain of the chromosomes in units of the contrast.
        chromosomes: bool, same shape.
        look: of the metaphase.
        generator: of the randomness.

    Returns:
        bool, same shape: pixels of nuclei and specks.
    """
    taken = binary_dilation(chromosomes, iterations=_FREE)
    added = np.zeros_like(chromosomes)
    missing = look.nuclei * stain.size
    for _ in range(12):
        if missing < 0.002 * stain.size:
            break
        radius = look.width * generator.uniform(2.6, 5.2)
        missing -= _add_nucleus(stain, taken, added, radius, look, generator)
    centre: tuple[int, int] | None = None
    for _ in range(round(look.specks)):
        # Half of the specks lie beside the one before: dirt comes in clumps.
        together = centre is not None and generator.random() < 0.5
        centre = _add_speck(stain, taken, added, centre if together else None, look, generator)
    return added


def _add_nucleus(
    stain: FloatArray, taken: BoolArray, added: BoolArray, radius: float, look: Look, generator: np.random.Generator
) -> int:
    """Try to draw one nucleus; how many pixels of the image it took."""
    height, width = stain.shape
    squeeze, angle, depth = generator.uniform(0.75, 1.0), generator.uniform(0, np.pi), generator.uniform(0.45, 1.0)
    side = int(2.5 * radius) + 7
    offset = np.arange(side) - side // 2
    rows, columns = np.meshgrid(offset, offset, indexing="ij")
    first = rows * np.cos(angle) + columns * np.sin(angle)
    second = (-rows * np.sin(angle) + columns * np.cos(angle)) / squeeze
    wobble = _clouds((side, side), 0.7 * radius, generator)
    distance = np.sqrt(first**2 + second**2) / radius + 0.07 * wobble
    inside = distance < 1
    # Fine grain, clumps, and a slow change over the whole nucleus.
    textures = ((0.14, 1.3), (0.08, 0.08 * radius), (0.08, 0.35 * radius))
    chromatin = 1 + sum(amount * _clouds((side, side), size, generator) for amount, size in textures)
    body = (
        depth * np.clip((1 - distance) / 0.06, 0, 1) * (0.8 + 0.2 * np.sqrt(np.clip(1 - distance**2, 0, 1))) * chromatin
    )
    for _ in range(20):
        row, column = (int(generator.integers(-side // 3, length - 2 * side // 3)) for length in (height, width))
        top, left, bottom, right = max(row, 0), max(column, 0), min(row + side, height), min(column + side, width)
        if bottom <= top or right <= left:
            continue
        image, own = (
            (slice(top, bottom), slice(left, right)),
            (slice(top - row, bottom - row), slice(left - column, right - column)),
        )
        if (taken[image] & inside[own]).any():
            continue
        stain[image] += np.where(inside[own], np.maximum(body[own], 0), 0)
        taken[image] |= inside[own]
        added[image] |= inside[own]
        return int(inside[own].sum())
    return 0


def _add_speck(
    stain: FloatArray,
    taken: BoolArray,
    added: BoolArray,
    beside: tuple[int, int] | None,
    look: Look,
    generator: np.random.Generator,
) -> tuple[int, int] | None:
    """Draw a speck of dirt, anywhere or beside another one; where it lies. Most are small, some a short rod."""
    size = look.width * 0.07 * np.exp(0.6 * generator.standard_normal())
    length = size * np.exp(np.abs(0.5 * generator.standard_normal()))
    depth = 0.8 * np.exp(0.6 * generator.standard_normal())
    angle, side = generator.uniform(0, np.pi), 2 * int(np.ceil(3 * length)) + 3
    middle = generator.random(2) * stain.shape
    if beside is not None:
        middle = beside + 2.0 * size * generator.standard_normal(2)
    row, column = (int(place) - side // 2 for place in middle)
    image = (slice(max(row, 0), row + side), slice(max(column, 0), column + side))
    if taken[image].shape != (side, side) or taken[image].any():
        return None
    offset = np.arange(side) - side // 2
    rows, columns = np.meshgrid(offset, offset, indexing="ij")
    first = (rows * np.cos(angle) + columns * np.sin(angle)) / length
    second = (-rows * np.sin(angle) + columns * np.cos(angle)) / size
    speck = depth * np.exp(-0.5 * (first**2 + second**2) ** 1.5)
    stain[image] += speck
    added[image] |= speck > 0.2
    return row + side // 2, column + side // 2


def photograph(
    stain: FloatArray, look: Look, style: Style, bit_depth: int, generator: np.random.Generator
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """The image that the camera takes.

    Absorption follows Beer–Lambert, so that optical densities of chromosomes that lie over each other add; in
    fluorescence their light adds.

    Args:
        stain: float64, shape (height, width), in units of the contrast.
        look: of the metaphase.
        style: ``gband`` is dark on light, ``qband`` light on dark.
        bit_depth: 8 or 16.
        generator: of the randomness.

    Returns:
        uint8 or uint16, shape (height, width).
    """
    shape = (stain.shape[0], stain.shape[1])
    light = _illumination(shape, look, generator)
    # Plasma around the chromosomes takes stain; in fluorescence it is the light that spreads.
    around = _reduced_blur(stain, 0.55 * look.width)
    stain = (1 - look.haze) * stain + look.haze * around
    if style == "gband":
        grey = gaussian_filter(light * 10.0 ** (-look.contrast * stain), look.blur)
    else:
        grey = light + look.contrast * gaussian_filter(stain, look.blur)
    if look.sharpening > 0:
        grey += look.sharpening * (grey - gaussian_filter(grey, 2.0))
    grain = gaussian_filter(generator.standard_normal(stain.shape), look.noise_size)
    grey += grain * (look.noise / float(grain.std())) + 0.6 * look.noise * _clouds(shape, 4.0, generator)
    fine = gaussian_filter(generator.standard_normal(stain.shape), _FINE)
    signal = np.sqrt(np.clip(np.abs(grey - light) / _FULL_STAIN, 0, 1))
    rows, columns = np.gradient(grey)
    shaken = gaussian_filter(generator.standard_normal(stain.shape), _SHAKEN)
    misplaced = np.sqrt(rows**2 + columns**2) * (shaken / float(shaken.std()))
    grey += fine * signal * (look.stain_noise / float(fine.std())) + look.jitter * misplaced
    most = (1 << bit_depth) - 1
    image: NDArray[np.uint8] | NDArray[np.uint16] = np.round(np.clip(grey, 0, 1) * most).astype(
        np.uint8 if bit_depth == 8 else np.uint16
    )
    return image


def _illumination(shape: tuple[int, int], look: Look, generator: np.random.Generator) -> FloatArray:
    """A slightly uneven field of light, brighter than white by the glare."""
    rows, columns = (np.linspace(-1, 1, length) for length in shape)
    coefficients = generator.standard_normal(5) * np.array([1.0, 1.0, 0.6, 0.6, 0.6])
    field = (
        coefficients[0] * rows[:, None]
        + coefficients[1] * columns[None, :]
        + coefficients[2] * rows[:, None] ** 2
        + coefficients[3] * columns[None, :] ** 2
        + coefficients[4] * rows[:, None] * columns[None, :]
    )
    field *= look.gradient / max(float(np.ptp(field)), 1e-9)
    light: FloatArray = look.background + look.glare + field - float(np.median(field))
    return light


def _reduced_blur(image: FloatArray, size: float) -> FloatArray:
    """A wide Gaussian blur, computed on every second pixel."""
    height, width = image.shape
    even = np.pad(image, ((0, height % 2), (0, width % 2)), mode="edge")
    half = even.reshape(even.shape[0] // 2, 2, -1, 2).mean(axis=(1, 3))
    blurred: FloatArray = np.repeat(np.repeat(gaussian_filter(half, size / 2), 2, axis=0), 2, axis=1)
    return blurred[:height, :width]


def _clouds(shape: tuple[int, int], size: float, generator: np.random.Generator) -> FloatArray:
    """Smooth noise of unit variance; coarse noise is made small and enlarged."""
    step = max(1.0, size / 1.5)
    small = gaussian_filter(
        generator.standard_normal([int(np.ceil(length / step)) + 2 for length in shape]), size / step
    )
    if step > 1.0:
        small = zoom(small, step, order=1)[: shape[0], : shape[1]]
    small = small[: shape[0], : shape[1]]
    return np.asarray((small - small.mean()) / max(float(small.std()), 1e-9))
