"""Components, what people say that they are, and what a cluster-type stage said of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from karyonet.case import ClusterType
from karyonet.geometry.region import BoundingBox

TYPES: tuple[str, ...] = get_args(ClusterType)
SEVERAL = "cluster"
"""Several chromosomes of which nothing says how they lie."""
NUCLEUS, DEBRIS = "nucleus", "debris"
NO_CHROMOSOME = "no chromosome"
"""One of the latter two, or whatever else is stained."""
PIECE = "piece"
"""Of a chromosome of which the most lies elsewhere: neither one chromosome nor none, so that no answer is right."""
KINDS: tuple[str, ...] = (*TYPES, SEVERAL, NUCLEUS, DEBRIS, NO_CHROMOSOME, PIECE)
REJECTED, NOTHING = "rejected", "nothing"
ANSWERS: tuple[str, ...] = (*TYPES, REJECTED, NOTHING)
"""Columns of the confusion matrix; ``nothing`` is said of what was not found or could not be judged."""
ROW_COLUMNS = (
    "image", "case", "xmin", "ymin", "xmax", "ymax", "truth", "answer", "probability", "rejection", "chromosomes",
    "chromosomes_said",
)  # fmt: skip


@dataclass(frozen=True)
class KnownComponent:
    """A component and what people say that it is.

    Attributes:
        image: in which it lies, as the data set names it.
        case: what is drawn for the intervals.
        bbox: ``(xmin, ymin, xmax, ymax)`` in pixels of that image.
        kind: one of :data:`KINDS`.
        chromosomes: how many are in it; None where the data set does not say it of all its components.
    """

    image: str
    case: str
    bbox: BoundingBox
    kind: str
    chromosomes: int | None = None


@dataclass(frozen=True)
class Answer:
    """What a stage says of a component.

    Attributes:
        kind: one of :data:`TYPES`, or what it was rejected as; None where nothing was said.
        probability: 0–1, of the kind.
        rejected: it was taken for no chromosome.
        rejection: 0–1, how probable that is; None of a stage that rejects nothing.
        chromosomes: how many; None of a stage that does not count.
        most: the largest number that such a stage says; it means so many or more.
    """

    kind: str | None = None
    probability: float | None = None
    rejected: bool = False
    rejection: float | None = None
    chromosomes: int | None = None
    most: int | None = None


@dataclass(frozen=True)
class ComponentResult:
    """A component, and what was said of it; None where it was not found at all."""

    known: KnownComponent
    answer: Answer | None


def rows_as_csv(results: Sequence[ComponentResult]) -> str:
    """One row a component, the columns being :data:`ROW_COLUMNS`."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(ROW_COLUMNS)
    for known, answer in ((result.known, result.answer) for result in results):
        said = answer or Answer()
        kind = "not found" if answer is None else said.kind or (REJECTED if said.rejected else "not judged")
        values = (said.probability, said.rejection)
        shares = ["" if value is None else f"{value:.4f}" for value in values]
        writer.writerow(
            [known.image, known.case, *known.bbox, known.kind, kind, *shares, known.chromosomes, said.chromosomes]
        )
    return text.getvalue()
