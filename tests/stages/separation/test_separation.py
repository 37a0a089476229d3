"""One mask for every drawn chromosome, and most chromosomes of real metaphases."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from karyonet.case import Metaphase
from karyonet.geometry.region import box_iou
from karyonet.imaging.optical_density import recognise_contrast, to_optical_density
from karyonet.stages.separation import GeometricSeparator, candidate_cuts, cut, separate_overlapping

from ..drawn import (
    WIDTH,
    Drawing,
    as_metaphase,
    intersection_over_union,
    lone_rods,
    mirrored,
    processed,
    transformed,
)


def masks_of(metaphase: Metaphase) -> list[np.ndarray]:
    return [chromosome.region.to_mask(metaphase.grey.shape) for chromosome in metaphase.chromosomes]


def best_match(mask: np.ndarray, others: list[np.ndarray]) -> float:
    return max(intersection_over_union(mask, other) for other in others)


def crossing_and_contact(scale: float = 1.0) -> Drawing:
    """Twelve chromosomes: eight alone, two that cross, one that ends at another's side."""
    return lone_rods(scale).rod(300, 120, 80, 0).rod(334, 120, 56, 90).rod(300, 280, 86, 35).rod(300, 280, 80, -50)


@pytest.mark.parametrize("scale", [0.6, 1.0, 1.7])
def test_every_chromosome_has_its_mask_at_every_magnification(scale: float) -> None:
    drawing = crossing_and_contact(scale)
    result = processed(drawing.metaphase())
    assert len(result.chromosomes) == 12
    found = masks_of(result)
    assert all(best_match(mask, found) > 0.7 for mask in drawing.masks)


@given(first=st.integers(0, 90), between=st.integers(60, 90))
@settings(max_examples=8, deadline=None)
def test_crossing_belongs_to_both(first: int, between: int) -> None:
    drawing = lone_rods().rod(310, 210, 90, first).rod(310, 210, 82, first + between)
    result = processed(drawing.metaphase())
    assert len(result.chromosomes) == 10
    overlap = drawing.masks[-1] & drawing.masks[-2]
    crossing = [mask for mask in masks_of(result) if (mask & overlap).any()]
    assert len(crossing) == 2
    assert all((mask & overlap).sum() > 0.6 * overlap.sum() for mask in crossing)
    assert all(best_match(mask, crossing) > 0.7 for mask in drawing.masks[-2:])


def test_chromosomes_that_touch_at_their_ends_are_cut() -> None:
    drawing = lone_rods().rod(300, 170, 80, 0).rod(311, 243, 80, 35)
    result = processed(drawing.metaphase())
    assert len(result.chromosomes) == 10
    assert all(best_match(mask, masks_of(result)) > 0.7 for mask in drawing.masks[-2:])


def test_chromosomes_know_their_cluster_and_clusters_their_chromosomes() -> None:
    result = processed(crossing_and_contact().metaphase())
    assert [chromosome.id for chromosome in result.chromosomes] == [f"c{n}" for n in range(1, 13)]
    by_id = {chromosome.id: chromosome for chromosome in result.chromosomes}
    named = [name for cluster in result.clusters for name in cluster.chromosomes]
    assert sorted(named) == sorted(by_id)
    assert sorted(len(cluster.chromosomes) for cluster in result.clusters) == [1] * 8 + [2, 2]
    for cluster in result.clusters:
        whole = cluster.region.to_mask(result.grey.shape)
        for name in cluster.chromosomes:
            assert by_id[name].cluster == cluster.id
            assert not (by_id[name].region.to_mask(result.grey.shape) & ~whole).any()


def test_numbers_go_in_reading_order() -> None:
    boxes = [chromosome.region.bbox for chromosome in processed(lone_rods().metaphase()).chromosomes]
    middles = [(ymin + ymax) / 2 for _, ymin, _, ymax in boxes]
    assert max(middles[:4]) < min(middles[4:])
    assert [xmin for xmin, *_ in boxes[:4]] == sorted(xmin for xmin, *_ in boxes[:4])


@given(transform=st.integers(1, 7))
@settings(max_examples=7, deadline=None)
def test_symmetric_images_have_symmetric_chromosomes(transform: int) -> None:
    metaphase = crossing_and_contact().metaphase()
    plain = [transformed(mask, transform) for mask in masks_of(processed(metaphase))]
    other = masks_of(processed(mirrored(metaphase, transform)))
    assert len(other) == len(plain)
    assert all(best_match(mask, other) >= 0.95 for mask in plain)


def test_nucleus_and_specks_become_no_chromosomes() -> None:
    drawing = crossing_and_contact().disc(390, 200, 60).disc(230, 40, 3, 1.2)
    assert len(processed(drawing.metaphase()).chromosomes) == 12


def test_cut_parts_the_mask_and_loses_no_pixel() -> None:
    drawing = Drawing(150, 150).rod(50, 75, 90, 0).rod(84, 75, 56, 90)
    mask, density = np.logical_or.reduce(drawing.masks), drawing.optical_density
    _, start, stop = candidate_cuts(mask, density, WIDTH)[0]
    pieces = cut(mask, density, start, stop, WIDTH)
    assert pieces is not None
    assert np.array_equal(pieces[0] | pieces[1], mask)
    assert not (pieces[0] & pieces[1]).any()
    assert all(best_match(rod, list(pieces)) > 0.8 for rod in drawing.masks)


def test_lone_rod_has_no_crossing() -> None:
    (mask,) = Drawing(100, 100).rod(50, 50, 70, 30).masks
    (piece,) = separate_overlapping(mask, WIDTH)
    assert np.array_equal(piece, mask)


@pytest.mark.parametrize("value", [0.0, 0.7])
def test_image_without_chromosomes_gives_none(value: float) -> None:
    result = processed(as_metaphase(np.full((60, 80), value, np.float32)))
    assert result.chromosomes == ()
    assert len(result.reasons) == 1


def test_metaphase_without_clusters_has_no_chromosomes() -> None:
    assert GeometricSeparator().process(Drawing(50, 50).metaphase()).chromosomes == ()


REAL = ("1051392", "1070683", "1056403")


@pytest.mark.parametrize("image", REAL)
def test_half_of_the_chromosomes_of_real_metaphases_are_found(real_data: Path, image: str) -> None:
    folder = real_data / "gband_metaphases"
    with (folder / "chromosomes.csv").open(encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table) if row["image"] == image]
    boxes = np.array([[float(row[name]) for name in ("xmin", "ymin", "xmax", "ymax")] for row in rows])
    with Image.open(folder / "images" / f"{image}.webp") as picture:
        grey = np.asarray(picture.convert("L"), dtype=np.float32) / 255
    result = processed(as_metaphase(to_optical_density(grey, recognise_contrast(grey))))
    found = np.array([chromosome.region.bbox for chromosome in result.chromosomes])
    assert (box_iou(boxes, found).max(axis=1) >= 0.5).mean() >= 0.5
    assert 35 <= len(found) <= 60
