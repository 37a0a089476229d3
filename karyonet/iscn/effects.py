"""What a change does to the material of the chromosomes: segments gained, lost and moved."""

from __future__ import annotations

from dataclasses import dataclass, replace

from karyonet.iscn.ast import Change, Clone, DoubleMinutes, Marker, WholeChromosome
from karyonet.iscn.breakpoint import Breakpoint
from karyonet.iscn.structural import (
    AdditionalMaterial,
    Deletion,
    Derivative,
    Dicentric,
    Duplication,
    Fission,
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
    Translocation,
    Tricentric,
    Triplication,
)

Points = dict[str, tuple[Breakpoint, ...]]
_CENTROMERE = ("p10", "q10", "cen")
_ARM_NAMES = {"p": "short arm", "q": "long arm"}


@dataclass(frozen=True, slots=True)
class Segment:
    """Part of a chromosome between two bands, from the end of the short arm on: ``Segment("9", "q34", "qter")``."""

    chromosome: str
    first: str
    last: str

    def __str__(self) -> str:
        name = self.chromosome
        if (self.first, self.last) == ("pter", "qter"):
            return f"all of chromosome {name}"
        if self.first == "pter" and self.last in _CENTROMERE:
            return f"{name}p (the whole short arm)"
        if self.last == "qter" and self.first in _CENTROMERE:
            return f"{name}q (the whole long arm)"
        if not self.first or not self.last:
            return f"an unknown part of chromosome {name}"
        return f"{name}{self.first} to {name}{self.last}"


@dataclass(frozen=True, slots=True)
class Effect:
    """What there is more and less of than in a normal cell, and what is elsewhere.

    Attributes:
        gained, lost: segments, one entry for every copy.
        moved: in words.
        unknown: gained material that cannot be named, in words.
    """

    gained: tuple[Segment, ...] = ()
    lost: tuple[Segment, ...] = ()
    moved: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def __add__(self, other: Effect) -> Effect:
        return Effect(
            self.gained + other.gained,
            self.lost + other.lost,
            self.moved + other.moved,
            self.unknown + other.unknown,
        )


def effect_of(change: Change, described: Points | None = None) -> Effect:
    """The effect of one copy of a change.

    Args:
        change: any change.
        described: breakpoints given earlier in the karyotype, from :func:`breakpoints_of`.
    """
    body = change.body
    if isinstance(body, WholeChromosome):
        whole = (Segment(body.name, "pter", "qter"),)
        return Effect(gained=whole) if change.sign == "+" else Effect(lost=whole)
    if isinstance(body, Marker):
        return Effect(unknown=("material of an unidentified chromosome",))
    if isinstance(body, DoubleMinutes):
        return Effect(unknown=("fragments, often of amplified material",))
    if not isinstance(body, Rearrangement):
        return Effect()
    effect = _effect(body, described or {})
    if not change.sign:
        return effect
    content = [piece for c in body.chromosomes if c.name != "?" for piece in _remainder(c.name, effect.lost)]
    content += effect.gained
    return Effect(gained=tuple(content), unknown=effect.unknown) if change.sign == "+" else Effect(lost=tuple(content))


def breakpoints_of(clone: Clone) -> Points:
    """The breakpoints of a clone's translocations by what was named with them, for events that leave them out."""
    found: Points = {}
    for change in clone.changes:
        body = change.body
        parts = (body, *body.events) if isinstance(body, Derivative) else (body,)
        for part in parts:
            if isinstance(part, Rearrangement) and part.breakpoints:
                for chromosome, group in zip(part.chromosomes, part.breakpoints, strict=True):
                    found.setdefault(_key(part, chromosome.name), group)
    return found


def _key(part: Rearrangement, chromosome: str) -> str:
    return f"{part.symbol}({';'.join(c.name for c in part.chromosomes)}){chromosome}"


def _points(part: Rearrangement, number: int, described: Points) -> tuple[Breakpoint, ...]:
    if part.breakpoints:
        return part.breakpoints[number]
    return described.get(_key(part, part.chromosomes[number].name), ())


