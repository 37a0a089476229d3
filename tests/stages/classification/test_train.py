from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from karyonet.case import LABELS
from karyonet.errors import DataError
from karyonet.stages.classification import ProxyClassifier
from karyonet.stages.classification.dataset import StripSet
from karyonet.stages.classification.inference import Network
from karyonet.stages.classification.preprocessing import Preprocessing
from karyonet.stages.classification.self_labelling import label_polarity, polarity_once
from karyonet.stages.classification.train import ClassificationRecipe, ClassificationTask, main
from karyonet.training.calibration import fit_temperature
from karyonet.training.strip_pack import LabelledStrip, StripPack, concatenate, pack_cell
from karyonet.weights import find

TYPES = ("1", "9", "21", "Y")


def drawn(label: str, generator: np.random.Generator, turned: bool) -> LabelledStrip:
    """A strip whose type is its length and whose upper end is pale."""
    length = {"1": 70, "9": 50, "21": 24, "Y": 36}[label]
    strip = np.zeros((length, 16), np.float32)
    strip[:, 3:-3] = 0.5 + generator.normal(0, 0.02, (length, 10))
    strip[: length // 3] *= 0.3
    return LabelledStrip(np.ascontiguousarray(strip[::-1] if turned else strip), label, 0 if turned else 1)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    generator = np.random.default_rng(0)
    cells = [
        pack_cell(
            [drawn(label, generator, bool(generator.integers(2))) for label in TYPES * 2],
            case=f"p{number}", cell=f"m{number}", split="validation" if number % 5 == 0 else "train", source="drawn",
        )
        for number in range(40)
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("data") / "drawn.npz"
    concatenate(cells).write(path)
    return path


def recipe(folder: Path, **changes: object) -> Path:
    settings: dict[str, object] = {
        "name": "drawn", "steps": 60, "batch_size": 32, "validation_steps": 30, "ema": 0.9, "precision": "fp32",
        "device": "cpu", "architecture": {"backbone": "test_resnet", "embedding_dim": 16},
        "preprocessing": {"height": 96, "width": 24, "reference_length": 42.0}, "sampling": "balanced", "per_class": 8,
        "terms": {"drawn": "made for a test"}, "fewest": 0,
    }  # fmt: skip
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({**settings, **changes}))
    return path


def test_training_ends_in_weights_that_name_strips(pack: Path, tmp_path: Path) -> None:
    main(recipe(tmp_path), [pack], tmp_path / "run")
    classifier = ProxyClassifier.from_pretrained(tmp_path / "run" / "weights" / "drawn.safetensors")
    card = classifier.weights[0].card
    assert card.classes == LABELS and card.input["reference_length"] == 42.0
    assert [(data.name, data.terms, data.split) for data in card.training_data] == [
        ("drawn", "made for a test", "train")
    ]
    assert card.metrics["accuracy"].value > 0.9 and card.metrics["accuracy"].interval is not None
    strips = [
        strip for p in [StripPack.read(pack).select(split="validation")] for strip in map(p.optical_density, range(8))
    ]
    said = classifier(strips)
    assert said.labels == TYPES * 2
    assert (said.p_arm_up == (StripPack.read(pack).select(split="validation").polarity[:8] == 1)).mean() >= 0.75


def test_cross_entropy_is_a_configuration(pack: Path, tmp_path: Path) -> None:
    architecture = {"backbone": "test_resnet", "head": "cross_entropy", "attention": False, "pooling": "average"}
    main(recipe(tmp_path, architecture=architecture, steps=2, validation_steps=None), [pack], tmp_path / "run")
    weights = tmp_path / "run" / "weights" / "drawn.safetensors"
    assert len(ProxyClassifier.from_pretrained(weights)([np.eye(30, 9, dtype=np.float32)] * 10).labels) == 10


def test_data_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        main(recipe(tmp_path), [], tmp_path / "run")
    assert raised.value.code == "K405"
    with pytest.raises(DataError) as raised:
        main(recipe(tmp_path), [tmp_path], tmp_path / "run")
    assert raised.value.code == "K401"


def test_the_temperature_is_found() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (4000, 24))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([generator.choice(24, p=row) for row in probabilities])
    assert fit_temperature(3.0 * logits, labels) == pytest.approx(3.0, rel=0.1)


def test_types_with_too_few_examples_are_named(pack: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"K405.*2: 0, 3: 0, .*X: 0; fewest is 4"):
        main(recipe(tmp_path, fewest=4), [pack], tmp_path / "run")
    assert not (tmp_path / "run" / "weights").exists()


