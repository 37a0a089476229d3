"""Baselines: what they are told, what they may not depend on, and that they learn."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import f1_score, roc_auc_score

from karyonet.errors import ArrayError, InputError
from karyonet.stages.abnormality.bags import BagBatch
from karyonet.stages.abnormality.baselines import (
    NETWORKS,
    BaselineTask,
    LabelledBatch,
    NetworkName,
    build,
    build_detector,
    judged,
    network_judge,
)
from karyonet.stages.abnormality.baselines.dtw import warping_cost
from karyonet.stages.abnormality.baselines.features import NAMES, bag_features
from karyonet.stages.abnormality.baselines.figures import Outcome, best_threshold, difference, figures
from karyonet.stages.abnormality.baselines.pairs import Siamese
from karyonet.stages.abnormality.figures import Judged
from karyonet.stages.abnormality.profiles import ProfileSet
from karyonet.stages.abnormality.train import PretrainingTask

from .drawn import pack
from .test_model import SAMPLES, batch, close
from .test_train import recipe


def toy(bags: int, seed: int, most: int = 2) -> tuple[BagBatch, torch.Tensor]:
    """Bags of one type whose homologs are alike, but for a wide dark band in one homolog of the abnormal ones."""
    generator = torch.Generator().manual_seed(seed)
    abnormal = torch.rand(bags, generator=generator) < 0.5
    abnormal[:2] = torch.tensor([True, False])
    places = torch.arange(SAMPLES)
    profile = 1 + 0.5 * torch.sin(places / 4) + 0.05 * torch.randn(bags, most, 2, 2, SAMPLES, generator=generator)
    which = torch.randint(0, 2, (bags, most), generator=generator)
    band = ((places >= 12) & (places < 28)).float() * 1.5
    changed = abnormal[:, None, None] & (torch.arange(2) == which[..., None])
    profile = profile + changed[..., None, None] * band
    present = torch.ones(bags, most, dtype=torch.bool)
    present[::3, 1:] = False
    shown = present[:, :, None, None].expand(bags, most, 2, SAMPLES)
    known = torch.zeros(bags, dtype=torch.int64), torch.zeros(bags, most, 4)
    return BagBatch(profile * shown[:, :, :, None], shown, present, *known), abnormal.float()


def network(name: NetworkName) -> torch.nn.Module:
    torch.manual_seed(0)
    return build(name, SAMPLES).eval()


def scores(model: torch.nn.Module, bags: BagBatch) -> NDArray[np.float64]:
    return network_judge(model, torch.device("cpu"), "fp32")(bags)


def alike(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    return np.allclose(first, second, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_not_there_and_the_order_of_metaphases_change_nothing(name: NetworkName) -> None:
    model, bags = network(name), batch(bags=4, most=3)
    first = scores(model, bags)
    assert first.shape == (4,) and np.isfinite(first).all()
    seen = bags.valid[:, :, :, None] & bags.present[:, :, None, None, None]
    assert alike(first, scores(model, bags._replace(profiles=torch.where(seen, bags.profiles, 7.0))))
    order = torch.tensor([2, 0, 1])
    assert alike(first, scores(model, BagBatch(*(t if t.ndim == 1 else t[:, order] for t in bags))))
    with torch.inference_mode():
        said = model(bags)
    assert said.pairs.shape == (4, 3) and not said.pairs[~bags.present].any()
    shift = model.margin / 2 if isinstance(model, Siamese) else 0.0
    assert close(said.logit + shift, said.pairs.sum(dim=1) / bags.present.sum(dim=1))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_is_trained_and_a_toy_is_learned(name: NetworkName) -> None:
    torch.manual_seed(0)
    model = build(name, SAMPLES).train()
    # The deepest one takes longest.
    rate, steps, size = (2e-3, 45, 24) if name == "mobilenet" else (4e-3, 24, 16)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate)
    for step in range(steps):
        bags, abnormal = toy(size, step)
        optimiser.zero_grad()
        model.loss(model(bags), bags, abnormal).backward()  # type: ignore[operator]
        if step == 0:
            assert all(p.grad is not None and bool(p.grad.any()) for p in model.parameters())
        optimiser.step()
    bags, abnormal = toy(80, 999)
    area = roc_auc_score(abnormal, scores(model.eval(), bags))
    # With the wrong sign abnormal pairs come together.
    assert area < 0.5 if name == "siamese_as_published" else area > 0.95


def test_the_type_and_the_band_level_are_told() -> None:
    bags = batch(bags=3)
    for name in NETWORKS:
        model, told = network(name), "siamese" not in name
        first = scores(model, bags)
        other = scores(model, bags._replace(chromosome=(bags.chromosome + 1) % 24))
        assert alike(first, other) != told
        assert alike(first, scores(model, bags._replace(bands=1 - bags.bands))) != told


def test_only_the_shared_siamese_treats_homologs_alike() -> None:
    bags = batch(bags=3)
    swapped = bags._replace(profiles=bags.profiles.flip(2), valid=bags.valid.flip(2))
    assert alike(*(scores(network("siamese"), b) for b in (bags, swapped)))
    assert not alike(*(scores(network("siamese_as_published"), b) for b in (bags, swapped)))
    same = bags._replace(profiles=bags.profiles[:, :, [0, 0]], valid=bags.valid[:, :, [0, 0]])
    assert scores(network("siamese"), same) == pytest.approx(-0.5, abs=1e-3)


def test_the_siamese_loss_brings_normal_homologs_together() -> None:
    bags, _ = toy(2, 0, most=1)
    for published in (False, True):
        model = Siamese(as_published=published)
        near, far = (model(bags)._replace(pairs=torch.full((2, 1), d)) for d in (0.1, 0.9))
        normal, abnormal = torch.zeros(2), torch.ones(2)
        for answer, wanted in ((normal, near), (abnormal, far)):
            unwanted = far if wanted is near else near
            assert (model.loss(wanted, bags, answer) < model.loss(unwanted, bags, answer)) != published


def test_a_baseline_has_the_batches_and_the_selection_bags_of_homnet() -> None:
    drawn = ProfileSet.from_pack(pack(cases=6))
    homnet = PretrainingTask(recipe(batch_size=4, validation_bags=12), drawn, drawn)
    task = BaselineTask("mlp_mixer", homnet)
    device = torch.device("cpu")
    first, second = homnet.batch(3, device), task.batch(3, device)
    assert torch.equal(first.inputs.profiles, second.inputs.profiles) and torch.equal(first.abnormal, second.abnormal)
    assert bool(torch.isfinite(task.loss(task.model, second)))
    with torch.inference_mode():
        said = task.validate(task.model.eval(), device)
    outcome = judged(network_judge(task.model, device, "fp32"), homnet.validation, batch_size=5)
    assert said["score"] == pytest.approx(roc_auc_score(outcome.abnormal, outcome.logits))
    assert outcome.abnormal.tolist() == [example.abnormal for example in homnet.validation]


def slow_cost(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Dynamic time warping cell by cell."""
    table = np.full((first.shape[1] + 1, second.shape[1] + 1), np.inf)
    table[0, 0] = 0
    for i in range(first.shape[1]):
        for j in range(second.shape[1]):
            step = float(np.linalg.norm(first[:, i].astype(float) - second[:, j]))
            table[i + 1, j + 1] = step + min(table[i, j + 1], table[i + 1, j], table[i, j])
    return float(table[-1, -1])


