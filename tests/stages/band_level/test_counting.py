"""The estimate of a metaphase."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.case import LABELS, Strip
from karyonet.errors import ConfigError
from karyonet.stages.band_level import (
    CLASSES,
    CountingEstimator,
    Estimate,
    NotEstimable,
    class_of,
    read_calibration,
)
from karyonet.stages.band_level.counting import RANGE, expected_of, measure, pool, votes_of

from .drawn import NAMES, as_strip, metaphase_strips

ESTIMATOR = CountingEstimator()


def turned(strip: Strip) -> Strip:
    return replace(
        strip,
        optical_density=np.ascontiguousarray(strip.optical_density[::-1]),
        valid=strip.valid[::-1],
        axis=strip.axis[::-1],
    )


def estimate(strips: list[Strip], names: tuple[str, ...] | list[str] = NAMES) -> Estimate:
    found = ESTIMATOR.estimate(strips, names)
    assert isinstance(found, Estimate)
    return found


@pytest.fixture(scope="module")
def strips() -> list[Strip]:
    return metaphase_strips()


@pytest.fixture(scope="module")
def normal(strips: list[Strip]) -> Estimate:
    return estimate(strips)


def test_an_estimate_lies_in_its_interval_and_class(normal: Estimate) -> None:
    assert RANGE[0] <= normal.interval[0] < normal.bphs < normal.interval[1] <= RANGE[1]
    assert normal.level in CLASSES and normal.level == class_of(normal.bphs)
    assert len(set(normal.deciding)) == len(normal.deciding) > 0
    assert len(normal.deciding) < len(NAMES)


def test_finer_bands_on_longer_chromosomes_are_a_higher_level() -> None:
    levels = [estimate(metaphase_strips(level)).bphs for level in (400, 550, 700, 850)]
    assert levels == sorted(levels)
    assert levels[-1] - levels[0] > 200


def test_turning_strips_round_changes_little(strips: list[Strip], normal: Estimate) -> None:
    assert estimate([turned(strip) for strip in strips]).bphs == pytest.approx(normal.bphs, rel=0.02)


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(len(NAMES))))
def test_the_order_of_the_chromosomes_does_not_matter(order: list[int]) -> None:
    strips = metaphase_strips()
    first, second = estimate(strips), estimate([strips[n] for n in order], [NAMES[n] for n in order])
    assert second.bphs == pytest.approx(first.bphs, rel=1e-9)
    assert second.interval == pytest.approx(first.interval, rel=1e-9)


@pytest.mark.parametrize("stain", [0.05, 0.25, 2.0])
def test_the_strength_of_the_stain_does_not_matter(normal: Estimate, stain: float) -> None:
    assert estimate(metaphase_strips(stain=stain)).bphs == pytest.approx(normal.bphs, rel=0.02)


@pytest.mark.parametrize("width", [13, 25, 41])
def test_more_pixels_never_give_far_fewer_bands(normal: Estimate, width: int) -> None:
    calibration = ESTIMATOR.calibration
    few, many = (
        measure(metaphase_strips(width=pixels), NAMES, calibration.smoothing, calibration.least_swing)
        for pixels in (width, 2 * width - 1)
    )
    assert many.transitions.sum() >= 0.93 * few.transitions.sum()
    assert estimate(metaphase_strips(width=width)).bphs == pytest.approx(normal.bphs, rel=0.1)


def test_a_few_wrong_names_do_not_carry_the_result(strips: list[Strip], normal: Estimate) -> None:
    names = list(NAMES)
    names[0], names[40] = names[40], names[0]
    assert estimate(strips, names).bphs == pytest.approx(normal.bphs, rel=0.1)


def test_fewer_chromosomes_leave_more_doubt(strips: list[Strip]) -> None:
    votes, weights = votes_of(measure(strips, NAMES, 0.04, 0.1), ESTIMATOR.calibration)
    noisy = votes * np.random.default_rng(0).uniform(0.7, 1.3, len(votes))
    assert pool(noisy[:12], weights[:12])[1] > pool(np.tile(noisy[:12], 4), np.tile(weights[:12], 4))[1]


@pytest.mark.parametrize(("usable", "said"), [(19, False), (22, True)])
def test_too_few_chromosomes_are_no_estimate(strips: list[Strip], usable: int, said: bool) -> None:
    kept = [strip if number < usable else replace(strip, confidence=0.1) for number, strip in enumerate(strips)]
    found = ESTIMATOR.estimate(kept, NAMES)
    assert isinstance(found, Estimate) is said
    if isinstance(found, NotEstimable):
        assert "of 46 chromosomes" in found.reason and "20" in found.reason


@pytest.mark.parametrize("fault", ["name", "hidden", "strip"])
def test_what_cannot_be_counted_does_not_decide(strips: list[Strip], fault: str) -> None:
    chosen: list[Strip | None] = list(strips)
    names: list[str | None] = list(NAMES)
    for number in range(4):
        if fault == "name":
            names[number] = None
        elif fault == "strip":
            chosen[number] = None
        else:
            valid = strips[number].valid.copy()
            valid[: len(valid) // 4] = False
            chosen[number] = replace(strips[number], valid=valid)
    found = ESTIMATOR.estimate(chosen, names)
    assert isinstance(found, Estimate)
    assert not set(found.deciding) & set(range(4))


def hostile(kind: str) -> Strip:
    rows, width, value = {
        "empty": (0, 9, 1.0),
        "no_columns": (40, -4, 1.0),
        "one_pixel": (1, 1, 1.0),
        "one_row": (1, 15, 1.0),
        "thin": (60, 1, 1.0),
        "constant": (120, 15, 0.4),
        "blank": (120, 15, 0.0),
        "nan": (120, 15, np.nan),
    }[kind]
    strip = as_strip(np.full(rows, value), max(width, 1))
    return replace(strip, optical_density=strip.optical_density[:, : width + 4])


KINDS = ["empty", "no_columns", "one_pixel", "one_row", "thin", "constant", "blank", "nan"]


@pytest.mark.parametrize("kind", KINDS)
def test_strips_without_bands_are_not_estimable(kind: str) -> None:
    found = ESTIMATOR.estimate([hostile(kind)] * 46, NAMES)
    assert isinstance(found, NotEstimable)
    assert found.reason.startswith("0 of 46")


def test_no_chromosome_is_not_estimable() -> None:
    assert isinstance(ESTIMATOR.estimate([], []), NotEstimable)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(KINDS), min_size=8, max_size=8))
def test_bad_strips_among_good_ones_do_no_harm(kinds: list[str]) -> None:
    strips = [hostile(kind) for kind in kinds] + metaphase_strips()[8:]
    found = estimate(strips)
    assert np.isfinite([found.bphs, *found.interval]).all()
    assert not set(found.deciding) & set(range(8))


def test_more_transitions_never_mean_a_lower_level(strips: list[Strip]) -> None:
    counts = measure(strips, NAMES, 0.04, 0.1)
    more = replace(counts, transitions=counts.transitions + np.arange(len(counts.labels)) % 3)
    assert (votes_of(more, ESTIMATOR.calibration)[0] >= votes_of(counts, ESTIMATOR.calibration)[0]).all()


@pytest.mark.parametrize("label", LABELS)
def test_a_higher_level_never_shows_fewer_transitions(label: str) -> None:
    expected = expected_of(label, ESTIMATOR.calibration)
    assert expected[0] >= 0
    assert (np.diff(expected) >= 0).all()


def test_types_that_separate_the_levels_weigh_more(strips: list[Strip]) -> None:
    counts = measure(strips, NAMES, 0.04, 0.1)
    weights = dict(zip(counts.labels, votes_of(counts, ESTIMATOR.calibration)[1], strict=True))
    assert weights["3"] > weights["19"]
    assert weights["1"] > weights["22"]


@pytest.mark.parametrize(
    ("bphs", "level"),
    [(300, 300), (349, 300), (350, 400), (474, 400), (475, 550), (625, 700), (999, 850)],
)
def test_classes(bphs: float, level: int) -> None:
    assert class_of(bphs) == level


def test_the_shipped_calibration_was_measured_on_other_seeds() -> None:
    fitted = read_calibration().fitted
    assert fitted["test"]["metaphases"] >= 40
    (first, last), (other_first, other_last) = fitted["train"]["seeds"], fitted["test"]["seeds"]
    assert last < other_first or other_last < first


def test_a_calibration_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="K201"):
        read_calibration(tmp_path / "none.yaml")
    content = read_calibration().model_dump()
    file = tmp_path / "counting.yaml"
    for wrong in ({"gain": -1.0}, {"least_swing": 2.0}, {"unknown": 1}):
        file.write_text(yaml.safe_dump(content | wrong))
        with pytest.raises(ConfigError, match=f"K203.*{next(iter(wrong))}"):
            read_calibration(file)
