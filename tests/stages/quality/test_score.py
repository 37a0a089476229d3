"""The probability: fitted in the right direction, never raised by what stands against a metaphase."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.errors import ConfigError
from karyonet.stages.quality import FEATURES, fit_model, read_model
from karyonet.stages.quality.score import SHIPPED

SHARES = st.lists(st.floats(0, 1), min_size=len(FEATURES), max_size=len(FEATURES))


@given(values=SHARES, which=st.integers(0, len(FEATURES) - 1), more=st.floats(0, 5))
@settings(max_examples=100, deadline=None)
def test_nothing_that_stands_against_a_metaphase_makes_it_better(values: list[float], which: int, more: float) -> None:
    model = read_model()
    features = np.array([values, values])
    features[1, which] += more
    before, after = model.scores(features)
    assert 0 <= after <= before <= 1


def test_the_fit_finds_what_decides() -> None:
    random = np.random.default_rng(0)
    features = random.uniform(0, 0.5, (400, len(FEATURES)))
    decisive, helpful = FEATURES.index("clustered"), FEATURES.index("haze")
    odds = 4 - 16 * features[:, decisive] + 10 * features[:, helpful] * (features[:, decisive] < 2)
    good = random.uniform(size=400) < 1 / (1 + np.exp(-odds))
    model = fit_model(features, good)
    assert min(model.coefficients, key=lambda name: model.coefficients[name]) == "clustered"
    assert model.coefficients["haze"] == 0.0  # it seems to help, which is not believed
    scores = model.scores(features)
    assert scores[good].mean() > scores[~good].mean() + 0.3
    assert scores.mean() == pytest.approx(good.mean(), abs=0.02)


@given(scale=st.floats(0.5, 2.0))
@settings(max_examples=10, deadline=None)
def test_a_fit_is_the_same_in_any_order(scale: float) -> None:
    random = np.random.default_rng(1)
    features = random.uniform(0, scale, (60, len(FEATURES)))
    good = features[:, 0] + 0.3 * random.normal(size=60) < scale / 2
    order = random.permutation(60)
    first, second = fit_model(features, good), fit_model(features[order], good[order])
    assert first.scores(features) == pytest.approx(second.scores(features), abs=1e-3)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (None, "K201"),
        ("intercept: [", "K202"),
        ("intercept: 1.0", "K203"),
        (yaml.safe_dump({"intercept": 1.0, "coefficients": {"blur": -1.0}}), "K203"),
        (yaml.safe_dump({"intercept": 1.0, "coefficients": dict.fromkeys(FEATURES, 1.0)}), "K203"),
        (yaml.safe_dump({"intercept": 1.0, "coefficients": dict.fromkeys(FEATURES, float("nan"))}), "K203"),
    ],
)
def test_wrong_coefficients_are_refused(tmp_path: Path, text: str | None, code: str) -> None:
    path = tmp_path / "our.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_model(path)
    assert error.value.code == code
    assert str(path) in str(error.value)


def test_the_shipped_coefficients_say_what_they_are_of() -> None:
    model = read_model(SHIPPED)
    assert "F1" in model.target
    assert model.fitted["data"]
