"""A page of an image file, and how its samples become one grey value a pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue: ITU-R BT.601."""
CAMERA_BITS = (8, 10, 12, 14, 16)


@dataclass(frozen=True, eq=False)
class Page:
    """One image of a file.

    Attributes:
        grey: float32, shape (height, width), 0–1, upright.
        number: counts from 1.
    """

    grey: FloatArray
    number: int


def highest_value(samples: NDArray[np.generic], bits: int) -> int:
    """The sample value that stands for white.

    Files of 16 bits a sample often come from cameras of 8, 10, 12 or 14 bits, and do not say so. The smallest of these
    depths that holds the brightest sample is taken: a 12-bit image spreads over 0–1, and a true 16-bit image that is
    so dark that it could be a 12-bit one is brightened by a constant factor, which no later step depends on.

    Args:
        samples: of an unsigned integer type.
        bits: bits a sample, as the file states them.
    """
    if bits == 16 and samples.size:
        brightest = int(samples.max())
        bits = next(depth for depth in CAMERA_BITS if brightest < 2**depth)
    return (1 << bits) - 1


def to_grey(
    samples: NDArray[np.generic],
    highest: int,
    alpha: NDArray[np.generic] | None = None,
    highest_alpha: int = 255,
    premultiplied: bool = False,
) -> FloatArray:
    """Grey values of one page, on white where it is transparent.

    Args:
        samples: unsigned integers, shape (height, width) or (height, width, 3) for red, green and blue.
        highest: the sample value that stands for white.
        alpha: unsigned integers, shape (height, width); ``highest_alpha`` is opaque.
        highest_alpha: the value of ``alpha`` that is opaque.
        premultiplied: whether the samples are multiplied by alpha already.

    Returns:
        float32, shape (height, width), 0–1.
    """
    if samples.ndim == 3:
        grey = np.zeros(samples.shape[:2], dtype=np.float32)
        for channel, weight in enumerate(LUMINANCE):
            grey += samples[..., channel].astype(np.float32) * np.float32(weight / highest)
    else:
        grey = samples.astype(np.float32)
        grey /= highest
    if alpha is not None:
        opacity = alpha.astype(np.float32) / np.float32(highest_alpha)
        if not premultiplied:
            grey *= opacity
        grey += 1 - opacity
    return np.clip(grey, 0, 1, out=grey)


def upright(grey: FloatArray, orientation: int) -> FloatArray:
    """Turn an image as its EXIF or TIFF orientation (1–8) says; other values leave it as it is."""
    turned = {
        2: lambda image: image[:, ::-1],
        3: lambda image: image[::-1, ::-1],
        4: lambda image: image[::-1],
        5: lambda image: image.T,
        6: lambda image: np.rot90(image, -1),
        7: lambda image: image[::-1, ::-1].T,
        8: lambda image: np.rot90(image),
    }.get(orientation, lambda image: image)(grey)
    return np.ascontiguousarray(turned)
