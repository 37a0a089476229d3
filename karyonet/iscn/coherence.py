"""Whether a karyotype agrees with itself, with the chromosomes, and with the rules of writing it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from karyonet.errors import IscnError
from karyonet.iscn.ast import Change, Clone, Heteromorphism, Karyotype, Marker, Span, WholeChromosome
from karyonet.iscn.canonical import STEPS, canonical, write_key
from karyonet.iscn.clone_checks import check_clones
from karyonet.iscn.counting import Bounds, agrees, expected_count, ploidy_of, replaced, states_sex_before
from karyonet.iscn.problem import Problem, error, warning
from karyonet.iscn.structural import (
    Rearrangement,
)
from karyonet.iscn.structure_checks import check_structure
from karyonet.iscn.writer import write, write_change, write_clone


def check(karyotype: Karyotype) -> list[Problem]:
    """Everything that is wrong with a karyotype, errors first.

    Errors: the stated count is not that of the parts; the sex chromosomes contradict the changes; a chromosome is lost
    more often than it is there; a band does not exist; a derivative's events are on other chromosomes; a sign that a
    change cannot take; a clone that refers to none or has no cells. Warnings: the order of changes, chromosomes, bands
    and clones (with the canonical rewriting), missing breakpoints, clones below the clonality rule.
    """
    problems = [*check_clones(karyotype), *_check_parts(karyotype), *_check_writing(karyotype)]
    return sorted(dict.fromkeys(problems), key=lambda problem: problem.severity)


def require_coherent(karyotype: Karyotype) -> None:
    """Refuse a karyotype that contradicts itself; warnings pass.

    Raises:
        IscnError: K605 with what is wrong.
    """
    reasons = [problem.message for problem in check(karyotype) if problem.severity == "error"]
    if reasons:
        raise IscnError("K605", karyotype=write(karyotype), reason="; ".join(reasons))


def _check_parts(karyotype: Karyotype) -> Iterator[Problem]:
    for clones in (karyotype.clones, karyotype.donor or ()):
        described: set[tuple[str, tuple[str, ...]]] = set()
        for number, clone in enumerate(clones):
            sex = list(_check_sex(karyotype, clones, number))
            yield from sex
            yield from _check_count(karyotype, clones, number, mend=not sex)
            yield from _check_losses(clones, number)
            for change in clone.changes:
                if isinstance(change.body, Rearrangement):
                    yield from check_structure(change, described, clone.relation is not None)
                elif isinstance(change.body, Marker) and not change.sign:
                    yield error(f"{write_change(change)}: an unidentified chromosome is extra and takes +")


def _check_writing(karyotype: Karyotype) -> Iterator[Problem]:
    rewriting = write(canonical(karyotype))
    current = karyotype
    for step, rule in STEPS:
        changed = step(current)
        if changed != current:
            yield Problem("warning", rule, rewriting)
        current = changed


def _check_count(karyotype: Karyotype, clones: Sequence[Clone], number: int, mend: bool) -> Iterator[Problem]:
    clone = clones[number]
    expected = _contradicted_count(clones, number)
    if expected is None:
        return
    rewriting = None
    # Each rewriting puts all clones in order; beyond a few dozen that would take seconds.
    if mend and len(clones) <= 30 and 0 < expected.low == expected.high < 1000:
        rewriting = _with(karyotype, clone, replace(clone, count=Span.of(expected.low)))
    message = f"{write_clone(clone)}: {_range(clone.count)} is stated, but the parts make {_range(expected)}"
    yield Problem("error", message, rewriting)


def _contradicted_count(clones: Sequence[Clone], number: int) -> Bounds | None:
    """What the parts make, where it is not what is stated."""
    clone = clones[number]
    expected = expected_count(clones, number, ploidy_of(clones, number))
    return None if expected is None or agrees(clone, expected) else expected


def _check_sex(karyotype: Karyotype, clones: Sequence[Clone], number: int) -> Iterator[Problem]:
    """What is there, what was lost and what was rearranged must together be a normal constitution."""
    clone = clones[number]
    if states_sex_before(clone) or "?" in clone.sex or "U" in clone.sex:
        return
    signed = [write_key(change) for change in clone.changes if _is_whole_sex_chromosome(change)]
    rearranged = [name for change in clone.changes for name in replaced(change, True) if name in ("X", "Y")]
    variants = [c.body.chromosome for c in clone.changes if isinstance(c.body, Heteromorphism) and not clone.sex]
    lost = [change.body.name for change in signed if change.sign == "-" and isinstance(change.body, WholeChromosome)]
    constitution = "".join(sorted([*clone.sex, *rearranged, *variants, *lost]))
    if "X" not in constitution:
        yield warning(f"{write_clone(clone)}: there is no X chromosome, without which no cell lives")
    if not signed or ploidy_of(clones, number) != 2 or constitution in ("XX", "XY"):
        return
    left = clone.sex
    for name in lost:
        left = left.replace(name, "", 1)
    mended = replace(clone, sex=left) if left else clone
    right = _contradicted_count([mended], 0) is None and "".join(sorted([*left, *rearranged, *lost])) in ("XX", "XY")
    message = (
        f"{write_clone(clone)}: the sex chromosomes do not agree with {' and '.join(map(write_change, signed))}: the "
        f"constitution would be {constitution or 'none'}; write the sex chromosomes that are left (45,X,-Y), or mark "
        "the patient's own with c (48,XXYc,+X)"
    )
    yield Problem("error", message, _with(karyotype, clone, mended) if right else None)


def _with(karyotype: Karyotype, clone: Clone, mended: Clone) -> str:
    """The karyotype, in canonical form, with one clone in place of another."""

    def swapped(clones: tuple[Clone, ...]) -> tuple[Clone, ...]:
        return tuple(mended if other is clone else other for other in clones)

    donor = None if karyotype.donor is None else swapped(karyotype.donor)
    return write(canonical(replace(karyotype, clones=swapped(karyotype.clones), donor=donor)))


def _range(numbers: Span | Bounds) -> str:
    return str(numbers.low) if numbers.low == numbers.high else f"{numbers.low}~{numbers.high}"


def _is_whole_sex_chromosome(change: Change) -> bool:
    body = change.body
    return isinstance(body, WholeChromosome) and body.name in ("X", "Y") and not change.constitutional


def _check_losses(clones: Sequence[Clone], number: int) -> Iterator[Problem]:
    clone = clones[number]
    if clone.relation is not None or (clone.cells is not None and clone.cells.composite):
        return
    ploidy = max(ploidy_of(clones, number), 1 if clone.ploidy else 2)
    lost: Counter[str] = Counter()
    gained: Counter[str] = Counter()
    used: Counter[str] = Counter()
    for change in clone.changes:
        copies = change.copies.low if change.copies else 1
        if isinstance(change.body, WholeChromosome):
            (lost if change.sign == "-" else gained)[change.body.name] += copies
        for name in replaced(change, False):
            used[name] += copies
    for name in lost:
        if name in ("X", "Y"):
            continue
        if gained[name]:
            yield warning(f"{write_clone(clone)}: chromosome {name} is both lost and gained; leave both out")
        elif lost[name] > ploidy:
            yield error(f"{write_clone(clone)}: chromosome {name} is lost {lost[name]} times, a cell has {ploidy}")
    for name in used:
        if name != "?" and used[name] + lost[name] > ploidy + gained[name]:
            yield warning(
                f"{write_clone(clone)}: more chromosomes {name} are changed or lost than the {ploidy + gained[name]} "
                "that there are; changes of one chromosome belong into one der"
            )
