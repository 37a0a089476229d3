"""A karyotype in plain words: what it means, and what is gained, lost or moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from karyonet.iscn.ast import Change, Clone, DoubleMinutes, Heteromorphism, Karyotype, Marker, WholeChromosome
from karyonet.iscn.canonical import write_key
from karyonet.iscn.counting import base_of, ploidy_of, replaced
from karyonet.iscn.effects import Effect, Points, breakpoints_of, effect_of
from karyonet.iscn.structural import Derivative, IsoDerivative, Rearrangement, Recombinant
from karyonet.iscn.wording import KINDS, points_of
from karyonet.iscn.writer import write_change, write_clone

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_SOMY = {0: "nullisomy", 1: "monosomy", 3: "trisomy", 4: "tetrasomy", 5: "pentasomy"}
_SETS = {1: "haploid", 3: "triploid", 4: "tetraploid", 5: "pentaploid", 6: "hexaploid"}
_ORIGINS = {
    "mat": "from the mother",
    "pat": "from the father",
    "dn": "new in this person (de novo)",
    "inh": "inherited",
    "dinh": "derived from a balanced change of a parent",
    "dmat": "derived from a balanced change of the mother",
    "dpat": "derived from a balanced change of the father",
}


def explain(karyotype: Karyotype) -> str:
    """What a karyotype means, a clone at a time, a line for each change and for what it does.

    The karyotype is taken as it is written; see :func:`karyonet.iscn.coherence.check` for whether it is coherent.
    """
    lines: list[str] = []
    if karyotype.donor is not None:
        lines.append("Cells of a recipient and of a donor, after a transplantation.")
    elif len(karyotype.clones) > 1:
        kind = {"mos": "A mosaic (one person)", "chi": "A chimera (cells of more than one origin)"}
        lines.append(f"{kind.get(karyotype.prefix, 'Cells of more than one kind')}: {len(karyotype.clones)} clones.")
    for side, clones in (("Recipient", karyotype.clones), ("Donor", karyotype.donor or ())):
        total = sum(clone.cells.count.high for clone in karyotype.all_clones if clone.cells)
        described: Points = {}
        for number, clone in enumerate(clones):
            described = breakpoints_of(clone) | described
            title = [side] if karyotype.donor is not None else []
            if len(clones) > 1:
                title.append(f"clone {number + 1}")
            head = ", ".join([*title, *_cells(clone, total)])
            lines += _clone(clones, number, f"{head[:1].upper()}{head[1:]}: " if head else "", described)
    return "\n".join(lines)


def _cells(clone: Clone, total: int) -> list[str]:
    if clone.cells is None:
        return []
    count = clone.cells.count
    seen = str(count.low) if count.low == count.high else f"{count.low} to {count.high}"
    whole = f" of {total}" if total > count.high else ""
    composite = " put together (not every cell has every change)" if clone.cells.composite else ""
    return [f"in {seen}{whole} {'cell' if max(count.high, total) == 1 else 'cells'}{composite}"]


def _clone(clones: Sequence[Clone], number: int, head: str, described: Points) -> list[str]:
    clone = clones[number]
    count = f"{clone.count.low}" if clone.count.low == clone.count.high else f"{clone.count.low} to {clone.count.high}"
    ploidy = ploidy_of(clones, number)
    sets = f" ({_SETS[ploidy]}: {ploidy} sets)" if ploidy in _SETS and clone.relation is None else ""
    lines = [f"{head}{count} chromosomes{sets}, {_first(clones, number)}."]
    if not clone.changes and clone.relation is None and clone.sex in ("XX", "XY") and count == "46":
        lines.append("  A normal karyotype.")
    for change, times in Counter(clone.changes).items():
        lines += _change(change, times, clone, ploidy, described)
    if clone.incomplete:
        lines.append("  inc: there are more changes that could not be established.")
    return lines


def _first(clones: Sequence[Clone], number: int) -> str:
    clone = clones[number]
    if clone.relation is not None:
        base = base_of(clones, number)
        twice = f", {_number(clone.relation.copies)} times over" if clone.relation.copies else ""
        what = "an earlier clone" if base is None else f"clone {base + 1} ({write_clone(clones[base])})"
        return f"all changes of {what}{twice}" + (" and these" if clone.changes else "")
    if clone.sex == "?":
        return "sex chromosomes not known"
    if "U" in clone.sex:
        return "sex chromosomes not disclosed"
    own = " from birth" if clone.sex_constitutional == "c" else ""
    changed = any(_concerns_sex(change) for change in clone.changes)
    if clone.sex in ("XX", "XY") and not changed:
        return {"XX": "female (two X chromosomes)", "XY": "male (one X and one Y chromosome)"}[clone.sex] + own
    counted = Counter(clone.sex)
    parts = [f"{_number(n)} {name} chromosome{'s' if n > 1 else ''}" for name, n in sorted(counted.items())]
    text = f"{'normal sex chromosomes: ' if changed and not own else ''}{' and '.join(parts) or 'none'}{own}"
    if changed or ploidy_of(clones, number) != 2:
        return text
    return text + {"X": " and no second sex chromosome (monosomy X)", "Y": " and no X"}.get(
        clone.sex, " (normal are two)"
    )


def _concerns_sex(change: Change) -> bool:
    body = change.body
    return bool({"X", "Y"} & set(replaced(change, True))) or (
        isinstance(body, WholeChromosome) and body.name in ("X", "Y")
    )


def _change(change: Change, times: int, clone: Clone, ploidy: int, described: Points) -> list[str]:
    copies = times * (change.copies.low if change.copies else 1)
    words = _what(change, copies, clone, ploidy)
    body = change.body
    if getattr(body, "doubtful", False):
        words = f"probably {words}"
    notes = [_ORIGINS[change.origin]] if change.origin else []
    if change.constitutional:
        notes.append("constitutional" if change.constitutional == "c" else "perhaps constitutional")
    if change.cells is not None:
        notes.append(_cells(Clone(clone.count, "?", cells=change.cells), 0)[0])
    text = write_change(write_key(change))
    lines = [f"  {text}: {words}{', ' if notes else ''}{', '.join(notes)}"]
    if isinstance(body, Rearrangement | WholeChromosome | Marker | DoubleMinutes):
        lines += [f"    {line}" for line in _effect(effect_of(change, described), copies, body)]
    return lines


def _what(change: Change, copies: int, clone: Clone, ploidy: int) -> str:
    body = change.body
    match body:
        case WholeChromosome(name):
            lone = clone.relation is None and ploidy == 2 and name not in ("X", "Y")
            somy = _SOMY.get(2 + change.delta_sign * copies) if lone else None
            plural = "" if copies == 1 else "s"
            extra = "extra" if change.sign == "+" else "lost"
            return f"{_number(copies)} chromosome{plural} {name} {extra}" + (f" ({somy} {name})" if somy else "")
        case Marker(symbol, number):
            count = _number((number.low if number else 1) * copies)
            if number is not None and number.low < number.high:
                count = f"{number.low} to {number.high}"
            plural = "" if count == "one" else "s"
            if symbol == "r":
                return f"{count} ring{plural} of unknown origin"
            return f"{count} marker chromosome{plural} that cannot be identified"
        case DoubleMinutes(symbol, number):
            noun = {"dmin": "double minutes", "min": "minute fragments", "ace": "acentric fragments"}[symbol]
            return f"{noun} (not counted as chromosomes)"
        case Heteromorphism(chromosome, variant):
            return f"a normal variant of chromosome {chromosome} ({variant})"
        case Rearrangement():
            gained = {"": "", "+": "an extra chromosome: ", "-": "without the changed chromosome: "}[change.sign]
            twice = f"{_number(copies)} times " if copies > 1 else ""
            return f"{gained}{twice}{_rearrangement(body)}"


def _rearrangement(body: Rearrangement) -> str:
    words = KINDS[type(body)](body)
    if isinstance(body, Derivative) and not isinstance(body, Recombinant | IsoDerivative) and not body.events:
        return words + (f", joined at {points_of(body)}" if body.breakpoints else "")
    if isinstance(body, Derivative):
        return f"{words} by {' and '.join(map(_rearrangement, body.events))}" if body.events else words
    return words


def _effect(effect: Effect, copies: int, body: object) -> list[str]:
    times = f" ({_number(copies)} times)" if copies > 1 else ""
    lines = []
    for title, parts in (
        ("gained", [*_counted(effect.gained), *effect.unknown]),
        ("lost", _counted(effect.lost)),
        ("moved", list(effect.moved)),
    ):
        if parts:
            lines.append(f"{title}: {'; '.join(parts)}{times}")
    if isinstance(body, Rearrangement) and not (effect.gained or effect.lost or effect.unknown):
        lines.append("nothing is seen to be gained or lost")
    return lines


def _counted(segments: Sequence[object]) -> list[str]:
    return [
        f"{name}{' (twice)' if n == 2 else f' ({n} times)' if n > 2 else ''}"
        for name, n in Counter(map(str, segments)).items()
    ]


def _number(number: int | None) -> str:
    return "one" if number is None else _NUMBERS[number] if 0 <= number < len(_NUMBERS) else str(number)
