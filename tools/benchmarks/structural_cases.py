"""Are the affected chromosomes of real structural cases told from all others, and how often is a normal case alarmed?

The structural cases of a data set of format metaphases and the normal cases of one split go through the
abnormality stage. The bags of the affected types are abnormal; all other types of these cases, and all types of the
normal cases, are normal. Nothing is tuned. The homologs are read

* with the annotated boxes and names (``--read boxes``), or
* by the whole pipeline (``--read pipeline``): found, separated, straightened and named by karyonet.

Which pairs a case has is kept in ``--run``, so that other weights of HomNet take seconds; a run
that was stopped goes on.

Example::

    python tools/benchmarks/structural_cases.py DATA/gband_metaphases --read boxes --run runs/structural
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from karyonet.evaluation.bootstrap import bootstrap_interval
from karyonet.evaluation.metrics import ratio
from karyonet.evaluation.ranking import ranking_figures
from karyonet.evaluation.report import write_text
from karyonet.stages.abnormality import HomologComparer
from karyonet.stages.abnormality.real_cases import JudgedType, Reading, judge_cases, read_cases

COLUMNS = ("case", "kind", "split", "chromosome", "abnormal", "metaphases", "probability", "not_compared")


def main(
    data: Annotated[Path, typer.Argument(help="A data set of format metaphases that states karyotypes.")],
    run: Annotated[Path, typer.Option(help="Folder for the pairs of every case.")],
    read: Annotated[Reading, typer.Option(help="Annotated boxes and names, or the whole pipeline.")] = Reading.boxes,
    split: Annotated[str, typer.Option(help="Of the normal cases.")] = "test",
    structural_split: Annotated[list[str] | None, typer.Option(help="Of the structural cases; default: all.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many normal cases.")] = None,
    weights: Annotated[str, typer.Option(help="Shipped weights, or a .safetensors file.")] = "homnet",
    threshold: Annotated[str, typer.Option(help="Of the alarms: a name in the model card or a number.")] = "auto",
    config: Annotated[str, typer.Option(help="Configuration of the stages before.")] = "default",
    threads: Annotated[int | None, typer.Option(min=1, help="Of the CPU.")] = None,
    rows: Annotated[Path | None, typer.Option(help="File for one CSV row a type and case.")] = None,
) -> None:
    """Print the figures and every structural case."""
    if threads is not None:
        torch.set_num_threads(threads)
    stage = HomologComparer(weights=weights, threshold=threshold)
    cases = read_cases(data, split, structural_split, limit)
    if {case.kind for case in cases} != {"structural", "normal"}:
        reason = f"it needs structural cases that name a chromosome, and normal cases in the split {split}"
        raise typer.BadParameter(reason, param_hint="data")
    said = judge_cases(cases, stage, read, config, run)
    print(figures(said.judged, stage.threshold_for), structural_table(said.judged), sep="\n")
    print(*(f"failed: {failure}" for failure in said.failures), sep="\n")
    if rows is not None:
        write_text(rows, rows_as_csv(said.judged))


def figures(judged: Sequence[JudgedType], threshold: Callable[[int], float]) -> str:
    """Ranking of all types that could be compared, and alarms in normal cases; intervals over cases.

    Args:
        judged: what was said.
        threshold: for an alarm, by the number of metaphases.
    """
    compared = [one for one in judged if one.probability is not None]
    scores, abnormal, cases = (
        np.array(column)
        for column in zip(*((one.probability, one.abnormal, one.case.id) for one in compared), strict=True)
    )
    count, missed = int(abnormal.sum()), sum(one.abnormal and one.probability is None for one in judged)
    lines = [
        f"{len(np.unique(cases))} cases, {len(compared):,} types compared, {count} of them abnormal "
        f"({missed} abnormal ones could not be compared)"
    ]
    for name, (value, (low, high)) in ranking_figures(scores, abnormal, cases).items():
        lines.append(f"{name:<18} {value:.3f} ({low:.3f}–{high:.3f})")
    alarmed = {one.case.id: 0 for one in judged if one.case.kind == "normal"}
    for one in compared:
        if one.case.kind == "normal":
            alarmed[one.case.id] |= one.exceeds(threshold)
    table = np.column_stack([[*alarmed.values()], np.ones(len(alarmed))]).astype(float)
    low, high = bootstrap_interval(lambda s: ratio(s[..., 0], s[..., 1]), table)
    found = sum(one.abnormal and one.exceeds(threshold) for one in compared)
    lines.append(
        f"alarms: {found} of {count} abnormal types; {100 * table[:, 0].mean():.1f} % "
        f"({100 * low:.1f}–{100 * high:.1f}) of {len(table)} normal cases have one"
    )
    return "\n".join(lines)


def structural_table(judged: Sequence[JudgedType]) -> str:
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


def rows_as_csv(judged: Sequence[JudgedType]) -> str:
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
