"""A confusion matrix as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

from karyonet.case import LABELS
from karyonet.errors import ArrayError

_CELL = 44
_MARGIN = 96
_INK, _GRID = (30, 30, 30), (225, 225, 225)
_RIGHT, _WRONG = np.array([31, 94, 168.0]), np.array([196, 60, 40.0])


def save_confusion_matrix(matrix: ArrayLike, path: str | Path, labels: Sequence[str] = LABELS) -> None:
    """Draw a confusion matrix: counts, shaded by their share of the row, right in blue and wrong in red.

    Args:
        matrix: int, shape (n, n), one row a true class.
        path: a PNG file.
        labels: n names.

    Raises:
        ArrayError: K501 if the matrix is not square or does not fit the labels.
    """
    counts = np.asarray(matrix, dtype=np.int64)
    n = len(labels)
    if counts.shape != (n, n):
        raise ArrayError("K501", what="matrix", expected=f"shape {(n, n)}", actual=counts.shape)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # The square root lifts the rare confusions, which are what one looks for.
    strength = np.sqrt(share)[..., None]
    colours = np.where(np.eye(n, dtype=bool)[..., None], _RIGHT, _WRONG)
    shades = np.rint(255 * (1 - strength) + colours * strength).astype(np.uint8)

    side = _MARGIN + n * _CELL
    image = Image.new("RGB", (side + 100, side + 20), "white")
    draw = ImageDraw.Draw(image)
    name, small = ImageFont.load_default(20), ImageFont.load_default(14)
    for row in range(n):
        centre = _MARGIN + row * _CELL + _CELL / 2
        draw.text((_MARGIN - 12, centre), labels[row], fill=_INK, font=name, anchor="rm")
        draw.text((centre, _MARGIN - 10), labels[row], fill=_INK, font=name, anchor="ms")
        draw.text((side + 10, centre), f"{100 * share[row, row]:.1f} %", fill=_INK, font=small, anchor="lm")
        for column in range(n):
            left, top = _MARGIN + column * _CELL, _MARGIN + row * _CELL
            box = (left, top, left + _CELL, top + _CELL)
            draw.rectangle(box, fill=tuple(int(v) for v in shades[row, column]), outline=_GRID)
            if counts[row, column]:
                ink = "white" if strength[row, column, 0] > 0.6 else _INK
                middle = (left + _CELL / 2, top + _CELL / 2)
                draw.text(middle, str(counts[row, column]), fill=ink, font=small, anchor="mm")
    draw.text((_MARGIN + n * _CELL / 2, 30), "named", fill=_INK, font=name, anchor="mm")
    draw.text((side + 10, _MARGIN - 10), "recall", fill=_INK, font=small, anchor="ls")
    upright = Image.new("L", (80, 30))
    ImageDraw.Draw(upright).text((40, 15), "truth", fill=255, font=name, anchor="mm")
    upright = upright.rotate(90, expand=True)
    image.paste(_INK, (12, _MARGIN + n * _CELL // 2 - 40), upright)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, format="PNG")
