"""A picture of one chromosome on an even background: where the chromosome is, and its stain."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, binary_fill_holes, gaussian_filter, iterate_structure, label

from karyonet.case import Contrast, FloatArray
from karyonet.data.strips import EDGE
from karyonet.errors import InputError
from karyonet.geometry.region import Region
from karyonet.imaging.limits import ReadingLimits

SMALLEST = 40
"""Pixels of a chromosome, at least."""
LEAST_CONTRAST = 0.06
"""Share of the range of grey values by which the darkest or lightest part stands off the background, at least."""
SIMILAR_SIZE = 0.3
"""A second object of at least this share of the largest one's area makes it unclear which is meant."""
LEVEL = 0.28
"""Share of the typical contrast at which a chromosome begins on a background with noise, as the threshold segmenter."""
BLANK = 0.5 / 255
"""Standard deviation of a background that was drawn, not recorded."""
_DISC = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=bool)
_EIGHT_CONNECTED = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True, eq=False)
class Crop:
    """One chromosome in its picture.

    Attributes:
        name, sha256: of the file.
        grey: float32, shape (height, width), 0–1, as recorded.
        contrast: which way round the stain is.
        optical_density: float32, shape (height, width); 0 is background.
        region: its pixels.
    """

    name: str
    sha256: str
    grey: FloatArray
    contrast: Contrast
    optical_density: FloatArray
    region: Region


def read_crop(path: Path, limits: ReadingLimits | None = None) -> Crop:
    """Read the first page of an image file and find the chromosome in it.

    Raises:
        InputError: K1xx if it cannot be read, K125 if it shows no chromosome, K126 if it shows several.
    """
    from karyonet.imaging.readers import decode, read_bytes

    limits = limits or ReadingLimits()
    data = read_bytes(path, limits)
    found = find_chromosome(decode(data, path, limits)[0].grey, str(path))
    return replace(found, name=path.name, sha256=hashlib.sha256(data).hexdigest())


def find_chromosome(grey: FloatArray, name: str = "the picture") -> Crop:
    """Find the largest object of a picture with an even background.

    The background is the median of the outermost pixels, which a chromosome hardly covers; fitting a field to it, as
    for a metaphase, would take a chromosome that fills the picture for one. Pieces that a pale band divides are one
    object.

    Args:
        grey: float32, shape (height, width), 0–1, dark on light or light on dark.
        name: of the file, for error messages.

    Raises:
        InputError: K125 if there is no object, K126 if there is a second one of similar size.
    """
    height, width = grey.shape
    if min(height, width) < 8:
        raise InputError("K125", path=name, reason=f"{width} x {height} pixels are too few")
    frame = np.concatenate([grey[:2].ravel(), grey[-2:].ravel(), grey[2:-2, :2].ravel(), grey[2:-2, -2:].ravel()])
    background = float(np.median(frame))
    noise = 1.4826 * float(np.median(np.abs(frame - background)))
    difference = (grey if noise < BLANK else gaussian_filter(grey, 0.7)) - background
    contrast: Contrast = (
        "fluorescence"
        if np.square(np.maximum(difference, 0)).sum() > np.square(np.minimum(difference, 0)).sum()
        else "absorption"
    )
    stain = difference if contrast == "fluorescence" else -difference
    strongest = float(np.percentile(stain, 99.5))
    if strongest < LEAST_CONTRAST:
        raise InputError("K125", path=name, reason="nothing stands out from the background")
    mask = stain > _threshold(stain, strongest, noise)
    joined = binary_closing(np.pad(mask, 3), iterate_structure(_DISC, 2))[3:-3, 3:-3] | mask
    objects, count = label(joined, structure=_EIGHT_CONNECTED)
    areas = np.bincount(objects[mask], minlength=count + 1)
    areas[0] = 0
    largest = int(areas.argmax())
    if areas[largest] < SMALLEST:
        raise InputError("K125", path=name, reason="what stands out from the background is a speck")
    similar = int((areas >= SIMILAR_SIZE * areas[largest]).sum())
    if similar > 1:
        raise InputError("K126", path=name, count=similar)
    own = binary_fill_holes(mask & (objects == largest))
    if own.mean() > 0.9:
        raise InputError("K125", path=name, reason="there is no background around what it shows")
    density = _density(grey, background, contrast)
    return Crop(name, "", grey, contrast, density, Region.from_mask(own))


def _threshold(stain: FloatArray, strongest: float, noise: float) -> float:
    """Where a chromosome begins, above the background.

    A cut-out chromosome on a blank ground ends where the blank begins; on a ground as a camera records it, where its
    stain reaches a share of what is typical for it.
    """
    if noise < BLANK:
        return EDGE * strongest
    stained = stain[stain > max(0.4 * strongest, 5 * noise)]
    return max(LEVEL * float(np.median(stained)) if stained.size else strongest, 3 * noise)


def _density(grey: FloatArray, background: float, contrast: Contrast) -> FloatArray:
    """As :func:`karyonet.imaging.to_optical_density`, with one grey value for the background."""
    from karyonet.imaging.optical_density import DARKEST, HIGHEST_ABSORPTION, HIGHEST_FLUORESCENCE

    if contrast == "absorption":
        density = np.log10(max(background, DARKEST) / np.maximum(grey, DARKEST))
        return np.asarray(np.clip(density, 0, HIGHEST_ABSORPTION), dtype=np.float32)
    above: NDArray[np.float32] = grey - np.float32(background)
    brightest = max(float(np.percentile(above, 99.9)), DARKEST)
    return np.asarray(np.clip(above / brightest, 0, HIGHEST_FLUORESCENCE), dtype=np.float32)
