"""``karyonet schema``: the JSON Schemas of what karyonet writes and of the edits that it reads."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Document(StrEnum):
    report = "report"
    evaluation = "evaluation"
    edits = "edits"


def schema(document: Annotated[Document, typer.Argument(help="Which document.")]) -> None:
    """Print the JSON Schema of report.json, of an evaluation or of a file of edits."""
    import json

    from karyonet.edits import document as edits
    from karyonet.evaluation import report as evaluation
    from karyonet.report import schema as report

    schemas = {
        Document.report: report.json_schema,
        Document.evaluation: evaluation.json_schema,
        Document.edits: edits.json_schema,
    }
    typer.echo(json.dumps(schemas[document](), indent=2))