@given(
    lengths=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 9)), min_size=1, max_size=4),
    channels=st.integers(1, 2),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=40, deadline=None)
def test_warping_is_that_of_the_slow_reference(lengths: list[tuple[int, int]], channels: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    first = generator.random((len(lengths), channels, 12), dtype=np.float32)
    second = generator.random((len(lengths), channels, 9), dtype=np.float32)
    own, other = np.array(lengths).T
    expected = [slow_cost(a[:, :m], b[:, :n]) for a, b, (m, n) in zip(first, second, lengths, strict=True)]
    assert warping_cost(first, second, own, other) == pytest.approx(expected, rel=1e-5)
    assert warping_cost(second, first, other, own) == pytest.approx(expected, rel=1e-5)
    assert not warping_cost(first, first, own, own).any()


def test_warping_undoes_a_stretch_and_takes_many_at_once() -> None:
    wave = np.sin(np.arange(40, dtype=np.float32) / 3)[None, None]
    slow = np.repeat(wave, 2, axis=2)
    assert warping_cost(wave, slow, [40], [80])[0] == pytest.approx(0, abs=1e-5)
    many = np.random.default_rng(0).random((600, 1, 6), dtype=np.float32)
    turned = warping_cost(many, many[::-1], np.full(600, 6), np.full(600, 6))
    assert turned == pytest.approx(turned[::-1]) and turned.shape == (600,)
    assert warping_cost(many[:0], many[:0], [], []).shape == (0,)


@pytest.mark.parametrize("lengths", [[0, 3], [3, 7], [3]])
def test_lengths_outside_of_the_series_are_refused(lengths: list[int]) -> None:
    series = np.zeros((2, 1, 6), np.float32)
    with pytest.raises(ArrayError, match="K501"):
        warping_cost(series, series, lengths, [3, 3])
    with pytest.raises(ArrayError, match="K501"):
        warping_cost(series, series[:, 0], [3, 3], [3, 3])


def test_features_do_not_depend_on_order_and_see_what_differs() -> None:
    bags = batch(bags=5, most=3)
    first = bag_features(bags)
    assert first.shape == (5, len(NAMES)) and np.isfinite(first).all()
    assert alike(first, bag_features(bags._replace(profiles=bags.profiles.flip(2), valid=bags.valid.flip(2))))
    assert alike(first, bag_features(bags._replace(profiles=bags.profiles.flip(3))))
    order = torch.tensor([1, 2, 0])
    assert alike(first, bag_features(BagBatch(*(t if t.ndim == 1 else t[:, order] for t in bags))))
    same = bags._replace(profiles=bags.profiles[:, :, [0, 0]], valid=bags.valid[:, :, [0, 0]])
    for name, value in zip(NAMES, bag_features(same).T, strict=True):
        if name == "warping" or name.endswith("difference"):
            assert not value.any()
        if name == "correlation":
            assert value == pytest.approx(1)


@pytest.mark.parametrize("name", ["logistic_regression", "oc_svm"])
def test_features_tell_a_toy_apart(name: Any) -> None:
    detector = build_detector(name)
    detector.fit([LabelledBatch(bags, answers.numpy() > 0) for bags, answers in (toy(40, seed) for seed in range(3))])
    bags, abnormal = toy(60, 99)
    assert roc_auc_score(abnormal, detector.score(bags)) > 0.95
    assert detector.parameters > len(NAMES)


def test_pyod_is_asked_for_when_it_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyod.models.deep_svdd", None)
    monkeypatch.setitem(sys.modules, "pyod.models.auto_encoder", None)
    for name in ("deep_svdd", "autoencoder"):
        with pytest.raises(InputError, match=r"K110.*karyonet\[baselines\]"):
            build_detector(name)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["deep_svdd", "autoencoder"])
