"""Reading the printed names of a karyogram: 1–22, X and Y, by their likeness to glyphs of several fonts.

The alphabet is tiny and every name stands alone, so that the nearest template decides: a glyph is brought to one size
and compared by its pixels and by its histogram of oriented gradients (Dalal & Triggs, CVPR 2005).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter
from scipy.sparse.csgraph import connected_components
from skimage.feature import hog

from karyonet.case import LABELS
from karyonet.geometry.region import BoundingBox, Region

FloatArray = NDArray[np.float32]

OTHER = "ABCDEFGHKMNc?"
"""Signs that are printed too, as letters of groups; a token that looks most like one of them is no label."""
ALPHABET = "0123456789XY" + OTHER
LEGIBLE = 0.5
"""Likeness from which a printed name can be read."""
_SIZE = (16, 24)
"""Width and height of a normalised glyph."""
_WIDE = 0.85
"""A connected piece of ink wider than this share of its height may be two digits that touch."""
_ASPECT = 0.25
"""Weight of the difference of the logarithms of two glyphs' width to height."""


@dataclass(frozen=True, eq=False)
class Token:
    """Signs printed close together.

    Attributes:
        bbox: ``(xmin, ymin, xmax, ymax)`` in pixels.
        glyphs: ink of each connected piece over the token's rows, from left to right; 0 is paper, 1 is ink.
        scores: likeness to every label.
        other: best likeness of anything else.
    """

    bbox: BoundingBox
    glyphs: tuple[FloatArray, ...]
    scores: dict[str, float]
    other: float

    @property
    def x(self) -> float:
        return (self.bbox[0] + self.bbox[2]) / 2

    @property
    def y(self) -> float:
        return (self.bbox[1] + self.bbox[3]) / 2

    @property
    def height(self) -> int:
        return self.bbox[3] - self.bbox[1]

    @property
    def likeness(self) -> float:
        """To the label that it looks most like; 0 where it looks like something else or cannot be read."""
        best = max(self.scores.values())
        return best if best >= max(LEGIBLE, self.other - 0.05) else 0.0


def text_lines(marks: Sequence[Region], depth: FloatArray) -> list[list[Token]]:
    """Tokens in lines, from top to bottom and from left to right.

    Args:
        marks: connected pieces of ink that are no chromosomes.
        depth: float32, shape (height, width): ink, 0–1.
    """
    glyphs = [mark for mark in marks if mark.mask.shape[0] >= 5 and mark.mask.shape[1] <= 3 * mark.mask.shape[0]]
    if not glyphs:
        return []
    boxes = np.array([glyph.bbox for glyph in glyphs], dtype=float)
    left, top, right, bottom = boxes.T
    height = bottom - top
    shared = np.minimum(bottom[:, None], bottom) - np.maximum(top[:, None], top)
    gap = np.maximum(left[:, None], left) - np.minimum(right[:, None], right)
    smaller, larger = np.minimum(height[:, None], height), np.maximum(height[:, None], height)
    close = (shared >= 0.6 * smaller) & (gap <= 0.6 * larger) & (smaller >= 0.5 * larger)
    _, group = connected_components(close)
    tokens = [_token([glyphs[n] for n in np.flatnonzero(group == number)], depth) for number in range(group.max() + 1)]
    lines: list[list[Token]] = []
    for token in sorted(tokens, key=lambda token: token.y):
        last = lines[-1] if lines else []
        if last and abs(token.y - np.mean([t.y for t in last])) <= 0.4 * max(token.height, last[-1].height):
            last.append(token)
        else:
            lines.append([token])
    return [sorted(line, key=lambda token: token.x) for line in lines]