def test_training_goes_on_from_other_weights(pack: Path, tmp_path: Path) -> None:
    main(recipe(tmp_path), [pack], tmp_path / "first")
    first = tmp_path / "first" / "weights" / "drawn.safetensors"
    tuning = {"steps": 1, "validation_steps": 1, "ema": 0.0, "optimiser": {"learning_rate": 1e-6}}
    main(recipe(tmp_path, **tuning), [pack], tmp_path / "second", initial=str(first))
    second = ProxyClassifier.from_pretrained(tmp_path / "second" / "weights" / "drawn.safetensors").weights[0].card
    assert second.metrics["accuracy"].value >= 0.9  # one step from nothing would name about one in four
    assert second.recipe["initial"] == first.name  # without the folder of this machine


def test_weights_of_another_architecture_are_warned_of(
    pack: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    main(recipe(tmp_path, steps=2, validation_steps=None), [pack], tmp_path / "first")
    first = tmp_path / "first" / "weights" / "drawn.safetensors"
    same = {"backbone": "test_resnet", "embedding_dim": 16}
    for architecture, warned in ((same, False), ({**same, "output_stride": 16}, True)):
        caplog.clear()
        settings = {"steps": 1, "validation_steps": None, "architecture": architecture}
        main(recipe(tmp_path, **settings), [pack], tmp_path / f"warned{warned}", initial=str(first))
        assert ("output_stride None there, 16 here" in caplog.text) is warned


def test_a_data_set_may_be_drawn_more_often(pack: Path) -> None:
    strips = StripPack.read(pack).select(split="train")
    sources = np.where(np.arange(len(strips)) < len(strips) // 4, "ours", "theirs")
    training = StripSet.from_pack(replace(strips, sources=sources), Preprocessing(height=96, width=24))
    settings = {"name": "drawn", "steps": 1, "batch_size": 32, "device": "cpu", "sampling": "shuffled",
                "architecture": {"backbone": "test_resnet", "embedding_dim": 16}, "augmentation": {"flip": 0.0},
                "preprocessing": {"height": 96, "width": 24}}  # fmt: skip
    for repeats, share in (({}, 1 / 4), ({"ours": 3}, 3 / 6)):
        task = ClassificationTask(
            ClassificationRecipe.model_validate({**settings, "repeats": repeats}), training, training
        )
        rows = np.concatenate([task.rows(step) for step in range(task.order.steps_per_pass)])
        assert (sources[rows] == "ours").mean() == pytest.approx(share, abs=0.06)
        labels = task.batch(0, torch.device("cpu")).labels.numpy()
        assert (labels == strips.labels[task.rows(0)]).all()


def test_unknown_polarity_is_taken_from_weights_that_are_sure_of_it(pack: Path, tmp_path: Path) -> None:
    main(recipe(tmp_path), [pack], tmp_path / "run")
    network = Network(find("classification", tmp_path / "run" / "weights" / "drawn.safetensors"), "cpu", "fp32")
    truth = StripPack.read(pack).select(split="train")
    known = np.where(np.arange(len(truth)) % 2, truth.polarity, -1).astype(np.int8)
    strips = replace(truth, polarity=known)
    said = label_polarity(strips, network, 0.7).polarity
    assert (said[1::2] == truth.polarity[1::2]).all()
    sure = said[::2] >= 0
    assert sure.mean() > 0.2 and (said[::2] == truth.polarity[::2])[sure].mean() > 0.8
    surer = label_polarity(strips, network, 0.9).polarity[::2] >= 0
    assert surer.sum() < sure.sum() and not (surer & ~sure).any()

    cache = tmp_path / "polarity.npy"
    first = polarity_once(strips, network, 0.7, cache)
    asked, network.model = network.model, None  # type: ignore[assignment]  # is not asked again
    assert (polarity_once(strips, network, 0.7, cache).polarity == first.polarity).all()
    network.model = asked
    np.save(cache, first.polarity[1:])  # of other strips
    assert (polarity_once(strips, network, 0.7, cache).polarity == first.polarity).all()


def test_a_recipe_may_take_the_polarity_from_weights(pack: Path, tmp_path: Path) -> None:
    main(recipe(tmp_path), [pack], tmp_path / "first")
    first = tmp_path / "first" / "weights" / "drawn.safetensors"
    unknown = replace(StripPack.read(pack), polarity=np.full(len(StripPack.read(pack)), -1, np.int8))
    unknown.write(tmp_path / "unknown.npz")
    settings = {"polarity_from": str(first), "polarity_certainty": 0.7}
    main(recipe(tmp_path, **settings), [tmp_path / "unknown.npz"], tmp_path / "second")
    said = ProxyClassifier.from_pretrained(tmp_path / "second" / "weights" / "drawn.safetensors")
    assert said.weights[0].card.recipe["polarity_from"] == first.name
    held_out = StripPack.read(pack).select(split="validation")
    up = [bool(said([held_out.optical_density(i) for i in range(8)]).p_arm_up[i]) for i in range(8)]
    assert np.mean(up == (held_out.polarity[:8] == 1)) >= 0.75