def distal(chromosome: str, point: Breakpoint | None) -> Segment:
    """From a breakpoint to the end of its arm."""
    if point is None or point.arm not in ("p", "q"):
        return Segment(chromosome, "", "")
    return Segment(chromosome, "pter", _name(point)) if point.arm == "p" else Segment(chromosome, _name(point), "qter")


def between(chromosome: str, group: tuple[Breakpoint, ...]) -> Segment:
    """The segment between two breakpoints."""
    if len(group) < 2:
        return Segment(chromosome, "", "")
    first, last = sorted(group[-2:], key=lambda point: _place(_name(point)))
    return Segment(chromosome, _name(first), _name(last))


def _name(point: Breakpoint) -> str:
    return point.arm + point.band


def _place(name: str) -> float:
    """A number that grows from the end of the short arm to that of the long one, enough to put two bands in order."""
    ends = {"pter": -100.0, "qter": 100.0, "cen": 0.0}
    if name in ends:
        return ends[name]
    digits = name[1:].replace("?", "0")
    region_alone = len(digits) == 1  # q3 is a region: bands q31 and on
    number = float(digits or 0) * (10 if region_alone else 1)
    return -number if name.startswith("p") else number


def _other_arm(chromosome: str, point: Breakpoint) -> Segment:
    return distal(chromosome, Breakpoint("p", "10") if point.arm == "q" else Breakpoint("q", "10"))


def _remainder(chromosome: str, lost: tuple[Segment, ...]) -> list[Segment]:
    """A chromosome without the segments that it lost."""
    start, pieces = "pter", []
    for segment in sorted((s for s in lost if s.chromosome == chromosome and s.first), key=lambda s: _place(s.first)):
        if segment.first != start:
            pieces.append(Segment(chromosome, start, segment.first))
        start = segment.last
    return [*pieces, Segment(chromosome, start, "qter")] if start != "qter" else pieces


def _effect(body: Rearrangement, described: Points) -> Effect:
    names = [chromosome.name for chromosome in body.chromosomes]
    groups = [_points(body, number, described) for number in range(len(names))]
    if isinstance(body, Derivative):
        return _derivative(body, names, groups, described)
    if isinstance(body, Translocation):
        return Effect(moved=_exchanged(names, groups))
    if isinstance(body, Insertion):
        target = f"{names[0]}{_name(groups[0][0])}" if groups[0] else f"chromosome {names[0]}"
        return Effect(moved=(f"{between(names[-1], groups[-1])} goes to {target}",))
    if isinstance(body, Dicentric | Tricentric | Ring):
        ends = [(name, point) for name, group in zip(names, groups, strict=True) for point in group]
        return Effect(lost=tuple(distal(name, point) for name, point in ends))
    if isinstance(body, Robertsonian):
        return Effect(lost=tuple(distal(name, Breakpoint("p", "10")) for name in names))
    return _single(body, names[0], groups[0])


def _single(body: Rearrangement, name: str, group: tuple[Breakpoint, ...]) -> Effect:
    """Changes of one chromosome by itself."""
    first = group[0] if group else None
    segment = between(name, group)
    match body:
        case Deletion():
            return Effect(lost=(segment if len(group) == 2 else distal(name, first),))
        case Duplication():
            return Effect(gained=(segment,))
        case Triplication():
            return Effect(gained=(segment,) * 2)
        case Quadruplication():
            return Effect(gained=(segment,) * 3)
        case Inversion():
            return Effect(moved=(f"{segment} is turned round",))
        case AdditionalMaterial():
            return Effect(lost=(distal(name, first),), unknown=("material of unknown origin",))
        case HomogeneouslyStainingRegion():
            return Effect(unknown=("amplified material of unknown origin",))
        case Isochromosome() if first and first.arm in _ARM_NAMES:
            return Effect(gained=(distal(name, replace(first, band="10")),), lost=(_other_arm(name, first),))
        case Isodicentric() if first and first.arm in _ARM_NAMES:
            lost = distal(name, first)
            return Effect(gained=tuple(_remainder(name, (lost,))), lost=(lost,))
        case Fission() if first and first.arm in _ARM_NAMES:
            return Effect(lost=(_other_arm(name, first),))
    return Effect()