def _token(glyphs: Sequence[Region], depth: FloatArray) -> Token:
    glyphs = sorted(glyphs, key=lambda glyph: glyph.bbox[0])
    top, bottom = min(glyph.bbox[1] for glyph in glyphs), max(glyph.bbox[3] for glyph in glyphs)
    full = max(float(depth[glyph.slices][glyph.mask].max()) for glyph in glyphs)
    inks = []
    for glyph in glyphs:
        left, own_top, right, own_bottom = glyph.bbox
        ink = np.zeros((bottom - top, right - left), dtype=np.float32)
        ink[own_top - top : own_bottom - top] = glyph.crop(depth) / full
        inks.append(ink)
    scores, other = label_scores(inks) if len(inks) <= 2 else (dict.fromkeys(LABELS, -1.0), 1.0)
    return Token((glyphs[0].bbox[0], top, max(g.bbox[2] for g in glyphs), bottom), tuple(inks), scores, other)


def label_scores(glyphs: Sequence[FloatArray]) -> tuple[dict[str, float], float]:
    """How much a printed token looks like each name.

    Args:
        glyphs: one or more connected pieces of ink from left to right: float32, shape (height, width), 0 is paper and
            1 is ink; all with the same rows.

    Returns:
        Likeness to each of :data:`karyonet.case.LABELS`, at most 1, -1 where the number of glyphs does not fit;
        and the best likeness of anything else.
    """
    scores = dict.fromkeys(LABELS, -1.0)
    other = -1.0
    for reading in _readings(glyphs):
        likeness = [glyph_scores(glyph) for glyph in reading]
        for label in LABELS:
            if len(label) == len(reading):
                score = float(np.mean([found[sign] for found, sign in zip(likeness, label, strict=True)]))
                scores[label] = max(scores[label], score)
        signs = [max(found, key=lambda sign: found[sign]) for found in likeness]
        if len(reading) == 1:
            other = max(other, *(likeness[0][sign] for sign in OTHER + "0"))
        elif any(sign in OTHER for sign in signs):
            other = max(other, float(np.mean([found[sign] for found, sign in zip(likeness, signs, strict=True)])))
    return scores, other


def glyph_scores(ink: FloatArray) -> dict[str, float]:
    """Likeness of one glyph to every sign of :data:`ALPHABET`, at most 1.

    Args:
        ink: float32, shape (height, width), 0 is paper and 1 is ink.
    """
    features, aspects, signs = _templates()
    own, aspect = _features(ink)
    likeness = features @ own - _ASPECT * np.abs(aspects - aspect)
    best = np.full(len(ALPHABET), -1.0)
    np.maximum.at(best, signs, likeness)
    return dict(zip(ALPHABET, best.tolist(), strict=True))


def likeness_of_glyphs(glyphs: Sequence[FloatArray]) -> NDArray[np.float64]:
    """Likeness of every glyph to every other one: float64, shape (n, n), at most 1."""
    described = [_features(glyph) for glyph in glyphs]
    features = np.array([vector for vector, _ in described], dtype=np.float64)
    aspects = np.array([aspect for _, aspect in described])
    return np.asarray(features @ features.T - _ASPECT * np.abs(aspects[:, None] - aspects))


def _readings(glyphs: Sequence[FloatArray]) -> list[list[FloatArray]]:
    """The ways to take a token apart: its pieces as they are, and a single wide piece cut in two at its thinnest."""
    readings = [list(glyphs)]
    if len(glyphs) == 1:
        ink = _cropped(glyphs[0])
        height, width = ink.shape
        if width > _WIDE * height and width >= 6:
            low, high = round(0.3 * width), round(0.7 * width)
            cut = low + int(np.argmin(ink[:, low : high + 1].sum(axis=0)))
            readings.append([ink[:, :cut], ink[:, cut:]])
    return readings


