"""From distributions to positions and confidences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.stages.centromere.figures import calibration_error, fit_confidence, found
from karyonet.stages.centromere.inference import mean_distribution
from karyonet.stages.centromere.placing import TOLERANCE, place


def bump(centre: float, spread: float = 0.02, samples: int = 96) -> np.ndarray:
    places = (np.arange(samples) + 0.5) / samples
    likely = np.exp(-0.5 * ((places - centre) / spread) ** 2)
    return likely / likely.sum()


@settings(max_examples=50, deadline=None)
@given(st.floats(0.05, 0.95), st.integers(32, 120))
def test_a_narrow_bump_is_placed_at_its_middle(centre: float, samples: int) -> None:
    said = place(bump(centre, 0.012, samples)[None])
    assert said.positions[0] == pytest.approx(centre, abs=0.6 / samples)
    assert said.confidences[0] > 0.95
    assert (said.nearer_start[0] > 0.9) == (centre < 0.5 - 0.012 * 1.2816) or abs(centre - 0.5) < 0.04


def test_of_two_places_the_likelier_is_taken_and_the_doubt_said() -> None:
    said = place((0.7 * bump(0.2) + 0.3 * bump(0.8))[None])
    assert said.positions[0] == pytest.approx(0.2, abs=0.01)
    assert said.confidences[0] == pytest.approx(0.7, abs=0.03)
    assert said.nearer_start[0] == pytest.approx(0.7, abs=0.01)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(16, 100))
def test_the_mirrored_distribution_has_the_mirrored_place(seed: int, samples: int) -> None:
    likely = np.random.default_rng(seed).dirichlet(np.full(samples, 0.3), 3)
    said, mirrored = place(likely), place(likely[:, ::-1])
    np.testing.assert_allclose(mirrored.positions, 1 - said.positions, atol=1e-9)
    np.testing.assert_allclose(mirrored.confidences, said.confidences, atol=1e-9)
    np.testing.assert_allclose(mirrored.nearer_start, 1 - said.nearer_start, atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_no_other_place_holds_clearly_more(seed: int) -> None:
    likely = np.random.default_rng(seed).dirichlet(np.full(100, 0.5), 1)
    said = place(likely)
    places = (np.arange(100) + 0.5) / 100
    most = max(likely[0][np.abs(places - centre) <= TOLERANCE - 0.005].sum() for centre in places)
    assert said.confidences[0] >= 0.6 * most


def test_of_nothing_nothing_is_said() -> None:
    said = place(np.zeros((0, 96)))
    assert all(column.shape == (0,) for column in said)


def test_without_any_preference_the_middle_is_taken() -> None:
    said = place(np.full((1, 96), 1 / 96))
    assert said.positions[0] == pytest.approx(0.5)
    assert said.confidences[0] == pytest.approx(0.1, abs=0.01)


def test_the_temperature_makes_confidences_as_good_as_they_are() -> None:
    """Centromeres that are drawn from the distributions; the logits say them three times as sharply."""
    generator = np.random.default_rng(0)
    centres = generator.uniform(0.15, 0.85, 1500)
    honest = np.log(np.stack([0.75 * bump(c) + 0.25 * bump(1 - c) + 1e-4 for c in centres]))
    truth = np.where(generator.random(1500) < 0.75, centres, 1 - centres) + generator.normal(0, 0.02, 1500)
    sharp = np.repeat(3 * honest[:, None], 2, axis=1)
    temperature = fit_confidence(sharp, truth)
    assert temperature == pytest.approx(3.0, rel=0.25)
    errors = []
    for heat in (1.0, temperature):
        said = place(mean_distribution(sharp, heat))
        errors.append(calibration_error(said.confidences, found(said.positions, truth)))
    assert errors[1] < 0.05 < errors[0]


def test_calibration_error_of_known_confidences() -> None:
    right = np.array([True, False] * 50)
    assert calibration_error(np.full(100, 0.5), right, bins=1) == pytest.approx(0.0)
    assert calibration_error(np.full(100, 0.9), right, bins=1) == pytest.approx(0.4)
    assert calibration_error(np.zeros(0), np.zeros(0, dtype=bool)) == 0.0
