"""What an evaluation writes: figures with intervals, as JSON for a machine and as a table for a person."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from karyonet.case import LABELS
from karyonet.errors import KaryonetError
from karyonet.evaluation.metrics import precision_recall_f1

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from rich.console import Console

_Number = Annotated[float, Field(allow_inf_nan=False), AfterValidator(lambda value: round(value, 6))]
_Count = Annotated[int, Field(ge=0)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True, serialize_by_alias=True)


class Metric(_Record):
    """A figure and its 95 % interval, bootstrapped over cases."""

    value: _Number
    interval: tuple[_Number, _Number]


class ClassMetric(_Record):
    """How well one chromosome type is told from the others."""

    precision: _Number
    recall: _Number
    f1: _Number
    support: _Count


class GroupMetric(_Record):
    """How many of the annotated chromosomes of a group were found."""

    recall: Metric
    chromosomes: _Count


class AbnormalityMetric(_Record):
    """How well abnormal bags of one kind or size are told from all normal ones."""

    auc: Metric
    sensitivity_at_95: Metric
    sensitivity_at_99: Metric
    bags: _Count


class EvaluatedWeights(_Record):
    """A weight file that was in use."""

    stage: str
    sha256: str


class Failure(_Record):
    """A metaphase that could not be processed; it counts as one in which nothing was found."""

    metaphase: str
    reason: str


class Evaluation(_Record):
    """Figures of one stage, or of the pipeline, on one data set.

    Attributes:
        stage: ``pipeline`` or a stage's place in it.
        data, format, split: what it was measured on; a split of None is the whole data set.
        cases, metaphases, chromosomes: how many.
        weights: the weight files in use.
        metrics: by name.
        per_class: by chromosome label.
        per_group: by kind of place or image in which chromosomes lie.
        per_abnormality: by kind or size of a structural abnormality.
        confusion_matrix: 24 rows of 24 counts, a row for each true label in the order of
            :data:`karyonet.case.LABELS`.
        failures: metaphases that could not be processed.
    """

    schema_: Literal["karyonet.evaluation/1"] = Field(default="karyonet.evaluation/1", alias="schema")
    stage: str
    data: str = ""
    format: str = ""
    split: str | None = None
    cases: _Count
    metaphases: _Count
    chromosomes: _Count
    weights: tuple[EvaluatedWeights, ...] = ()
    metrics: dict[str, Metric]
    per_class: dict[str, ClassMetric] = {}
    per_group: dict[str, GroupMetric] = {}
    per_abnormality: dict[str, AbnormalityMetric] = {}
    confusion_matrix: tuple[tuple[_Count, ...], ...] | None = None
    failures: tuple[Failure, ...] = ()

    def described(self, data: str, format: str, split: str | None) -> Evaluation:
        """The same with the name of the data set, its format and the split."""
        return self.model_copy(update={"data": data, "format": format, "split": split})

    def write_json(self, path: str | Path) -> None:
        """Write the evaluation; a reader sees the old file or the whole new one, never a part."""
        write_text(path, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read_json(cls, path: str | Path) -> Evaluation:
        """Read what :meth:`write_json` wrote.

        Raises:
            pydantic.ValidationError: if the file is no evaluation.
        """
        return cls.model_validate_json(Path(path).read_text(encoding="utf-8"))

    def print(self, console: Console | None = None) -> None:
        """Print the figures as tables."""
        from rich.console import Console

        console = console or Console()
        for table in _tables(self):
            console.print(table)
        for failure in self.failures:
            console.print(f"failed: {failure.metaphase}: {failure.reason}", markup=False)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8; a reader sees the old file or the whole new one, never a part.

    Raises:
        OSError: if it cannot be written; the old file is left as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        Path(temporary).chmod(0o644)  # a temporary file is the owner's alone
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what ``karyonet evaluate --json`` writes."""
    schema = Evaluation.model_json_schema(by_alias=True, mode="serialization")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {**head, **schema, "title": "karyonet evaluation", "description": "Figures of a stage or of the pipeline."}


def class_metrics(counts: ArrayLike) -> dict[str, ClassMetric]:
    """Precision, recall and F1 by label, of the labels that occur in the truth.

    Args:
        counts: shape (3, 24): right, predicted and true, in the order of :data:`karyonet.case.LABELS`.
    """
    import numpy as np

    support = np.asarray(counts)[2]
    columns = zip(LABELS, *precision_recall_f1(counts), support, strict=True)
    return {
        label: ClassMetric(precision=precision, recall=recall, f1=f1, support=int(number))
        for label, precision, recall, f1, number in columns
        if number
    }


def reason_of(fault: Exception) -> str:
    """Why something could not be processed, in one line."""
    return str(fault) if isinstance(fault, KaryonetError) else f"{type(fault).__name__}: {fault}"


def weights_in_use(stages: Iterable[tuple[str, Any]]) -> tuple[EvaluatedWeights, ...]:
    """The weight files of stages given as name and stage."""
    return tuple(
        EvaluatedWeights(stage=name, sha256=weight.sha256)
        for name, stage in stages
        for weight in getattr(stage, "weights", ())
    )


def _tables(evaluation: Evaluation) -> Iterable[Any]:
    from rich.table import Table

    e = evaluation
    where = " ".join(part for part in (e.data, e.split) if part)
    counts = f"{e.cases} cases, {e.metaphases} metaphases, {e.chromosomes} chromosomes"
    metrics = Table(title=f"{e.stage}{' on ' if where else ''}{where}: {counts}", title_justify="left")
    metrics.add_column("metric")
    metrics.add_column("value", justify="right")
    metrics.add_column("95 % interval", justify="right")
    for name, metric in e.metrics.items():
        low, high = metric.interval
        metrics.add_row(name, f"{metric.value:.4g}", f"{low:.4g} – {high:.4g}")
    yield metrics
    if e.per_class:
        classes = Table(title="by chromosome", title_justify="left")
        for column in ("label", "precision", "recall", "F1", "number"):
            classes.add_column(column, justify="right")
        for label, c in e.per_class.items():
            classes.add_row(label, f"{c.precision:.4f}", f"{c.recall:.4f}", f"{c.f1:.4f}", str(c.support))
        yield classes
    if e.per_group:
        groups = Table(title="recall by group (box IoU 0.5)", title_justify="left")
        for column in ("group", "recall", "95 % interval", "chromosomes"):
            groups.add_column(column, justify="left" if column == "group" else "right")
        for name, group in e.per_group.items():
            low, high = group.recall.interval
            groups.add_row(name, f"{group.recall.value:.4f}", f"{low:.4f} – {high:.4f}", str(group.chromosomes))
        yield groups
    if e.per_abnormality:
        kinds = Table(title="by abnormality, against all normal bags", title_justify="left")
        for column in ("abnormality", "AUC", "95 % interval", "at 95 %", "at 99 %", "bags"):
            kinds.add_column(column, justify="left" if column == "abnormality" else "right")
        for name, kind in e.per_abnormality.items():
            low, high = kind.auc.interval
            at = (f"{kind.sensitivity_at_95.value:.3f}", f"{kind.sensitivity_at_99.value:.3f}")
            kinds.add_row(name, f"{kind.auc.value:.4f}", f"{low:.4f} – {high:.4f}", *at, str(kind.bags))
        yield kinds
