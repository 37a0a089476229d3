"""Pre-training and fine-tuning, from packs to weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from typer.testing import CliRunner

from karyonet.cli.train import app
from karyonet.errors import ConfigError, DataError, WeightsError
from karyonet.stages.abnormality.artificial_bags import collate_examples
from karyonet.stages.abnormality.figures import Judged, diagnosis_loss, judge, region_targets
from karyonet.stages.abnormality.finetune import FinetuningRecipe, finetune
from karyonet.stages.abnormality.labels import read_labels
from karyonet.stages.abnormality.model import Architecture, HomNet
from karyonet.stages.abnormality.profiles import ProfileSet
from karyonet.stages.abnormality.train import PretrainingRecipe, PretrainingTask, pretrain, without_abnormal
from karyonet.training.strip_pack import StripPack
from karyonet.weights import card_section, find, load_into, load_tensors

from .drawn import pack

SMALL: dict[str, Any] = {"samples": 128, "channels": 16, "embedding": 16, "stem": 4, "heads": 2, "head_dim": 8,
                         "dropout": 0.0}  # fmt: skip


def settings(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "name": "drawn", "steps": 2, "batch_size": 8, "device": "cpu", "precision": "fp32", "ema": 0.0,
        "validation_steps": 2, "validation_bags": 16, "architecture": SMALL, "terms": {"drawn": "made for a test"},
        "preprocessing": {"samples": 128, "reference_length": 47}, "bags": {"mixed_sources": ["drawn"]},
        "optimiser": {"name": "adamw", "learning_rate": 0.003, "weight_decay": 0.0},
    }  # fmt: skip
    return {**values, **changes}


def recipe(**changes: Any) -> PretrainingRecipe:
    return PretrainingRecipe.model_validate(settings(**changes))


ABNORMAL_CASES = {f"p{case}" for case in (*range(1, 20, 2), 4)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack, and beside it the bags of chromosome 1, of which those of odd cases are called abnormal."""
    path = tmp_path_factory.mktemp("data") / "drawn.npz"
    pack().write(path)
    rows = [f"b{case},1,{case % 2},p{case}m0;p{case}m1" for case in range(20)]
    rows += [f"n{case},2,0,p{case}m0" for case in range(20)]
    rows += ["v,13,1,p4m0", "gone,13,1,elsewhere"]
    (path.parent / "drawn.bags.csv").write_text("bag,chromosome,abnormal,cells\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def weights(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("pretraining")
    written = pretrain(recipe(), [data], run)
    assert written is not None
    return written.path


def test_abnormalities_are_learned() -> None:
    """From chance to nearly always right on easy ones, whose homolog and place are found as well."""
    drawn = pack()
    easy = {"mixed_sources": ["drawn"], "kinds": ["deletion", "duplication", "insertion"], "sizes": [0.2, 0.4]}
    training, validation = (ProfileSet.from_pack(drawn.select(split=name)) for name in ("train", "validation"))
    task = PretrainingTask(recipe(bags=easy, batch_size=32, validation_bags=160), training, validation)
    device = torch.device("cpu")
    with torch.inference_mode():
        before = task.validate(task.model.eval(), device)
    optimiser = torch.optim.AdamW(task.model.parameters(), lr=3e-3)
    task.model.train()
    for step in range(120):
        optimiser.zero_grad()
        task.loss(task.model, task.batch(step, device)).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    with torch.inference_mode():
        after = task.validate(task.model.eval(), device)
    assert before["score"] < 0.85 and after["score"] > 0.93
    assert after["homolog_accuracy"] > 0.8 > before["homolog_accuracy"] and after["loss"] < before["loss"]
    assert after["localised"] > before["localised"]


def test_a_batch_depends_on_its_step_alone(data: Path) -> None:
    drawn = StripPack.read(data)
    training, validation = (ProfileSet.from_pack(drawn.select(split=name)) for name in ("train", "validation"))
    first, second = (PretrainingTask(recipe(), training, validation) for _ in range(2))
    device = torch.device("cpu")
    second.batch(0, device)
    one, other = first.batch(5, device), second.batch(5, device)
    assert torch.equal(one.inputs.profiles, other.inputs.profiles) and torch.equal(one.abnormal, other.abnormal)
    assert not torch.equal(one.inputs.profiles.flatten()[:50], first.batch(6, device).inputs.profiles.flatten()[:50])
    for a, b in zip(first.validation, second.validation, strict=True):
        assert np.array_equal(a.bag.pairs[0].profiles, b.bag.pairs[0].profiles)


def test_pretraining_ends_in_weights_with_a_card(data: Path, weights: Path) -> None:
    card = find("abnormality", weights).card
    assert card.classes == ("normal", "abnormal") and card.input == {"samples": 128, "reference_length": 47.0}
    assert {"auc", "f1", "average_precision", "sensitivity_at_95", "sensitivity_at_99"} <= set(card.metrics)
    assert card.metrics["auc"].interval is not None and set(card.thresholds) == {"specificity_95", "specificity_99"}
    (described,) = card.training_data
    assert (described.name, described.terms, described.split) == ("drawn", "made for a test", "train")
    # Two metaphases with twelve chromosomes of each of the 15 training cases, without those that have an abnormal type.
    drawn = StripPack.read(data)
    normal = 15 - len(ABNORMAL_CASES & set(drawn.cases[drawn.splits == "train"].tolist()))
    assert 0 < normal < 15 and (described.examples, described.cases) == (normal * 24, normal)
    load_into(
        HomNet(card_section(find("abnormality", weights), "architecture", Architecture)), find("abnormality", weights)
    )


def test_a_run_that_was_stopped_ends_where_one_in_one_piece_does(data: Path, tmp_path: Path) -> None:
    # A learning rate that does not follow the length of the run, which is not the same before and after.
    steady = {"schedule": {"name": "plateau"}, "validation_bags": 8}
    whole = pretrain(recipe(steps=4, **steady), [data], tmp_path / "whole")
    pretrain(recipe(steps=2, **steady), [data], tmp_path / "halves")
    resumed = pretrain(recipe(steps=4, **steady), [data], tmp_path / "halves")
    assert whole is not None and resumed is not None
    assert '"resumed": true' in (tmp_path / "halves" / "log.jsonl").read_text()
    states = [torch.load(tmp_path / run / "checkpoint.pt", weights_only=True) for run in ("whole", "halves")]
    assert states[0]["progression"]["step"] == states[1]["progression"]["step"] == 4
    for name, value in states[0]["model"].items():
        assert torch.equal(value, states[1]["model"][name]), name


def finetuning(weights: Path, **changes: Any) -> FinetuningRecipe:
    values = {key: v for key, v in settings().items() if key not in ("architecture", "preprocessing", "bags",
                                                                     "validation_bags")}  # fmt: skip
    return FinetuningRecipe.model_validate({**values, "initial": str(weights), "name": "tuned", **changes})


def test_finetuning_leaves_the_frozen_parts_as_they_were(data: Path, weights: Path, tmp_path: Path) -> None:
    tuned = finetune(finetuning(weights), [data], tmp_path)
    assert tuned is not None
    before, after = load_tensors(find("abnormality", weights)), load_tensors(tuned)
    frozen = {name for name in before if name.startswith(("cms.", "hom.layers.0."))}
    assert frozen and all(torch.equal(before[name], after[name]) for name in frozen)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("hom.layers.1.") for name in changed) and "bag.head.weight" in changed
    assert tuned.card.architecture == find("abnormality", weights).card.architecture
    assert tuned.card.recipe["initial"] == weights.name
    assert "homolog_accuracy" not in tuned.card.metrics  # nobody knows which it is


