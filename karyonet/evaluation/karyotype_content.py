"""What copy numbers and ISCN strings say, in a form in which two karyotypes can be compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from karyonet.iscn import parse
from karyonet.iscn.ast import Clone, Heteromorphism, WholeChromosome
from karyonet.iscn.breakpoint import CHROMOSOMES
from karyonet.iscn.canonical import canonical, write_key
from karyonet.iscn.clone_checks import MINIMUM_CELLS
from karyonet.iscn.counting import SEX_CHROMOSOMES, base_of, ploidy_of, replaced, states_sex_before
from karyonet.iscn.structural import Rearrangement
from karyonet.iscn.writer import write_clone

Sex = Literal["female", "male"]

AUTOSOMES = CHROMOSOMES[:22]
NORMAL_SEX = ("XX", "XY")
NO_SEX_CHROMOSOME = "?"


@dataclass(frozen=True)
class Content:
    """What an ISCN string says.

    Attributes:
        clones: each in its canonical form, without numbers of cells.
        numerical: gains and losses over all clones, as of :func:`changes_shown`.
        structural: the chromosomes that its structural changes name, one of :data:`karyonet.case.LABELS` each.
        rearranged: whether it has structural changes, markers or fragments; normal variants are none.
        sex: ``male`` where a clone has a Y, rearranged or not, or has lost it (``-Y``); None where it does not tell.
    """

    clones: frozenset[str]
    numerical: frozenset[str]
    structural: frozenset[str]
    rearranged: bool
    sex: Sex | None

    @property
    def normal(self) -> bool:
        """Whether nothing departs from 46,XX or 46,XY but normal variants."""
        return self.sex is not None and not self.numerical and not self.rearranged


def content_of(iscn: str) -> Content:
    """Read a karyotype.

    Raises:
        IscnError: K601–K604 if the string cannot be read.

    Example:
        >>> sorted(content_of("mos 47,XXY[2]/48,XXY,+21[3]").numerical)
        ['+21', 'XXY']
    """
    tree = canonical(parse(iscn))
    cells = [*_copies(tree.clones), *_copies(tree.donor or ())]
    bodies = [change.body for clone in tree.all_clones for change in clone.changes]
    signed = [body.name for body in bodies if isinstance(body, WholeChromosome)]  # 45,X,-Y had a Y
    told = not any(set(clone.sex) & set("?U") for clone in tree.all_clones)
    changes = frozenset(change for copies in cells for change in changes_shown(copies))
    return Content(
        clones=frozenset(_without_cells(clone) for clone in tree.all_clones),
        numerical=changes if told else frozenset(change for change in changes if is_autosomal(change)),
        structural=frozenset(
            chromosome.name
            for body in bodies
            if isinstance(body, Rearrangement)
            for chromosome in body.chromosomes
            if chromosome.name in CHROMOSOMES
        ),
        rearranged=any(not isinstance(body, WholeChromosome | Heteromorphism) for body in bodies),
        sex=sex_of((*map(sex_complement, cells), *signed)) if told else None,
    )


def changes_shown(copies: Mapping[str, int]) -> frozenset[str]:
    """What departs from the normal number: ``+21``, ``-7``, and the sex chromosomes where they are not XX or XY.

    The sex chromosomes are named as they are (``X``, ``XXY``), since it depends on what is taken to be normal whether
    45,X has lost an X or a Y.

    Args:
        copies: number of chromosomes of every label; labels left out count zero.
    """
    autosomes = {label: copies.get(label, 0) - 2 for label in AUTOSOMES}
    changes = {f"{'+' if change > 0 else '-'}{label}" for label, change in autosomes.items() if change}
    return frozenset(changes | {sex_complement(copies)} - {*NORMAL_SEX})


def clonal_changes(metaphases: Iterable[Mapping[str, int]]) -> frozenset[str]:
    """The changes that enough metaphases show to be clonal: a gain in two, a loss in three.

    Args:
        metaphases: copy numbers of each; as of :func:`changes_shown`.
    """
    shown = Counter(change for copies in metaphases for change in changes_shown(copies))
    fewest = {change: MINIMUM_CELLS["gain" if _is_gain(change) else "loss"] for change in shown}
    return frozenset(change for change, number in shown.items() if number >= fewest[change])


def sex_complement(copies: Mapping[str, int]) -> str:
    """The sex chromosomes as ISCN writes them, ``?`` where there are none."""
    return "".join(name * copies.get(name, 0) for name in SEX_CHROMOSOMES) or NO_SEX_CHROMOSOME


def sex_of(complements: Iterable[str]) -> Sex | None:
    """``male`` if one of the complements has a Y; None if none has a sex chromosome at all."""
    seen = "".join(complements)
    return "male" if "Y" in seen else "female" if "X" in seen else None


def is_autosomal(change: str) -> bool:
    """Whether a change of :func:`changes_shown` is one of the autosomes."""
    return change[0] in "+-"


def _is_gain(change: str) -> bool:
    # XXY and XXX have one too many; YY and X have lost one.
    return change[0] == "+" if is_autosomal(change) else len(change) > 2


def _without_cells(clone: Clone) -> str:
    # Cells of changes before those of the clone, which they cannot be without.
    return write_clone(replace(replace(clone, changes=tuple(map(write_key, clone.changes))), cells=None))


def _copies(clones: Sequence[Clone]) -> list[Counter[str]]:
    """Copy numbers of every clone; a rearranged chromosome counts as the one that it stands for."""
    built: list[Counter[str]] = []
    for number, clone in enumerate(clones):
        base, before = base_of(clones, number), states_sex_before(clone)
        if clone.relation is not None and base is not None:
            times = clone.relation.copies or 1
            copies = Counter({label: times * many for label, many in built[base].items()})
        else:
            copies = Counter(dict.fromkeys(AUTOSOMES, ploidy_of(clones, number)))
            copies.update(name for name in clone.sex if name in SEX_CHROMOSOMES)
        for change in clone.changes:
            times = change.copies.low if change.copies else 1
            if isinstance(change.body, WholeChromosome):
                name = change.body.name
                # In 45,X,-Y the lost one is no longer among the sex chromosomes that are stated.
                if before or change.sign == "+" or name in AUTOSOMES:
                    copies[name] += change.delta_sign * times
            elif not before:
                # 46,X,i(X)(q10): the rearranged X is not among those that are stated.
                variant = (change.body.chromosome,) if isinstance(change.body, Heteromorphism) else ()
                for name in (*replaced(change, sex_before=True), *variant):
                    copies[name] += times * (name in SEX_CHROMOSOMES)
        built.append(copies)
    return built
