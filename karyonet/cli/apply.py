"""``karyonet apply``: the edits of a person to a finished case."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from karyonet.cli.options import Config, Set

if TYPE_CHECKING:
    from karyonet.edits.apply import Outcome


def apply(
    edits: Annotated[Path, typer.Argument(metavar="EDITS.json", help="What to change, see `karyonet schema edits`.")],
    report: Annotated[Path, typer.Argument(metavar="REPORT_DIR", help="A folder that run or batch has written.")],
    images: Annotated[
        list[Path] | None,
        typer.Option("--images", "-i", help="Where the images lie now: a folder, or one image. May be repeated."),
    ] = None,
    config: Config = "default",
    override: Set = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Apply a person's edits to a finished case, compute what follows from them, and remember who did what.

    The configuration must be the one that made the report. Who, when and what is appended to history.json in the
    report's folder; a history that was changed by other means is refused.

    Exit status: 0 done; 2 an edit, the report or its images cannot be used, nothing written; 1 a fault.
    """
    from karyonet.config import load_config
    from karyonet.edits.apply import apply_edits
    from karyonet.edits.document import read_edits
    from karyonet.pipeline import Pipeline

    document = read_edits(edits)
    settings = load_config(config, override or ())
    outcome = apply_edits(document, report, Pipeline.from_config(settings), images or (), source=edits.name)
    if not quiet:
        _summarise(outcome, report)


def _summarise(outcome: Outcome, folder: Path) -> None:
    for applied in outcome.edits:
        typer.echo(applied.in_words())
    for metaphase, chromosome, former, label in outcome.renamed():
        typer.echo(
            f"{metaphase}: {chromosome} is {label} now, before {former}: named anew around what you said; look at it"
        )
    before, after = outcome.before.karyotype, outcome.after.karyotype
    typer.echo(f"{after}  ({after.outcome})" + (f", before: {before}  ({before.outcome})" if before != after else ""))
    for reason in after.reasons:
        typer.echo(f"  {reason}")
    typer.echo(f"report: {folder / 'report.html'}")
