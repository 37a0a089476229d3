"""From straightened strips to the network's input: pure functions on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from karyonet.case import FloatArray
from karyonet.errors import ArrayError
from karyonet.training.strip_pack import typical_density

Pixel = TypeVar("Pixel", np.float32, np.uint8)


class Preprocessing(BaseModel):
    """How strips become input; stored in the model card of the weights, so that a caller cannot choose another way.

    Attributes:
        height, width: of the canvas in pixels.
        reference_length: length in pixels that the median chromosome of a metaphase is brought to.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    height: int = Field(default=160, ge=16)
    width: int = Field(default=32, ge=8)
    reference_length: float = Field(default=72.0, gt=0)

    @property
    def canvas(self) -> tuple[int, int]:
        return self.height, self.width


def metaphase_scale(lengths: Sequence[float] | NDArray[np.integer], reference_length: float = 72.0) -> float:
    """What to multiply a metaphase's strips by, so that its median chromosome has the reference length.

    Lengths relative to the metaphase, which tell chromosome types apart, survive; the pixel pitch and the degree of
    condensation do not.

    Raises:
        ArrayError: K501 if there is no length or the median is not positive.
    """
    median = float(np.median(lengths)) if len(lengths) else 0.0
    if median <= 0:
        raise ArrayError("K501", what="lengths", expected="at least one positive length", actual=list(lengths)[:5])
    return reference_length / median


def place(strip: NDArray[Pixel], scale: float, canvas: tuple[int, int]) -> NDArray[Pixel]:
    """Resize a strip and paste it into the middle of an empty canvas.

    A strip that is longer than the canvas is shrunk to its height; one that is wider loses its outermost columns.

    Args:
        strip: float32 or uint8, shape (length, width).
        scale: factor of both axes.
        canvas: ``(height, width)`` in pixels.

    Returns:
        the same dtype, shape ``canvas``.
    """
    height, width = canvas
    length, breadth = strip.shape
    scale = min(scale, height / length)
    size = (max(round(breadth * scale), 1), min(max(round(length * scale), 1), height))
    resized = cv2.resize(strip, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    surplus = max(resized.shape[1] - width, 0)
    resized = resized[:, surplus // 2 : resized.shape[1] - (surplus - surplus // 2)]
    top, left = (height - resized.shape[0]) // 2, (width - resized.shape[1]) // 2
    placed = np.zeros(canvas, dtype=strip.dtype)
    placed[top : top + resized.shape[0], left : left + resized.shape[1]] = resized
    return placed


def prepare(
    strips: Sequence[FloatArray], scale: float | None = None, preprocessing: Preprocessing | None = None
) -> FloatArray:
    """The network's input for the strips of one metaphase.

    Args:
        strips: float32, shape (length, width) each: optical density, 0 is background, the length along the rows.
        scale: factor of both axes; by default :func:`metaphase_scale` of the strips given, which needs most of a
            metaphase (ten strips or more) to mean anything.
        preprocessing: canvas and reference length.

    Returns:
        float32, shape (n, 1, height, width); 1.0 is the mean density of the metaphase's chromosomes.

    Raises:
        ArrayError: K501 for a strip that is not a two-dimensional array with finite values.
    """
    preprocessing = preprocessing or Preprocessing()
    height, width = preprocessing.canvas
    checked = [_checked(strip) for strip in strips]
    if not checked:
        return np.zeros((0, 1, height, width), dtype=np.float32)
    if scale is None:
        scale = metaphase_scale([len(strip) for strip in checked], preprocessing.reference_length)
    placed = np.stack([place(strip, scale, (height, width)) for strip in checked])
    placed /= np.float32(typical_density(checked))
    return placed[:, None]


def _checked(strip: FloatArray) -> FloatArray:
    strip = np.ascontiguousarray(strip, dtype=np.float32)
    if strip.ndim != 2 or strip.size == 0:
        raise ArrayError("K501", what="a strip", expected="shape (length, width)", actual=f"shape {strip.shape}")
    if not np.isfinite(strip).all():
        raise ArrayError("K501", what="a strip", expected="finite", actual="an array with NaN or infinity")
    return strip
