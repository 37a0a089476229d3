"""``karyonet run``: one case from images to a report."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from karyonet.cli.options import Config, Set

if TYPE_CHECKING:
    from karyonet.report import Report

DONE_WITH_ERRORS = 3


def run(
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="Images of one case, or a folder that holds them.")
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Default: karyonet-out/<case id>.")] = None,
    config: Config = "default",
    override: Set = None,
    case_id: Annotated[str | None, typer.Option("--case-id", help="Default: name of the folder or first file.")] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="Also write report.pdf (needs the pdf extra).")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Karyotype one case: write report.json, report.html, karyograms and overlays.

    Exit status: 0 done; 2 unusable input or configuration, nothing written; 3 done, but an image failed; 1 a fault.
    """
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from karyonet.case import Case
    from karyonet.config import load_config
    from karyonet.pipeline import Pipeline
    from karyonet.report.folder import check_target, check_unedited

    settings = load_config(config, override or ())
    console = Console(stderr=True, quiet=quiet)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("loading models")
        pipeline = Pipeline.from_config(settings)
        progress.update(task, description=f"reading {len(images)} input{'s' * (len(images) != 1)}")
        case = Case.read(*images, case_id=case_id, limits=settings.reading)
        folder = out or Path("karyonet-out") / folder_name(case.id)
        check_target(folder)
        check_unedited(folder)
        report = pipeline(
            case, lambda stage, case: progress.update(task, description=f"{stage} ({len(case.metaphases)} metaphases)")
        )
        progress.update(task, description="writing the report")
        report.save(folder, pdf=pdf)
    if not quiet:
        _summarise(report, folder)
    for error in report.errors:
        typer.echo(f"{error.image}: {error.message}", err=True)
    if report.errors:
        raise typer.Exit(DONE_WITH_ERRORS)


def folder_name(case_id: str) -> str:
    """The case id as the name of one folder: nothing in it leads elsewhere."""
    return re.sub(r"[^\w.-]+", "_", case_id).strip(".") or "case"


def _summarise(report: Report, folder: Path) -> None:
    karyotype = report.karyotype
    typer.echo(f"{karyotype}  ({karyotype.outcome})")
    for reason in karyotype.reasons:
        typer.echo(f"  {reason}")
    for metaphase in report.metaphases:
        typer.echo(f"  {metaphase.id}  {metaphase.count or 0} chromosomes  {metaphase.iscn or 'undetermined'}")
    typer.echo(f"report: {folder / 'report.html'}")
