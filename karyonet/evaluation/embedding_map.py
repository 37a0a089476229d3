"""A map of embeddings in two dimensions by t-SNE, as the Proxy-ResNeXt-CBAM paper's Figure 2."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from karyonet.case import LABELS
from karyonet.errors import ArrayError

MOST = 5000
"""Chromosomes that are drawn at most: the time of t-SNE grows faster than their number."""
FEWEST = 8
_SIDE, _MARGIN, _LEGEND, _SMOOTH = 1500, 60, 150, 2
_INK, _FAINT = (26, 26, 26), (107, 107, 107)

# Twelve hues, each once dark and once light. Types that follow each other, which are the ones that are confused, take
# hues far apart; the names on the map say the rest to who cannot tell the colours.
_DARK = (
    "#1f4fa3", "#b3261e", "#1c7c3c", "#6b2c91", "#8a5a00", "#00707a", "#ad1f6b", "#4a5a00", "#3b2fb0", "#7a3b1d",
    "#3d4a55", "#005f3d",
)  # fmt: skip
_LIGHT = (
    "#f08c2e", "#5aa9e6", "#e8638c", "#8ecb3c", "#b48be0", "#f2c11d", "#3cc5b0", "#e0805f", "#a3b33a", "#7f9fe8",
    "#d9a441", "#c77ac4",
)  # fmt: skip
COLOURS: tuple[str, ...] = tuple(colour for pair in zip(_DARK, _LIGHT, strict=True) for colour in pair)
"""One for each of :data:`karyonet.case.LABELS`."""


def project(embeddings: NDArray[np.floating], seed: int = 0) -> NDArray[np.float64]:
    """t-SNE (van der Maaten & Hinton, JMLR 9, 2008) by cosine distance, started from the principal components.

    Args:
        embeddings: shape (n, d), finite, n at least :data:`FEWEST`.
        seed: the same seed gives the same map.

    Returns:
        float64, shape (n, 2), both axes scaled alike into 0–1.

    Raises:
        ArrayError: K501 if there are too few rows.
    """
    from sklearn.manifold import TSNE

    if len(embeddings) < FEWEST:
        expected = f"{FEWEST} rows or more for a map"
        raise ArrayError("K501", what="embeddings", expected=expected, actual=f"{len(embeddings)}")
    perplexity = min(30.0, (len(embeddings) - 1) / 3)
    method = TSNE(perplexity=perplexity, metric="cosine", init="pca", random_state=seed, n_jobs=1)
    points = method.fit_transform(np.asarray(embeddings, dtype=np.float32)).astype(np.float64)
    points -= points.min(axis=0)
    return np.asarray(points / max(float(points.max()), 1e-9))


def draw_map(points: NDArray[np.floating], labels: NDArray[np.integer], caption: str = "") -> Image.Image:
    """Draw points in the colour of their type, with its name at the median of its points.

    Args:
        points: shape (n, 2), 0–1.
        labels: int, shape (n,): positions in :data:`karyonet.case.LABELS`.
        caption: below the map.

    Returns:
        An RGB image of 1650 by 1550 pixels.
    """
    s = _SMOOTH
    picture = Image.new("RGB", ((_SIDE + _LEGEND) * s, (_SIDE + 50) * s), "white")
    draw = ImageDraw.Draw(picture)
    places = _MARGIN + np.asarray(points) * (_SIDE - 2 * _MARGIN)
    radius = float(np.clip(200 / np.sqrt(len(points)), 2.2, 7.0))
    # In an order of chance, so that no type lies on top of all others.
    for n in np.random.default_rng(0).permutation(len(places)):
        x, y = places[n] * s
        draw.ellipse([x - radius * s, y - radius * s, x + radius * s, y + radius * s], fill=COLOURS[labels[n]])
    picture = picture.resize((_SIDE + _LEGEND, _SIDE + 50), Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(picture)
    name, small = ImageFont.load_default(30), ImageFont.load_default(20)
    for number, label in enumerate(LABELS):
        own = places[np.asarray(labels) == number]
        top = _MARGIN + number * 52
        draw.ellipse([_SIDE + 20, top, _SIDE + 40, top + 20], fill=COLOURS[number])
        draw.text((_SIDE + 54, top + 10), label, fill=_INK, font=small, anchor="lm")
        draw.text((_SIDE + 140, top + 10), str(len(own)), fill=_FAINT, font=small, anchor="rm")
        if len(own):
            x, y = np.median(own, axis=0)
            draw.text(
                (float(x), float(y)), label, fill=_INK, font=name, anchor="mm", stroke_width=4, stroke_fill="white"
            )
    draw.text((_MARGIN, _SIDE + 24), caption, fill=_FAINT, font=small, anchor="lm")
    return picture


def save_embedding_map(embeddings: NDArray[np.floating], labels: NDArray[np.integer], path: str | Path) -> None:
    """Project embeddings and draw them; of more than :data:`MOST`, evenly spaced ones.

    Args:
        embeddings: shape (n, d); rows of NaN are left out.
        labels: int, shape (n,): positions in :data:`karyonet.case.LABELS`.
        path: a PNG file.

    Raises:
        ArrayError: K501 if there are too few rows.
    """
    given = np.flatnonzero(np.isfinite(embeddings).all(axis=1))
    chosen = given[np.linspace(0, len(given) - 1, MOST).round().astype(np.intp)] if len(given) > MOST else given
    shown = f"{len(chosen)} of {len(given)}" if len(chosen) < len(given) else f"{len(given)}"
    points = project(embeddings[chosen])
    picture = draw_map(points, labels[chosen], f"t-SNE of the embeddings of {shown} chromosomes")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, format="PNG")
