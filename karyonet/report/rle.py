"""Run-length encoding of masks as COCO writes it, in the compressed string form that pycocotools reads.

A mask is read down its columns; the runs alternate between 0 and 1, starting with 0. From the fourth run on, the
difference to the run two places earlier is kept. Every number is cut into groups of five bits, lowest first, with
bit 0x20 for "more follows" and bit 0x10 of the last group as its sign; 48 is added to make a printable character.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from karyonet.errors import ArrayError

Counts = NDArray[np.int64]
_GROUPS = 8
"""Groups of five bits: enough for any image of less than 2**39 pixels."""


def encode(mask: NDArray[np.bool_]) -> str:
    """Compress a mask.

    Args:
        mask: bool, shape (height, width).

    Returns:
        The ``counts`` of a COCO segmentation whose ``size`` is ``[height, width]``.

    Raises:
        ArrayError: K501 if the mask is not two-dimensional.
    """
    if mask.ndim != 2:
        raise ArrayError("K501", what="mask", expected="two-dimensional", actual=f"of shape {mask.shape}")
    return _to_string(_runs(mask.ravel(order="F").astype(bool)))


def decode(counts: str, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Restore a mask.

    Args:
        counts: the compressed string.
        size: ``(height, width)``.

    Returns:
        bool, shape (height, width).

    Raises:
        ArrayError: K501 if the string is no such encoding, or its runs do not fill the size.
    """
    runs = _from_string(counts)
    if (runs < 0).any() or int(runs.sum()) != size[0] * size[1]:
        raise ArrayError("K501", what="counts", expected=f"runs that fill {size}", actual=f"{int(runs.sum())} pixels")
    values = np.arange(runs.size) % 2 == 1
    return np.repeat(values, runs).reshape(size, order="F")


def _runs(pixels: NDArray[np.bool_]) -> Counts:
    """Lengths of the runs, the first of them of zeros and perhaps empty."""
    if pixels.size == 0:
        return np.zeros(0, dtype=np.int64)
    borders = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    runs = np.diff(borders, prepend=0, append=pixels.size)
    return np.concatenate([[0], runs]) if pixels[0] else runs


def _to_string(runs: Counts) -> str:
    values = runs.copy()
    values[3:] -= runs[1:-2]
    shifts = 5 * np.arange(_GROUPS)
    groups = (values[:, None] >> shifts) & 0x1F
    rest = values[:, None] >> (shifts + 5)
    more = np.where(groups & 0x10, rest != -1, rest != 0)
    # A group is written if every group before it said that more follows.
    written = np.cumprod(np.column_stack([np.ones(len(values), dtype=bool), more[:, :-1]]), axis=1).astype(bool)
    characters = (groups | np.where(more, 0x20, 0)) + 48
    return str(characters[written].astype(np.uint8).tobytes(), "ascii")


def _from_string(text: str) -> Counts:
    characters = np.frombuffer(text.encode("utf-8"), dtype=np.uint8).astype(np.int64) - 48
    if characters.size == 0:
        return np.zeros(0, dtype=np.int64)
    last = (characters & 0x20) == 0
    if characters.min() < 0 or characters.max() > 0x3F or not last[-1]:
        raise ArrayError("K501", what="counts", expected="a compressed COCO string", actual="damaged or cut short")
    starts = np.flatnonzero(np.concatenate([[True], last[:-1]]))
    lengths = np.diff(starts, append=characters.size)
    if lengths.max() > _GROUPS:
        raise ArrayError("K501", what="counts", expected="numbers below 2**39", actual="a longer one")
    places = np.arange(characters.size) - np.repeat(starts, lengths)
    values = np.add.reduceat((characters & 0x1F) << (5 * places), starts)
    values -= np.where(characters[last] & 0x10, np.int64(1) << (5 * lengths), 0)  # two's complement
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values
