"""``karyonet train``: train a stage's model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Train the model of a stage.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps `train` a group while it has one command."""


@app.command()
def classification(
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Recipe; default: the shipped one.")] = None,
    data: Annotated[
        list[Path] | None, typer.Option("--data", help="Data set folder, format strips or metaphases; repeat for more.")
    ] = None,
    run: Annotated[Path | None, typer.Option("--run", help="Folder for checkpoints, logs and weights.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start anew even if the run has a checkpoint.")] = False,
) -> None:
    """Train the chromosome classifier; a run that was stopped goes on where it was."""
    from karyonet.stages.classification import train

    train.main(config, data or [], run, resume=not fresh)
