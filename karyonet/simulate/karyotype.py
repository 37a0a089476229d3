"""From an ISCN karyotype to the chromosomes of its clones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from karyonet.errors import IscnError
from karyonet.ideogram import VARIABLE_BANDS, centromere_of, length_of
from karyonet.iscn import parse, structural, write
from karyonet.iscn.ast import Change, Clone, DoubleMinutes, Heteromorphism, Karyotype, Marker, WholeChromosome
from karyonet.iscn.coherence import require_coherent
from karyonet.iscn.counting import base_of, ploidy_of, replaced, states_sex_before
from karyonet.iscn.writer import write_breakpoint, write_change, write_clone
from karyonet.simulate.plan import MARKER, ChromosomePlan, ClonePlan, normal_chromosome, normal_complement
from karyonet.simulate.rearrange import (
    MARKER_CHAIN,
    CannotDraw,
    Chain,
    apply_event,
    cut,
    distal,
    flip,
    offset_of,
    proximal,
    where,
    whole,
)

_VARIANT_LENGTH = {"+": 1.9, "-": 0.35, "": 1.0}
_RING_ARC = 0.04
"""Share of a chromosome that is lost at either end of a ring whose breakpoints are not stated."""


def plan_karyotype(karyotype: str | Karyotype) -> tuple[ClonePlan, ...]:
    """The chromosomes of every clone.

    Args:
        karyotype: a string, or its syntax tree.

    Raises:
        IscnError: K601–K604 if the string cannot be read, K605 if it contradicts itself, K606 if it is coherent but
            cannot be drawn: unknown sex chromosomes or bands, incomplete clones, changes without a drawing.
    """
    tree = parse(karyotype) if isinstance(karyotype, str) else karyotype
    require_coherent(tree)
    plans: list[ClonePlan] = []
    for clones in (tree.clones, tree.donor or ()):
        built: list[ClonePlan] = []
        for number, clone in enumerate(clones):
            try:
                chromosomes = _chromosomes(clones, number, built)
                if not clone.count.low <= len(chromosomes) <= clone.count.high:
                    raise CannotDraw(f"its parts make {len(chromosomes)} chromosomes")
            except CannotDraw as fault:
                raise IscnError("K606", karyotype=write(tree), reason=f"{write_clone(clone)}: {fault}") from None
            cells = clone.cells.count.low if clone.cells else None
            built.append(ClonePlan(write_clone(replace(clone, cells=None)), chromosomes, cells))
        plans += built
    return tuple(plans)


def _chromosomes(clones: Sequence[Clone], number: int, built: Sequence[ClonePlan]) -> tuple[ChromosomePlan, ...]:
    clone = clones[number]
    if clone.incomplete:
        raise CannotDraw("the karyotype is incomplete")
    if clone.sex == "?" or "U" in clone.sex:
        raise CannotDraw("the sex chromosomes are not stated")
    base = base_of(clones, number)
    if clone.relation is not None and base is not None:
        cell = list(built[base].chromosomes) * (clone.relation.copies or 1)
    else:
        ploidy = ploidy_of(clones, number)
        cell = [plan for plan in normal_complement("") for _ in range(ploidy)][::2]
        cell += [normal_chromosome(name) for name in sorted(clone.sex)]
    for change in clone.changes:
        for _ in range(change.copies.low if change.copies else 1):
            _apply(cell, change, states_sex_before(clone))
    order = {name: place for place, name in enumerate((*map(str, range(1, 23)), "X", "Y", MARKER))}
    return tuple(sorted(cell, key=lambda plan: order[plan.label]))


def _apply(cell: list[ChromosomePlan], change: Change, sex_before: bool) -> None:
    """Change the chromosomes of a cell, in place."""
    body = change.body
    text = ""
    if not isinstance(body, WholeChromosome):
        text = write_change(replace(change, sign="", origin="", constitutional="", copies=None, cells=None))
    if isinstance(body, WholeChromosome):
        shown = body.name in ("X", "Y") and not sex_before and change.sign == "-"
        if change.sign == "+":
            cell.append(normal_chromosome(body.name))
        elif not shown:
            _remove(cell, body.name)
    elif isinstance(body, DoubleMinutes):
        raise CannotDraw(f"{body.symbol} has no drawing")
    elif isinstance(body, Heteromorphism):
        if body.chromosome not in ("X", "Y") or sex_before:
            _remove(cell, body.chromosome)
        cell.append(_variant(body, text))
    elif isinstance(body, Marker):
        for _ in range(body.number.low if body.number else 1):
            if change.sign == "-":
                _remove(cell, MARKER)
            else:
                cell.append(ChromosomePlan(MARKER, MARKER_CHAIN, text, (), body.symbol == "r", None))
    elif isinstance(body, structural.UniparentalDisomy):
        return
    elif change.sign == "-":
        _remove_change(cell, text)
    else:
        for name in replaced(change, sex_before):
            _remove(cell, name)
        cell.extend(products(body, text))


def _remove(cell: list[ChromosomePlan], label: str) -> None:
    """Take out a chromosome, a normal one if there is one."""
    candidates = [plan for plan in cell if plan.label == label]
    if not candidates:
        raise CannotDraw(f"there is no chromosome {label} left to lose or to change")
    cell.remove(min(candidates, key=lambda plan: plan.change != ""))


def _remove_change(cell: list[ChromosomePlan], text: str) -> None:
    for plan in cell:
        if plan.change == text:
            cell.remove(plan)
            return
    raise CannotDraw(f"there is no {text} to lose")


def _variant(body: Heteromorphism, text: str) -> ChromosomePlan:
    """A chromosome whose variable bands are longer or shorter."""
    sign = body.variant[-1] if body.variant[-1] in "+-" else ""
    bands = VARIABLE_BANDS.get(body.chromosome, ())
    if "stk" in body.variant:
        bands = ("p12",)
    elif "s" in body.variant:
        bands = ("p13",)
    lengths = tuple((body.chromosome + band, _VARIANT_LENGTH[sign]) for band in bands)
    return replace(normal_chromosome(body.chromosome), change=text, variant=lengths)


def products(body: structural.Rearrangement, text: str = "") -> list[ChromosomePlan]:
    """The chromosomes that a structural change makes.

    Raises:
        CannotDraw: if it has no drawing.
    """
    names = [chromosome.name for chromosome in body.chromosomes]
    if "?" in names:
        raise CannotDraw(f"a chromosome of {text} is not known")
    breaks = tuple(
        name + write_breakpoint(point)
        for event in (body, *getattr(body, "events", ()))
        for name, points in zip((c.name for c in event.chromosomes), event.breakpoints, strict=False)
        for point in points
    )
    apart = isinstance(body, structural.Translocation) or (isinstance(body, structural.Insertion) and len(names) == 2)
    made = [_derive(body, name) for name in (names if apart else names[:1])]
    return [replace(plan, change=text, breakpoints=breaks) for plan in made]


def _derive(body: structural.Rearrangement, owner: str) -> ChromosomePlan:
    """The product of a change that carries the centromere of ``owner``."""
    points = [group[0] for group in body.breakpoints]
    names = [chromosome.name for chromosome in body.chromosomes]
    if isinstance(body, structural.Recombinant):
        raise CannotDraw(f"{body.symbol} has no drawing")
    if isinstance(body, structural.Ring):
        return ChromosomePlan(owner, _ring(body), ring=True, p_arm_first=None)
    if isinstance(body, structural.FragileSite):
        return normal_chromosome(owner)
    if isinstance(body, structural.Derivative):
        return _derivative(body, owner)
    if not points:
        raise CannotDraw(f"the breakpoints of {body.symbol} are missing")
    if isinstance(body, structural.Isochromosome | structural.Isodicentric):
        if isinstance(body, structural.Isochromosome):
            half = _arm(owner, points[0].arm)
        else:
            half = flip(proximal(owner, points[0]))
        return ChromosomePlan(owner, flip(half) + half, p_arm_first=None)
    if isinstance(body, structural.Fission):
        return ChromosomePlan(owner, _upright(_arm(owner, points[0].arm), owner), p_arm_first=None)
    if isinstance(body, structural.Robertsonian):
        return ChromosomePlan(owner, flip(_arm(names[0], "q")) + _arm(names[1], "q"), p_arm_first=None)
    if isinstance(body, structural.Dicentric) and len(names) == 2:
        first = proximal(names[0], points[0])
        return ChromosomePlan(owner, first + flip(proximal(names[1], points[1])), p_arm_first=points[0].arm == "q")
    return ChromosomePlan(owner, apply_event(whole(owner), owner, body))


def _derivative(body: structural.Derivative, owner: str) -> ChromosomePlan:
    names = [chromosome.name for chromosome in body.chromosomes]
    if len(names) == 2 and body.breakpoints and not body.events:
        # A whole-arm exchange: what lies beyond either breakpoint, joined.
        pieces = [distal(name, group[0]) for name, group in zip(names, body.breakpoints, strict=True)]
        short_first = {"p": True, "q": None}[body.breakpoints[0][0].arm]
        return ChromosomePlan(owner, flip(pieces[0]) + pieces[1], p_arm_first=short_first)
    if len(names) != 1:
        raise CannotDraw("a derivative of several chromosomes with events has no drawing")
    chain = whole(owner)
    for event in body.events:
        chain = apply_event(chain, owner, event)
    if isinstance(body, structural.IsoDerivative):
        if not body.breakpoints:
            raise CannotDraw("the arm of ider is not stated")
        left, right = cut(chain, offset_of(chain, owner, centromere_of(owner)))
        half = right if body.breakpoints[0][0].arm == "q" else flip(left)
        return ChromosomePlan(owner, flip(half) + half, p_arm_first=None)
    return ChromosomePlan(owner, chain)


def _arm(name: str, arm: str) -> Chain:
    """An arm from the centromere to its end."""
    middle = float(centromere_of(name))
    if arm == "q":
        return cut(whole(name), middle)[1]
    if arm == "p":
        return flip(cut(whole(name), middle)[0])
    raise CannotDraw(f"the arm of chromosome {name} is not stated")


def _upright(chain: Chain, name: str) -> Chain:
    """The chain in the direction of the normal chromosome."""
    return flip(chain) if chain and chain[0].chromosome == name and chain[0].reversed else chain


def _ring(body: structural.Ring) -> Chain:
    names = [chromosome.name for chromosome in body.chromosomes]
    if len(names) != 1:
        raise CannotDraw("a ring of several chromosomes has no drawing")
    name = names[0]
    if not body.breakpoints:
        lost = _RING_ARC * length_of(name)
        return cut(cut(whole(name), length_of(name) - lost)[0], lost)[1]
    ends = sorted(where(name, point)[0] for point in body.breakpoints[0])
    if len(ends) != 2 or ends[0] == ends[1]:
        raise CannotDraw("a ring has two breakpoints")
    return cut(cut(whole(name), ends[1])[0], ends[0])[1]
