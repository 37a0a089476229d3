"""Plain karyograms, drawn with Pillow: banded rods in rows, names printed under or above them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

from karyonet.case import LABELS

LAYOUT = "1 2 3 4 5/6 7 8 9 10 11 12/13 14 15 16 17 18/19 20 21 22 X Y"
BY_SIX = "1 2 3 4 5 6/7 8 9 10 11 12/13 14 15 16 17 18/19 20 21 22 X Y"
CLASSICAL = "1 2 3 4 5/6 7 8 9 10 11 12 X/13 14 15 16 17 18/19 20 21 22 Y"
MALE: Mapping[str, int] = {label: 1 if label in "XY" else 2 for label in LABELS}
Box = tuple[str, tuple[int, int, int, int]]


@dataclass(frozen=True)
class Style:
    """How a karyogram is drawn; lengths in pixels."""

    layout: str = LAYOUT
    above: bool = False
    rules: bool = False
    centromere_line: bool = False
    title: str = ""
    font_size: int = 18
    font: str | None = None
    width: int = 24
    pair_gap: int = 8
    slot: int = 130
    renamed: Mapping[str, str] | None = None


def rod(label: str, width: int, seed: int) -> np.ndarray:
    """A chromosome on white: dark and light bands, round ends, a waist at the centromere."""
    generator = np.random.default_rng([LABELS.index(label), seed])
    rank = {"X": 7, "Y": 21}.get(label, LABELS.index(label) + 1)
    length = round(width * (8.5 - 0.29 * rank))
    rows = np.arange(length)
    along = gaussian_filter(generator.random(length), 0.1 * width) * 40
    stain = 0.55 + 0.25 * np.sin(along * 2 + rows / (0.35 * width))
    edge = np.minimum(rows, length - 1 - rows) / (0.5 * width)
    half = 0.5 * width * np.sqrt(1 - np.clip(1 - edge, 0, 1) ** 2)
    half *= 1 - 0.3 * np.exp(-(((rows - 0.4 * length) / (0.2 * width)) ** 2))
    across = np.abs(np.arange(width) - (width - 1) / 2)
    inside = np.clip(half[:, None] - across[None] + 0.5, 0, 1)
    return 255 * (1 - inside * stain[:, None])


def draw(copies: Mapping[str, int] = MALE, style: Style = Style(), seed: int = 0) -> tuple[Image.Image, list[Box]]:
    """A karyogram with so many copies of each type, and the boxes of what was drawn."""
    rows = [row.split() for row in style.layout.split("/")]
    row_height = round(style.width * 8.5) + 3 * style.font_size + 26
    top = 60 if style.title else 20
    width = max(sum(max(style.slot, (copies.get(n, 0) * (style.width + style.pair_gap)) + 30) for n in r) for r in rows)
    canvas = np.full((top + row_height * len(rows) + 30, width + 60), 255.0)
    boxes: list[Box] = []
    names: list[tuple[float, int, str]] = []
    lines: list[tuple[tuple[float, float], tuple[float, float]]] = []
    for number, row in enumerate(rows):
        x = 30.0
        base = top + (number + 1) * row_height - (10 if style.above else 2 * style.font_size + 16)
        for label in row:
            count = copies.get(label, 0)
            room = max(style.slot, count * (style.width + style.pair_gap) + 30)
            left = round(x + (room - count * style.width - max(count - 1, 0) * style.pair_gap) / 2)
            for copy in range(count):
                picture = rod(label, style.width, seed + copy)
                height = len(picture)
                place = slice(base - height, base), slice(left, left + style.width)
                canvas[place] = np.minimum(canvas[place], picture)
                inked = picture < 235
                ys, xs = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
                top_left = (left + int(xs[0]), base - height + int(ys[0]))
                bottom_right = (left + int(xs[-1]) + 1, base - height + int(ys[-1]) + 1)
                boxes.append((label, (*top_left, *bottom_right)))
                left += style.width + style.pair_gap
            name_y = base - round(style.width * 8.5) - style.font_size - 14 if style.above else base + 12
            names.append((x + room / 2, name_y, (style.renamed or {}).get(label, label)))
            if style.rules:
                lines.append(((x + 10, base + 6), (x + room - 10, base + 6)))
            x += room
        if style.centromere_line:
            lines.append(((20, base - 2 * style.width), (width + 30, base - 2 * style.width)))
    image = Image.fromarray(canvas.astype(np.uint8))
    pen = ImageDraw.Draw(image)
    font = ImageFont.truetype(style.font, style.font_size) if style.font else ImageFont.load_default(style.font_size)
    for x, y, name in names:
        pen.text((x, y), name, fill=0, font=font, anchor="mt")
    for start, stop in lines:
        pen.line([start, stop], fill=60, width=2)
    if style.rules:
        pen.rectangle((3, 3, image.width - 4, image.height - 4), outline=0, width=2)
        pen.line([(image.width / 2, 10), (image.width / 2, top - 4)], fill=0)
        pen.line([(40, image.height - 14), (140, image.height - 14)], fill=0, width=4)
    if style.title:
        pen.text((30, 14), style.title, fill=0, font=ImageFont.load_default(26))
    return image, boxes
