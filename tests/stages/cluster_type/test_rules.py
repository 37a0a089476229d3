"""What drawn clusters are."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.case import Metaphase
from karyonet.stages.cluster_type import ShapeRules
from karyonet.stages.segmentation import ThresholdSegmenter

from ..drawn import Drawing, lone_rods


def typed(drawing: Drawing) -> Metaphase:
    return ShapeRules().process(ThresholdSegmenter().process(drawing.metaphase()))


def lower(metaphase: Metaphase) -> list[str | None]:
    """Types of the clusters in the lower half of the drawing."""
    half = metaphase.height * 0.5
    return [cluster.type for cluster in metaphase.clusters if cluster.region.bbox[1] > half]


def test_lone_chromosomes_are_instances() -> None:
    clusters = typed(lone_rods()).clusters
    assert {cluster.type for cluster in clusters} == {"instance"}
    assert all(cluster.probability is not None and 0.5 <= cluster.probability <= 1 for cluster in clusters)


@given(first=st.integers(0, 90), between=st.integers(60, 90))
@settings(max_examples=8, deadline=None)
def test_crossing_overlaps(first: int, between: int) -> None:
    assert lower(typed(lone_rods().rod(310, 210, 86, first).rod(310, 210, 80, first + between))) == ["overlapping"]


@given(degrees=st.integers(0, 90))
@settings(max_examples=8, deadline=None)
def test_end_to_side_touches(degrees: int) -> None:
    drawing = lone_rods().rod(310, 210, 84, degrees)
    across = math.radians(degrees + 90)  # the second rod starts at the side of the first
    row = 310 + 34 * math.sin(across)
    column = 210 + 34 * math.cos(across)
    assert lower(typed(drawing.rod(row, column, 56, degrees + 90))) == ["touching"]


def test_crossing_with_a_chromosome_at_its_end_does_both() -> None:
    drawing = lone_rods().rod(310, 180, 110, 0).rod(310, 150, 84, 90).rod(310, 230, 60, 90)
    drawing.rod(343, 200, 52, 90)
    assert lower(typed(drawing)) in (["touching_overlapping"], ["overlapping"])


@pytest.mark.parametrize("scale", [0.6, 1.7])
def test_types_do_not_depend_on_magnification(scale: float) -> None:
    drawing = lone_rods(scale).rod(300, 120, 80, 0).rod(334, 120, 56, 90).rod(300, 280, 86, 35).rod(300, 280, 80, -50)
    assert sorted(str(kind) for kind in lower(typed(drawing))) == ["overlapping", "touching"]


def test_metaphase_without_clusters_stays_as_it_is() -> None:
    metaphase = Drawing(50, 50).metaphase()
    assert ShapeRules().process(metaphase) is metaphase
