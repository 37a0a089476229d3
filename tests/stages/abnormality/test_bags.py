"""Bags: what a bag is made of, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from karyonet.errors import ArrayError
from karyonet.stages.abnormality.bags import LabelledProfile, bags_of_case, band_code, collate, make_bag

SAMPLES = 16


def profile(label: str = "9", metaphase: str = "m1", value: float = 1.0, **more: object) -> LabelledProfile:
    valid = np.arange(SAMPLES) < 10
    made = LabelledProfile(np.where(valid, value, 0).astype(np.float32) * np.ones((2, 1), np.float32), valid, label,
                           metaphase, "p1")  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def test_a_bag_has_one_pair_a_metaphase() -> None:
    profiles = [profile(metaphase=m, value=v, id=f"c{v}") for m, v in (("m1", 1), ("m2", 2), ("m1", 3), ("m2", 4))]
    bag = make_bag(profiles)
    assert bag.chromosome == "9" and bag.case == "p1"
    assert [pair.metaphase for pair in bag.pairs] == ["m1", "m2"]
    assert [pair.ids for pair in bag.pairs] == [("c1", "c3"), ("c2", "c4")]
    assert bag.pairs[1].profiles[:, :, 0].tolist() == [[2, 2], [4, 4]]


@pytest.mark.parametrize(
    ("profiles", "code", "named"),
    [
        ([], "K501", "empty"),
        ([profile()], "K503", "m1 has 1 of chromosome 9"),
        ([profile(), profile(), profile(metaphase="m2")], "K503", "m2 has 1"),
        ([profile(), profile(), profile()], "K503", "m1 has 3"),
        ([profile(), profile("10")], "K504", "10, 9"),
        ([profile("Z"), profile("Z")], "K501", "'Z'"),
        ([profile(), profile(profile=np.ones((2, 8), np.float32))], "K501", r"\(2, 8\)"),
        ([profile(), profile(profile=np.ones(SAMPLES, np.float32))], "K501", r"\(16,\)"),
        ([profile(), profile(valid=np.ones(3, bool))], "K501", r"\(3,\)"),
        ([profile(), profile(value=np.nan)], "K501", "NaN"),
        ([profile(), profile(value=np.inf)], "K501", "infinity"),
        ([profile(), profile(valid=np.zeros(SAMPLES, bool))], "K501", "hidden throughout"),
    ],
)
def test_what_is_no_bag_is_named(profiles: list[LabelledProfile], code: str, named: str) -> None:
    with pytest.raises(ArrayError, match=named) as raised:
        make_bag(profiles, SAMPLES if profiles else None)
    assert raised.value.code == code


def test_the_length_of_the_model_is_required() -> None:
    with pytest.raises(ArrayError, match=r"K501.*512"):
        make_bag([profile(), profile()], 512)


def test_a_case_gives_the_bags_it_can_and_says_why_not_the_others() -> None:
    profiles = [
        profile("1"), profile("1"), profile("1", "m2"), profile("2"), profile("3"), profile("3", value=np.nan),
        profile("X"), profile("X"), profile("4", "m2"), profile("4", "m2"),
    ]  # fmt: skip
    case = bags_of_case(profiles, SAMPLES)
    assert [(bag.chromosome, len(bag.pairs)) for bag in case.bags] == [("1", 1), ("4", 1), ("X", 1)]
    assert set(case.skipped) == {"2", "3"}
    assert "exactly two" in case.skipped["2"] and "NaN" in case.skipped["3"]
    assert bags_of_case([]).bags == ()


def test_bags_lie_side_by_side_with_masks() -> None:
    long = make_bag([profile("X", m, band_level=550) for m in ("m1", "m2", "m3") for _ in range(2)])
    short = make_bag([profile("2"), profile("2")])
    batch = collate([short, long])
    assert batch.profiles.shape == (2, 3, 2, 2, SAMPLES) and batch.valid.shape == (2, 3, 2, SAMPLES)
    assert batch.present.tolist() == [[True, False, False], [True, True, True]]
    assert batch.chromosome.tolist() == [1, 22]
    assert not batch.profiles[0, 1:].any() and not batch.valid[0, 1:].any()
    assert batch.bands[1, 2].tolist() == [0, 0, 1, 0] and not batch.bands[0].any()


def test_bags_of_different_lengths_do_not_go_together() -> None:
    other = make_bag([profile(profile=np.ones((2, 8), np.float32), valid=np.ones(8, bool)) for _ in range(2)])
    with pytest.raises(ArrayError, match=r"K501.*16 samples"):
        collate([make_bag([profile(), profile()]), other])
    with pytest.raises(ArrayError, match="K501"):
        collate([])


@given(level=st.floats(0, 1000))
def test_a_band_level_is_shared_between_its_neighbours(level: float) -> None:
    code = band_code(level)
    assert code.sum() == pytest.approx(1, abs=1e-6) and (code >= 0).all() and (code > 0).sum() <= 2
    assert code @ [300, 400, 550, 700] == pytest.approx(np.clip(level, 300, 700), abs=1e-3)


def test_an_unknown_band_level_is_zero() -> None:
    assert not band_code(None).any() and not band_code(float("nan")).any()
    assert [int(band_code(level).argmax()) for level in (300, 400, 550, 700)] == [0, 1, 2, 3]
