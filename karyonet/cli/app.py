"""The ``karyonet`` command."""

from __future__ import annotations

import sys

import typer

from karyonet import __version__
from karyonet.cli import (
    apply,
    batch,
    config,
    evaluate,
    explain,
    import_,
    iscn,
    models,
    rank,
    run,
    schema,
    similar,
    simulate,
    stages,
    train,
)

app = typer.Typer(
    name="karyonet",
    help="From the metaphase images of a patient to a karyogram, an ISCN karyotype and a report. "
    "For research and to aid trained personnel; not a diagnosis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("batch")(batch.batch)
app.command("apply")(apply.apply)
app.command("rank")(rank.rank)
app.command("simulate")(simulate.simulate)
app.command("similar")(similar.similar)
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(explain.app, name="explain")
app.add_typer(train.app, name="train")
app.add_typer(config.app, name="config")
app.add_typer(import_.app, name="import")
app.add_typer(iscn.app, name="iscn")
app.command("stages")(stages.stages)
app.command("models")(models.models)
app.command("schema")(schema.schema)


@app.callback(invoke_without_command=True)
def _version(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        typer.echo(f"karyonet {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; an error that a person can mend is one sentence and exit status 2."""
    from karyonet.errors import KaryonetError, StageError

    try:
        app()
    except StageError as error:
        typer.echo(str(error), err=True)
        sys.exit(1)
    except KaryonetError as error:
        typer.echo(str(error), err=True)
        sys.exit(2)