def _cropped(ink: FloatArray) -> FloatArray:
    inked = ink > 0.4 * ink.max(initial=0)
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    if rows.size == 0:
        return ink
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _features(ink: FloatArray) -> tuple[FloatArray, float]:
    """A unit vector that describes a glyph, and the logarithm of its width to height."""
    ink = _cropped(ink)
    height, width = ink.shape
    picture = Image.fromarray(np.ascontiguousarray(ink, dtype=np.float32))
    normal = np.asarray(picture.resize(_SIZE, Image.Resampling.BICUBIC), dtype=np.float32)
    normal = gaussian_filter(normal / max(float(normal.max()), 1e-6), 0.9)
    pixels = (normal - normal.mean()).ravel()
    padded = np.pad(normal, 4)
    gradients = hog(padded, orientations=8, pixels_per_cell=(4, 4), cells_per_block=(2, 2), feature_vector=True)
    parts = [part / max(float(np.linalg.norm(part)), 1e-6) for part in (pixels, gradients)]
    vector = np.concatenate(parts).astype(np.float32) * np.float32(np.sqrt(0.5))
    return vector, float(np.log(max(width, 1) / max(height, 1)))


@cache
def _templates() -> tuple[FloatArray, FloatArray, NDArray[np.intp]]:
    """Features, logarithms of width to height and signs (positions in the alphabet) of all templates."""
    rows, aspects, signs = [], [], []
    for number, sign in enumerate(ALPHABET):
        for ink in _drawings(sign):
            vector, aspect = _features(ink)
            rows.append(vector)
            aspects.append(aspect)
            signs.append(number)
    return np.array(rows), np.array(aspects, dtype=np.float32), np.array(signs)


def _drawings(sign: str) -> list[FloatArray]:
    """A sign in the fonts that come with Pillow and OpenCV: plain, bold, slanted and coarse."""
    import cv2

    drawn: list[FloatArray] = []
    for size in (14, 40):
        picture = Image.new("L", (80, 80), 0)
        for stroke in (0, size // 20):
            ImageDraw.Draw(picture).text(
                (20, 10), sign, font=ImageFont.load_default(size), fill=255, stroke_width=stroke, stroke_fill=255
            )
            drawn.append(np.asarray(picture, dtype=np.float32) / np.float32(255))
    picture = Image.new("L", (30, 30), 0)
    ImageDraw.Draw(picture).text((8, 8), sign, font=ImageFont.load_default_imagefont(), fill=255)
    drawn.append(np.asarray(picture, dtype=np.float32) / np.float32(255))
    for name, weights in (("sans", (200, 400, 700, 900)), ("italic", (300, 600)), ("uni", (400,))):
        for weight in weights:
            if sign == "0" and name != "uni":
                continue  # theirs is struck through
            canvas = np.zeros((100, 100, 3), dtype=np.uint8)
            cv2.putText(canvas, sign, (25, 70), (255, 255, 255), cv2.FontFace(name), 48, weight)
            drawn.append(canvas[..., 0].astype(np.float32) / np.float32(255))
    drawn += [_coarse(ink) for ink in drawn[1:]]
    if sign == "1":  # fonts with serifs and some without, as DejaVu, put it on a foot
        drawn += [_on_a_foot(ink) for ink in drawn]
    return drawn


def _coarse(ink: FloatArray, height: int = 8) -> FloatArray:
    """A sign printed so small that it is ``height`` pixels high."""
    ink = _cropped(ink)
    size = (max(round(ink.shape[1] * height / ink.shape[0]), 1), height)
    small = Image.fromarray(np.ascontiguousarray(ink)).resize(size, Image.Resampling.BOX)
    return np.pad(np.asarray(small, dtype=np.float32), 1)


def _on_a_foot(ink: FloatArray) -> FloatArray:
    """A 1 with a bar under it."""
    ink = _cropped(ink)
    height, width = ink.shape
    stem = max(round(float(ink[height // 2 :].sum(axis=1).mean())), 1)
    middle = float((ink[height // 2 :] * np.arange(width)).sum() / max(float(ink[height // 2 :].sum()), 1e-6))
    reach = 0.3 * height
    footed = np.pad(ink, ((0, 0), (round(reach),) * 2))
    start = max(round(middle), 0)
    footed[height - max(round(0.8 * stem), 1) :, start : start + 2 * round(reach) + 1] = 1
    return footed