def test_detectors_of_profiles_see_the_pairs_of_normal_bags_alone(name: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in that keeps the mean of what it saw; PyOD's own networks are its own affair."""

    class Mean:
        def __init__(self, **told: object) -> None:
            self.told = told

        def fit(self, pairs: NDArray[np.float32]) -> None:
            self.seen, self.network = pairs, torch.nn.Linear(3, 1)

        def decision_function(self, pairs: NDArray[np.float32]) -> NDArray[np.float32]:
            distances: NDArray[np.float32] = np.abs(pairs - self.seen.mean(axis=0)).mean(axis=1)
            return distances

    for module, kind in (("deep_svdd", "DeepSVDD"), ("auto_encoder", "AutoEncoder")):
        made = ModuleType(module)
        setattr(made, kind, Mean)
        monkeypatch.setitem(sys.modules, f"pyod.models.{module}", made)
    detector = build_detector(name, seed=5)
    bags, abnormal = toy(30, 0)
    detector.fit([LabelledBatch(bags, abnormal.numpy() > 0)])
    network: Any = vars(detector)["_network"]
    assert len(network.seen) == int(bags.present[abnormal == 0].sum()) and network.seen.shape[1] == 4 * SAMPLES
    assert network.told["random_state"] == 5 and detector.parameters == 4
    said = detector.score(bags)
    assert said.shape == (30,) and roc_auc_score(abnormal, said) > 0.95


def test_figures_of_a_comparison_are_those_of_the_answers() -> None:
    generator = np.random.default_rng(0)
    truth, cases = np.arange(300) % 2 == 0, np.array([f"p{n % 30}" for n in range(300)])
    good, bad = (Outcome(generator.normal(size=300) + size * truth, truth, cases) for size in (2.0, 0.2))
    said = figures(good, 1.0)
    assert said["auc"]["value"] == pytest.approx(roc_auc_score(truth, good.scores))
    assert said["f1"]["value"] == pytest.approx(f1_score(truth, good.scores > 1.0))
    for name in ("auc", "f1", "average_precision"):
        low, high = said[name]["interval"]
        assert low < said[name]["value"] < high and high - low < 0.2
    bad_area = roc_auc_score(truth, bad.scores)
    low, high = difference(bad, good)
    assert low < bad_area - said["auc"]["value"] < high < 0 and difference(good, good) == (0, 0)
    assert difference(Outcome.read(bad.record()), Outcome.read(good.record())) == (low, high)
    with pytest.raises(ValueError, match="different bags"):
        difference(good, Outcome(good.scores, ~truth, cases))


@given(seed=st.integers(0, 2**16))
@settings(max_examples=20, deadline=None)
def test_no_threshold_has_a_better_f1(seed: int) -> None:
    generator = np.random.default_rng(seed)
    truth = np.arange(25) % 3 == 0
    said = generator.integers(0, 9, 25).astype(float)
    chosen = best_threshold(Judged(said, truth, truth.astype(str), np.zeros(0, bool), np.zeros(0, bool)))
    best = max(f1_score(truth, said > cut, zero_division=0.0) for cut in np.arange(-1, 9))
    assert f1_score(truth, said > chosen) == pytest.approx(best)
