"""What differs in length between healthy people: heterochromatin, and the short arms of the acrocentrics."""

from __future__ import annotations

from karyonet.ideogram.queries import find_band, length_of

ACROCENTRIC = ("13", "14", "15", "21", "22")
"""Chromosomes whose short arm is satellites on a stalk."""

VARIABLE_BANDS: dict[str, tuple[str, ...]] = {
    "1": ("q12",),
    "9": ("q12",),
    "16": ("q11.2",),
    "Y": ("q12",),
    **dict.fromkeys(ACROCENTRIC, ("p13", "p12", "p11.2")),
}
"""1qh, 9qh, 16qh, Yqh, and satellites, stalks and short arms (ISCN, normal variable chromosome features)."""


def variable_stretch(chromosome: str) -> tuple[float, float] | None:
    """Where the variable bands of a chromosome lie, as shares of its length from the short arm's end.

    Args:
        chromosome: one of :data:`karyonet.ideogram.CHROMOSOMES`.

    Returns:
        None for a chromosome that has none.
    """
    names = VARIABLE_BANDS.get(chromosome, ())
    found = [band for name in names for band in find_band(chromosome, name)]
    if not found:
        return None
    length = length_of(chromosome)
    return min(band.iscn_start for band in found) / length, max(band.iscn_stop for band in found) / length
