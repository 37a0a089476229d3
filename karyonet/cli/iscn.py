"""``karyonet iscn``: check, explain and normalise karyotypes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from karyonet.iscn.ast import Karyotype
    from karyonet.iscn.problem import Problem

app = typer.Typer(help="Check, explain or normalise a karyotype in the short form of ISCN.", no_args_is_help=True)
String = Annotated[str, typer.Argument(metavar="STRING", help='For example "46,XY,t(9;22)(q34;q11.2)".')]


@app.command()
def check(string: String) -> None:
    """Say whether a karyotype can be read, agrees with itself, and is written by the rules."""
    from karyonet.iscn import parse, write
    from karyonet.iscn.coherence import check as problems_of

    karyotype = parse(string)
    problems = problems_of(karyotype)
    _refuse_errors(problems)
    _print(problems)
    warnings = f" with {len(problems)} warning{'s' if len(problems) > 1 else ''}" if problems else ""
    typer.echo(f"{write(karyotype)}: good{warnings}")


@app.command()
def explain(string: String) -> None:
    """Say in plain words what a karyotype means, and which bands are gained, lost or moved."""
    from karyonet.iscn.explain import explain as words

    typer.echo(words(_coherent(string)))


@app.command()
def normalise(string: String) -> None:
    """Print a karyotype as the rules ask it to be written."""
    from karyonet.iscn import write
    from karyonet.iscn.canonical import canonical

    typer.echo(write(canonical(_coherent(string))))


def _coherent(string: str) -> Karyotype:
    """The karyotype; what departs from the rules is said on the error output, away from the answer."""
    from karyonet.iscn import parse
    from karyonet.iscn.coherence import check as problems_of

    karyotype = parse(string)
    problems = problems_of(karyotype)
    _refuse_errors(problems)
    _print(problems, err=True)
    return karyotype


def _refuse_errors(problems: Sequence[Problem]) -> None:
    if any(problem.severity == "error" for problem in problems):
        _print(problems, err=True)
        raise typer.Exit(2)


def _print(problems: Sequence[Problem], err: bool = False) -> None:
    for problem in problems:
        typer.echo(str(problem), err=err)
