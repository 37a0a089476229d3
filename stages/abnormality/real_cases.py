"""Real cases of which it is known which types are abnormal, and what the stage says of every type of theirs."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Literal

from rich.progress import track

from karyonet.case import LABELS, Case
from karyonet.config import load_config
from karyonet.data.metaphases import AnnotatedMetaphase, read_metaphases
from karyonet.errors import KaryonetError
from karyonet.evaluation.annotated import StageClassifier
from karyonet.pipeline import Pipeline
from karyonet.training.pack import appearing

from .bags import CaseBags
from .stage import HomologComparer

Kind = Literal["structural", "normal"]


class Reading(StrEnum):
    """How the homologs are read."""

    boxes = "boxes"
    pipeline = "pipeline"


@dataclass(frozen=True)
class Known:
    """A case and which of its types are abnormal.

    Attributes:
        metaphases: of a structural case those that are marked so.
        affected: types; none of a normal case.
    """

    id: str
    split: str
    metaphases: tuple[AnnotatedMetaphase, ...]
    affected: frozenset[str] = frozenset()

    @property
    def kind(self) -> Kind:
        return "structural" if self.affected else "normal"


@dataclass(frozen=True)
class Judged:
    """A type of a case and what was said of it; a probability of None is a type that could not be compared."""

    case: Known
    chromosome: str
    metaphases: int
    probability: float | None
    reason: str = ""

    @property
    def abnormal(self) -> bool:
        return self.chromosome in self.case.affected

    def exceeds(self, threshold: Callable[[int], float]) -> bool:
        """Whether it is a finding by a threshold that depends on the number of metaphases."""
        return self.probability is not None and self.probability > threshold(self.metaphases)


@dataclass(frozen=True)
class JudgedCases:
    """All types of some cases.

    Attributes:
        judged: one entry a type and case.
        failures: cases that could not be read, with the reason.
    """

    judged: tuple[Judged, ...]
    failures: tuple[str, ...]


def judge_cases(cases: Sequence[Known], stage: HomologComparer, read: Reading, config: str, kept: Path) -> JudgedCases:
    """Let the stage judge every type of some cases.

    Args:
        cases: of :func:`read_cases`.
        stage: with its weights.
        read: with the annotated boxes and names, or by the whole pipeline.
        config: of the pipeline whose stages find, straighten and turn the chromosomes.
        kept: folder of the pairs of every case, which are read once, so that other weights take seconds.
    """
    reader = in_boxes(config) if read is Reading.boxes else by_pipeline(config)
    judged: list[Judged] = []
    failures: list[str] = []
    for case in track(cases, "comparing"):
        try:
            bags = kept_bags(kept / f"{read}_{case.id}.pickle", case, reader, stage)
        except KaryonetError as fault:
            failures.append(f"{case.id}: {fault}")
        else:
            judged += judge(case, bags, stage)
    return JudgedCases(tuple(judged), tuple(failures))


def read_cases(
    data: Path, split: str, structural_splits: Sequence[str] | None = None, limit: int | None = None
) -> list[Known]:
    """The structural cases whose affected types are named, of all splits or of some, and the normal ones of a split."""
    found: dict[str, list[AnnotatedMetaphase]] = {}
    for metaphase in read_metaphases(data):
        found.setdefault(metaphase.case, []).append(metaphase)
    structural, normal = [], []
    for name, metaphases in found.items():
        marked = [m for m in metaphases if m.karyotype == "structural"]
        affected = frozenset({label for m in marked for label in m.affected} & set(LABELS))
        where = metaphases[0].split or ""
        if affected and (not structural_splits or where in structural_splits):
            structural.append(Known(name, where, tuple(marked), affected))
        elif not affected and where == split and all(m.karyotype == "normal" and not m.affected for m in metaphases):
            normal.append(Known(name, where, tuple(metaphases)))
    return structural + normal[:limit]


def in_boxes(config: str) -> Callable[[Known], Case]:
    """Reads the annotated chromosomes, straightened and turned by the stages of a pipeline, with their true names."""
    classify = StageClassifier(Pipeline.from_config(config).stages)

    def read(known: Known) -> Case:
        metaphases = []
        for annotated in known.metaphases:
            seen = classify.metaphase(annotated)
            pairs = zip(seen.chromosomes, annotated.chromosomes, strict=True)
            chromosomes = tuple(replace(chromosome, label=truth.label) for chromosome, truth in pairs)
            metaphases.append(replace(seen, id=annotated.id, chromosomes=chromosomes))
        return Case(known.id, tuple(metaphases))

    return read


def by_pipeline(config: str) -> Callable[[Known], Case]:
    """Reads what the whole pipeline finds in the images of a case."""
    settings = load_config(config)
    pipeline = Pipeline.from_config(settings)

    def read(known: Known) -> Case:
        paths = [annotated.path for annotated in known.metaphases]
        return pipeline(Case.read(*paths, case_id=known.id, limits=settings.reading)).case

    return read


def kept_bags(path: Path, known: Known, reader: Callable[[Known], Case], stage: HomologComparer) -> CaseBags:
    """The pairs of a case, read once."""
    if path.is_file():
        with path.open("rb") as file:
            kept: CaseBags = pickle.load(file)
        return kept
    bags = stage.pairs(reader(known))
    with appearing(path) as file:
        pickle.dump(bags, file)
    return bags


def judge(known: Known, bags: CaseBags, stage: HomologComparer) -> list[Judged]:
    """What is said of every type of a case."""
    said = [
        Judged(known, one.chromosome, len(one.metaphases), one.probability) for one in stage.compare_bags(bags.bags)
    ]
    return [*said, *(Judged(known, label, 0, None, reason) for label, reason in bags.skipped.items())]