@pytest.mark.parametrize(
    ("changes", "code", "named"),
    [
        ({"frozen": ["cms", "stem"]}, "K203", "stem"),
        ({"initial": "nothing"}, "K301", "nothing"),
        ({"validation_split": "test"}, "K405", "test"),
    ],
)
def test_a_finetuning_that_cannot_be_is_named(
    data: Path, weights: Path, tmp_path: Path, changes: dict[str, Any], code: str, named: str
) -> None:
    with pytest.raises((ConfigError, WeightsError, DataError), match=named) as raised:
        finetune(finetuning(weights, **changes), [data], tmp_path)
    assert raised.value.code == code


def test_finetuning_needs_labels_of_both_kinds(weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "ours.npz"
    pack(cases=8).write(path)
    with pytest.raises(DataError, match=r"K405.*bags\.csv"):
        finetune(finetuning(weights), [path], tmp_path / "run")
    (tmp_path / "ours.bags.csv").write_text("bag,chromosome,abnormal,cells\na,1,1,p1m0\nb,1,0,p0m0\n")
    with pytest.raises(DataError, match=r"K405.*normal and abnormal bags each"):
        finetune(finetuning(weights), [path], tmp_path / "run")


def test_a_case_is_never_on_both_sides(tmp_path: Path) -> None:
    drawn = pack(cases=8)
    drawn.cases[:] = "one"
    drawn.write(tmp_path / "drawn.npz")
    with pytest.raises(DataError, match=r"K405.*both splits"):
        pretrain(recipe(), [tmp_path / "drawn.npz"], tmp_path / "run")


def test_input_and_network_have_one_length() -> None:
    with pytest.raises(ValueError, match=r"architecture\.samples"):
        recipe(preprocessing={"samples": 64})


def test_the_commands_train(data: Path, tmp_path: Path) -> None:
    (tmp_path / "pre.yaml").write_text(yaml.safe_dump(settings(name="pre")))
    run = tmp_path / "run"
    told = CliRunner().invoke(
        app, ["abnormality-pretrain", "-c", str(tmp_path / "pre.yaml"), "--data", str(data), "--run", str(run)]
    )
    assert told.exit_code == 0, told.output
    weights = run / "weights" / "pre.safetensors"
    tuning = finetuning(Path("elsewhere.safetensors")).model_dump(mode="json", exclude={"run"})
    (tmp_path / "fine.yaml").write_text(yaml.safe_dump(tuning))
    arguments = ["-c", str(tmp_path / "fine.yaml"), "--data", str(data), "--run", str(tmp_path / "fine")]
    told = CliRunner().invoke(app, ["abnormality-finetune", *arguments, "--initial", str(weights)])
    assert told.exit_code == 0, told.output
    assert find("abnormality", tmp_path / "fine" / "weights" / "tuned.safetensors").card.name == "tuned"


def test_labels_of_a_folder_of_metaphases_are_those_of_its_karyotypes(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "cells.csv").write_text(
        "image,case,karyotype,affected\na1,a,normal,\na2,a,normal,\nb1,b,structural,\"2,14\"\nb2,b,normal,\n"
        "c1,c,numerical,21\nd1,d,structural,UNKNOWN\ne1,e,,\n"
    )  # fmt: skip
    labels = {(label.bag, label.abnormal): label.cells for label in read_labels(tmp_path)}
    assert len(labels) == 48 and {key[0].split(":")[0] for key in labels} == {"a", "b"}
    assert labels["a:1", False] == ("a1", "a2") and labels["b:14", True] == ("b1",)
    assert labels["b:1", False] == ("b1", "b2") and ("b:2", False) not in labels


def test_labels_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    assert read_labels(tmp_path) == [] == read_labels(tmp_path / "ours.npz")
    for row, named in (("b,Z,1,m", "'Z'"), ("b,1,perhaps,m", "perhaps"), ("b,1,,m", "abnormal is empty"),
                       ("b,1,1,", "cells is empty")):  # fmt: skip
        (tmp_path / "bags.csv").write_text(f"bag,chromosome,abnormal,cells\n{row}\n")
        with pytest.raises(DataError, match=rf"K402.*line 2.*{named}"):
            read_labels(tmp_path)


def test_cases_with_an_abnormal_type_are_no_normal_examples(data: Path) -> None:
    drawn = StripPack.read(data)
    kept = without_abnormal(drawn, data)
    assert set(drawn.cases.tolist()) - set(kept.cases.tolist()) == ABNORMAL_CASES
    assert np.array_equal(kept.cells, drawn.cells[~np.isin(drawn.cases, sorted(ABNORMAL_CASES))])


def test_figures_are_those_of_the_answers() -> None:
    truth = np.arange(200) < 100
    judged = Judged(np.where(truth, 2.0, -2.0), truth, np.arange(200).astype(str), np.ones(3, bool), np.zeros(3, bool))
    said = judged.figures()
    assert said["score"] == said["f1"] == said["sensitivity_at_99"] == said["homolog_accuracy"] == 1
    assert said["localised"] == 0
    ranked = Judged(np.arange(200.0), ~truth, truth.astype(str), np.ones(0, bool), np.ones(0, bool))
    assert ranked.cut(0.95) == 95 and "localised" not in ranked.figures()
    swapped = Judged(-judged.logits, truth, judged.cases, judged.homolog_right, judged.place_right)
    assert swapped.figures()["score"] == swapped.figures()["sensitivity_at_95"] == 0


def test_the_temperature_undoes_what_logits_were_multiplied_by() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, 4000)
    truth = generator.random(4000) < 1 / (1 + np.exp(-logits))
    judged = Judged(3 * logits, truth, truth.astype(str), np.ones(0, bool), np.ones(0, bool))
    assert judged.temperature() == pytest.approx(3, rel=0.1)


def test_places_and_homologs_count_only_where_they_are_known() -> None:
    drawn = ProfileSet.from_pack(pack(cases=4))
    made = PretrainingTask(recipe(validation_bags=12), drawn, drawn)
    open_ = [e._replace(region=None, affected=(-1,) * len(e.affected)) for e in made.validation]
    model = made.model.eval()
    with torch.inference_mode():
        batch = collate_examples(open_)
        said = model(batch.inputs)
        assert torch.equal(diagnosis_loss(said, batch, 5.0, 5.0), diagnosis_loss(said, batch, 0.0, 0.0))
        known = collate_examples(made.validation)
        assert diagnosis_loss(said, known, 0.0, 5.0) > diagnosis_loss(said, known, 0.0, 0.0)
        assert len(judge(model, open_, torch.device("cpu")).homolog_right) == 0
    targets = region_targets(torch.eye(6)[2], 4)
    assert targets.tolist() == [0, 1, 0, 0]
