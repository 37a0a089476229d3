"""What ISCN's structural changes do to chromosomes, on lists of segments.

A chromosome under construction is a list of segments from one end to the other. An event cuts it at a band and joins
pieces anew; the cut is made in the middle of the band. The piece with the centromere keeps the chromosome's name.
"""

from __future__ import annotations

from collections.abc import Callable

from karyonet.ideogram import Segment, centromere_of, find_band, length_of, position_of
from karyonet.iscn import structural as iscn
from karyonet.iscn.breakpoint import Breakpoint

Chain = tuple[Segment, ...]

ADDED = (Segment("4", float(position_of("4", "q21")[0]), float(position_of("4", "q26")[0])),)
"""What stands for material of unknown origin (``add``)."""
MARKER_CHAIN = (Segment("15", float(position_of("15", "p11.2")[0]), float(position_of("15", "q14")[1])),)
"""What stands for a marker of unknown origin (``mar``)."""


class CannotDraw(Exception):  # noqa: N818
    """A change that has no drawing; its text says why."""


def whole(name: str) -> Chain:
    """A normal chromosome."""
    return (Segment(name, 0.0, float(length_of(name))),)


def flip(chain: Chain) -> Chain:
    """The same chromosome from its other end."""
    return tuple(Segment(s.chromosome, s.start, s.stop, not s.reversed) for s in reversed(chain))


def where(name: str, point: Breakpoint) -> tuple[float, str]:
    """Position and arm of a breakpoint.

    Raises:
        CannotDraw: if the band is unknown.
    """
    if point.arm not in ("p", "q") or not point.band or not (covered := point.known)[1:]:
        raise CannotDraw(f"the band of a breakpoint on chromosome {name} is not known")
    if not find_band(name, covered):
        raise CannotDraw(f"chromosome {name} has no band {covered}")
    start, stop = position_of(name, covered)
    return (start + stop) / 2, point.arm


def distal(name: str, point: Breakpoint) -> Chain:
    """What a break takes off a normal chromosome, from the break to the end of the arm."""
    position, arm = where(name, point)
    if arm == "q":
        return _between(name, position, length_of(name))
    return flip(_between(name, 0.0, position))


def proximal(name: str, point: Breakpoint) -> Chain:
    """What a break leaves of a normal chromosome, from the end of the other arm to the break."""
    position, arm = where(name, point)
    if arm == "q":
        return _between(name, 0.0, position)
    return flip(_between(name, position, length_of(name)))


def _between(name: str, start: float, stop: float) -> Chain:
    return (Segment(name, float(start), float(stop)),) if stop > start else ()


def offset_of(chain: Chain, name: str, position: float) -> float:
    """How far from its first end a chromosome shows a position of chromosome ``name``; the first place of several.

    Raises:
        CannotDraw: if it does not show it.
    """
    passed = 0.0
    for segment in chain:
        if segment.chromosome == name and segment.start <= position <= segment.stop:
            return passed + (segment.stop - position if segment.reversed else position - segment.start)
        passed += segment.stop - segment.start
    raise CannotDraw(f"a breakpoint on chromosome {name} lies in a part that is no longer there")


def cut(chain: Chain, offset: float) -> tuple[Chain, Chain]:
    """Cut a chromosome at a distance from its first end."""
    left: Chain = ()
    for number, (name, start, stop, turned) in enumerate(chain):
        if offset < stop - start:
            position = stop - offset if turned else start + offset
            low, high = _between(name, start, position), _between(name, position, stop)
            first, second = (flip(high), flip(low)) if turned else (low, high)
            return left + first, second + chain[number + 1 :]
        left, offset = (*left, chain[number]), offset - (stop - start)
    return left, ()


def holds_centromere(chain: Chain, name: str) -> bool:
    """Whether the centromere of ``name`` is in the chain, or its long arm starts or its short arm ends in it."""
    middle = centromere_of(name)
    return any(s.chromosome == name and s.start <= middle <= s.stop for s in chain)


def _replace_distal(chain: Chain, owner: str, name: str, point: Breakpoint, new: Chain) -> Chain:
    """Keep the piece with the owner's centromere and join ``new`` to the break."""
    position, arm = where(name, point)
    left, right = cut(chain, offset_of(chain, name, position))
    keeps_left, keeps_right = holds_centromere(left, owner), holds_centromere(right, owner)
    if keeps_left and keeps_right:  # a break in the centromere itself: its arm is lost
        keeps_left = arm == "q"
    elif not keeps_left and not keeps_right:
        raise CannotDraw(f"the derivative of chromosome {owner} has lost its centromere")
    return left + new if keeps_left else flip(new) + right


