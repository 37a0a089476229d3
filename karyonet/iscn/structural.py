"""Structural changes of the syntax tree: chromosomes and breakpoints in parentheses after a symbol.

Each class says how many chromosomes its symbol takes and how many breakpoints on each; a node that breaks this cannot
be built. Breakpoints may be left out as a whole, and a ``?`` may stand for those of any chromosome.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from karyonet.errors import IscnError
from karyonet.iscn.breakpoint import UNKNOWN, Breakpoint, ChromosomeRef


@dataclass(frozen=True, slots=True)
class Rearrangement:
    """A symbol with its chromosomes and breakpoints. Use the class of the symbol.

    Attributes:
        chromosomes: in the order of the string.
        breakpoints: for every chromosome its breakpoints; empty where they are left out.
        modifier: ``dir`` or ``inv`` (orientation), ``psu`` (pseudodicentric) or nothing.
        doubtful: a ``?`` before the symbol.
    """

    chromosomes: tuple[ChromosomeRef, ...]
    breakpoints: tuple[tuple[Breakpoint, ...], ...] = ()
    modifier: str = ""
    doubtful: bool = False

    symbol: ClassVar[str] = ""
    example: ClassVar[str] = ""
    takes_chromosomes: ClassVar[tuple[int, int]] = (1, 1)
    takes_breakpoints: ClassVar[tuple[int, int]] = (1, 1)
    takes_modifiers: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        self._require(
            _within(len(self.chromosomes), self.takes_chromosomes), _words("chromosome", *self.takes_chromosomes)
        )
        self._require(not self.modifier or self.modifier in self.takes_modifiers, f"no {self.modifier} before it")
        if not self.breakpoints:
            return
        groups, chromosomes = len(self.breakpoints), len(self.chromosomes)
        self._require(groups == chromosomes, f"breakpoints for each of its {chromosomes} chromosomes, not for {groups}")
        for number, group in enumerate(self.breakpoints):
            if group == (UNKNOWN,):
                continue
            low, high = self.breakpoints_on(number)
            self._require(_within(len(group), (low, high)), f"{_words('breakpoint', low, high)} on each chromosome")
            # A ? inside a group would be read as the end of the breakpoint before it.
            self._require(
                not any(b == UNKNOWN or b.doubtful for b in group[1:]) and group[0] != UNKNOWN,
                "a ? after the band that is in doubt, or alone",
            )

    def breakpoints_on(self, number: int) -> tuple[int, int]:
        """The least and the most breakpoints on a chromosome, by its place in the list."""
        return self.takes_breakpoints

    def _require(self, condition: bool, what: str) -> None:
        if not condition:
            raise IscnError("K602", reason=f"{self.symbol} takes {what}", example=self.example)


@dataclass(frozen=True, slots=True)
class AdditionalMaterial(Rearrangement):
    """``add``: unknown material attached to a band."""

    symbol = "add"
    example = "46,XX,add(19)(p13.3)"


@dataclass(frozen=True, slots=True)
class Deletion(Rearrangement):
    """``del``: terminal with one breakpoint, interstitial with two."""

    symbol = "del"
    example = "46,XX,del(5)(q13q33)"
    takes_breakpoints = (1, 2)


@dataclass(frozen=True, slots=True)
class Duplication(Rearrangement):
    """``dup``: a segment twice."""

    symbol = "dup"
    example = "46,XX,dup(1)(q22q25)"
    takes_breakpoints = (1, 2)
    takes_modifiers = ("dir", "inv")


@dataclass(frozen=True, slots=True)
class Triplication(Rearrangement):
    """``trp``: a segment three times."""

    symbol = "trp"
    example = "46,XX,trp(1)(q21q32)"
    takes_breakpoints = (1, 2)
    takes_modifiers = ("dir", "inv")


@dataclass(frozen=True, slots=True)
class Quadruplication(Rearrangement):
    """``qdp``: a segment four times."""

    symbol = "qdp"
    example = "46,XX,qdp(1)(q23q32)"
    takes_breakpoints = (1, 2)


@dataclass(frozen=True, slots=True)
class Inversion(Rearrangement):
    """``inv``: the segment between two breakpoints turned round."""

    symbol = "inv"
    example = "46,XX,inv(9)(p12q13)"
    takes_breakpoints = (2, 2)


@dataclass(frozen=True, slots=True)
class Translocation(Rearrangement):
    """``t``: segments exchanged; with three and more chromosomes each gives its segment to the next."""

    symbol = "t"
    example = "46,XY,t(9;22)(q34;q11.2)"
    takes_chromosomes = (2, 12)
    takes_breakpoints = (1, 2)


@dataclass(frozen=True, slots=True)
class Insertion(Rearrangement):
    """``ins``: a segment moved, within a chromosome (three breakpoints) or from the second named into the first."""

    symbol = "ins"
    example = "46,XX,ins(5;2)(p14;q22q32)"
    takes_chromosomes = (1, 2)
    takes_modifiers = ("dir", "inv")

    def breakpoints_on(self, number: int) -> tuple[int, int]:
        """Three on a single chromosome; one in the recipient, two in the donor."""
        single = len(self.chromosomes) == 1
        return (3, 3) if single else (1, 1) if number == 0 else (2, 2)


@dataclass(frozen=True, slots=True)
class Isochromosome(Rearrangement):
    """``i``: two copies of one arm."""

    symbol = "i"
    example = "46,X,i(X)(q10)"


@dataclass(frozen=True, slots=True)
class Isodicentric(Rearrangement):
    """``idic``: two copies of a chromosome joined beyond the centromere."""

    symbol = "idic"
    example = "46,X,idic(Y)(q11.2)"
    takes_modifiers = ("psu",)


@dataclass(frozen=True, slots=True)
class Dicentric(Rearrangement):
    """``dic``: the centromeres of two chromosomes on one."""

    symbol = "dic"
    example = "45,XX,dic(13;15)(q22;q24)"
    takes_chromosomes = (1, 2)
    takes_breakpoints = (1, 2)
    takes_modifiers = ("psu",)


@dataclass(frozen=True, slots=True)
class Tricentric(Rearrangement):
    """``trc``: the centromeres of three chromosomes on one; the middle one breaks in both arms."""

    symbol = "trc"
    example = "44,XX,trc(4;12;9)(q31.2;p13q22;q21.2)"
    takes_chromosomes = (3, 3)
    takes_breakpoints = (1, 2)


@dataclass(frozen=True, slots=True)
class Ring(Rearrangement):
    """``r``: broken ends joined."""

    symbol = "r"
    example = "46,XX,r(7)(p22q36)"
    takes_chromosomes = (1, 4)
    takes_breakpoints = (1, 2)


@dataclass(frozen=True, slots=True)
class Robertsonian(Rearrangement):
    """``rob``: the long arms of two acrocentric chromosomes joined."""

    symbol = "rob"
    example = "45,XX,rob(13;14)(q10;q10)"
    takes_chromosomes = (2, 2)


@dataclass(frozen=True, slots=True)
class FragileSite(Rearrangement):
    """``fra``: a fragile site."""

    symbol = "fra"
    example = "46,Y,fra(X)(q27.3)"


@dataclass(frozen=True, slots=True)
class HomogeneouslyStainingRegion(Rearrangement):
    """``hsr``: amplified material in one or more bands."""

    symbol = "hsr"
    example = "46,XX,hsr(1)(p22)"
    takes_chromosomes = (1, 2)
    takes_breakpoints = (1, 4)


@dataclass(frozen=True, slots=True)
class Fission(Rearrangement):
    """``fis``: a chromosome split at the centromere."""

    symbol = "fis"
    example = "47,XY,-10,+fis(10)(p10),+fis(10)(q10)"


@dataclass(frozen=True, slots=True)
class TelomericAssociation(Rearrangement):
    """``tas``: chromosomes held together by their ends, each counted."""

    symbol = "tas"
    example = "46,XX,tas(12;13)(q24.3;q34)"
    takes_chromosomes = (2, 12)
    takes_breakpoints = (1, 2)


@dataclass(frozen=True, slots=True)
class UniparentalDisomy(Rearrangement):
    """``upd``: both homologs from one parent."""

    symbol = "upd"
    example = "46,XY,upd(15)mat"
    takes_breakpoints = (1, 2)


@dataclass(frozen=True, slots=True)
class Derivative(Rearrangement):
    """``der``: a chromosome changed by several events, or one product of an exchange.

    Attributes:
        events: from the short arm to the long one.
    """

    events: tuple[Rearrangement, ...] = ()

    symbol = "der"
    example = "46,XX,der(1)t(1;3)(p32;q21)dup(1)(q25q42)"
    takes_chromosomes = (1, 4)
    takes_breakpoints = (1, 2)

    def __post_init__(self) -> None:
        # super() without arguments fails in classes that dataclass rebuilds with slots.
        Rearrangement.__post_init__(self)
        self._require(not any(isinstance(event, Derivative) for event in self.events), "no other der inside")


@dataclass(frozen=True, slots=True)
class Recombinant(Derivative):
    """``rec``: a product of crossing over in a carrier's inversion or insertion."""

    symbol = "rec"
    example = "46,XX,rec(6)dup(6p)inv(6)(p22.2q25.2)mat"


@dataclass(frozen=True, slots=True)
class IsoDerivative(Derivative):
    """``ider``: two copies of an arm of a derivative chromosome."""

    symbol = "ider"
    example = "46,XX,ider(22)(q10)t(9;22)(q34;q11.2)"


SYMBOLS: dict[str, type[Rearrangement]] = {
    kind.symbol: kind
    for kind in (
        *(
            AdditionalMaterial,
            Deletion,
            Duplication,
            Triplication,
            Quadruplication,
            Inversion,
            Translocation,
            Insertion,
        ),
        *(Isochromosome, Isodicentric, Dicentric, Tricentric, Ring, Robertsonian, FragileSite, Fission),
        *(HomogeneouslyStainingRegion, TelomericAssociation, UniparentalDisomy, Derivative, Recombinant, IsoDerivative),
    )
}


def _within(count: int, bounds: tuple[int, int]) -> bool:
    return bounds[0] <= count <= bounds[1]


def _words(noun: str, low: int, high: int) -> str:
    count = str(low) if low == high else f"{low} or {high}" if high == low + 1 else f"{low} to {high}"
    return f"{count} {noun}{'' if high == 1 else 's'}"
