from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from karyonet.case import Chromosome
from karyonet.data.metaphases import read_metaphases
from karyonet.evaluation.matching import box_region

from .conftest import loaded

tool = loaded("fit_karyotype")
EXAMPLES = Path(__file__).resolve().parents[1] / "data"


def test_what_is_right_and_what_is_missed() -> None:
    annotated = read_metaphases(EXAMPLES / "normal_female")[0]
    found = [
        Chromosome(f"c{n}", box_region(c.bbox), label=c.label, confidence=0.9, score=0.9)
        for n, c in enumerate(annotated.chromosomes)
    ]
    assert tool.compare(annotated, found, 0.0).right.all() and tool.compare(annotated, found, 0.0).missed == 0
    wrong = replace(found[3], label="Y" if found[3].label != "Y" else "1")
    seen = tool.compare(annotated, [*found[:2], wrong, *found[4:]], 0.0)
    assert seen.right.tolist() == [True, True, False, *([True] * 42)]
    assert (seen.missed, seen.annotated) == (2, 46)


def drawn(cases: int = 12, seed: int = 0) -> Any:
    """Metaphases in which unsure chromosomes are wrong and doubtful spreads miss some."""
    generator = np.random.default_rng(seed)
    seen = []
    for _ in range(cases):
        doubt = float(generator.uniform(0, 0.3))
        sure = generator.random(46) > 0.05 + doubt / 2
        features = np.column_stack(
            [np.where(sure, 5.0, -1.0) + generator.normal(0, 1, 46), np.full(46, 5.0), np.zeros(46)]
        )
        missed = int(generator.binomial(46, 0.005 + doubt / 2))
        seen.append(tool.Seen(features, sure, np.array([doubt, 0.2]), missed, 46))
    return tool.Sample.joined(seen, [f"case {n}" for n in range(cases)])


def test_the_fit_follows_what_was_seen() -> None:
    sample = drawn()
    right, missed = tool.predicted(tool.fit(sample), sample)
    assert right[sample.right].mean() > right[~sample.right].mean() + 0.3
    assert np.corrcoef(missed, sample.missed)[0, 1] > 0.5
    figures = tool.cross_fitted(sample)
    assert figures["auroc_right"] > 0.9
    assert figures["log_loss_right"] < figures["log_loss_of_one_rate"]
