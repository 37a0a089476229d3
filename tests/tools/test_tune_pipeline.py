from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from karyonet.case import LABELS
from karyonet.data.metaphases import AnnotatedMetaphase, read_metaphases
from karyonet.evaluation.pipeline import MetaphaseResult
from karyonet.stages.classification.existence import read_existence

from .conftest import loaded

tool = loaded("tune_pipeline")
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


def results(edits: list[int], exact: list[bool]) -> list[Any]:
    """Of five metaphases of each of ten cases; where the count is not exact, one of the edits is a missed one."""
    return [
        MetaphaseResult(f"m{n}", f"p{n % 10}", 47 - same, 46, 46, 46, 46 - e + (not same), 0, 0, 0.0)
        for n, (e, same) in enumerate(zip(edits, exact, strict=True))
    ]


def test_of_nearly_equal_settings_the_one_with_exact_counts_is_chosen() -> None:
    tried = {
        tool.Use(2.0, 5.0): results([10] * 50, [False] * 50),
        tool.Use(2.0, 6.0): results([10] * 49 + [11], [True] * 50),
        tool.Use(2.0, 8.0): results([12] * 50, [True] * 50),
    }
    assert tool.choose(tried, range(50)) == tool.Use(2.0, 6.0)
    assert tool.choose({use: tried[use] for use in list(tried)[::2]}, range(50)) == tool.Use(2.0, 5.0)


def test_a_choice_is_measured_on_cases_without_a_part_in_it() -> None:
    # Each setting spares the cases of one half: whoever chooses by all others is never helped by a case of its own.
    halves = np.arange(50) % 10 < 5
    tried = {
        tool.Prior(1.0, 1.0): results(np.where(halves, 0, 4).tolist(), [True] * 50),
        tool.Prior(2.0, 1.0): results(np.where(halves, 4, 0).tolist(), [True] * 50),
    }
    blind = tool.chosen_blindly(tried, [f"p{n % 10}" for n in range(50)])
    assert sorted(r.metaphase for r in blind) == sorted(f"m{n}" for n in range(50))
    chosen = tool.choose(tried, range(50))
    assert sum(r.edits for r in blind) >= sum(r.edits for r in tried[chosen])


def test_the_run_is_recorded(annotated: AnnotatedMetaphase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metaphases = [replace(annotated, id=f"m{n}", case=f"p{n}") for n in range(6)]
    monkeypatch.setattr(tool, "read_metaphases", lambda *_: metaphases)
    tool.write_seen(tmp_path / "seen.npz", [seen_of(annotated, n) for n in range(6)])
    out, record = tmp_path / "existence.yaml", tmp_path / "tuning.yaml"
    arguments = ["DATA", "--seen", tmp_path / "seen.npz", "--out", out, "--record", record, "--reviewed", 3]
    monkeypatch.setattr("sys.argv", ["tune_pipeline.py", *map(str, arguments)])
    tool.main()
    written = yaml.safe_load(record.read_text())
    assert written["metaphases"] == 6 and written["existence"]["chosen"] in [
        {name: row[name] for name in ("certain", "loss", "contradicted")} for row in written["existence"]["tried"]
    ]
    # Fifteen surplus objects with low scores beside 276 chromosomes: none is left.
    assert written["names"]["on_cases_without_a_part_in_it"]["edits_mean"] == 0
    assert written["review"]["chosen"]["chromosomes_a_metaphase"] <= 3
    model = read_existence(out)
    assert model.loss == written["existence"]["chosen"]["loss"]
