"""The whole pipeline on real clinical metaphases."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from karyonet import Case, Pipeline, Report
from karyonet.data.metaphases import AnnotatedMetaphase, read_metaphases
from karyonet.evaluation.pipeline import compare

pytestmark = pytest.mark.xdist_group("pipeline")


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline.from_config("default")


@pytest.fixture(scope="module")
def annotated(real_data: Path) -> list[AnnotatedMetaphase]:
    return read_metaphases(real_data / "gband_metaphases", split="validation", limit=4)[:3]


@pytest.fixture(scope="module")
def report(pipeline: Pipeline, annotated: list[AnnotatedMetaphase]) -> Report:
    return pipeline(Case.read(*(metaphase.path for metaphase in annotated), case_id="real"))


def test_most_chromosomes_are_found_and_named(report: Report, annotated: list[AnnotatedMetaphase]) -> None:
    assert not report.errors
    results = [compare(truth, m.chromosomes) for truth, m in zip(annotated, report.metaphases, strict=True)]
    total = sum(result.truth for result in results)
    assert sum(result.matched for result in results) > 0.6 * total
    assert sum(result.right for result in results) > 0.5 * total


def test_every_chromosome_has_what_the_report_needs(report: Report) -> None:
    for metaphase in report.metaphases:
        assert metaphase.count is not None
        left_out = len(metaphase.chromosomes) - metaphase.count
        assert 0 <= left_out <= sum(chromosome.review for chromosome in metaphase.chromosomes)
        for chromosome in metaphase.chromosomes:
            assert chromosome.strip is not None
            assert chromosome.p_arm_up is not None
            assert chromosome.label is not None
            assert 0 <= (chromosome.confidence or 0) <= 1


def test_the_report_is_written_and_read_back(report: Report, tmp_path: Path) -> None:
    folder = report.save(tmp_path / "out")
    assert (folder / "report.html").stat().st_size < 5e6
    assert Report.load(folder).to_json() == report.to_json()


def test_the_same_images_give_the_same_report(
    report: Report, pipeline: Pipeline, annotated: list[AnnotatedMetaphase]
) -> None:
    again = pipeline(Case.read(annotated[0].path, case_id="real"))
    first, second = report.metaphases[0].chromosomes, again.metaphases[0].chromosomes
    assert [(c.region.bbox, c.label) for c in first] == [(c.region.bbox, c.label) for c in second]


def test_a_quarter_turn_changes_little(
    report: Report, pipeline: Pipeline, annotated: list[AnnotatedMetaphase], tmp_path: Path
) -> None:
    grey = np.asarray(Image.open(annotated[0].path).convert("L"))
    Image.fromarray(np.rot90(grey).copy()).save(tmp_path / "turned.png")
    turned = pipeline(Case.read(tmp_path / "turned.png")).metaphases[0].chromosomes
    upright = report.metaphases[0].chromosomes
    shared = Counter(c.label for c in upright) & Counter(c.label for c in turned)
    assert abs(len(turned) - len(upright)) <= 3
    assert shared.total() >= 0.8 * len(upright)