def _exchanged(names: list[str], groups: list[tuple[Breakpoint, ...]]) -> tuple[str, ...]:
    moves = []
    for number, (name, group) in enumerate(zip(names, groups, strict=True)):
        segment = between(name, group) if len(group) == 2 else distal(name, group[0] if group else None)
        target = (number + 1) % len(names)
        place = f"{names[target]}{_name(groups[target][0])}" if groups[target] and _name(groups[target][0]) else ""
        moves.append(f"{segment} goes to {place or f'chromosome {names[target]}'}")
    return tuple(moves)


def _derivative(body: Derivative, names: list[str], groups: list[tuple[Breakpoint, ...]], described: Points) -> Effect:
    if not body.events:
        # der(1;3)(p10;q10) keeps the arms that it names; other breakpoints lose what lies beyond them.
        whole_arms = [(n, g[0]) for n, g in zip(names, groups, strict=True) if g and g[0].arm in _ARM_NAMES]
        lost = [_other_arm(n, p) if _name(p) in _CENTROMERE else distal(n, p) for n, p in whole_arms]
        return Effect(lost=tuple(lost))
    if isinstance(body, Recombinant):
        return _recombinant(body, described)
    effect, present = Effect(), set(names)
    for event in body.events:
        effect = _joined(effect, event, present, described)
        present |= {chromosome.name for chromosome in event.chromosomes}
    if isinstance(body, IsoDerivative) and groups[0]:
        # The arm with its events twice, the other arm not at all.
        arm, other = distal(names[0], groups[0][0]), _other_arm(names[0], groups[0][0])
        kept = tuple(Segment(s.chromosome, arm.first, s.last) for s in _remainder(names[0], (other, *effect.lost)))
        effect = Effect(effect.gained * 2 + kept, (*effect.lost, other), effect.moved, effect.unknown)
    return effect


def _joined(effect: Effect, event: Rearrangement, present: set[str], described: Points) -> Effect:
    """The effect of the events so far and of one more on a derivative that holds the chromosomes ``present``."""
    if not isinstance(event, Translocation | Insertion) or len(event.chromosomes) == 1:
        return effect + _effect(event, described)
    names = [chromosome.name for chromosome in event.chromosomes]
    groups = [_points(event, number, described) for number in range(len(names))]
    if isinstance(event, Insertion):
        segment = between(names[1], groups[1])
        return effect + (Effect(gained=(segment,)) if names[0] in present else Effect(lost=(segment,)))
    for number, name in enumerate(names):
        giver = number - 1
        if name not in present:
            continue
        lost = distal(name, groups[number][0] if groups[number] else None)
        effect = _cut(effect, lost)
        if names[giver] not in present:
            effect += Effect(gained=(distal(names[giver], groups[giver][0] if groups[giver] else None),))
    return effect


def _cut(effect: Effect, lost: Segment) -> Effect:
    """Take the end of a chromosome off: from material that an event before brought there, otherwise from its own."""
    for place, piece in enumerate(effect.gained):
        if piece.chromosome != lost.chromosome or not lost.first:
            continue
        if piece.last == lost.last == "qter":
            short = replace(piece, last=lost.first)
        elif piece.first == lost.first == "pter":
            short = replace(piece, first=lost.last)
        else:
            continue
        return replace(effect, gained=(*effect.gained[:place], short, *effect.gained[place + 1 :]))
    return effect + Effect(lost=(lost,))


def _recombinant(body: Derivative, described: Points) -> Effect:
    """Crossing over within an inversion: one end twice, the other end lost."""
    inversion = next((event for event in body.events if isinstance(event, Inversion)), None)
    twice = next((c for event in body.events if isinstance(event, Duplication) for c in event.chromosomes), None)
    if inversion is None or twice is None or not inversion.breakpoints:
        effect = Effect()
        for event in body.events:
            effect += _effect(event, described)
        return effect
    points = inversion.breakpoints[0]
    gained = [distal(twice.name, point) for point in points if point.arm == twice.arm]
    return Effect(tuple(gained), tuple(distal(twice.name, point) for point in points if point.arm != twice.arm))
