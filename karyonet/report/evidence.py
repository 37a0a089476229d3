"""The chromosomes that a finding is about, cut out of the karyograms and put side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from karyonet.report.best import best_first
from karyonet.report.drawing import COLOURS, INK, font
from karyonet.report.places import places_in
from karyonet.report.schema import Box, ChromosomeRecord, FindingRecord, MetaphaseRecord

MOST = 3
"""Metaphases that are shown for a finding."""

_MARGIN, _SIDE, _GAP, _NAME = 8, 5, 22, 26  # the sides reach as far as the ticks of a karyogram
_MARK = COLOURS[0]


@dataclass(frozen=True, eq=False)
class EvidencePicture:
    """What one metaphase shows of a finding.

    Attributes:
        metaphase: its id.
        chromosomes: those that are seen, from left to right.
        picture: the chromosomes as in the karyogram, each above its id.
        suspect: id of the homolog that differs from the other, where the finding names it; it is marked.
    """

    metaphase: str
    chromosomes: tuple[ChromosomeRecord, ...]
    picture: Image.Image
    suspect: str | None = None


def evidence_pictures(
    finding: FindingRecord, metaphases: Sequence[MetaphaseRecord], karyograms: Mapping[str, Image.Image]
) -> list[EvidencePicture]:
    """Pictures of a finding in the best metaphases that show it, :data:`MOST` at most.

    Args:
        finding: what was found.
        metaphases: of the case.
        karyograms: by metaphase id; one that does not say where its chromosomes lie gives no picture.
    """
    pictures: list[EvidencePicture] = []
    for metaphase in best_first([m for m in metaphases if m.id in finding.metaphases]):
        karyogram = karyograms.get(metaphase.id)
        places = {} if karyogram is None else places_in(karyogram)
        shown = [c for c in metaphase.chromosomes if c.label == finding.chromosome and c.id in places]
        if karyogram is None or not shown:
            continue
        # In the order of the karyogram.
        shown.sort(key=lambda chromosome: places[chromosome.id][0])
        suspect = _suspect(finding, metaphase.id)
        boxes = {chromosome.id: places[chromosome.id] for chromosome in shown}
        picture = _side_by_side(karyogram, boxes, suspect, _region(finding))
        pictures.append(EvidencePicture(metaphase.id, tuple(shown), picture, suspect if suspect in boxes else None))
        if len(pictures) == MOST:
            break
    return pictures


def _suspect(finding: FindingRecord, metaphase: str) -> str | None:
    """The homolog that differs in this metaphase; ``evidence`` names them in the order of the metaphases."""
    named = finding.evidence.get("homologs", [finding.evidence.get("homolog")])
    at = finding.metaphases.index(metaphase)
    suspect = named[at] if isinstance(named, list) and at < len(named) else None
    return suspect if isinstance(suspect, str) else None


def _region(finding: FindingRecord) -> tuple[float, float] | None:
    """Where it differs, as shares of the length from the end of the short arm."""
    match finding.evidence.get("region"):
        case [int() | float() as start, int() | float() as stop] if 0 <= start < stop <= 1:
            return float(start), float(stop)
    return None


def _side_by_side(
    karyogram: Image.Image, boxes: Mapping[str, Box], suspect: str | None, region: tuple[float, float] | None
) -> Image.Image:
    widths = {id: max(box[2] - box[0] + 2 * _SIDE, round(font(16).getlength(_name(id)))) for id, box in boxes.items()}
    height = max(box[3] - box[1] for box in boxes.values())
    width = 2 * _MARGIN + sum(widths.values()) + _GAP * (len(boxes) - 1)
    picture = Image.new("RGB", (width, _MARGIN + height + _NAME), "white")
    draw = ImageDraw.Draw(picture)
    left = _MARGIN
    for id, (xmin, ymin, xmax, ymax) in boxes.items():
        middle = left + widths[id] // 2
        x = middle - (xmax - xmin) // 2
        picture.paste(karyogram.crop((xmin - _SIDE, ymin, xmax + _SIDE, ymax)), (x - _SIDE, _MARGIN))
        if id == suspect and region is not None:
            start, stop = (_MARGIN + round(share * (ymax - ymin)) for share in region)
            draw.line([(x + xmax - xmin + 9, start), (x + xmax - xmin + 9, stop)], fill=_MARK, width=3)
        ink = _MARK if id == suspect else INK
        draw.text((middle, _MARGIN + height + 6), _name(id), font=font(16), fill=ink, anchor="ma")
        left += widths[id] + _GAP
    return picture


def _name(id: str) -> str:
    """An id on one short line, whatever it holds."""
    return " ".join(id.split())[:16]
