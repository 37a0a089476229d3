"""From packed strips to profiles, and to bags with artificial abnormalities."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.errors import ArrayError, DataError
from karyonet.ideogram import variable_stretch
from karyonet.stages.abnormality.artificial_bags import ArtificialBags, BagSettings, Example, collate_examples
from karyonet.stages.abnormality.profiles import Preprocessing, ProfileSet, with_polarity
from karyonet.stages.abnormality.variation import Variation
from karyonet.training.abnormalities import Kind
from karyonet.training.strip_pack import concatenate, pack_cell

from .drawn import TYPES, pack, strip

PREPROCESSING = Preprocessing(samples=128, reference_length=47.0)


def profiles(**changes: object) -> ProfileSet:
    return ProfileSet.from_pack(pack(**changes))  # type: ignore[arg-type]


def drawn(bags: ArtificialBags, count: int, variation: Variation | None = None) -> list[Example]:
    return [bags.draw(np.random.default_rng((7, number)), variation)[0] for number in range(count)]


def test_profiles_have_the_short_arm_first_whichever_end_was_up() -> None:
    known = ProfileSet.from_pack(pack(cases=2, polarity=(1, 0)))
    reference = [p for p, label in zip(known.profiles, known.labels, strict=True) if label == 0]
    for other in reference[1:]:
        length = min(len(reference[0]), len(other))
        assert np.corrcoef(reference[0][:length].ravel(), other[:length].ravel())[0, 1] > 0.9
    assert len(known.pairs) == 2 * 2 * len(TYPES)


def test_strips_of_unknown_polarity_are_left_out_or_shown_to_a_classifier(caplog: pytest.LogCaptureFixture) -> None:
    mixed = concatenate([pack(cases=2), pack(cases=2, source="other", polarity=(-1,))])
    assert len(ProfileSet.from_pack(mixed).profiles) == len(mixed) // 2 and "48 of 96" in caplog.text
    with pytest.raises(DataError, match=r"K405.*short arm"):
        ProfileSet.from_pack(mixed.select(source="other"))
    asked: list[int] = []

    def reader(strips: object) -> SimpleNamespace:
        asked.append(len(strips))  # type: ignore[arg-type]
        return SimpleNamespace(polarity_probability=np.resize([0.99, 0.02, 0.9, 0.1], asked[-1]))

    read = with_polarity(mixed, reader)
    assert asked == [2 * len(TYPES)] * 4  # only the metaphases that need it
    assert np.array_equal(read.polarity[: len(mixed) // 2], mixed.polarity[: len(mixed) // 2])
    # Homologs lie six places from each other, so that of those with 0.9 and 0.1 the other one is sure, and they agree.
    assert read.polarity[len(mixed) // 2 :].tolist() == [1, 0] * (len(mixed) // 4)
    without_homolog = mixed.take(np.delete(np.arange(len(mixed)), len(mixed) - 4))
    place = len(mixed) - 10
    assert with_polarity(without_homolog, reader).polarity[place] == -1
    assert with_polarity(without_homolog, reader, certainty=0.5).polarity[place] == 1


@given(rows=st.integers(4, 200), scale=st.floats(0.2, 3.0))
@settings(max_examples=40, deadline=None)
def test_a_profile_keeps_its_length_and_its_density(rows: int, scale: float) -> None:
    profile = np.stack([np.linspace(0, 1, rows), np.ones(rows)], axis=1).astype(np.float32)
    placed, shown = PREPROCESSING.place(profile, scale)
    length = min(max(round(rows * scale), 1), 128)
    assert placed.shape == (2, 128) and shown.sum() == length and shown[:length].all()
    assert not placed[:, length:].any() and np.allclose(placed[1, :length], 1)
    assert placed[0, :length].mean() == pytest.approx(0.5, abs=0.02)


def test_hidden_rows_stay_hidden() -> None:
    valid = np.ones(50, bool)
    valid[20:30] = False
    placed, shown = PREPROCESSING.place(np.ones((50, 2), np.float32), 2.0, valid)
    assert shown.sum() == 80 and not shown[40:60].any() and not placed[:, 40:60].any() and shown[60:100].all()


def test_the_median_chromosome_gets_the_reference_length() -> None:
    assert PREPROCESSING.scale(94.0) == 0.5 and Preprocessing(reference_length=None).scale(94.0) == 1.0
    with pytest.raises(ArrayError, match="K501"):
        PREPROCESSING.scale(0.0)


@given(seed=st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_a_bag_repeats_and_its_manifest_tells_the_truth(seed: int) -> None:
    bags = ArtificialBags(SET, PREPROCESSING, BagSettings(mosaic=0.5))
    variation = Variation(hidden=0.5)
    (example, manifest), (again, same) = (bags.draw(np.random.default_rng(seed), variation) for _ in range(2))
    assert manifest == same
    for pair, other in zip(example.bag.pairs, again.bag.pairs, strict=True):
        assert np.array_equal(pair.profiles, other.profiles) and np.array_equal(pair.valid, other.valid)
    assert manifest.chromosome == example.bag.chromosome and len(manifest.metaphases) == len(example.bag.pairs)
    assert len(set(manifest.metaphases)) == len(manifest.metaphases) <= 2  # a case has two metaphases
    assert len({name.split("m")[0] for name in manifest.metaphases}) == 1
    assert example.abnormal == (manifest.abnormality is not None) == any(which >= 0 for which in manifest.affected)
    assert example.region is not None
    for which, region in zip(manifest.affected, example.region, strict=True):
        assert [bool(homolog.any()) for homolog in region] == [number == which for number in range(2)]


SET = profiles()


def test_bags_of_a_mixed_source_are_filled_from_other_cases() -> None:
    settings_of = BagSettings(fewest=5, most=5, mixed_sources=("drawn",))
    bags = ArtificialBags(SET, PREPROCESSING, settings_of)
    _, manifest = bags.draw(np.random.default_rng(0))
    assert len({name.split("m")[0] for name in manifest.metaphases}) > 1
    with pytest.raises(DataError, match=r"K405.*5 metaphases"):
        ArtificialBags(SET, PREPROCESSING, BagSettings(fewest=5, most=5))


def test_normal_and_abnormal_bags_differ_where_the_abnormality_is() -> None:
    bags = ArtificialBags(SET, PREPROCESSING, BagSettings(fewest=1, most=1, kinds=("deletion",), sizes=(0.2, 0.4)))
    for example in drawn(bags, 60):
        lengths = example.bag.pairs[0].valid.sum(axis=1)
        if example.abnormal:
            shorter = example.affected[0]
            assert lengths[shorter] < 0.9 * lengths[1 - shorter]
        else:
            assert abs(int(lengths[0]) - int(lengths[1])) <= 4


def test_variable_bands_of_one_homolog_vary_and_nothing_else_does() -> None:
    plain, varied = (
        ArtificialBags(SET, PREPROCESSING, BagSettings(abnormal=0.0, heteromorphism=spread)) for spread in (0.0, 0.8)
    )
    seen = {True: 0, False: 0}
    for example in drawn(varied, 80):
        lengths = np.array([pair.valid.sum(axis=1) for pair in example.bag.pairs])
        unlike = np.abs(lengths[:, 0] - lengths[:, 1]) > 4
        variable = variable_stretch(example.bag.chromosome) is not None
        assert not example.abnormal and set(example.affected) == {-1} and (variable or not unlike.any())
        seen[variable] += int(unlike.any())
    assert seen[True] > 5 and seen[False] == 0
    for example in drawn(plain, 40):
        assert all(abs(int(np.diff(pair.valid.sum(axis=1))[0])) <= 4 for pair in example.bag.pairs)


def test_half_of_the_bags_are_abnormal_and_every_kind_occurs() -> None:
    bags = ArtificialBags(SET, PREPROCESSING, BagSettings())
    made = [bags.draw(np.random.default_rng((3, number))) for number in range(300)]
    assert 0.4 < np.mean([example.abnormal for example, _ in made]) < 0.6
    assert {m.abnormality.kind for _, m in made if m.abnormality} == set(BagSettings().kinds)
    assert {m.chromosome for _, m in made} == set(TYPES)
    assert {which for _, m in made for which in m.affected} == {-1, 0, 1}


def test_only_types_that_a_kind_can_befall_are_drawn() -> None:
    bags = ArtificialBags(SET, PREPROCESSING, BagSettings(kinds=("robertsonian",)))
    assert {example.bag.chromosome for example in drawn(bags, 40)} == {"13", "14", "21", "22"}
    lone = ProfileSet.from_pack(
        concatenate(
            [
                pack_cell([strip("14", np.random.default_rng(0)) for _ in range(2)], case="p", cell="m", split="train",
                          source="drawn")
            ]
        )
    )  # fmt: skip
    kinds: tuple[Kind, ...] = ("robertsonian",)
    with pytest.raises(DataError, match=r"K405.*robertsonian"):
        ArtificialBags(lone, PREPROCESSING, BagSettings(kinds=kinds)).draw(np.random.default_rng(0))


def test_of_an_abnormal_pair_the_other_homolog_is_left_open() -> None:
    bags = ArtificialBags(SET, PREPROCESSING, BagSettings())
    examples = drawn(bags, 40)
    batch = collate_examples(examples)
    for row, example in enumerate(examples):
        for place in range(int(batch.inputs.present.shape[1])):
            here = place < len(example.bag.pairs)
            which = example.affected[place] if here else -1
            expected = [here and (which < 0 or which == number) for number in range(2)]
            assert batch.region_known[row, place].tolist() == expected
            assert int(batch.affected[row, place]) == which
    assert not batch.region[~batch.region_known].any()
