from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from karyonet.case import Case, Cluster, Instance, Metaphase
from karyonet.data.boxes import box_size
from karyonet.data.metaphases import read_metaphases
from karyonet.errors import ArrayError, WeightsError
from karyonet.geometry.region import Region
from karyonet.stages.cluster_type import KINDS, ClusterTypes, SupCAM
from karyonet.stages.cluster_type.crops import chromosome_size
from karyonet.stages.cluster_type.kinds import TYPES
from karyonet.stages.segmentation import ThresholdSegmenter
from karyonet.stages.separation import GeometricSeparator
from karyonet.weights import WeightFile
from tests.stages.drawn import lone_rods


@pytest.fixture
def stage(weight: WeightFile) -> SupCAM:
    return SupCAM(weights=str(weight.path), device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def metaphase() -> Metaphase:
    drawing = lone_rods().rod(310, 210, 84, 20).rod(310, 210, 70, -60)
    return ThresholdSegmenter().process(drawing.metaphase())


def told(metaphase: Metaphase) -> list[tuple[str | None, float | None]]:
    return [(cluster.type, cluster.probability) for cluster in metaphase.clusters]


def test_every_cluster_gets_a_type_or_none_and_the_next_stage_goes_on(stage: SupCAM, metaphase: Metaphase) -> None:
    done = stage.process(metaphase)
    assert len(done.clusters) == len(metaphase.clusters) > 5
    for cluster in done.clusters:
        assert cluster.type is None or cluster.type in KINDS[:TYPES]
        assert cluster.probability is not None and 0 <= cluster.probability <= 1
    assert stage.weights[0].stage == "cluster_type" and stage.device == "cpu"
    assert GeometricSeparator().process(done).chromosomes


def test_batches_and_the_order_of_the_clusters_change_nothing(
    weight: WeightFile, stage: SupCAM, metaphase: Metaphase
) -> None:
    one = told(stage.process(metaphase))
    small = SupCAM(weights=str(weight.path), device="cpu", precision="fp32", batch_size=2)
    back = told(small.process(replace(metaphase, clusters=metaphase.clusters[::-1])))[::-1]
    assert [kind for kind, _ in one] == [kind for kind, _ in back]
    assert [p for _, p in one] == pytest.approx([p for _, p in back], abs=1e-5)


def test_rejected_clusters_have_no_type(weight: WeightFile, metaphase: Metaphase) -> None:
    card = weight.card.model_copy(update={"thresholds": {"reject": 1e-9}})
    strict = SupCAM(weights=str(weight.path), device="cpu")
    strict._weight = replace(weight, card=card)
    done = strict.process(metaphase)
    assert all(cluster.type is None and cluster.probability is not None for cluster in done.clusters)


def test_clusters_that_cannot_be_judged_are_marked_and_the_others_go_on(stage: SupCAM, metaphase: Metaphase) -> None:
    height, width = metaphase.optical_density.shape
    blank = metaphase.optical_density.copy()
    blank[:4, :4] = 0.0
    bad = (
        Cluster("empty", Region((5, 5, 15, 15), np.zeros((10, 10), bool)), "instance", 0.9),
        Cluster("blank", Region((0, 0, 4, 4), np.ones((4, 4), bool))),
        Cluster("outside", Region((width - 5, 0, width + 5, 10), np.ones((10, 10), bool))),
    )
    spoilt = replace(metaphase, optical_density=blank, clusters=(*bad, *metaphase.clusters))
    done = stage.process(spoilt)
    assert [k.id for k in done.clusters] == [k.id for k in spoilt.clusters]
    assert told(done)[:3] == [(None, None)] * 3
    assert all(probability is not None for _, probability in told(done)[3:])
    only = stage.process(replace(metaphase, clusters=bad[:1]))
    assert told(only) == [(None, None)]
    # A stain as long as many chromosomes together is no cluster of this metaphase.
    small = tuple(Instance(Region((x, 5, x + 20, 25), np.ones((20, 20), bool)), 0.9) for x in range(0, 200, 25))
    whole = Cluster("whole", Region((0, 0, width, height), np.ones((height, width), bool)))
    done = stage.process(replace(metaphase, instances=small, clusters=(*metaphase.clusters, whole)))
    assert told(done)[-1] == (None, None) and told(done)[0] != (None, None)
    assert stage.process(replace(metaphase, clusters=())).clusters == ()


def test_what_is_judged_is_what_is_written_into_the_clusters(stage: SupCAM, metaphase: Metaphase) -> None:
    empty = Cluster("empty", Region((5, 5, 15, 15), np.zeros((10, 10), bool)))
    spoilt = replace(metaphase, clusters=(empty, *metaphase.clusters))
    judged, said = stage.judge(spoilt)
    assert [cluster.id for cluster in judged] == [cluster.id for cluster in metaphase.clusters]
    highest = [p[KINDS.index(kind)] for kind, p in zip(said.kinds, said.probabilities, strict=True)]
    kinds = [None if out else kind for kind, out in zip(said.kinds, said.rejected, strict=True)]
    assert told(stage.process(spoilt))[1:] == list(zip(kinds, highest, strict=True))
    regions = [cluster.region for cluster in metaphase.clusters]
    for size in (None, 30.0):
        other = stage.classify(metaphase.optical_density, regions, size)
        assert stage.judge(metaphase, size)[1].probabilities == pytest.approx(other.probabilities)
    assert stage.judge(replace(metaphase, clusters=()))[1].kinds == ()


def test_a_metaphase_of_which_nothing_can_be_judged_stays_in_its_case(stage: SupCAM, metaphase: Metaphase) -> None:
    empty = replace(metaphase, optical_density=np.zeros_like(metaphase.optical_density))
    done = stage(Case("c", (empty, metaphase)))
    assert len(done.metaphases) == 2 and not done.errors


@pytest.mark.parametrize(
    ("region", "size", "code", "named"),
    [
        (Region((0, 0, 5, 5), np.zeros((5, 5), bool)), None, "K502", "empty"),
        (Region((0, 0, 5, 5), np.ones((5, 5), bool)), None, "K501", "one value"),
        (Region((390, 0, 430, 10), np.ones((10, 40), bool)), None, "K501", "inside an image"),
        (Region((0, 0, 420, 420), np.ones((420, 420), bool)), 20.0, "K501", "smaller than a metaphase"),
    ],
)
def test_crops_that_cannot_be_judged_are_errors_of_a_library_call(
    stage: SupCAM, metaphase: Metaphase, region: Region, size: float | None, code: str, named: str
) -> None:
    density = metaphase.optical_density.copy()
    density[:5, :5] = 0
    regions = [cluster.region for cluster in metaphase.clusters]
    with pytest.raises(ArrayError, match=code) as raised:
        stage.classify(density, [*regions, region], size)
    assert named in str(raised.value)


@pytest.mark.parametrize(
    "image",
    [np.zeros((0, 5), np.float32), np.zeros((5, 5, 3), np.float32), np.zeros((5, 5), int), np.full((5, 5), np.nan)],
)
def test_an_image_that_is_none_is_an_error(stage: SupCAM, image: np.ndarray) -> None:
    with pytest.raises(ArrayError, match="K501"):
        stage.classify(image, [])


def test_alone_it_takes_arrays(stage: SupCAM, metaphase: Metaphase) -> None:
    said: ClusterTypes = stage.classify(metaphase.optical_density, [k.region for k in metaphase.clusters])
    count = len(metaphase.clusters)
    assert len(said.kinds) == count and said.probabilities.shape == (count, len(KINDS))
    assert said.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert said.counts.shape == (count,) and said.count_probabilities.shape[0] == count
    assert stage.classify(metaphase.optical_density, []).kinds == ()


def test_the_shipped_weights_are_taken_and_others_must_fit() -> None:
    (shipped,) = SupCAM().weights
    assert shipped.card.stage == "cluster_type" and shipped.card.classes == KINDS
    with pytest.raises(WeightsError, match="K301"):
        SupCAM(weights="absent")


def test_the_size_of_real_metaphases_is_read_from_their_components(real_data: Path) -> None:
    errors = []
    for annotated in read_metaphases(real_data / "gband_metaphases", split="validation", limit=12)[::3]:
        found = ThresholdSegmenter()(Case.read(annotated.path)).metaphases[0]
        drawn = box_size([chromosome.bbox for chromosome in annotated.chromosomes])
        errors.append(abs(np.log(chromosome_size([cluster.region for cluster in found.clusters]) / drawn)))
    assert len(errors) >= 3 and np.median(errors) < 0.2
