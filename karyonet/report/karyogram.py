"""The karyogram of a metaphase: its chromosomes in pairs, by size and group, as a laboratory prints it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from karyonet.case import Chromosome, Metaphase
from karyonet.report.drawing import FAINT, INK, RULE, flag, font, full_stain, stain_to_grey, upright_stain
from karyonet.report.places import write_places
from karyonet.report.schema import NOTICE, Box, readable

ROWS: tuple[tuple[tuple[str, tuple[str, ...]], ...], ...] = (
    (("A", ("1", "2", "3")), ("B", ("4", "5"))),
    (("C", ("6", "7", "8", "9", "10", "11", "12")),),
    (("D", ("13", "14", "15")), ("E", ("16", "17", "18"))),
    (("F", ("19", "20")), ("G", ("21", "22")), ("", ("X", "Y"))),
)
"""The rows: groups by letter, and the chromosomes of each."""

# Pixels of the drawing.
_WIDTH, _MARGIN, _LONGEST, _LARGEST_SCALE = 1500, 70, 290, 6.0
_PAIR_GAP, _SLOT_GAP, _GROUP_GAP = 12, 34, 70
_FLAG, _TITLE, _FOOTER = 30, 92, 64
_LABEL, _GROUP = 42, 48


@dataclass(frozen=True, eq=False)
class _Figure:
    """A chromosome as it is drawn: grey, uint8, upright and scaled; the rows that lie under another chromosome.

    ``centromere`` is its row, None where it is not known well enough to be drawn.
    """

    chromosome: Chromosome
    grey: NDArray[np.uint8]
    hidden: NDArray[np.bool_]
    centromere: int | None = None

    @property
    def height(self) -> int:
        return int(self.grey.shape[0])

    @property
    def width(self) -> int:
        return int(self.grey.shape[1])


@dataclass(frozen=True, eq=False)
class _Paper:
    """What is drawn on, and where every chromosome has been put: its box by its id."""

    picture: Image.Image
    draw: ImageDraw.ImageDraw
    places: dict[str, Box]


@dataclass(frozen=True)
class _Slot:
    """The place of one pair, with room for the copies that are expected."""

    label: str
    figures: tuple[_Figure, ...]
    width: int


def draw_karyogram(metaphase: Metaphase, title: str | None = None) -> Image.Image:
    """Draw a metaphase's chromosomes in pairs on white.

    Pairs stand side by side in their groups, short arms up and tops in line. A missing homolog leaves a gap, further
    copies stand beside the pair, chromosomes without a label follow in a last row. An amber triangle marks the ones to
    review, a grey bar beside a chromosome the part that lay under another one, thin ticks at both sides its centromere.
    All are drawn to one scale. Where each of them lies can be read with :func:`karyonet.report.places.places_in`.

    Args:
        metaphase: after any number of stages.
        title: by default the metaphase's id and karyotype.

    Returns:
        An RGB image at least 1500 pixels wide.
    """
    figures = _figures(metaphase)
    labelled = [figure for figure in figures if figure.chromosome.label is not None]
    unassigned = [figure for figure in figures if figure.chromosome.label is None]
    rows = [_row_slots(row, labelled) for row in ROWS] if labelled else []
    least = [sum(slot.width for group in row for slot in group) + _least_gaps(row) for row in rows]
    width = max([_WIDTH, *(room + 2 * _MARGIN for room in least)])
    lines = list(_wrap(unassigned, width - 2 * _MARGIN))

    heights = [_FLAG + max((f.height for g in row for s in g for f in s.figures), default=0) + _LABEL for row in rows]
    line_heights = [_FLAG + max(figure.height for figure in line) + _LABEL for line in lines]
    height = _TITLE + sum(heights) + _GROUP * len(rows) + (_GROUP + sum(line_heights) if lines else 0) + _FOOTER
    picture = Image.new("RGB", (width, max(height, 240)), "white")
    draw = ImageDraw.Draw(picture)
    paper = _Paper(picture, draw, {})

    top = _TITLE
    for row, room, row_height in zip(rows, least, heights, strict=True):
        _draw_row(paper, row, top, row_height, width - 2 * _MARGIN - room)
        top += row_height + _GROUP
    if lines:
        draw.line([(_MARGIN, top + 6), (width - _MARGIN, top + 6)], fill=RULE)
        draw.text((_MARGIN, top + 14), "unassigned", font=font(18), fill=FAINT)
        top += _GROUP
        for line, line_height in zip(lines, line_heights, strict=True):
            _draw_line(paper, line, top, line_height)
            top += line_height
    _draw_words(draw, metaphase, title, picture.size)
    write_places(picture, paper.places)
    return picture


def _figures(metaphase: Metaphase) -> list[_Figure]:
    chromosomes = metaphase.chromosomes
    stains = [upright_stain(chromosome, metaphase) for chromosome in chromosomes]
    # What has no label may be a cluster far larger and darker than a chromosome; it must not set scale and contrast.
    leading = [stain for stain, chromosome in zip(stains, chromosomes, strict=True) if chromosome.label]
    longest = max([len(stain) for stain in leading] or [max(stain.shape) for stain in stains], default=1)
    scale = min(_LONGEST / longest, _LARGEST_SCALE)
    known = metaphase.optical_density.any() or any(chromosome.strip for chromosome in chromosomes)
    full = full_stain(leading or stains) if known else 1.0
    figures = []
    for chromosome, stain in zip(chromosomes, stains, strict=True):
        own = min(scale, 1.2 * _LONGEST / max(stain.shape))
        size = (max(round(stain.shape[1] * own), 1), max(round(stain.shape[0] * own), 1))
        scaled = np.asarray(Image.fromarray(np.ascontiguousarray(stain)).resize(size, Image.Resampling.BICUBIC))
        rows = np.minimum((np.arange(size[1]) / own).astype(int), len(stain) - 1)
        hidden = np.zeros(len(stain), dtype=bool)
        if chromosome.strip is not None and chromosome.strip.valid.size == len(stain):
            hidden = ~chromosome.strip.valid[:: -1 if chromosome.p_arm_up is False else 1]
        grey = stain_to_grey(scaled, metaphase.contrast, full)
        figures.append(_Figure(chromosome, grey, hidden[rows], _centromere_row(chromosome, size[1])))
    return figures


def _centromere_row(chromosome: Chromosome, height: int) -> int | None:
    """The row of a drawn chromosome at which its centromere lies, if that is more likely right than not."""
    centromere = chromosome.centromere
    if centromere is None or chromosome.strip is None or centromere.confidence < 0.5:
        return None
    position = 1 - centromere.position if chromosome.p_arm_up is False else centromere.position
    return min(int(position * height), height - 1)


def _row_slots(row: Sequence[tuple[str, tuple[str, ...]]], figures: Sequence[_Figure]) -> list[list[_Slot]]:
    male = any(figure.chromosome.label == "Y" for figure in figures)
    usual = int(np.median([figure.width for figure in figures]))
    groups = []
    for _, labels in row:
        group = []
        for label in labels:
            own = tuple(figure for figure in figures if figure.chromosome.label == label)
            expected = 1 if label == "Y" or (label == "X" and male) else 2
            widths = [figure.width for figure in own] + [usual] * (expected - len(own))
            group.append(_Slot(label, own, sum(widths) + _PAIR_GAP * (len(widths) - 1)))
        groups.append(group)
    return groups


def _least_gaps(row: list[list[_Slot]]) -> int:
    return _SLOT_GAP * sum(len(group) - 1 for group in row) + _GROUP_GAP * (len(row) - 1)


def _draw_row(paper: _Paper, row: list[list[_Slot]], top: int, height: int, slack: int) -> None:
    """One row of groups, spread over the width: the slack goes to the gaps between pairs and on both sides."""
    draw = paper.draw
    slots = sum(len(group) for group in row)
    share = min(slack / slots, 110)
    x = _MARGIN + (slack - share * (slots - 1)) / 2
    base = top + height - _LABEL
    letters = [letter for row_groups in ROWS for letter, labels in row_groups if labels[0] in {g[0].label for g in row}]
    for letter, group in zip(letters, row, strict=True):
        start = x
        for slot in group:
            left = x
            # The longer homolog stands on the line; the others are in line with its top, so that bands can be compared.
            head = base - max((figure.height for figure in slot.figures), default=0)
            for figure in slot.figures:
                _paste(paper, figure, left, head)
                left += figure.width + _PAIR_GAP
            draw.line([(x - 4, base + 8), (x + slot.width + 4, base + 8)], fill=INK, width=2)
            draw.text((x + slot.width / 2, base + 14), slot.label, font=font(22), fill=INK, anchor="ma")
            x += slot.width + _SLOT_GAP + share
        end = x - _SLOT_GAP - share
        if letter:
            bracket = base + _LABEL + 14
            draw.line(
                [(start - 4, bracket - 6), (start - 4, bracket), (end + 4, bracket), (end + 4, bracket - 6)], RULE
            )
            middle, half = (start + end) / 2, 16
            draw.rectangle([middle - half, bracket - 12, middle + half, bracket + 12], fill="white")
            draw.text((middle, bracket), letter, font=font(20), fill=FAINT, anchor="mm")
        x += _GROUP_GAP - _SLOT_GAP


def _wrap(figures: Sequence[_Figure], room: int) -> Iterator[list[_Figure]]:
    """Lines of figures without a label."""
    line: list[_Figure] = []
    used = 0
    for figure in figures:
        width = max(figure.width, 44) + _SLOT_GAP
        if line and used + width > room:
            yield line
            line, used = [], 0
        line.append(figure)
        used += width
    if line:
        yield line


def _draw_line(paper: _Paper, line: Sequence[_Figure], top: int, height: int) -> None:
    x = float(_MARGIN)
    for figure in line:
        width = max(figure.width, 44)
        _paste(paper, figure, x + (width - figure.width) / 2, top + _FLAG)
        name = (x + width / 2, top + height - _LABEL + 8)
        paper.draw.text(name, figure.chromosome.id, font=font(16), fill=FAINT, anchor="ma")
        x += width + _SLOT_GAP


def _paste(paper: _Paper, figure: _Figure, left: float, top: int) -> None:
    x, draw = round(left), paper.draw
    paper.picture.paste(Image.fromarray(figure.grey), (x, top))
    paper.places[figure.chromosome.id] = (x, top, x + figure.width, top + figure.height)
    edges = np.flatnonzero(np.diff(figure.hidden.astype(np.int8), prepend=0, append=0))
    for start, stop in edges.reshape(-1, 2).tolist():
        draw.line([(x - 4, top + start), (x - 4, top + stop - 1)], fill=RULE, width=3)
    if figure.centromere is not None:
        y = top + figure.centromere
        for start, stop in ((x - 5, x - 1), (x + figure.width, x + figure.width + 4)):
            draw.line([(start, y), (stop, y)], fill=RULE)
    if figure.chromosome.review:
        flag(draw, x + figure.width / 2, top - 5)


def _draw_words(draw: ImageDraw.ImageDraw, metaphase: Metaphase, title: str | None, size: tuple[int, int]) -> None:
    chromosomes = metaphase.chromosomes
    heading = title or "   ".join(filter(None, (metaphase.id, metaphase.iscn)))
    draw.text((_MARGIN, 28), readable(heading), font=font(30), fill=INK)
    review = sum(chromosome.review for chromosome in chromosomes)
    facts = [f"{len(chromosomes)} chromosomes" if chromosomes else "no chromosomes"]
    facts += [f"{review} to review (amber triangle)"] if review else []
    if any(c.strip is not None and not c.strip.valid.all() for c in chromosomes):
        facts.append("grey bar: hidden under another chromosome")
    facts += ["thin ticks: centromere"] if any(_centromere_row(c, 1) is not None for c in chromosomes) else []
    facts += ["fluorescence, shown inverted"] if metaphase.contrast == "fluorescence" else []
    draw.text((_MARGIN, 66), " · ".join([*facts, readable(metaphase.image)]), font=font(17), fill=FAINT)
    if not chromosomes:
        draw.text((_MARGIN, 120), "No chromosome was found in this image.", font=font(22), fill=INK)
    draw.text((_MARGIN, size[1] - 40), NOTICE, font=font(17), fill=FAINT)
