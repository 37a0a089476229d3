"""``karyonet iscn``: check, explain and tidy karyotypes."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Check, explain or tidy a karyotype written in ISCN.", no_args_is_help=True)
Text = Annotated[str, typer.Argument(metavar="STRING", help="A karyotype, in quotes, e.g. '47,XY,+21'.")]


@app.command()
def check(text: Text) -> None:
    """Check a karyotype: grammar, counts, sex chromosomes, order, bands, clones. Exit status 2 if it is not valid."""
    from karyonet.iscn import parse, write
    from karyonet.iscn.coherence import check as problems_of

    karyotype = parse(text)
    problems = problems_of(karyotype)
    for problem in problems:
        typer.echo(str(problem), err=problem.severity == "error")
    if any(problem.severity == "error" for problem in problems):
        raise typer.Exit(2)
    typer.echo(f"{write(karyotype)}: good")


@app.command()
def explain(text: Text) -> None:
    """Say in plain words what a karyotype means, and which bands are gained, lost or moved."""
    from karyonet.iscn import parse
    from karyonet.iscn.coherence import require_coherent
    from karyonet.iscn.explain import explain as in_words

    karyotype = parse(text)
    require_coherent(karyotype)
    typer.echo(in_words(karyotype))


@app.command()
def normalise(text: Text) -> None:
    """Print a karyotype in its canonical form."""
    from karyonet.iscn import parse, write
    from karyonet.iscn.canonical import canonical
    from karyonet.iscn.coherence import require_coherent

    karyotype = parse(text)
    require_coherent(karyotype)
    typer.echo(write(canonical(karyotype)))
