"""What decided the types of a metaphase's components, as one picture for a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from karyonet.case import Contrast, FloatArray
from karyonet.explanation import Explanations
from karyonet.geometry.region import Region
from karyonet.report.drawing import FAINT, INK, RULE, font, full_stain, stain_to_grey
from karyonet.report.overlay import contours
from karyonet.report.schema import NOTICE

SPEAKS, OUTLINE = "#d55e00", "#0072b2"
"""Of what spoke for the kind, and of the component: two that the colour-blind tell apart, on grey too."""
STRONGEST = 0.7
"""How much of the grey the colour covers where most spoke for the kind."""
WORDS = {"instance": "one chromosome", "touching_overlapping": "touching, overlapping"}
"""Kinds that read better in other words than their names."""
COLUMNS = 6
# Pixels of the drawing.
_TILE, _GAP, _MARGIN, _TITLE, _HEADING, _TEXT, _FOOTER, _LEGEND = 208, 24, 40, 96, 44, 62, 40, 150


@dataclass(frozen=True, eq=False)
class ExplainedMetaphase:
    """The components of one metaphase with what spoke for their kinds.

    Attributes:
        name: of the metaphase, as it is to be shown.
        contrast: which way round its stain is.
        components: ids of the n components.
        explanations: of them.
    """

    name: str
    contrast: Contrast
    components: tuple[str, ...]
    explanations: Explanations

    def order(self) -> list[int]:
        """Clusters of several chromosomes first, in each group the least sure first."""
        said = self.explanations
        return sorted(range(len(said.kinds)), key=lambda n: (said.counts[n] < 2, float(said.probabilities[n])))


def draw_explanations(metaphases: Sequence[ExplainedMetaphase]) -> Image.Image:
    """Draw one tile a component: its crop in grey, its outline, and in colour what spoke for its kind.

    Args:
        metaphases: at least one, in order.

    Returns:
        An RGB image; nothing of the image files is in it but their stain.
    """
    width = 2 * _MARGIN + COLUMNS * (_TILE + _GAP) - _GAP
    rows = [-(-len(one.components) // COLUMNS) for one in metaphases]
    height = _TITLE + sum(_HEADING + count * (_TILE + _TEXT) for count in rows) + _FOOTER
    picture = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    methods = "; ".join(dict.fromkeys(one.explanations.method for one in metaphases))
    draw.text((_MARGIN, 30), "What decided the type of each component", font=font(28), fill=INK, anchor="lt")
    draw.text((_MARGIN, 66), f"the component is outlined in blue; {methods}", font=font(16), fill=FAINT, anchor="lt")
    _draw_legend(picture, draw, width - _MARGIN, 34)
    top = _TITLE
    for one, count in zip(metaphases, rows, strict=True):
        several = int((one.explanations.counts > 1).sum())
        heading = f"{one.name}: {len(one.components)} components, {several} of several chromosomes"
        draw.line([(_MARGIN, top), (width - _MARGIN, top)], fill=RULE)
        draw.text((_MARGIN, top + 14), heading, font=font(18), fill=INK, anchor="lt")
        top += _HEADING
        full = full_stain(list(one.explanations.crops[:, 0]))
        for place, n in enumerate(one.order()):
            row, column = divmod(place, COLUMNS)
            corner = (_MARGIN + column * (_TILE + _GAP), top + row * (_TILE + _TEXT))
            _draw_tile(picture, draw, one, n, full, corner)
        top += count * (_TILE + _TEXT)
    draw.text((_MARGIN, height - 16), NOTICE, font=font(15), fill=FAINT, anchor="ls")
    return picture


def _draw_tile(
    picture: Image.Image,
    draw: ImageDraw.ImageDraw,
    one: ExplainedMetaphase,
    n: int,
    full: float,
    corner: tuple[int, int],
) -> None:
    said, (left, top) = one.explanations, corner
    density, component = said.crops[n]
    grey = Image.fromarray(stain_to_grey(density, one.contrast, full)).convert("RGB")
    tile = grey.resize((_TILE, _TILE), Image.Resampling.BICUBIC)
    tile.paste(SPEAKS, (0, 0), _cover(said.maps[n]))
    pen, scale = ImageDraw.Draw(tile), _TILE / density.shape[0]
    if (component >= 0.5).any():
        for points in contours(Region.from_mask(component >= 0.5)):
            pen.line([(x, y) for x, y in (points * scale).tolist()], fill=OUTLINE, width=2, joint="curve")
    picture.paste(tile, corner)
    draw.rectangle((left, top, left + _TILE - 1, top + _TILE - 1), outline=RULE)
    kind = WORDS.get(said.kinds[n], said.kinds[n])
    sure = f"{min(round(100 * float(said.probabilities[n])), 99)} %"
    draw.text((left, top + _TILE + 6), kind, font=font(18), fill=INK, anchor="lt")
    draw.text((left, top + _TILE + 29), _number(sure, int(said.counts[n]), said.most), font=font(15), fill=FAINT)
    draw.text((left + 6, top + 5), one.components[n], font=font(15), fill=INK, stroke_width=2, stroke_fill="white")


def _number(sure: str, count: int, most: int) -> str:
    if count == 0:
        return sure
    more = " or more" if count == most else ""
    return f"{sure}, {count}{more} chromosome{'s' * (count != 1)}"


def _cover(strength: FloatArray) -> Image.Image:
    """How much the colour covers, 8 bits, at the size of a tile."""
    covered = Image.fromarray(np.clip(255 * STRONGEST * strength, 0, 255).round().astype(np.uint8))
    return covered.resize((_TILE, _TILE), Image.Resampling.BILINEAR)


def _draw_legend(picture: Image.Image, draw: ImageDraw.ImageDraw, right: int, top: int) -> None:
    """A ramp over a middle grey, from what spoke least to what spoke most for the kind."""
    left = right - _LEGEND
    draw.rectangle((left, top, right, top + 16), fill="#b0b0b0")
    for x in range(_LEGEND):
        mask = Image.new("L", (1, 16), round(255 * STRONGEST * x / (_LEGEND - 1)))
        picture.paste(SPEAKS, (left + x, top), mask)
    for x, word, anchor in ((left, "little", "lt"), (right, "much", "rt")):
        draw.text((x, top + 22), word, font=font(14), fill=FAINT, anchor=anchor)
    draw.text((left - 12, top), "spoke for the type", font=font(16), fill=FAINT, anchor="rt")
