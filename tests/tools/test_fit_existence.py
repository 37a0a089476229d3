from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from karyonet.case import LABELS
from karyonet.data.metaphases import AnnotatedMetaphase, read_metaphases

from .conftest import loaded

tool = loaded("fit_existence")
EXAMPLES = Path(__file__).resolve().parents[1] / "data"


@pytest.fixture(scope="module")
def annotated() -> AnnotatedMetaphase:
    return read_metaphases(EXAMPLES / "normal_female")[0]


def seen_of(annotated: AnnotatedMetaphase, surplus: int = 0) -> Any:
    boxes = [*(c.bbox for c in annotated.chromosomes), *([(0, 0, 5, 5)] * surplus)]
    names = [*(c.label for c in annotated.chromosomes), *(["1"] * surplus)]
    probabilities = np.full((len(boxes), 24), 0.01 / 23, dtype=np.float32)
    probabilities[np.arange(len(boxes)), [LABELS.index(name) for name in names]] = 0.99
    rows = [[*box, 100.0, 0.9 if n < len(annotated.chromosomes) else 0.1] for n, box in enumerate(boxes)]
    return tool.Seen(np.array(rows), probabilities)


def test_what_lies_on_no_box_is_no_chromosome(annotated: AnnotatedMetaphase) -> None:
    truth = seen_of(annotated, 2).are_chromosomes(annotated)
    assert truth.tolist() == [True] * len(annotated.chromosomes) + [False] * 2


def test_keeping_all_and_keeping_what_is_one(annotated: AnnotatedMetaphase) -> None:
    seen = seen_of(annotated, 2)
    result = tool.decided(annotated, seen, seen.are_chromosomes(annotated))
    assert (result.predicted, result.right, result.edits) == (46, 46, 0)
    assert tool.decided(annotated, seen, np.ones(48, dtype=bool)).predicted == 48


def test_the_fit_tells_high_scores_from_low_ones(annotated: AnnotatedMetaphase) -> None:
    seen = seen_of(annotated, 5)
    model = tool.fit(seen.features(), seen.are_chromosomes(annotated), tool.Use(2.0, 4.0))
    odds = model.log_odds(seen.features())
    assert odds[:46].min() > odds[46:].max()
    assert model.coefficients["score"] > 0
    assert (model.certain, model.loss) == (2.0, 4.0)


def test_what_was_seen_can_be_kept(annotated: AnnotatedMetaphase, tmp_path: Path) -> None:
    parts = [seen_of(annotated), seen_of(annotated, 3)]
    tool.write_seen(tmp_path / "seen.npz", parts)
    for one, other in zip(parts, tool.read_seen(tmp_path / "seen.npz"), strict=True):
        assert (one.objects == other.objects).all() and (one.probabilities == other.probabilities).all()
