"""The kinds of structural changes in words."""

from __future__ import annotations

from collections.abc import Callable

from karyonet.iscn.breakpoint import Breakpoint
from karyonet.iscn.structural import (
    AdditionalMaterial,
    Deletion,
    Derivative,
    Dicentric,
    Duplication,
    Fission,
    FragileSite,
    HomogeneouslyStainingRegion,
    Insertion,
    Inversion,
    Isochromosome,
    IsoDerivative,
    Isodicentric,
    Quadruplication,
    Rearrangement,
    Recombinant,
    Ring,
    Robertsonian,
    TelomericAssociation,
    Translocation,
    Tricentric,
    Triplication,
    UniparentalDisomy,
)
from karyonet.iscn.writer import write_breakpoint

_ARMS = {"p": "short arm", "q": "long arm"}


def chromosomes_of(body: Rearrangement) -> str:
    """``chromosomes 9 and 22``."""
    names = [
        "an unknown one" if c.name == "?" else f"{c.name}{c.arm}" + (" (probably)" if c.doubtful else "")
        for c in body.chromosomes
    ]
    return f"chromosome{'s' if len(names) > 1 else ''} {_listed(names)}"


def points_of(body: Rearrangement) -> str:
    """``9q34 and 22q11.2``, or that they are not given."""
    pairs = zip(body.chromosomes, body.breakpoints, strict=False)
    points = [
        f"{'' if chromosome.name == '?' else chromosome.name}{write_breakpoint(point)}"
        for chromosome, group in pairs
        for point in group
        if point.arm
    ]
    return _listed(points) or "unknown bands"


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _at(noun: str, preposition: str = "with breaks in") -> Callable[[Rearrangement], str]:
    return lambda body: (
        f"{noun} {chromosomes_of(body)}" + (f" {preposition} {points_of(body)}" if body.breakpoints else "")
    )


def _between(noun: str) -> Callable[[Rearrangement], str]:
    def words(body: Rearrangement) -> str:
        turned = {"inv": ", turned round", "dir": ", in the same direction"}.get(body.modifier, "")
        if body.breakpoints and len(body.breakpoints[0]) == 2:
            first, second = map(write_breakpoint, body.breakpoints[0])
            return f"{noun} of the segment between {first} and {second} of {chromosomes_of(body)}{turned}"
        return f"{noun} in {chromosomes_of(body)}{turned}"

    return words


def _deletion(body: Rearrangement) -> str:
    if body.breakpoints and len(body.breakpoints[0]) == 1 and body.breakpoints[0][0].arm in _ARMS:
        point: Breakpoint = body.breakpoints[0][0]
        arm = _ARMS[point.arm]
        if point.band == "10":
            return f"a deletion of the whole {arm} of {chromosomes_of(body)}"
        return f"a deletion of the end of the {arm} of {chromosomes_of(body)}, from {write_breakpoint(point)} on"
    return _between("a deletion")(body)


def _insertion(body: Rearrangement) -> str:
    what = "an insertion within" if len(body.chromosomes) == 1 else "an insertion between"
    return f"{what} {chromosomes_of(body)}" + (f" with breaks in {points_of(body)}" if body.breakpoints else "")


def _isochromosome(body: Rearrangement) -> str:
    arm = _ARMS.get(body.breakpoints[0][0].arm) if body.breakpoints else None
    return f"an isochromosome of {chromosomes_of(body)}" + (f": the {arm} twice" if arm else "")


KINDS: dict[type[Rearrangement], Callable[[Rearrangement], str]] = {
    AdditionalMaterial: _at("material of unknown origin on", "at"),
    Deletion: _deletion,
    Duplication: _between("a duplication"),
    Triplication: _between("a triplication"),
    Quadruplication: _between("a quadruplication"),
    Inversion: _between("an inversion"),
    Translocation: _at("a translocation between"),
    Insertion: _insertion,
    Isochromosome: _isochromosome,
    Isodicentric: _at("an isodicentric chromosome: two copies of", "joined at"),
    Dicentric: _at("a dicentric chromosome of", "joined at"),
    Tricentric: _at("a tricentric chromosome of", "joined at"),
    Ring: _at("a ring of", "broken in"),
    Robertsonian: _at("a Robertsonian translocation, the long arms joined, of", "at"),
    FragileSite: _at("a fragile site on", "in"),
    Fission: _at("a fission of", "at"),
    HomogeneouslyStainingRegion: _at("a homogeneously staining region on", "in"),
    TelomericAssociation: _at("a telomeric association of", "at"),
    UniparentalDisomy: _at("uniparental disomy of"),
    Derivative: lambda body: f"a derivative of {chromosomes_of(body)}",
    Recombinant: lambda body: f"a recombinant of {chromosomes_of(body)}",
    IsoDerivative: lambda body: f"an isochromosome of a derivative of {chromosomes_of(body)}",
}
"""What each kind is called, from one of its nodes."""
