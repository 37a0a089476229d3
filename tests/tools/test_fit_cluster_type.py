"""The tool that fits how probable several chromosomes are in a component of a metaphase."""

from __future__ import annotations

import numpy as np
import pytest

from karyonet.stages.cluster_type.decision import Several, decide
from karyonet.stages.cluster_type.kinds import TYPES

from .conftest import loaded


def test_fitted_thresholds_keep_the_chromosomes_and_correct_for_their_frequency() -> None:
    tool = loaded("fit_cluster_type")
    generator = np.random.default_rng(0)
    several = generator.random(3000) < 0.2
    # A network that has learned from as many clusters as lone chromosomes.
    odds = np.where(several, 2.0, -2.0) + generator.normal(0, 2.0, 3000)
    p = 1 / (1 + np.exp(-odds))
    rejection = generator.beta(0.2, 40, 3000)
    kinds = np.column_stack([1 - p, 0.6 * p, 0.3 * p, 0.1 * p, 0 * p, 0 * p]) * (1 - rejection)[:, None]
    kinds[:, TYPES] = rejection
    counts = np.column_stack([1 - p, 0.8 * p, 0.2 * p])
    said = decide(kinds.astype(np.float32), counts.astype(np.float32), 0.5)

    thresholds = tool.fitted(said.probabilities, several)
    assert float((rejection >= thresholds["reject"]).mean()) == pytest.approx(0.001, abs=0.001)
    assert Several.of(thresholds).intercept < -0.5
    after = decide(kinds.astype(np.float32), counts.astype(np.float32), thresholds["reject"], Several.of(thresholds))
    right = [((one.counts > 1) == several).mean() for one in (said, after)]
    assert right[1] > right[0]
