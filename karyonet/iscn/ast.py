"""The syntax tree of a short-form karyotype: what a string says, without judging whether it is coherent.

Every node is frozen and compares by value. A node refuses content that could not be written and read back
(:class:`~karyonet.errors.IscnError` K602), so that ``parse(write(node)) == node`` for every tree that can be built.
Whether the tree makes sense (counts, bands, order, clones) is for :mod:`karyonet.iscn.coherence`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from karyonet.errors import IscnError
from karyonet.iscn.breakpoint import require_chromosome
from karyonet.iscn.structural import (
    Rearrangement,
)

ORIGINS = ("mat", "pat", "dn", "inh", "dinh", "dmat", "dpat")
"""Parental origin: maternal, paternal, de novo, inherited; with ``d`` the derivative of a parent's balanced change."""
PREFIXES = ("mos", "chi")


@dataclass(frozen=True, slots=True)
class Span:
    """A number, or a range of numbers (``45~48``); ``low == high`` is one number."""

    low: int
    high: int

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise IscnError(
                "K602", reason="a range runs from the smaller to the larger number", example="45~47,XX,-7[3],+8[2][cp5]"
            )
        if self.high > 99_999:
            raise IscnError("K602", reason="the number is larger than any count of cells", example="46,XX[20]")

    @classmethod
    def of(cls, number: int) -> Span:
        """The span of one number."""
        return cls(number, number)


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells in which a clone or a change was seen, ``[10]``; composite clones are written ``[cp10]``."""

    count: Span
    composite: bool = False


@dataclass(frozen=True, slots=True)
class WholeChromosome:
    """A whole normal chromosome, gained or lost: the ``21`` of ``+21``."""

    name: str
    doubtful: bool = False

    def __post_init__(self) -> None:
        require_chromosome(self.name)


@dataclass(frozen=True, slots=True)
class Marker:
    """A chromosome that cannot be identified: ``mar``, or ``r`` for a ring. ``+2mar`` are two different ones."""

    symbol: str = "mar"
    number: Span | None = None
    index: int | None = None
    doubtful: bool = False

    def __post_init__(self) -> None:
        if self.symbol not in ("mar", "r"):
            raise IscnError("K602", reason=f"{self.symbol} is no marker", example="47,XX,+mar")


@dataclass(frozen=True, slots=True)
class DoubleMinutes:
    """Fragments without a centromere, which the chromosome count leaves out: ``dmin``, ``min`` or ``ace``."""

    symbol: str = "dmin"
    number: Span | None = None
    doubtful: bool = False

    def __post_init__(self) -> None:
        if self.symbol not in ("dmin", "min", "ace"):
            raise IscnError("K602", reason=f"{self.symbol} is no acentric fragment", example="46,XX,3~10dmin")


@dataclass(frozen=True, slots=True)
class Heteromorphism:
    """A normal variant: ``1qh+``, ``21ps+``, ``15cenh+``, ``Yqh-``."""

    chromosome: str
    variant: str

    def __post_init__(self) -> None:
        require_chromosome(self.chromosome)
        if not re.fullmatch(VARIANT, self.variant):
            raise IscnError("K602", reason=f"{self.variant} is no variant", example="46,XX,1qh+")


VARIANT = r"(?:[pq](?:h|stk|s)|cenh)[+-]?|[pq][+-]"
Body: TypeAlias = WholeChromosome | Rearrangement | Marker | DoubleMinutes | Heteromorphism


@dataclass(frozen=True, slots=True)
class Change:
    """One item of the list after the sex chromosomes.

    Attributes:
        body: what it is.
        sign: ``+``, ``-`` or nothing; a structural change without a sign replaces the normal chromosomes.
        origin: one of :data:`ORIGINS` or nothing.
        constitutional: ``c``, ``?c`` or nothing.
        copies: the multiplication ``x2``.
        cells: in how many cells, within a composite clone.
    """

    body: Body
    sign: str = ""
    origin: str = ""
    constitutional: str = ""
    copies: Span | None = None
    cells: Cells | None = None

    def __post_init__(self) -> None:
        if self.sign not in ("", "+", "-"):
            raise IscnError("K602", reason=f"{self.sign!r} is no sign", example="47,XY,+21")
        if isinstance(self.body, WholeChromosome) and not self.sign:
            reason = f"a whole chromosome {self.body.name} is gained or lost and takes + or -"
            raise IscnError("K602", reason=reason, example="47,XY,+21")
        if isinstance(self.body, Heteromorphism) and self.sign:
            raise IscnError("K602", reason="a normal variant takes no sign before it", example="46,XX,1qh+")
        if self.origin and self.origin not in ORIGINS:
            raise IscnError("K602", reason=f"{self.origin} is no parental origin", example="46,XX,inv(9)(p12q13)mat")
        if self.constitutional not in ("", "c", "?c"):
            raise IscnError(
                "K602", reason=f"{self.constitutional} does not mean constitutional", example="48,XX,+8,+21c"
            )
        if self.cells is not None and self.cells.composite:
            raise IscnError("K602", reason="cp belongs to the clone, not to a change", example="46,XX,-7[3],+8[2][cp5]")

    @property
    def delta_sign(self) -> int:
        """+1 for a gain, -1 for a loss, 0 without a sign."""
        return {"": 0, "+": 1, "-": -1}[self.sign]


@dataclass(frozen=True, slots=True)
class Relation:
    """A clone written as an earlier one with more changes: ``idem``, ``sl``, ``sdl1``, with its own ``x2``."""

    kind: str
    index: int | None = None
    copies: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("idem", "sl", "sdl") or (self.kind == "idem" and self.index is not None):
            raise IscnError("K602", reason=f"{self.kind} refers to no clone", example="47,XX,+8[5]/48,idem,+9[4]")
        if not 1 <= (self.copies or 1) <= 99:
            raise IscnError("K602", reason=f"{self.kind} is taken 1 to 99 times", example="47,XX,+8[6]/94,idemx2[4]")


@dataclass(frozen=True, slots=True)
class Clone:
    """The cells that share a karyotype.

    Attributes:
        count: chromosomes.
        sex: normal sex chromosomes as they stand (``XX``, ``X``), ``?`` where unknown, ``U`` where not disclosed;
            empty if every one is rearranged (``46,t(X;Y)(p22;q11.2)``) or the clone refers to another.
        changes: in the order of the string.
        relation: the clone that this one is built on.
        ploidy: 3 of ``<3n>``.
        sex_constitutional: ``c`` or ``?c`` after the sex chromosomes (``48,XXYc,+X``).
        incomplete: ``inc``, the karyotype could not be established in full.
        cells: clone size.
    """

    count: Span
    sex: str = ""
    changes: tuple[Change, ...] = ()
    relation: Relation | None = None
    ploidy: int | None = None
    sex_constitutional: str = ""
    incomplete: bool = False
    cells: Cells | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[XYU]*|\?", self.sex) or self.sex_constitutional not in ("", "c", "?c"):
            raise IscnError("K602", reason=f"{self.sex} are no sex chromosomes", example="46,XX")
        if self.sex and self.relation is not None:
            raise IscnError(
                "K602",
                reason="idem, sl and sdl stand in place of the sex chromosomes",
                example="47,XX,+8[5]/48,idem,+9[4]",
            )
        if not self.sex and self.relation is None and not (self.changes and _names_sex_chromosome(self.changes[0])):
            raise IscnError("K602", reason="the sex chromosomes are missing", example="47,XY,+21")
        if self.sex_constitutional and self.sex in ("", "?"):
            raise IscnError("K602", reason="c needs the sex chromosomes before it", example="48,XXYc,+X")
        if self.cells is None and not self.incomplete and any(change.cells is not None for change in self.changes):
            raise IscnError(
                "K602", reason="the clone's own number of cells is missing", example="46,XX,-7[3],+8[2][cp5]"
            )
        if self.ploidy is not None and not 1 <= self.ploidy <= 9:
            raise IscnError("K602", reason=f"<{self.ploidy}n> is no ploidy", example="69<3n>,XXY")


@dataclass(frozen=True, slots=True)
class Karyotype:
    """A whole string.

    Attributes:
        clones: in the order of the string; after a transplantation those of the recipient.
        prefix: ``mos``, ``chi`` or nothing.
        donor: clones after ``//``; None without a ``//``.
    """

    clones: tuple[Clone, ...]
    prefix: str = ""
    donor: tuple[Clone, ...] | None = None

    def __post_init__(self) -> None:
        if self.prefix not in ("", *PREFIXES):
            raise IscnError("K602", reason=f"{self.prefix} is no prefix", example="mos 45,X[3]/46,XX[17]")
        if not self.clones and not self.donor:
            raise IscnError("K604")

    @property
    def all_clones(self) -> tuple[Clone, ...]:
        """Those of the recipient, then those of the donor."""
        return self.clones + (self.donor or ())


def _names_sex_chromosome(change: Change) -> bool:
    body = change.body
    if isinstance(body, Rearrangement):
        return any(chromosome.name in ("X", "Y") for chromosome in body.chromosomes)
    return isinstance(body, Heteromorphism) and body.chromosome in ("X", "Y")
