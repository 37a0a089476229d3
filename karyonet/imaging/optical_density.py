"""From grey values to stain: which way round the contrast is, how the field is lit, and optical density.

Everything here works on the grey values alone, at any size; the background is fitted to a reduced image, so that the
cost of an image of any size is a few passes over its pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from karyonet.case import Contrast
from karyonet.errors import ArrayError

FloatArray = NDArray[np.float32]

DARKEST = 1 / 255
"""Grey values below one 8-bit step cannot be told apart; the optical density of absorption ends there."""
HIGHEST_ABSORPTION = 3.0
HIGHEST_FLUORESCENCE = 1.5
FIELD_SIDE = 96
"""Longer side in pixels of the reduced image that the background is fitted to."""
HISTOGRAM_SIDE = 320
"""Longer side in pixels of the reduced image that the contrast is read from."""
FIELD_DEGREES = (0, 1, 2, 2, 3, 3, 3, 3)
"""Total degree of the field in each round of reweighting: a stiff field first, so that nuclei cannot pull it."""
NOISE_FLOOR = 1.5 / 255
"""Standard deviation of the background, at least: quantisation and compression leave this much."""


def recognise_contrast(grey: FloatArray) -> Contrast:
    """Which way round the stain is: G-bands are dark on light, DAPI and Q-bands light on dark.

    The background is the mode of the grey values; stain is the side of it on which the grey values stray further
    (by the mean of squared distances). An image and its inverse are recognised as opposites. An image without
    contrast counts as absorption.

    Args:
        grey: float32, shape (height, width), 0–1.

    Raises:
        ArrayError: K501 if ``grey`` is not a two-dimensional array with pixels.
    """
    reduced = _reduced(_checked(grey), HISTOGRAM_SIDE)
    distance = reduced - _mode(reduced)
    darker = np.square(np.minimum(distance, 0)).mean()
    lighter = np.square(np.maximum(distance, 0)).mean()
    return "fluorescence" if lighter > darker else "absorption"


def estimate_background(grey: FloatArray, contrast: Contrast) -> FloatArray:
    """The grey value that every pixel would have without stain.

    A cubic polynomial in both coordinates is fitted to a reduced image by iteratively reweighted least squares with
    Tukey's biweight (Beaton & Tukey, Technometrics 16, 1974). It starts from the mode of the grey values, so that
    nuclei and chromosomes on the one side, and white patches that an operator pasted in on the other, get no weight.

    Args:
        grey: float32, shape (height, width), 0–1.
        contrast: which way round the stain is; the side of the stain is cut off more tightly.

    Returns:
        float32, shape (height, width), 0–1.

    Raises:
        ArrayError: K501 if ``grey`` is not a two-dimensional array with pixels.
    """
    grey = _checked(grey)
    reduced = _reduced(grey, FIELD_SIDE).astype(np.float64)
    coefficients, low, high = _fit_field(reduced, 1.0 if contrast == "absorption" else -1.0)
    height, width = grey.shape
    rows, columns = _powers(height), _powers(width)
    field = (rows @ coefficients.astype(np.float32)) @ columns.T
    return np.clip(field, low, high, out=field)


def to_optical_density(grey: FloatArray, contrast: Contrast) -> FloatArray:
    """Amount of stain at every pixel, 0 where there is none, whatever the contrast.

    Absorption follows Beer–Lambert: log10(background / grey), clipped to 0–3. Fluorescence is linear in the stain:
    (grey - background) relative to its 99.9th percentile, clipped to 0–1.5.

    Args:
        grey: float32, shape (height, width), 0–1.
        contrast: which way round the stain is.

    Returns:
        float32, shape (height, width); all zero if every pixel has the same grey value.

    Raises:
        ArrayError: K501 if ``grey`` is not a two-dimensional array with pixels.
    """
    grey = _checked(grey)
    if grey.min() == grey.max():
        return np.zeros_like(grey)
    background = estimate_background(grey, contrast)
    if contrast == "absorption":
        np.maximum(background, DARKEST, out=background)
        background /= np.maximum(grey, DARKEST)
        np.log10(background, out=background)
        return np.clip(background, 0, HIGHEST_ABSORPTION, out=background)
    stain = np.subtract(grey, background, out=background)
    # Partition in place of a sorted percentile: the whole image is looked at, so that flips change nothing.
    rank = int(0.999 * (stain.size - 1))
    brightest = float(np.partition(stain, rank, axis=None)[rank])
    stain /= max(brightest, DARKEST)
    return np.clip(stain, 0, HIGHEST_FLUORESCENCE, out=stain)


def _checked(grey: FloatArray) -> FloatArray:
    array = np.asarray(grey)
    if array.ndim != 2 or array.size == 0 or not np.issubdtype(array.dtype, np.floating):
        raise ArrayError(
            "K501",
            what="grey",
            expected="a float array of shape (height, width)",
            actual=f"{array.dtype} {array.shape}",
        )
    return np.ascontiguousarray(array, dtype=np.float32)


def _reduced(grey: FloatArray, side: int) -> FloatArray:
    """Mean grey values of blocks, so that the longer side is at most ``side``; no smaller than 8 pixels a side."""
    height, width = grey.shape
    factor = max(1.0, max(height, width) / side)
    size = (max(min(width, 8), round(width / factor)), max(min(height, 8), round(height / factor)))
    if size == (width, height):
        return grey
    return np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BOX), dtype=np.float32)


def _mode(values: FloatArray) -> float:
    """The most frequent grey value, from a smoothed histogram over the range of the values."""
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return low
    counts, edges = np.histogram(values, bins=256, range=(low, high))
    offsets = np.arange(-6, 7)
    smooth = np.convolve(counts, np.exp(-0.5 * np.square(offsets / 2.5)), mode="same")
    peak = int(np.argmax(smooth))
    return float((edges[peak] + edges[peak + 1]) / 2)


def _powers(count: int) -> FloatArray:
    """Powers 0–3 of ``count`` pixel centres between -1 and 1: float32, shape (count, 4)."""
    centres = (2 * np.arange(count) + 1 - count) / max(count, 1)
    return np.asarray(centres[:, None] ** np.arange(4), dtype=np.float32)


def _fit_field(reduced: NDArray[np.float64], side: float) -> tuple[NDArray[np.float64], float, float]:
    """Coefficients (4, 4) of the polynomial field by powers of row and column, and the range of the background.

    Args:
        reduced: float64, shape (h, w).
        side: +1 if stain is darker than the background, -1 if it is lighter.
    """
    height, width = reduced.shape
    rows, columns = _powers(height).astype(np.float64), _powers(width).astype(np.float64)
    terms = np.einsum("hi,wj->hwij", rows, columns).reshape(reduced.size, 16)
    degree = np.add.outer(np.arange(4), np.arange(4)).ravel()
    values = reduced.ravel()
    solution = np.zeros(16)
    solution[0] = _mode(reduced.astype(np.float32))
    scale = max(0.1 * float(values.max() - values.min()), NOISE_FLOOR)
    weights = np.ones_like(values)
    for highest in FIELD_DEGREES:
        residual = side * (values - terms @ solution)
        # Blurred edges of chromosomes lie close below the background: cut that side off more tightly.
        weights = np.square(np.clip(1 - np.square(residual / (np.where(residual < 0, 2.5, 3.5) * scale)), 0, None))
        if weights.sum() < 16:
            break
        used = degree <= highest
        weighted = terms[:, used] * weights[:, None]
        # A little ridge keeps the field flat where nuclei hide the background.
        ridge = np.diag(np.where(degree[used] == 0, 0.0, 1e-3 * weights.sum() * degree[used] ** 2 / 9))
        solution = np.zeros(16)
        solution[used] = np.linalg.solve(weighted.T @ terms[:, used] + ridge, weighted.T @ values)
        near = np.abs(values - terms @ solution)[weights > 0]
        scale = min(scale, max(1.4826 * float(np.median(near)), NOISE_FLOOR))
    background = values[weights > 0.25] if (weights > 0.25).any() else values
    low, high = float(background.min()), float(background.max())
    return solution.reshape(4, 4), low, high
