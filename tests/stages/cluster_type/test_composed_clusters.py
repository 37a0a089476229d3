from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from karyonet.errors import DataError
from karyonet.evaluation.cluster_type_results import TYPES, ComponentResult
from karyonet.stages.cluster_type import KINDS, ShapeRules, SupCAM
from karyonet.stages.cluster_type.composed_clusters import composed_clusters, evaluate_compositions
from karyonet.stages.cluster_type.compositions import Compositions
from karyonet.stages.cluster_type.sources import Sources
from karyonet.training.metaphase_pack import MetaphasePack
from karyonet.weights import WeightFile


@pytest.fixture(scope="module")
def sources(pack: MetaphasePack) -> Sources:
    return Sources.of(pack, "train", Compositions().sources)


@pytest.fixture(scope="module")
def file(pack: MetaphasePack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pack") / "drawn.npz"
    pack.write(path)
    return path


def test_the_same_data_give_the_same_examples_however_many(sources: Sources) -> None:
    few, many = (
        [k for source in composed_clusters(sources, Compositions(), number) for k in source.read().known]
        for number in (5, 19)
    )
    assert len(few) == 5 and len(many) == 19 and many[:5] == few
    assert len({known.case for known in many}) == 19
    assert {known.kind for known in many} <= set(KINDS) and len({known.kind for known in many}) > 3
    for known in many:
        assert (known.chromosomes or 0) == 1 if known.kind == "instance" else known.chromosomes != 1


def test_an_example_lies_on_its_canvas_as_it_was_composed(sources: Sources) -> None:
    clusters = composed_clusters(sources, Compositions(), 4)[0].read()
    assert clusters.places == (0, 1, 2, 3) and len(clusters.metaphase.clusters) > 2 * len(clusters.known)
    for known, cluster in zip(clusters.known, clusters.metaphase.clusters, strict=False):
        size = (known.bbox[2] - known.bbox[0], known.bbox[3] - known.bbox[1])
        assert (cluster.region.mask.shape[1], cluster.region.mask.shape[0]) == size
        assert clusters.metaphase.optical_density[cluster.region.slices][cluster.region.mask].mean() > 0.2
    taken = np.zeros(clusters.metaphase.optical_density.shape, dtype=int)
    for cluster in clusters.metaphase.clusters:
        taken[cluster.region.slices] += cluster.region.mask
    assert taken.max() == 1


def test_a_network_is_asked_for_all_that_it_says(file: Path, weight: WeightFile) -> None:
    stage = SupCAM(weights=str(weight.path), device="cpu")
    seen: list[ComponentResult] = []
    evaluation = evaluate_compositions({"cluster_type": stage}, file, "train", 24, inspect=seen.extend)
    assert {"accuracy", "macro_f1", "count_accuracy", "kept", "rejected", "rejected_at_99_kept"} <= set(
        evaluation.metrics
    )
    assert evaluation.type_confusion is not None
    chromosomes = sum(result.known.kind in TYPES for result in seen)
    assert np.sum(evaluation.type_confusion) == evaluation.components["accuracy"] == chromosomes
    assert evaluation.components["rejected"] == 24 - chromosomes > 0
    assert (evaluation.cases, evaluation.metaphases, evaluation.chromosomes) == (2, 2, 10)
    assert [w.stage for w in evaluation.weights] == ["cluster_type"]


def test_rules_without_numbers_are_measured_too(file: Path) -> None:
    evaluation = evaluate_compositions({"cluster_type": ShapeRules()}, file, None, 16)
    assert "accuracy" in evaluation.metrics
    assert not {"count_accuracy", "kept", "rejected"} & set(evaluation.metrics)
    assert evaluation.metaphases == 3  # without a split all of them


def test_a_split_that_is_not_there(file: Path, tmp_path: Path) -> None:
    stages = {"cluster_type": ShapeRules()}
    with pytest.raises(DataError, match=r"K403.*autumn.*train, validation"):
        evaluate_compositions(stages, file, "autumn", 2)
    with pytest.raises(DataError, match="K401"):
        evaluate_compositions(stages, tmp_path / "nowhere", "train", 2)
    with pytest.raises(DataError, match="K401"):
        evaluate_compositions(stages, tmp_path / "nowhere.npz", "train", 2)
