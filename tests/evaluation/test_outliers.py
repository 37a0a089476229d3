from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from karyonet.data.metaphases import read_metaphases
from karyonet.evaluation.outliers import see_objects, separation
from karyonet.pipeline import Pipeline


def test_separation_is_the_area_and_its_interval_widens_with_fewer_cases() -> None:
    generator = np.random.default_rng(0)
    outlier = generator.uniform(size=400) < 0.3
    scores = generator.normal(size=400) + 2 * outlier
    area, narrow = separation(scores, outlier, np.arange(400).astype(str), n=100)
    assert area == roc_auc_score(outlier, scores) and narrow[0] < area < narrow[1]
    generator.shuffle(few := np.repeat([*"abcdefgh"], 50))
    shifted = scores + 2 * np.isin(few, ["a", "b"])
    assert np.ptp(separation(shifted, outlier, few, n=100)[1]) > 0
    assert separation(outlier.astype(float), outlier, few)[1] == (1, 1)


def test_objects_of_real_metaphases(real_data: Path) -> None:
    metaphases = read_metaphases(real_data / "gband_metaphases", "train", limit=2)[:1]
    seen = see_objects(Pipeline.from_config("default").stages, metaphases)
    assert set(seen.kinds) <= {"chromosome", "cluster", "debris"}
    assert 0.8 * len(metaphases[0].chromosomes) <= (seen.kinds == "chromosome").sum() <= len(metaphases[0].chromosomes)
    assert len(seen.features) == len(seen.scores) == len(seen.lone) == len(seen.cases)
    assert np.isfinite(seen.features).all() and set(seen.cases) == {metaphases[0].case}
