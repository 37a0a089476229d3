from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.stages.classification.rejection import (
    FEATURES,
    fit_outliers,
    outlier_features,
    outlier_scores,
    proxy_features,
    reject_threshold,
    shape_features,
)


def rod(length: int, width: int = 9, stain: float = 0.5) -> np.ndarray:
    strip = np.zeros((length, width + 4), np.float32)
    strip[:, 2:-2] = stain
    strip[::4, 2:-2] *= 0.5
    return strip


def test_proxies() -> None:
    cosines = np.array([[0.9, 0.2, 0.1], [0.4, 0.4, 0.3]])
    found = proxy_features(cosines, np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]))
    np.testing.assert_allclose(found, [[0.1, 0.7, 0.0], [0.6, 0.0, np.log(2)]], atol=1e-12)


def test_a_rod() -> None:
    features = dict(zip(FEATURES[3:15], shape_features([rod(40)], 20.0)[0], strict=True))
    assert features["length"] == pytest.approx(np.log(2)) and features["area"] == pytest.approx(np.log(360 / 400))
    assert features["width"] == pytest.approx(np.log(9 / 20)) and features["span"] == pytest.approx(9 / 20)
    assert features["broadest"] == features["narrowest"] == 1
    assert features["unevenness"] == features["roughness"] == 0
    assert features["stain"] == pytest.approx(0, abs=1e-6) and features["mottling"] > 0.1


@settings(max_examples=20, deadline=None)
@given(st.floats(0.2, 5), st.integers(0, 2**31))
def test_stain_and_ends_do_not_matter(gain: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    strips = [rod(int(n)) * generator.uniform(0.5, 1, (int(n), 13)).astype(np.float32) for n in (20, 35, 60)]
    first = shape_features(strips, 35.0)
    changed = [np.ascontiguousarray(strip[::-1, ::-1]) * np.float32(gain) for strip in strips]
    np.testing.assert_allclose(shape_features(changed, 35.0), first, atol=1e-4)


@pytest.mark.parametrize("strip", [np.eye(1, 5, dtype=np.float32), np.eye(30, 30, dtype=np.float32), rod(1), rod(300)])
def test_any_strip_with_stain_has_finite_features(strip: np.ndarray) -> None:
    features = outlier_features(np.zeros((1, 24)), np.full((1, 24), 1 / 24), [strip], 30.0)
    assert features.shape == (1, len(FEATURES)) and np.isfinite(features).all()
    assert outlier_features(np.zeros((0, 24)), np.zeros((0, 24)), [], 30.0).shape == (0, len(FEATURES))


def test_broad_pieces_are_learned_to_be_outliers() -> None:
    generator = np.random.default_rng(0)
    strips = [rod(int(n), 9) for n in generator.integers(20, 70, 150)]
    strips += [rod(int(n), 22) for n in generator.integers(20, 70, 30)] + [rod(6, 5) for _ in range(10)]
    kinds = np.array(["chromosome"] * 150 + ["cluster"] * 30 + ["debris"] * 10)
    cosines = generator.uniform(0, 1, (190, 24))
    features = outlier_features(cosines, np.full((190, 24), 1 / 24), strips, 45.0)
    rule = fit_outliers(features, kinds)
    scores = outlier_scores(features, rule)
    assert scores is not None and scores.dtype == np.float32 and ((scores >= 0) & (scores <= 1)).all()
    assert scores[150:].min() > scores[:150].max()
    del rule["outlier_length"]
    assert outlier_scores(features, rule) is None


def test_the_threshold_keeps_its_share_of_every_case_alike() -> None:
    scores = np.arange(100) / 100
    assert reject_threshold(scores, np.arange(100).astype(str), 0.9) == 0.89
    # A case with a thousand chromosomes of score 5 is one of 101 cases.
    many = np.concatenate([scores, np.full(1000, 5.0)])
    assert reject_threshold(many, np.array([*map(str, range(100)), *["big"] * 1000]), 0.9) == 0.9
