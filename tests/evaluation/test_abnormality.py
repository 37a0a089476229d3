"""Figures of abnormal and normal bags, and the bags that an evaluation judges."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from karyonet.data.strips import read_strips
from karyonet.errors import ConfigError, DataError
from karyonet.evaluation.abnormality import JudgedBag, rows_as_csv, summarise
from karyonet.evaluation.report import Evaluation
from karyonet.stages.abnormality import HomologComparer
from karyonet.stages.abnormality.artificial_bags import ArtificialBags, BagSettings
from karyonet.stages.abnormality.evaluate import BagPlan, evaluate, sizes_from
from karyonet.stages.abnormality.figures import judge
from karyonet.stages.abnormality.inference import PairNetwork
from karyonet.stages.abnormality.labels import read_labels
from karyonet.stages.abnormality.profiles import ProfileSet
from karyonet.stages.abnormality.train import drawn_bags
from karyonet.training.packing import pack_strips_dataset
from karyonet.weights import find
from tests.stages.abnormality.drawn import strips_folder


def bag(number: int, abnormal: bool, probability: float, kind: str | None = None, **fields: object) -> JudgedBag:
    made = JudgedBag(f"b{number}", "9", abnormal, ("m1", "m2"), f"p{number % 5}", probability, (0.2, 0.6), kind=kind)
    return replace(made, **fields)  # type: ignore[arg-type]


def bags() -> list[JudgedBag]:
    """Twenty normal ones, ten deletions that are all found and ten inversions of which half are."""
    normal = [bag(n, False, 0.01 * n) for n in range(20)]
    lost = [bag(20 + n, True, 0.9, "deletion", size=0.15, homologs=(2, 2), region_found=True) for n in range(10)]
    turned = [
        bag(30 + n, True, 0.9 if n % 2 else 0.05, "inversion", size=0.35, homologs=(1, 2), region_found=n % 2 == 1)
        for n in range(10)
    ]
    return [*normal, *lost, *turned]


def summary(given: list[JudgedBag], threshold: float = 0.85) -> Evaluation:
    return summarise(given, lambda _: threshold, cases=5, metaphases=2, chromosomes=4)


def values(evaluation: Evaluation) -> dict[str, float]:
    return {name: metric.value for name, metric in evaluation.metrics.items()}


def test_figures_say_what_was_found() -> None:
    said = values(summary(bags()))
    # Of ten inversions five have the score of the sixth normal bag, which 14 of 20 exceed.
    assert said["auc"] == pytest.approx((15 + 5 * 5.5 / 20) / 20)
    assert said["sensitivity_at_95"] == said["sensitivity_at_99"] == said["sensitivity_at_threshold"] == 0.75
    assert said["f1"] == said["f1_at_threshold"] == pytest.approx(30 / 35, abs=1e-6)
    assert said["specificity_at_threshold"] == 1
    assert (said["homolog_accuracy"], said["region_found"], said["region_share"]) == (0.75, 0.75, 0.4)
    strict = values(summary(bags(), 0.95))
    assert (strict["f1_at_threshold"], strict["f1"]) == (0, said["f1"])
    loose = values(summary(bags(), 0.105))
    assert loose["specificity_at_threshold"] == pytest.approx(11 / 20)


def test_kinds_and_sizes_are_compared_with_all_normal_bags() -> None:
    groups = summary(bags()).per_abnormality
    assert list(groups) == [
        "deletion", "inversion", "10–20 %", "deletion and duplication, 10–20 %", "30 % and more",
    ]  # fmt: skip
    assert groups["deletion"].auc.value == 1 == groups["10–20 %"].sensitivity_at_99.value
    assert groups["inversion"].auc.value == pytest.approx((5 + 5 * 5.5 / 20) / 10)
    assert groups["inversion"].sensitivity_at_95.value == 0.5 and groups["inversion"].bags == 10


def test_the_order_of_the_bags_changes_nothing() -> None:
    assert summary(bags()) == summary(bags()[::-1])


def test_bags_of_several_sizes_are_told_apart() -> None:
    single = [replace(one, wanted="1", probability=1 - one.probability) for one in bags()]
    both = summary([*(replace(one, wanted="5") for one in bags()), *single])
    assert values(both)["auc_bags_5"] == values(summary(bags()))["auc"]
    assert values(both)["auc_bags_1"] == pytest.approx(1 - values(both)["auc_bags_5"])
    assert "auc" not in both.metrics and "bags of 1, deletion" in both.per_abnormality


def test_what_is_not_known_has_no_figure() -> None:
    real = [replace(one, kind=None, size=None, homologs=(0, 0), region_found=None) for one in bags()]
    evaluation = summary(real)
    assert not evaluation.per_abnormality
    assert not {"homolog_accuracy", "region_found", "region_share"} & set(evaluation.metrics)


def test_an_evaluation_is_written_and_read(tmp_path: Path) -> None:
    summary(bags()).write_json(tmp_path / "figures.json")
    assert Evaluation.read_json(tmp_path / "figures.json") == summary(bags())


def test_rows_can_be_given_back_as_labelled_bags(tmp_path: Path) -> None:
    (tmp_path / "bags.csv").write_text(rows_as_csv(bags()))
    labels = read_labels(tmp_path)
    assert [(b.bag, b.chromosome, b.abnormal, b.cells) for b in labels] == [
        (b.bag, b.chromosome, b.abnormal, b.cells) for b in bags()
    ]
    rows = list(csv.DictReader(io.StringIO(rows_as_csv(bags()))))
    assert (rows[20]["kind"], rows[20]["size"], rows[0]["size"], rows[0]["probability"]) == (
        "deletion", "0.1500", "", "0.000000",
    )  # fmt: skip


def test_sizes_as_they_are_written() -> None:
    assert sizes_from("5") == ((5, 5),) and sizes_from("1, 3-5,1") == ((1, 1), (3, 5))
    for wrong in ("", "five", "0", "5-1", "1,,2", "-3"):
        with pytest.raises(ValueError):
            sizes_from(wrong)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return strips_folder(tmp_path_factory.mktemp("drawn"), cases=4)


@pytest.fixture(scope="module")
def stage() -> HomologComparer:
    return HomologComparer.from_pretrained("homnet", device="cpu", precision="fp32")


def test_artificial_bags_are_those_of_a_validation_in_training(folder: Path, stage: HomologComparer) -> None:
    plan = BagPlan(((1, 2),), number=40, seed=3)
    evaluation, judged = evaluate(stage, folder, "strips", plan, split="validation")
    assert (evaluation.cases, evaluation.metaphases, evaluation.chromosomes) == (2, 6, 72)
    assert evaluation.weights[0].sha256 == find("abnormality", "homnet").sha256
    profiles = ProfileSet.from_pack(pack_strips_dataset(folder, "validation").pack)
    network = PairNetwork(find("abnormality", "homnet"), "cpu", "fp32")
    source = ArtificialBags(profiles, network.preprocessing, BagSettings(fewest=1, most=2, mixed_sources=()))
    with torch.inference_mode():
        expected = judge(network.model, drawn_bags(source, 40, seed=3), torch.device("cpu"))
    logits = [np.log(b.probability / (1 - b.probability)) * network.temperature for b in judged]
    assert logits == pytest.approx(expected.logits.tolist(), abs=1e-3)
    assert [b.abnormal for b in judged] == expected.abnormal.tolist()
    figures = expected.figures()
    said = values(evaluation)
    assert said["auc"] == pytest.approx(figures["score"], abs=1e-6)
    assert said["f1"] == pytest.approx(figures["f1"], abs=1e-6)
    assert said["average_precision"] == pytest.approx(figures["average_precision"], abs=1e-6)
    assert said["homolog_accuracy"] == pytest.approx(figures["homolog_accuracy"], abs=1e-6)
    assert evaluate(stage, folder, "strips", plan, split="validation")[1] == judged


def test_bags_mix_cases_only_where_that_is_asked_for(folder: Path, stage: HomologComparer) -> None:
    _, judged = evaluate(stage, folder, "strips", BagPlan(((3, 3),), 20))
    assert all(len({cell[:2] for cell in one.cells}) == 1 and len(one.cells) == 3 for one in judged)
    with pytest.raises(DataError, match=r"K414.*no bag of 5 metaphases"):
        evaluate(stage, folder, "strips", BagPlan(number=20))
    _, judged = evaluate(stage, folder, "strips", BagPlan(((5, 5),), 20, mixed=True))
    assert any(len({cell[:2] for cell in one.cells}) > 1 for one in judged)


def test_labelled_bags_take_the_place_of_artificial_ones(folder: Path, stage: HomologComparer, tmp_path: Path) -> None:
    data = tmp_path / "ours"
    data.mkdir()
    for name in ("cells", "cells.csv", "chromosomes.csv"):
        (data / name).symlink_to(folder / name)
    table = data / "bags.csv"
    table.write_text("bag,chromosome,abnormal,cells\na,1,1,p0m0;p0m1;p0m2\nb,2,0,p1m0;p1m2;gone\nc,2,0,p3m0\n")
    evaluation, judged = evaluate(stage, data, "strips", BagPlan())
    assert [(b.bag, b.abnormal, b.cells) for b in judged] == [
        ("a", True, ("p0m0", "p0m1", "p0m2")), ("b", False, ("p1m0", "p1m2")), ("c", False, ("p3m0",)),
    ]  # fmt: skip
    assert "auc" in evaluation.metrics and not evaluation.per_abnormality
    sized = evaluate(stage, data, "strips", BagPlan(((1, 1), (2, 2))))[1]
    assert [(b.bag, b.wanted, len(b.cells)) for b in sized] == [
        ("a", "1", 1), ("b", "1", 1), ("c", "1", 1), ("a", "2", 2), ("b", "2", 2),
    ]  # fmt: skip
    for row in ("a,1,1,p0m0", "a,1,1,gone"):
        table.write_text(f"bag,chromosome,abnormal,cells\n{row}\n")
        with pytest.raises(DataError, match=r"K414.*all normal or all abnormal"):
            evaluate(stage, data, "strips", BagPlan())


def test_data_that_cannot_be_used_is_named(folder: Path, stage: HomologComparer) -> None:
    with pytest.raises(DataError, match=r"K407.*mfish"):
        evaluate(stage, folder, "mfish", BagPlan())
    with pytest.raises(DataError, match=r"K403.*train"):
        evaluate(stage, folder, "strips", BagPlan(), split="train")
    with pytest.raises(ConfigError, match=r"K205.*p_arm_up"):
        evaluate(stage, folder, "strips", BagPlan(), limit=3, upright=False)


def test_shipped_weights_on_real_validation_cases(real_data: Path, stage: HomologComparer) -> None:
    data = real_data / "pki3"
    assert all(cell.fold == 1 for cell in read_strips(data, "validation"))
    evaluation, judged = evaluate(stage, data, "strips", BagPlan(((1, 5),), 150), split="validation", limit=8)
    assert len({cell for one in judged for cell in one.cells}) == evaluation.metaphases <= 8
    assert evaluation.metrics["auc"].value > 0.85
    assert evaluation.metrics["specificity_at_threshold"].value > 0.9
