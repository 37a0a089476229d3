"""``karyonet schema``: the JSON Schemas of what karyonet writes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Document(StrEnum):
    report = "report"
    evaluation = "evaluation"


def schema(document: Annotated[Document, typer.Argument(help="Which document.")]) -> None:
    """Print the JSON Schema of report.json or of an evaluation."""
    import json

    if document is Document.report:
        from karyonet.report.schema import json_schema
    else:
        from karyonet.evaluation.report import json_schema
    typer.echo(json.dumps(json_schema(), indent=2))
