"""What the karyogram and the overlay share: lettering, colours and stain as grey."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw, ImageFont

from karyonet.case import LABELS, Chromosome, Contrast, Metaphase

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

INK = "#1a1a1a"
FAINT = "#6b6b6b"
RULE = "#9a9a9a"
AMBER = "#e69f00"
"""Of chromosomes that a person should look at, and of nothing else."""
# Okabe and Ito's and Tol's colours that tell apart on white and grey, also for the colour-blind; amber is left out.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#882255", "#3aa5de", "#332288", "#c2569a")


@cache
def font(size: int) -> Font:
    """Pillow's built-in scalable font; it has the letters of Latin-1."""
    return ImageFont.load_default(size)


def colour(label: str | None) -> str:
    """Colour of a chromosome type; homologs share it."""
    return FAINT if label is None else COLOURS[LABELS.index(label) % len(COLOURS)]


def flag(draw: ImageDraw.ImageDraw, x: float, bottom: float, size: float = 20) -> None:
    """An amber triangle with a question mark, standing on ``bottom`` and centred on ``x``."""
    draw.polygon([(x - size * 0.6, bottom), (x + size * 0.6, bottom), (x, bottom - size)], fill=AMBER)
    draw.text((x, bottom - size * 0.06), "?", font=font(round(size * 0.75)), fill=INK, anchor="ms")


def full_stain(images: list[NDArray[np.float32]]) -> float:
    """The optical density that is drawn as nearly black: the 99th percentile of what is stained."""
    stained = np.concatenate([np.zeros(0, np.float32), *(image[image > 0.02] for image in images)])
    return float(np.percentile(stained, 99)) if stained.size else 1.0


def stain_to_grey(stain: NDArray[np.float32], contrast: Contrast, full: float) -> NDArray[np.uint8]:
    """Stain drawn dark on white.

    Args:
        stain: optical density (absorption) or relative brightness (fluorescence), 0 is background.
        contrast: absorption is drawn as the transmitted light, ``255 * 10 ** -density`` with the density stretched so
            that ``full`` becomes 1.1; fluorescence is inverted in proportion.
        full: see :func:`full_stain`.
    """
    relative = np.clip(stain / full, 0, 1.3)
    grey = 10 ** (-1.1 * relative) if contrast == "absorption" else 1 - 0.92 * relative
    drawn: NDArray[np.uint8] = np.clip(255 * grey, 0, 255).round().astype(np.uint8)
    return drawn


def upright_stain(chromosome: Chromosome, metaphase: Metaphase) -> NDArray[np.float32]:
    """The stain of a chromosome, short arm up: its strip, or its pixels in the image as they lie.

    A case that was read back from a report has no pixels; its chromosomes are drawn as flat silhouettes.
    """
    strip = chromosome.strip
    if strip is not None and strip.optical_density.size:
        density = np.clip(strip.optical_density, 0, None)
        return density[::-1, ::-1] if chromosome.p_arm_up is False else density
    density = np.clip(chromosome.region.crop(metaphase.optical_density), 0, None)
    return density if density.any() else chromosome.region.mask.astype(np.float32) * np.float32(0.2)
