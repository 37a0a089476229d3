"""Real cases of which it is known which types are abnormal, and what the stage says of every type of theirs."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import takewhile
from pathlib import Path
from typing import Literal, TypeVar

from rich.progress import track

from karyonet.case import LABELS, Case
from karyonet.config import PLACES, PipelineConfig, load_config
from karyonet.data.metaphases import AnnotatedMetaphase, read_metaphases
from karyonet.errors import KaryonetError
from karyonet.evaluation.annotated import StageClassifier
from karyonet.pipeline import Pipeline
from karyonet.training.pack import appearing

from .bags import CaseBags
from .stage import NORMAL, STAGE, HomologComparer

_FORMAT = 2
"""Of the pairs that are kept; 2 has what their looks say."""
Kind = Literal["structural", "normal"]
Part = TypeVar("Part")


class Reading(StrEnum):
    """How the homologs are read."""

    boxes = "boxes"
    pipeline = "pipeline"


@dataclass(frozen=True)
class LabelledCase:
    """A case and which of its types are abnormal.

    Attributes:
        id, split: its name, and the split that it belongs to.
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
class JudgedType:
    """A type of a case and what was said of it.

    Attributes:
        case: whose it is.
        chromosome: one of :data:`karyonet.stages.abnormality.case_bags.TYPES`.
        metaphases: that were compared.
        probability: 0–1, of being abnormal; None where it could not be compared.
        reason: why not.
        heteromorphism: whether it is rather abnormal than not, and variable bands explain that.
    """

    case: LabelledCase
    chromosome: str
    metaphases: int
    probability: float | None
    reason: str = ""
    heteromorphism: bool = False

    @property
    def abnormal(self) -> bool:
        return self.chromosome in self.case.affected

    def exceeds(self, threshold: Callable[[int], float]) -> bool:
        """Whether it is a structural finding by a threshold that depends on the number of metaphases."""
        if self.probability is None or self.heteromorphism:
            return False
        return self.probability > threshold(self.metaphases)


@dataclass(frozen=True)
class JudgedCases:
    """All types of some cases.

    Attributes:
        judged: one entry a type and case.
        failures: cases that could not be read, with the reason.
    """

    judged: tuple[JudgedType, ...]
    failures: tuple[str, ...]


def judge_cases(
    cases: Sequence[LabelledCase], stage: HomologComparer, read: Reading, config: str, kept: Path
) -> JudgedCases:
    """Let the stage judge every type of some cases.

    Args:
        cases: of :func:`read_cases`.
        stage: with its weights.
        read: with the annotated boxes and names, or by the whole pipeline.
        config: of the pipeline whose stages find, straighten and turn the chromosomes.
        kept: folder of the pairs of every case, which are read once, so that other weights of the stage take seconds;
            another configuration or other weights of the stages before are read anew.
    """
    whole = load_config(config)
    settings = whole.model_copy(update={"stages": _before(whole.stages)})
    pipeline = Pipeline.from_config(settings)
    reader = in_boxes(pipeline) if read is Reading.boxes else by_pipeline(pipeline, settings)
    kept = kept / f"{read}_{_fingerprint(pipeline, settings, stage)}"
    judged: list[JudgedType] = []
    failures: list[str] = []
    for case in track(cases, "comparing"):
        try:
            bags = kept_bags(kept / f"{case.id}.pickle", case, reader, stage)
        except KaryonetError as fault:
            failures.append(f"{case.id}: {fault}")
        else:
            judged += judge(case, bags, stage)
    return JudgedCases(tuple(judged), tuple(failures))


def read_cases(
    data: Path, split: str, structural_splits: Sequence[str] | None = None, limit: int | None = None
) -> list[LabelledCase]:
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
            structural.append(LabelledCase(name, where, tuple(marked), affected))
        elif not affected and where == split and all(m.karyotype == "normal" and not m.affected for m in metaphases):
            normal.append(LabelledCase(name, where, tuple(metaphases)))
    return structural + normal[:limit]


def in_boxes(pipeline: Pipeline) -> Callable[[LabelledCase], Case]:
    """Reads the annotated chromosomes, straightened and turned by the stages of a pipeline, with their true names."""
    classify = StageClassifier(pipeline.stages)

    def read(known: LabelledCase) -> Case:
        metaphases = []
        for annotated in known.metaphases:
            seen = classify.metaphase(annotated)
            pairs = zip(seen.chromosomes, annotated.chromosomes, strict=True)
            chromosomes = tuple(replace(chromosome, label=truth.label) for chromosome, truth in pairs)
            metaphases.append(replace(seen, id=annotated.id, chromosomes=chromosomes))
        return Case(known.id, tuple(metaphases))

    return read


def by_pipeline(pipeline: Pipeline, settings: PipelineConfig) -> Callable[[LabelledCase], Case]:
    """Reads what a pipeline finds in the images of a case, up to the place of the abnormality stage."""
    before = Pipeline(_before(pipeline.stages), settings)

    def read(known: LabelledCase) -> Case:
        paths = [annotated.path for annotated in known.metaphases]
        return before(Case.read(*paths, case_id=known.id, limits=settings.reading)).case

    return read


def _before(stages: Mapping[str, Part]) -> dict[str, Part]:
    """Those that come before the abnormality stage."""
    later = PLACES[PLACES.index(STAGE) :]
    return dict(takewhile(lambda item: item[0] not in later, stages.items()))


def kept_bags(
    path: Path, known: LabelledCase, reader: Callable[[LabelledCase], Case], stage: HomologComparer
) -> CaseBags:
    """The pairs of a case, read once."""
    if path.is_file():
        with path.open("rb") as file:
            kept: CaseBags = pickle.load(file)
        return kept
    bags = stage.pairs(reader(known))
    with appearing(path) as file:
        pickle.dump(bags, file)
    return bags


def judge(known: LabelledCase, bags: CaseBags, stage: HomologComparer) -> list[JudgedType]:
    """What is said of every type of a case."""
    said = []
    for bag, one in zip(bags.bags, stage.compare_bags(bags.bags), strict=True):
        explained = one.probability > NORMAL and stage.is_heteromorphism(bag)
        said.append(JudgedType(known, one.chromosome, len(one.metaphases), one.probability, "", explained))
    return [*said, *(JudgedType(known, label, 0, None, reason) for label, reason in bags.skipped.items())]


def _fingerprint(pipeline: Pipeline, settings: PipelineConfig, stage: HomologComparer) -> str:
    """Of all that decides which pairs a case has, and what they look like."""
    weights = [weight.sha256 for step in pipeline.stages.values() for weight in step.weights]
    options = stage.options.model_dump(mode="json", include={"max_metaphases", "least_visible", "polarity_certainty"})
    decisive = [_FORMAT, settings.sha256, weights, options, stage.preprocessing.model_dump(mode="json")]
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:12]
