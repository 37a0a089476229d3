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

    from karyonet.evaluation import report as evaluation
    from karyonet.report import schema as report

    schemas = {Document.report: report.json_schema, Document.evaluation: evaluation.json_schema}
    typer.echo(json.dumps(schemas[document](), indent=2))
