"""``karyonet batch``: a folder of case folders becomes a folder of reports with a summary."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from karyonet.cli.options import Config, Set
from karyonet.cli.run import DONE_WITH_ERRORS, folder_name

if TYPE_CHECKING:
    from karyonet.report.summary import CaseRow


def batch(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that holds one folder of images a case.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Gets a folder with the report of each case.")] = Path(
        "karyonet-out"
    ),
    config: Config = "default",
    override: Set = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, help="Processes at once. Default: one a core, as far as memory allows."),
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="Also write report.pdf (needs the pdf extra).")] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Make every report again, also those that were finished or changed.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Karyotype many cases: each as karyonet run would, and summary.csv and summary.html over all.

    A batch that was stopped goes on where it was when the same command is given again: a case is left as it is if its
    report was made by the same version, configuration, weights and images.

    Exit status: 0 done; 2 unusable input or configuration, nothing written; 3 done, but a case or an image failed;
    1 a fault; 130 or 143 stopped by Ctrl-C or a request to end.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from karyonet.batch import find_cases, loose_images, run_batch
    from karyonet.config import load_config

    settings = load_config(config, override or ())
    cases = find_cases(folder, out, folder_name)
    console = Console(stderr=True, quiet=quiet)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    rows: list[CaseRow] = []
    earlier = 0
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with _caught_signals() as caught, bar as progress:
        task = progress.add_task("cases", total=len(cases))
        run = run_batch(cases, out, settings, jobs=jobs, pdf=pdf, fresh=fresh, stopped=lambda: bool(caught))
        with closing(run):
            for ended in run:
                rows.append(ended.row)
                earlier += ended.earlier
                progress.advance(task)
                if not ended.earlier:
                    console.print(_line(ended.row), markup=False, highlight=False, soft_wrap=True)
    if not quiet:
        _summarise(rows, earlier, len(cases), out)
    if loose := loose_images(folder):
        typer.echo(f"{loose} {'image lies' if loose == 1 else 'images lie'} in {folder} itself, in no case", err=True)
    for row in rows:
        for failure in row.failures:
            typer.echo(f"{row.case}: {failure}", err=True)
    if caught and len(rows) < len(cases):
        typer.echo(f"stopped by {signal.Signals(caught[0]).name}; the same command goes on from here", err=True)
        raise typer.Exit(128 + caught[0])
    if any(row.errors for row in rows):
        raise typer.Exit(DONE_WITH_ERRORS)


@contextmanager
def _caught_signals() -> Iterator[list[int]]:
    """SIGINT and SIGTERM are noted in the list; a second one ends the program at once."""
    caught: list[int] = []
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def catch(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        restore()

    def restore() -> None:
        for number, handler in former.items():
            signal.signal(number, handler)

    for number in former:
        signal.signal(number, catch)
    try:
        yield caught
    finally:
        restore()


def _line(row: CaseRow) -> str:
    return f"{row.case}  {row.iscn or row.outcome}" + (f"  ({row.outcome})" if row.iscn else "")


def _summarise(rows: list[CaseRow], earlier: int, cases: int, out: Path) -> None:
    from karyonet.report.summary import totals

    numbers = ", ".join(f"{number} {outcome}" for outcome, number in totals(rows).items() if number)
    before = f" ({earlier} finished before)" if earlier else ""
    typer.echo(f"{len(rows)} of {cases} cases{before}: {numbers or 'none'}")
    typer.echo(f"summary: {out / 'summary.html'}")
