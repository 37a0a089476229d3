"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[str, typer.Option("--config", "-c", help="A shipped configuration or a YAML file.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key, e.g. stages.classification.review_margin=0.3."),
]
Data = Annotated[Path, typer.Option("--data", help="The data set's folder.")]
Split = Annotated[str | None, typer.Option("--split", help="train, validation or test; by default everything.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="At most so many metaphases, whole cases at a time.")]
Json = Annotated[Path | None, typer.Option("--json", help="Write the evaluation to this file.")]
