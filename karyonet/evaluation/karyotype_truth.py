"""Whole cases and what is known of their karyotype."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from karyonet.case import LABELS
from karyonet.data import read_format
from karyonet.data.metaphases import AnnotatedMetaphase, read_metaphases
from karyonet.data.selection import in_split, limited
from karyonet.errors import DataError, IscnError
from karyonet.evaluation.karyotype_content import (
    NORMAL_SEX,
    Content,
    Sex,
    changes_shown,
    clonal_changes,
    content_of,
    sex_complement,
    sex_of,
)
from karyonet.iscn import numerical_karyotype, parse, write
from karyonet.iscn.canonical import canonical

METAPHASES, SIMULATED = "metaphases", "simulated"
FORMATS = (METAPHASES, SIMULATED)
TRUTH = "truth.json"

Kind = Literal["normal", "numerical", "structural", "unclear"]


@dataclass(frozen=True)
class KnownCase:
    """A case and what is known of it.

    Attributes:
        id: patient or culture.
        paths: its images.
        kind: what its karyotype is; ``unclear`` where the annotation does not say or disagrees with itself.
        iscn: the karyotype as far as it is known.
        numerical: its gains and losses, as of :func:`~karyonet.evaluation.karyotype_content.changes_shown`.
        affected: the chromosomes of its structural changes; empty where they are not named.
        sex: None where it is not known.
        exact: whether ``iscn`` is the whole truth; annotated counts are not, since they name no structural changes.
        chromosomes: annotated ones of all images together.
        note: why it is unclear, or what speaks against its kind.
    """

    id: str
    paths: tuple[Path, ...]
    kind: Kind
    iscn: str | None = None
    numerical: frozenset[str] = frozenset()
    affected: frozenset[str] = frozenset()
    sex: Sex | None = None
    exact: bool = False
    chromosomes: int = 0
    note: str = ""


def read_known_cases(
    directory: str | Path, format: str, split: str | None = None, limit: int | None = None
) -> list[KnownCase]:
    """Read a data set to measure the karyotypes of its cases, in the order in which they come.

    Args:
        directory: the data set.
        format: ``metaphases`` (needs the column ``karyotype`` of ``cells.csv``), or ``simulated``: a folder that
            ``karyonet simulate`` wrote, or a folder of such folders.
        split: only this split.
        limit: whole cases with at most so many images together.

    Raises:
        DataError: K401 if something is missing, K402 if a row or a truth file is wrong, K403 if there is no such
            split, K404 if an image is missing, K407 for another format.
    """
    directory = Path(directory)
    if format not in FORMATS:
        raise DataError("K407", format=format, stage="karyotype", known=", ".join(FORMATS))
    if format == SIMULATED:
        return _simulated(directory, split, limit)
    metaphases = read_format(directory, format, stage="karyotype", split=split, limit=limit)
    if not any(metaphase.karyotype for metaphase in metaphases):
        raise DataError("K401", path=directory / "cells.csv", format=format, missing="the column karyotype")
    return [annotated_case(name, members) for name, members in _by_case(metaphases).items()]


def belongs(known: KnownCase, least_metaphases: int) -> bool:
    """Whether a case belongs to a figure: normal cases need enough metaphases, unclear ones never do."""
    return known.kind != "unclear" and (known.kind != "normal" or len(known.paths) >= least_metaphases)


def require_measurable(cases: Sequence[KnownCase], least_metaphases: int, directory: Path, format: str) -> None:
    """Refuse cases none of which belongs to a figure (DataError K401)."""
    if not any(belongs(known, least_metaphases) for known in cases):
        missing = f"a case with a known karyotype (a normal one with {least_metaphases} metaphases or more)"
        raise DataError("K401", path=directory, format=format, missing=missing)


def annotated_case(name: str, metaphases: Sequence[AnnotatedMetaphase]) -> KnownCase:
    """What the annotated chromosomes and the marks of its metaphases say of a case.

    * unclear if some metaphases have the sex chromosomes XX and others XY;
    * structural if at least two metaphases (or the only one) are marked so, unclear if one of several is: that is not
      clonal;
    * unclear if no metaphase has normal or clonal sex chromosomes;
    * numerical if the annotated chromosomes show a clonal change; unclear if all metaphases are marked normal and the
      chromosomes of some agree with that: then a box is missing or wrong in the others;
    * normal if all metaphases are marked normal with nothing affected; otherwise unclear.

    Args:
        name: of the case.
        metaphases: at least one, all of this case.
    """
    counts = [Counter(chromosome.label for chromosome in metaphase.chromosomes) for metaphase in metaphases]
    clonal = clonal_changes(counts)
    marks = Counter(metaphase.karyotype for metaphase in metaphases)
    case = KnownCase(
        name,
        tuple(metaphase.path for metaphase in metaphases),
        "unclear",
        chromosomes=sum(len(metaphase.chromosomes) for metaphase in metaphases),
    )
    complements = Counter(filter({*NORMAL_SEX, *clonal}.__contains__, map(sex_complement, counts)))
    if set(NORMAL_SEX) <= set(complements):
        return replace(case, note="some metaphases are annotated as XX, others as XY")
    case = replace(case, sex=sex_of(complements))
    marked = marks["structural"]
    if marked == 1 < len(metaphases):
        return replace(case, note=f"1 of {len(metaphases)} metaphases is marked structural, which is not clonal")
    if marked:
        named = {label for m in metaphases if m.karyotype == "structural" for label in m.affected}
        return replace(case, kind="structural", affected=frozenset(named & set(LABELS)))
    if not complements:
        return replace(case, note="no metaphase is annotated with normal or clonal sex chromosomes")
    main = complements.most_common(1)[0][0]
    if clonal:
        if set(marks) == {"normal"} and not all(changes_shown(copies) & clonal for copies in counts):
            return replace(case, note="marked normal, with which the annotated chromosomes of some agree")
        iscn = _karyotype(counts, clonal, main)
        note = "" if marks["numerical"] else f"marked {', '.join(sorted(str(mark) for mark in marks))}"
        return replace(case, kind="numerical", iscn=iscn, numerical=clonal, note=note)
    if set(marks) == {"normal"} and not any(metaphase.affected for metaphase in metaphases):
        return replace(case, kind="normal", iscn=f"46,{main}")
    named = {label for metaphase in metaphases for label in metaphase.affected}
    said = ", ".join(sorted(str(mark) for mark in marks)) + (f" ({', '.join(sorted(named))})" if named else "")
    return replace(case, note=f"marked {said}, without a clonal change among the annotated chromosomes")


def case_of_iscn(name: str, paths: Sequence[Path], iscn: str, chromosomes: int = 0) -> KnownCase:
    """A case whose karyotype is known.

    Raises:
        IscnError: K601–K604 if it cannot be read.
    """
    content = content_of(iscn)
    return KnownCase(
        name,
        tuple(paths),
        _kind(content),
        write(canonical(parse(iscn))),
        content.numerical,
        content.structural,
        content.sex,
        exact=True,
        chromosomes=chromosomes,
    )


def _kind(content: Content) -> Kind:
    if content.rearranged:
        return "structural"
    return "normal" if content.normal else "numerical" if content.numerical else "unclear"


def _karyotype(counts: Sequence[Mapping[str, int]], clonal: frozenset[str], sex: str) -> str:
    """ISCN of annotated metaphases, read without what is not clonal; ``sex`` is that of most of them."""
    cells: Counter[str] = Counter()
    for copies in counts:
        shown = changes_shown(copies) & clonal
        kept = {label: copies[label] if {f"+{label}", f"-{label}"} & shown else 2 for label in LABELS[:22]}
        complement = sex_complement(copies)
        own = complement if complement in {*NORMAL_SEX, *clonal} else sex
        cells[numerical_karyotype({**kept, **Counter(own)})] += 1
    if len(cells) == 1:
        return next(iter(cells))
    text = "/".join(f"{iscn}[{number}]" for iscn, number in sorted(cells.items()))
    return write(canonical(parse(f"mos {text}")))


def _simulated(directory: Path, split: str | None, limit: int | None) -> list[KnownCase]:
    """One simulated case, or all in a folder."""
    if not directory.is_dir():
        raise DataError("K401", path=directory, format=SIMULATED, missing="the directory itself")
    single = (directory / TRUTH).is_file()
    folders = [directory] if single else sorted(path.parent for path in directory.glob(f"*/{TRUTH}"))
    if not folders:
        raise DataError("K401", path=directory, format=SIMULATED, missing=TRUTH)
    places = {folder.resolve().name: folder for folder in folders}
    metaphases = [replace(image, case=name) for name, folder in places.items() for image in read_metaphases(folder)]
    chosen = in_split(metaphases, split, lambda image: [image.split] if image.split else [], directory)
    cases = []
    for name, members in _by_case(limited(chosen, limit)).items():
        boxes = sum(len(member.chromosomes) for member in members)
        table = places[name] / TRUTH
        try:
            iscn = str(json.loads(table.read_text(encoding="utf-8"))["karyotype"])
            cases.append(case_of_iscn(name, [member.path for member in members], iscn, boxes))
        except (ValueError, KeyError, TypeError) as fault:
            said = fault.message if isinstance(fault, IscnError) else f"{type(fault).__name__}: {fault}"
            reason = f"the file is not what the simulator writes ({said}); draw the case again"
            raise DataError("K402", path=table, line=getattr(fault, "lineno", 1), reason=reason) from fault
    return cases


def _by_case(metaphases: Sequence[AnnotatedMetaphase]) -> dict[str, list[AnnotatedMetaphase]]:
    cases: dict[str, list[AnnotatedMetaphase]] = {}
    for metaphase in metaphases:
        cases.setdefault(metaphase.case, []).append(metaphase)
    return cases
