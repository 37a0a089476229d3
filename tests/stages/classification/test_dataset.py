from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from karyonet.case import LABELS
from karyonet.errors import DataError
from karyonet.stages.classification.augmentation import Augmentation, augment
from karyonet.stages.classification.dataset import SampleOrder, StripSet, split_pack, thinned
from karyonet.stages.classification.preprocessing import Preprocessing, prepare
from karyonet.training.strip_pack import LabelledStrip, StripPack, concatenate, pack_cell

NOTHING = Augmentation.model_validate(dict.fromkeys(Augmentation.model_fields, 0.0))


def cell(number: int, case: str = "p", split: str = "train", count: int = 24) -> StripPack:
    generator = np.random.default_rng(number)
    strips = []
    for index in range(count):
        strip = np.zeros((40 + 3 * index, 16), np.float32)
        strip[2:-2, 2:-2] = generator.uniform(0.2, 0.6, (len(strip) - 4, 12))
        strips.append(LabelledStrip(strip, LABELS[index % 24], index % 3 - 1))
    return pack_cell(strips, case=case, cell=f"cell{number}", split=split, source="made")


def test_training_and_inference_prepare_alike() -> None:
    pack = cell(0)
    trained = StripSet.from_pack(pack, Preprocessing()).batch(np.arange(24)).strips.numpy()
    inferred = prepare([pack.optical_density(index) for index in range(24)])
    assert np.abs(trained - inferred).max() < 0.05


def test_turning_end_over_end_turns_the_known_polarity_alone() -> None:
    strips = torch.rand(6, 1, 32, 16)
    polarity = torch.tensor([1, 0, -1, 1, 0, -1])
    turned, label = augment(strips, polarity, NOTHING.model_copy(update={"flip": 1.0}), seed=0)
    assert label.tolist() == [0, 1, -1, 0, 1, -1]
    upright = turned.flip(2)
    mirrored = upright.flip(3)
    nearest = torch.minimum((upright - strips).abs().amax(dim=(1, 2, 3)), (mirrored - strips).abs().amax(dim=(1, 2, 3)))
    assert nearest.max() < 0.02
    same, label = augment(strips, polarity, NOTHING, seed=0)
    assert torch.equal(label, polarity) and (same.sum() - strips.sum()).abs() < 0.01 * strips.sum()


def test_augmentation_is_a_function_of_its_seed_and_leaves_the_background_empty() -> None:
    strips = torch.zeros(8, 1, 160, 32)
    strips[:, :, 40:120, 8:24] = 1.0
    polarity = torch.ones(8, dtype=torch.int64)
    one, other = (augment(strips, polarity, Augmentation(), seed=s)[0] for s in (5, 6))
    again = augment(strips, polarity, Augmentation(), seed=5)[0]
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert (one[:, :, :15] == 0).all() and (one >= 0).all() and torch.isfinite(one).all()
    assert 0.5 < one.sum() / strips.sum() < 1.6


@pytest.mark.parametrize("sampling", ["shuffled", "square_root", "balanced"])
def test_order_depends_on_seed_and_step_alone(sampling: str) -> None:
    labels = np.repeat(np.arange(6), [50, 50, 50, 50, 40, 10])
    forwards = SampleOrder(labels, 12, sampling, per_class=2, seed=3)
    drawn = [forwards(step) for step in range(60)]
    fresh = SampleOrder(labels, 12, sampling, per_class=2, seed=3)
    for step in (59, 3, 41):
        assert np.array_equal(fresh(step), drawn[step])
    assert not np.array_equal(SampleOrder(labels, 12, sampling, per_class=2, seed=4)(0), drawn[0])


def test_sampling_balances_as_it_says() -> None:
    labels = np.repeat(np.arange(4), [400, 100, 100, 100])
    drawn = {
        sampling: np.concatenate([labels[SampleOrder(labels, 20, sampling, 5)(s)] for s in range(35)])
        for sampling in ("shuffled", "square_root", "balanced")
    }
    shares = {name: (values == 0).mean() for name, values in drawn.items()}
    assert shares["shuffled"] == pytest.approx(400 / 700, abs=0.01)
    assert shares["square_root"] == pytest.approx(20 / 50, abs=0.02)
    assert shares["balanced"] == pytest.approx(0.25, abs=1e-9)
    indices = np.concatenate([SampleOrder(labels, 20, "shuffled")(s) for s in range(35)])
    assert len(np.unique(indices)) == 700


def test_too_little_data_is_refused() -> None:
    for order in (
        lambda: SampleOrder(np.zeros(5, int), 12),
        lambda: SampleOrder(np.arange(24) % 2, 12, "balanced", 2),
        lambda: SampleOrder(np.arange(24), 12, "balanced", 5),
    ):
        with pytest.raises(DataError) as raised:
            order()
        assert raised.value.code == "K405"


def test_a_case_is_on_one_side_only() -> None:
    pack = concatenate([cell(i, case=f"p{i // 2}", split="", count=5) for i in range(60)])
    training, validation = split_pack(pack, ["train"], ["validation"])
    assert not set(training.cases) & set(validation.cases) and len(training) + len(validation) == len(pack)
    assert 0 < len(validation) < len(training)


def test_named_splits_are_kept_and_the_test_part_is_left_alone() -> None:
    pack = concatenate([cell(i, f"p{i}", split) for i, split in enumerate(["train", "validation", "test", ""])])
    training, validation = split_pack(pack, ["train"], ["validation"])
    assert set(training.cells) == {"cell0", "cell3"} and set(validation.cells) == {"cell1"}
    with pytest.raises(DataError) as raised:
        split_pack(pack.select(split="test"), ["train"], ["validation"])
    assert raised.value.code == "K405"


def test_thinning_keeps_whole_cells() -> None:
    pack = concatenate([cell(i) for i in range(10)])
    kept = thinned(pack, 72)
    assert len(kept) == 72 and len(set(kept.cells)) == 3
    assert thinned(pack, None) is pack


def test_data_sets_may_share_names() -> None:
    one, other = cell(1, "p1", "validation"), cell(1, "p1", "train")
    other = replace(other, sources=np.full_like(other.sources, "seen"))
    training, validation = split_pack(concatenate([one, other]), ["train"], ["validation"])
    assert len(training) == len(validation) == 24
    assert len(thinned(concatenate([one, other]), 24)) == 24
