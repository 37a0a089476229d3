"""Ideograms as they are drawn on the page: the bands of a chromosome type, short arm up."""

from __future__ import annotations

from dataclasses import dataclass

from karyonet.ideogram import LEVELS, Band, bands, centromere_of, length_of
from karyonet.report.schema import MetaphaseRecord

USUAL_LEVEL = 550
"""Is drawn where no band level was estimated."""
WIDTH = 20.0
LONGEST = 300.0
"""Height of chromosome 1; the others are drawn to the same scale."""
_END = 7.0
_LIGHT, _CENTROMERE, _VARIABLE = 255, 150, 185


@dataclass(frozen=True)
class IdeogramPicture:
    """An ideogram, :data:`WIDTH` wide.

    Attributes:
        height: in the same unit.
        bands: path data and fill of every band that is not white.
        outline: path data.
    """

    height: float
    bands: tuple[tuple[str, str], ...]
    outline: str


def level_drawn(metaphase: MetaphaseRecord) -> int:
    """The band table nearest to a metaphase's band level, or :data:`USUAL_LEVEL` where it has none."""
    if metaphase.band_level is None:
        return USUAL_LEVEL
    bphs = metaphase.band_level.bphs
    return min(LEVELS, key=lambda level: abs(level - bphs))


def draw_ideogram(chromosome: str, level: int) -> IdeogramPicture:
    """The ideogram of a chromosome.

    G-positive bands are the darker the more they stain, variable heterochromatin and the centromere are grey, the
    stalks of the acrocentric chromosomes are narrow.

    Args:
        chromosome: one of :data:`karyonet.ideogram.CHROMOSOMES`.
        level: one of :data:`karyonet.ideogram.LEVELS`.

    Raises:
        ArrayError: K501 for another chromosome or level.
    """
    scale = LONGEST / length_of("1")
    height, waist = length_of(chromosome) * scale, centromere_of(chromosome, level) * scale
    known = bands(chromosome, level)
    outline = _outline(height, waist, *(scale * edge for edge in _centromere(known)))
    drawn = tuple((_band(band, scale, height), _fill(band)) for band in known if _fill(band) != _grey(_LIGHT))
    return IdeogramPicture(round(height, 1), drawn, outline)


def _centromere(known: tuple[Band, ...]) -> tuple[int, int]:
    """Where the bands of the centromere start and stop, in ISCN units."""
    inside = [band for band in known if band.stain == "acen"]
    return inside[0].iscn_start, inside[-1].iscn_stop


def _outline(height: float, waist: float, start: float, stop: float) -> str:
    """Both arms, rounded at their ends, meeting in a point at the centromere."""
    width, middle = WIDTH, WIDTH / 2
    top, bottom = min(_END, start), min(_END, height - stop)
    return (
        f"M{middle:g} {waist:.1f}L0 {start:.1f}V{top:.1f}Q0 0 {middle:g} 0Q{width:g} 0 {width:g} {top:.1f}V{start:.1f}Z"
        f"M{middle:g} {waist:.1f}L0 {stop:.1f}V{height - bottom:.1f}Q0 {height:.1f} {middle:g} {height:.1f}"
        f"Q{width:g} {height:.1f} {width:g} {height - bottom:.1f}V{stop:.1f}Z"
    )


def _band(band: Band, scale: float, height: float) -> str:
    y0, y1 = band.iscn_start * scale, band.iscn_stop * scale
    width, middle = WIDTH, WIDTH / 2
    if band.stain == "acen":
        base, tip = (y0, y1) if band.arm == "p" else (y1, y0)
        return f"M0 {base:.1f}H{width:g}L{middle:g} {tip:.1f}Z"
    inset = 5.0 if band.stain == "stalk" else 0.0
    upper, lower = _inset(y0, height), _inset(y1, height)
    left, right = max(inset, upper), max(inset, lower)
    return f"M{left:.1f} {y0:.1f}H{width - left:.1f}L{width - right:.1f} {y1:.1f}H{right:.1f}Z"


def _inset(y: float, height: float) -> float:
    """How far the rounded end of an arm lies inside the full width at this height."""
    from_end = min(y, height - y)
    if from_end >= _END:
        return 0.0
    return float(WIDTH / 2 * (1 - (from_end / _END) ** 0.5) ** 2)


def _fill(band: Band) -> str:
    if band.stain in ("acen", "stalk"):
        return _grey(_CENTROMERE)
    if band.stain == "gvar":
        return _grey(_VARIABLE)
    return _grey(round(_LIGHT - (_LIGHT - 30) * band.density))


def _grey(value: int) -> str:
    return f"#{value:02x}{value:02x}{value:02x}"
