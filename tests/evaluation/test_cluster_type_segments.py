"""Segments cut out one by one, whose kind is known, on a canvas a case."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from karyonet.data.boxes import components_of
from karyonet.evaluation.cluster_type import evaluate_cluster_type
from karyonet.evaluation.cluster_type_truth import WHITE, in_grid, read_known_clusters

from .test_cluster_type import BySize


def write_segments(folder: Path, number: int = 3) -> Path:
    """Two cases of upright bars of 12 × 40 pixels and one cross a case; and a blank one."""
    folder.mkdir()
    rows = []
    for case in ("p", "q"):
        for n in range(number):
            grey = np.full((52 + n, 24), 255, np.uint8)
            grey[6:46, 6:18] = 90 + 20 * n
            Image.fromarray(grey).save(folder / f"{case}{n}.png")
            rows.append(f"{case}{n}.png,{case},chromosome")
        grey = np.full((70, 70), 255, np.uint8)
        grey[5:65, 30:42] = grey[30:42, 5:65] = 120
        Image.fromarray(grey).save(folder / f"{case}x.png")
        rows.append(f"{case}x.png,{case},cluster")
    Image.fromarray(np.full((30, 30), 255, np.uint8)).save(folder / "blank.png")
    rows.append("blank.png,q,chromosome")
    (folder / "objects.csv").write_text("\n".join(["image,case,kind", *rows]))
    return folder


def test_segments_lie_whole_on_one_canvas_a_case(tmp_path: Path) -> None:
    sources = read_known_clusters(write_segments(tmp_path / "s"), "clusters", {})
    assert [(source.case, len(source.listed), source.chromosomes) for source in sources] == [("p", 4, 3), ("q", 5, 4)]
    clusters = sources[1].read()
    assert clusters.places == (0, 1, 2, 3, None)  # the blank one is not there
    for known, cluster in zip(clusters.known, clusters.metaphase.clusters, strict=False):
        grey = np.asarray(Image.open(tmp_path / "s" / known.image)) / 255
        assert cluster.region.area == (grey < WHITE).sum()
        xmin, ymin, xmax, ymax = known.bbox
        on_canvas = clusters.metaphase.grey[cluster.region.slices]
        assert on_canvas == pytest.approx(grey[ymin:ymax, xmin:xmax], abs=0.003)
        assert clusters.metaphase.optical_density[cluster.region.slices][cluster.region.mask].min() > 0.1
    assert len(components_of(clusters.metaphase.grey < WHITE)) == 4  # none touches another


def test_segments_are_measured(tmp_path: Path) -> None:
    sources = read_known_clusters(write_segments(tmp_path / "s"), "clusters", {})
    evaluation = evaluate_cluster_type({"cluster_type": BySize()}, sources)
    values = {name: metric.value for name, metric in evaluation.metrics.items()}
    assert values["cluster_sensitivity"] == 1 and values["cluster_specificity"] == pytest.approx(6 / 7, abs=1e-6)
    assert set(values) == {"single_or_cluster", "cluster_sensitivity", "cluster_specificity", "found"}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=10), st.integers(0, 5))
def test_a_grid_holds_every_image_once(sizes: list[tuple[int, int]], gap: int) -> None:
    images = [np.full(size, n, np.float32) for n, size in enumerate(sizes, start=1)]
    canvas, corners = in_grid(images, gap)
    for image, (x, y) in zip(images, corners, strict=True):
        height, width = image.shape
        assert (canvas[y : y + height, x : x + width] == image).all()
        around = canvas[max(y - gap, 0) : y + height + gap, max(x - gap, 0) : x + width + gap]
        assert set(np.unique(around)) <= {0.0, image[0, 0]}
    assert np.count_nonzero(canvas) == sum(image.size for image in images)
