"""What the ideogram says about the bands that a karyotype names: the one place where ISCN meets the ideogram."""

from __future__ import annotations

from functools import cache

ARMS = {"p": "short arm", "q": "long arm"}


@cache
def band_exists(chromosome: str, band: str) -> bool:
    """Whether a chromosome has a band, at any resolution.

    Args:
        chromosome: ``1`` to ``22``, ``X`` or ``Y``.
        band: with its arm; the beginning of a name covers all that it begins (``q34`` covers q34.1, ``q3`` a region).
    """
    from karyonet.ideogram import find_band

    return bool(find_band(chromosome, band))


@cache
def nearest_bands(chromosome: str, band: str) -> tuple[str, ...]:
    """Up to three bands of the chromosome's same arm whose numbers are nearest to a band that it does not have."""
    from karyonet.ideogram import find_band

    names = dict.fromkeys(found.name.partition(".")[0] for found in find_band(chromosome, band[0]))
    wanted = _number(band)
    nearest = sorted(names, key=lambda name: abs(_number(name) - wanted))[:3]
    return tuple(name for name in names if name in nearest)


@cache
def is_terminal(chromosome: str, band: str) -> bool:
    """Whether a band is the last one of its arm."""
    from karyonet.ideogram import find_band

    found, end = find_band(chromosome, band), find_band(chromosome, f"{band[0]}ter")
    return bool(found) and end[0] in found


def _number(band: str) -> float:
    digits = band[1:].replace("?", "")
    return float(digits) if digits.replace(".", "", 1).isdigit() else 0.0
