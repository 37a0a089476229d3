"""Are the affected chromosomes of real structural cases told from all others, and how often is a normal case alarmed?

The structural cases of a data set of format metaphases and the normal cases of one split go through the
abnormality stage. The bags of the affected types are abnormal; all other types of these cases, and all types of the
normal cases, are normal. Nothing is tuned. The homologs are read

* with the annotated boxes and names (``--read boxes``), or
* by the whole pipeline (``--read pipeline``): found, separated, straightened and named by karyonet.

Which pairs a case has is kept in ``--run``, so that other weights take seconds; a run that was stopped goes on.

Example::

    python tools/benchmarks/structural_cases.py DATA/gband_metaphases --read boxes --run runs/structural
"""

from __future__ import annotations

import csv
import io
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import typer
from rich.progress import track

from karyonet.case import LABELS, Case
from karyonet.config import load_config
from karyonet.data.metaphases import AnnotatedMetaphase, read_metaphases
from karyonet.errors import KaryonetError
from karyonet.evaluation.annotated import StageClassifier
from karyonet.evaluation.bootstrap import bootstrap_interval
from karyonet.evaluation.metrics import ratio
from karyonet.evaluation.ranking import ranking_figures
from karyonet.evaluation.report import write_text
from karyonet.pipeline import Pipeline
from karyonet.stages.abnormality import HomologComparer
from karyonet.stages.abnormality.bags import CaseBags
from karyonet.training.pack import appearing

Kind = Literal["structural", "normal"]
COLUMNS = ("case", "kind", "split", "chromosome", "abnormal", "metaphases", "probability", "not_compared")


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


def main(
    data: Annotated[Path, typer.Argument(help="A data set of format metaphases that states karyotypes.")],
    run: Annotated[Path, typer.Option(help="Folder for the pairs of every case.")],
    read: Annotated[Reading, typer.Option(help="Annotated boxes and names, or the whole pipeline.")] = Reading.boxes,
    split: Annotated[str, typer.Option(help="Of the normal cases.")] = "test",
    structural_split: Annotated[list[str] | None, typer.Option(help="Of the structural cases; default: all.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many normal cases.")] = None,
    weights: Annotated[str, typer.Option(help="Shipped weights, or a .safetensors file.")] = "pki3",
    config: Annotated[str, typer.Option(help="Configuration of the stages before.")] = "default",
    threads: Annotated[int | None, typer.Option(min=1, help="Of the CPU.")] = None,
    rows: Annotated[Path | None, typer.Option(help="File for one CSV row a type and case.")] = None,
) -> None:
    """Print the figures and every structural case."""
    if threads is not None:
        torch.set_num_threads(threads)
    stage = HomologComparer(weights=weights)
    reader = in_boxes(config) if read is Reading.boxes else by_pipeline(config)
    judged: list[Judged] = []
    failures: list[str] = []
    for case in track(read_cases(data, split, structural_split, limit), "comparing"):
        try:
            bags = kept_bags(run / f"{read}_{case.id}.pickle", case, reader, stage)
        except KaryonetError as fault:
            failures.append(f"failed: {case.id}: {fault}")
        else:
            judged += judge(case, bags, stage)
    (weight,) = stage.weights
    print(figures(judged, weight.card.thresholds), structural_table(judged), *failures, sep="\n")
    if rows is not None:
        write_text(rows, rows_as_csv(judged))


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


def figures(judged: Sequence[Judged], thresholds: Mapping[str, float]) -> str:
    """Ranking of all types that could be compared, and alarms in normal cases; intervals over cases."""
    compared = [one for one in judged if one.probability is not None]
    scores, abnormal, cases = (
        np.array(column)
        for column in zip(*((one.probability, one.abnormal, one.case.id) for one in compared), strict=True)
    )
    abnormal_types = int(abnormal.sum())
    lines = [
        f"{len(np.unique(cases))} cases, {len(compared):,} types compared, {abnormal_types} of them abnormal "
        f"({sum(one.abnormal for one in judged) - abnormal_types} abnormal ones could not be compared)"
    ]
    for name, (value, (low, high)) in ranking_figures(scores, abnormal, cases).items():
        lines.append(f"{name:<18} {value:.3f} ({low:.3f}–{high:.3f})")
    most = {one.case.id: 0.0 for one in judged if one.case.kind == "normal"}
    for one in compared:
        if one.case.kind == "normal":
            most[one.case.id] = max(most[one.case.id], one.probability or 0.0)
    worst = np.array([*most.values()])
    for name, threshold in thresholds.items():
        alarmed = np.column_stack([worst > threshold, np.ones(len(worst))]).astype(float)
        low, high = bootstrap_interval(lambda s: ratio(s[..., 0], s[..., 1]), alarmed)
        share = 100 * alarmed[:, 0].mean()
        found = sum(one.abnormal and (one.probability or 0.0) > threshold for one in compared)
        lines.append(
            f"above {name} ({threshold:.4f}): {found} of {abnormal_types} abnormal types; {share:.1f} % "
            f"({100 * low:.1f}–{100 * high:.1f}) of {len(worst)} normal cases have an alarm"
        )
    lines.append(f"5 % of the normal cases exceed {np.quantile(worst, 0.95, method='higher'):.4f}")
    return "\n".join(lines)


def structural_table(judged: Sequence[Judged]) -> str:
    """Every abnormal type with its rank among the types of its case, and how many normal types are ahead of it."""
    normal = np.array([one.probability for one in judged if one.probability is not None and not one.abnormal])
    lines = [
        "",
        "| case | split | type | metaphases | probability | rank in the case | normal types above |",
        "|---" * 7 + "|",
    ]
    for one in (one for one in judged if one.abnormal):
        start = f"| {one.case.id} | {one.case.split} | {one.chromosome} |"
        if one.probability is None:
            lines.append(f"{start} 0 | not compared: {one.reason} | – | – |")
            continue
        own = [other.probability for other in judged if other.case is one.case and other.probability is not None]
        rank = 1 + sum(probability > one.probability for probability in own)
        above = 100 * float((normal > one.probability).mean())
        lines.append(f"{start} {one.metaphases} | {one.probability:.3f} | {rank} of {len(own)} | {above:.1f} % |")
    return "\n".join(lines)


def rows_as_csv(judged: Sequence[Judged]) -> str:
    """One row a type and case, the columns being :data:`COLUMNS`."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in judged:
        probability = "" if one.probability is None else f"{one.probability:.6f}"
        case = (one.case.id, one.case.kind, one.case.split)
        writer.writerow([*case, one.chromosome, int(one.abnormal), one.metaphases, probability, one.reason])
    return text.getvalue()


if __name__ == "__main__":
    typer.run(main)
