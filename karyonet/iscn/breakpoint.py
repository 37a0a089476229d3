"""Chromosomes and breakpoints, as they stand between parentheses."""

from __future__ import annotations

import re
from dataclasses import dataclass

from karyonet.errors import IscnError

CHROMOSOMES: tuple[str, ...] = (*(str(number) for number in range(1, 23)), "X", "Y")
ACROCENTRICS = ("13", "14", "15", "21", "22")
BAND = r"(?=[\d.]*\??[\d.]*(?![\d.?]))[\d?]{1,3}(?:\.[\d?]{1,4})?"
"""The number of a band, with at most one ``?`` where it is in doubt: ``34``, ``11.2``, ``2?``."""


@dataclass(frozen=True, slots=True)
class ChromosomeRef:
    """A chromosome in parentheses: ``9``, ``?9``, ``?``; with an arm in recombinants (``dup(6p)``)."""

    name: str
    arm: str = ""
    doubtful: bool = False

    def __post_init__(self) -> None:
        if self.name == "?" and not self.arm and not self.doubtful:
            return
        require_chromosome(self.name)
        if self.arm not in ("", "p", "q"):
            raise IscnError("K602", reason=f"there is no arm {self.arm}", example="46,XX,del(5)(p14)")


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """A band in which a chromosome broke: ``q34.1``, ``p10``, ``pter``, ``cen``, ``?q21``, ``q2?``, ``q21~24``.

    Attributes:
        arm: ``p``, ``q``, ``cen``, or nothing where the breakpoint is unknown (``?``).
        band: its number, ``ter``, or nothing where only the arm is known.
        doubtful: a ``?`` before the arm.
        until: the other end, where the breakpoint lies somewhere between two bands.
    """

    arm: str
    band: str = ""
    doubtful: bool = False
    until: Breakpoint | None = None

    def __post_init__(self) -> None:
        bare = not (self.band or self.doubtful or self.until)
        if (self.arm == "" and bare) or (self.arm == "cen" and not self.band):
            pass
        elif self.arm not in ("p", "q") or not re.fullmatch(rf"(?:ter|{BAND})?", self.band, re.ASCII):
            raise IscnError("K602", reason=f"{self.arm}{self.band} is no band", example="46,XX,del(5)(q13q33)")
        end = self.until
        if end and (
            end.until
            or end.doubtful
            or not end.arm
            or (end.arm != "cen" and not end.band)
            or end.arm == self.arm == "cen"
        ):
            raise IscnError("K602", reason="a range of bands ends in a band", example="46,XX,del(1)(q21~24)")

    @property
    def known(self) -> str:
        """The part that is certain, as a name of the ideogram: ``q2`` of ``q2?``, empty where nothing is."""
        if self.arm == "cen":
            return "cen"
        return (self.arm + self.band.partition("?")[0]).rstrip(".")


UNKNOWN = Breakpoint("")
"""The breakpoint ``?``."""


def require_chromosome(name: str) -> None:
    """Refuse a name that is no human chromosome.

    Raises:
        IscnError: K602.
    """
    if name not in CHROMOSOMES:
        raise IscnError("K602", reason=f"there is no chromosome {name}", example="47,XY,+21")
