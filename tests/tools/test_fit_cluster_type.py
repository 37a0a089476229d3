"""The tool that fits what components of real metaphases hold."""

from __future__ import annotations

import numpy as np
import pytest

from karyonet.stages.cluster_type.decision import Several
from karyonet.stages.cluster_type.kinds import TYPES

from ..stages.cluster_type.test_decision import real
from .conftest import loaded


def test_fitted_thresholds_keep_the_chromosomes_and_correct_for_their_frequency() -> None:
    kinds, counts, seen, true = real(0)
    rejection = np.random.default_rng(0).beta(0.2, 40, len(true)).astype(np.float32)
    kinds = kinds * (1 - rejection)[:, None]
    kinds[:, TYPES] = rejection
    thresholds = loaded("fit_cluster_type").fitted(kinds, counts, seen, true)
    assert float((rejection >= thresholds["reject"]).mean()) == pytest.approx(0.001, abs=0.001)
    assert Several.of(thresholds).intercept < -0.5
