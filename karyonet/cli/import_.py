"""``karyonet import``: make data sets of what other programs exported."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from karyonet.data.karyogram_import import ImportedCell

app = typer.Typer(help="Make a data set of what other programs exported.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps `import` a group while it has one command."""


@app.command()
def karyogram(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Pictures of karyograms, one cell each.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Data set of format strips; cells are added to it.")],
    case_id: Annotated[
        str | None, typer.Option("--case-id", help="Case of all the pictures; default: each is a case of its own.")
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            "--layout",
            help='Names of the slots row by row, "1 2 3 4 5/6 7 8 …": - for an empty one, ? for one to leave out. '
            "Default: read from the picture.",
        ),
    ] = None,
) -> None:
    """Cut the chromosomes out of pictures of karyograms, named as printed, ready to train and evaluate with.

    Nothing is written unless every picture can be read. Titles, names and numbers on a picture are not kept.
    """
    from karyonet.data.karyogram_import import import_karyograms

    for cell in import_karyograms(files, out, layout, case_id):
        typer.echo(_said(cell))
    typer.echo(f"data set: {out}")


def _said(cell: ImportedCell) -> str:
    """One line on a cell: how many chromosomes, and which slots do not hold two, so that a person can compare."""
    from karyonet.case import LABELS

    karyogram = cell.karyogram
    copies = Counter(chromosome.label for chromosome in karyogram.chromosomes)
    unusual = [f"{label}: {copies[label]}" for label in LABELS[:22] if copies[label] != 2]
    sex = "".join(label * copies[label] for label in LABELS[22:]) or "no X or Y"
    said = [f"{cell.cell}  {len(karyogram.chromosomes)} chromosomes, {sex}"]
    said += [f"not two of {', '.join(unusual)}"] if unusual else []
    said += [f"{karyogram.unnamed} without a name left out"] if karyogram.unnamed else []
    return "; ".join(said)