def apply_event(chain: Chain, owner: str, event: iscn.Rearrangement) -> Chain:
    """The chromosome with the centromere of ``owner`` after one more event.

    Raises:
        CannotDraw: if the event has no drawing on this chromosome.
    """
    for kind, change in _CHANGES.items():
        if type(event) is kind:
            if not event.breakpoints:
                raise CannotDraw(f"the breakpoints of {event.symbol} are missing")
            return change(chain, owner, event)
    raise CannotDraw(f"{event.symbol} has no drawing")


def _delete(chain: Chain, owner: str, event: iscn.Rearrangement) -> Chain:
    name, points = event.chromosomes[0].name, event.breakpoints[0]
    if len(points) == 1:
        return _replace_distal(chain, owner, name, points[0], ())
    left, _, right = _middle(chain, name, points)
    return left + right


def _repeat(chain: Chain, owner: str, event: iscn.Rearrangement) -> Chain:
    name, points = event.chromosomes[0].name, event.breakpoints[0]
    copies = {"dup": 2, "trp": 3, "qdp": 4}[event.symbol]
    left, middle, right = _middle(chain, name, points)
    turned = event.modifier == "inv" or (len(points) == 2 and _runs_to_centromere(name, points))
    return left + middle + (flip(middle) if turned else middle) * (copies - 1) + right


def _runs_to_centromere(name: str, points: tuple[Breakpoint, ...]) -> bool:
    """Whether both bands lie on one arm and the outer one is named first, which says that a copy is inverted."""
    (first, arm), (second, other) = where(name, points[0]), where(name, points[1])
    middle = centromere_of(name)
    return arm == other and abs(first - middle) > abs(second - middle)


def _invert(chain: Chain, owner: str, event: iscn.Rearrangement) -> Chain:
    left, middle, right = _middle(chain, event.chromosomes[0].name, event.breakpoints[0])
    return left + flip(middle) + right


def _middle(chain: Chain, name: str, points: tuple[Breakpoint, ...]) -> tuple[Chain, Chain, Chain]:
    """What lies before, between and after two breaks; of a single band, before, in and after it."""
    if len(points) == 1:
        where(name, points[0])
        ends = [float(position) for position in position_of(name, points[0].known)]
    else:
        ends = [where(name, point)[0] for point in points]
    low, high = sorted(offset_of(chain, name, position) for position in ends)
    if low == high:
        raise CannotDraw(f"two breakpoints on chromosome {name} lie in the same place")
    rest, after = cut(chain, high)
    before, between = cut(rest, low)
    return before, between, after


def _insert(chain: Chain, owner: str, event: iscn.Rearrangement) -> Chain:
    names = [chromosome.name for chromosome in event.chromosomes]
    if len(names) == 1:
        target, *ends = event.breakpoints[0]
        left, middle, right = _middle(chain, names[0], tuple(ends))
        rest, moved = left + right, middle
        before, after = cut(rest, offset_of(rest, names[0], where(names[0], target)[0]))
        inverted = event.modifier == "inv" or _runs_to_centromere(names[0], tuple(ends))
        return before + (flip(moved) if inverted else moved) + after
    (target,), ends_of_donor = event.breakpoints[0], event.breakpoints[1]
    if owner == names[1]:
        left, _, right = _middle(chain, names[1], ends_of_donor)
        return left + right
    low, high = sorted(where(names[1], point)[0] for point in ends_of_donor)
    moved = _between(names[1], low, high)
    inverted = event.modifier == "inv" or _runs_to_centromere(names[1], ends_of_donor)
    before, after = cut(chain, offset_of(chain, names[0], where(names[0], target)[0]))
    return before + (flip(moved) if inverted else moved) + after


def _translocate(chain: Chain, owner: str, event: iscn.Rearrangement) -> Chain:
    names = [chromosome.name for chromosome in event.chromosomes]
    if any(len(points) != 1 for points in event.breakpoints):
        raise CannotDraw("a translocation with several breakpoints on a chromosome has no drawing")
    present = {segment.chromosome for segment in chain}
    own = owner if owner in names else next((name for name in names if name in present), "")
    if not own:
        raise CannotDraw(f"no chromosome of the translocation is part of the derivative of chromosome {owner}")
    place = names.index(own)
    donor = place - 1  # every chromosome gives to the next one, the last to the first
    return _replace_distal(
        chain, owner, own, event.breakpoints[place][0], distal(names[donor], event.breakpoints[donor][0])
    )


def _add(chain: Chain, owner: str, event: iscn.Rearrangement) -> Chain:
    return _replace_distal(chain, owner, event.chromosomes[0].name, event.breakpoints[0][0], ADDED)


_CHANGES: dict[type[iscn.Rearrangement], Callable[[Chain, str, iscn.Rearrangement], Chain]] = {
    iscn.Deletion: _delete,
    iscn.Duplication: _repeat,
    iscn.Triplication: _repeat,
    iscn.Quadruplication: _repeat,
    iscn.Inversion: _invert,
    iscn.Insertion: _insert,
    iscn.Translocation: _translocate,
    iscn.AdditionalMaterial: _add,
}
