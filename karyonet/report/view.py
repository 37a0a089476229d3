"""What the page shows of one metaphase: its record and pictures, and where each chromosome lies in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from PIL import Image

from karyonet.report.ideogram_picture import level_drawn
from karyonet.report.places import places_in
from karyonet.report.schema import Box, ChromosomeRecord, MetaphaseRecord
from karyonet.report.words import by_label

_IDEOGRAM_WIDTH, _IDEOGRAM_GAP = 18, 9


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pictures of one metaphase.

    Attributes:
        karyogram: of :func:`karyonet.report.karyogram.draw_karyogram`.
        overlay: of :func:`karyonet.report.overlay.draw_overlay`.
        outlines: path data by chromosome id, of :func:`karyonet.report.outlines.outlines_of`.
    """

    karyogram: Image.Image
    overlay: Image.Image
    outlines: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ChromosomeView:
    """A chromosome of the page.

    Attributes:
        key: names it in the page, ``2-17``: nothing of it comes from outside.
        record: what is known of it.
        homolog: key of the chromosome that it is paired with; None without one.
        place: its box in the karyogram; None where that is not known.
        outline: path data in pixels of the image; empty where it is not known.
    """

    key: str
    record: ChromosomeRecord
    homolog: str | None
    place: Box | None
    outline: str


@dataclass(frozen=True)
class PairIdeogram:
    """An ideogram beside a pair of a karyogram, in pixels of the karyogram."""

    label: str
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class MetaphaseView:
    """A metaphase of the page.

    Attributes:
        number: its place in the report, from 1.
        record: what is known of it.
        pictures: None where there are none.
        chromosomes: in the order of a karyogram.
        level: band table that its ideograms are drawn from.
        ideograms: one for each pair of the karyogram.
    """

    number: int
    record: MetaphaseRecord
    pictures: Pictures | None
    chromosomes: tuple[ChromosomeView, ...]
    level: int
    ideograms: tuple[PairIdeogram, ...]


def view_metaphase(number: int, record: MetaphaseRecord, pictures: Pictures | None) -> MetaphaseView:
    """What the page shows of a metaphase.

    Args:
        number: its place in the report, from 1.
        record: what is known of it.
        pictures: a metaphase without pictures is described in words alone.
    """
    places = {} if pictures is None else places_in(pictures.karyogram)
    outlines = {} if pictures is None else pictures.outlines
    ordered = by_label(record.chromosomes)
    keys = {chromosome.id: f"{number}-{n}" for n, chromosome in enumerate(ordered, start=1)}
    chromosomes = tuple(
        ChromosomeView(
            keys[c.id], c, keys.get(c.homolog) if c.homolog else None, places.get(c.id), outlines.get(c.id, "")
        )
        for c in ordered
    )
    return MetaphaseView(number, record, pictures, chromosomes, level_drawn(record), _beside_pairs(chromosomes))


def _beside_pairs(chromosomes: tuple[ChromosomeView, ...]) -> tuple[PairIdeogram, ...]:
    """Ideograms left of the pairs, in line with their tops and as long as the longer homolog."""
    pairs: dict[str, list[Box]] = {}
    for chromosome in chromosomes:
        if chromosome.record.label is not None and chromosome.place is not None:
            pairs.setdefault(chromosome.record.label, []).append(chromosome.place)
    return tuple(
        PairIdeogram(
            label,
            min(box[0] for box in boxes) - _IDEOGRAM_GAP - _IDEOGRAM_WIDTH,
            min(box[1] for box in boxes),
            _IDEOGRAM_WIDTH,
            max(box[3] - box[1] for box in boxes),
        )
        for label, boxes in pairs.items()
    )
