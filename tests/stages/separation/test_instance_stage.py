from __future__ import annotations

from dataclasses import replace

import numpy as np

from karyonet.case import Cluster, Instance, Metaphase
from karyonet.geometry.region import Region
from karyonet.stages.segmentation.stage import clusters_of
from karyonet.stages.segmentation.threshold import components
from karyonet.stages.separation import InstanceSeparator
from tests.stages.drawn import Drawing


def seen(drawing: Drawing, order: list[int] | None = None) -> Metaphase:
    """The drawing with an instance for every rod, as a segmentation without fault sees it."""
    masks = [drawing.masks[number] for number in order or range(len(drawing.masks))]
    foreground = np.logical_or.reduce(drawing.masks)
    return replace(
        drawing.metaphase(),
        foreground=foreground,
        instances=tuple(Instance(Region.from_mask(mask), 0.9) for mask in masks),
        clusters=clusters_of(components(foreground)),
    )


def crossing_and_lone() -> Drawing:
    return Drawing(300, 300).rod(100, 100, 90, 0).rod(100, 100, 80, 80).rod(220, 200, 60, 30)


def test_a_cross_becomes_two_whole_chromosomes_that_share_their_overlap() -> None:
    metaphase = InstanceSeparator().process(seen(crossing_and_lone()))
    assert [c.id for c in metaphase.chromosomes] == ["c1", "c2", "c3"]
    assert sorted(len(cluster.chromosomes) for cluster in metaphase.clusters) == [1, 2]
    crossed = [c for c in metaphase.chromosomes if len(cluster_of(metaphase, c.cluster).chromosomes) == 2]
    first, second = (c.region.to_mask((300, 300)) for c in crossed)
    assert (first & second).sum() > 100
    assert {c.region.area for c in crossed} == {int(mask.sum()) for mask in crossing_and_lone().masks[:2]}


def test_a_cluster_with_one_instance_passes_untouched() -> None:
    metaphase = InstanceSeparator().process(seen(crossing_and_lone()))
    lone = next(cluster for cluster in metaphase.clusters if len(cluster.chromosomes) == 1)
    chromosome = next(c for c in metaphase.chromosomes if c.cluster == lone.id)
    assert chromosome.region.bbox == lone.region.bbox and (chromosome.region.mask == lone.region.mask).all()


def test_the_order_in_which_instances_were_seen_changes_nothing() -> None:
    first = InstanceSeparator().process(seen(crossing_and_lone()))
    other = InstanceSeparator().process(seen(crossing_and_lone(), [2, 1, 0]))
    assert [(c.id, c.region.bbox, c.cluster) for c in first.chromosomes] == [
        (c.id, c.region.bbox, c.cluster) for c in other.chromosomes
    ]


def test_what_the_segmentation_doubts_stays_doubtful_and_its_cluster_goes_with_it() -> None:
    metaphase = seen(crossing_and_lone())
    one, other, lone = metaphase.instances
    doubted = replace(metaphase, instances=(one, other, replace(lone, score=0.1, doubtful=True)))
    found = InstanceSeparator().process(doubted)
    doubts = [c for c in found.chromosomes if c.doubtful]
    assert [(c.score, c.review) for c in doubts] == [(0.1, True)]
    assert [(c.score, c.review) for c in found.chromosomes if not c.doubtful] == [(0.9, False)] * 2
    left = found.without({doubts[0].id})
    assert len(left.chromosomes) == 2
    assert [len(cluster.chromosomes) for cluster in left.clusters] == [2]
    assert found.without(()).chromosomes == found.chromosomes


def test_nothing_seen_gives_nothing() -> None:
    empty = replace(crossing_and_lone().metaphase(), instances=(), clusters=())
    assert InstanceSeparator().process(empty).chromosomes == ()


def cluster_of(metaphase: Metaphase, name: str | None) -> Cluster:
    return next(cluster for cluster in metaphase.clusters if cluster.id == name)
