"""The stage: a metaphase in, its band level or the reason for none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from karyonet.case import FIELDS, Case, Chromosome, Metaphase
from karyonet.geometry.region import Region
from karyonet.report import Provenance, Report
from karyonet.stage import load
from karyonet.stages.band_level import CountedBandLevel, LearnedBandLevel, read_calibration

from .drawn import NAMES, metaphase_strips


@pytest.fixture(scope="module")
def metaphase() -> Metaphase:
    blank = np.zeros((40, 40), dtype=np.float32)
    region = Region((1, 1, 5, 5), np.ones((4, 4), dtype=bool))
    chromosomes = tuple(
        Chromosome(f"c{number + 1}", region, strip=strip, label=label)
        for number, (strip, label) in enumerate(zip(metaphase_strips(), NAMES, strict=True))
    )
    return Metaphase("m1", "m1.png", "0" * 64, blank, "absorption", blank, chromosomes=chromosomes)


def test_the_band_level_is_filled(metaphase: Metaphase) -> None:
    level = CountedBandLevel().process(metaphase).band_level
    assert level is not None
    assert level.interval[0] < level.bphs < level.interval[1]
    assert level.estimator == read_calibration().version
    assert level.chromosomes and set(level.chromosomes) <= {c.id for c in metaphase.chromosomes}


def test_the_report_states_it_and_reads_it_back(metaphase: Metaphase, tmp_path: Path) -> None:
    case = CountedBandLevel()(Case("a", (metaphase, replace(metaphase, id="m2", chromosomes=()))))
    report = Report(case, Provenance())
    first, second = report.to_document().metaphases
    assert first.band_level is not None and first.band_level.estimator == "counting 2"
    assert first.band_level_reason is None
    assert second.band_level is None
    assert second.band_level_reason is not None and "0 of 0" in second.band_level_reason
    stripped = Report(
        replace(case, metaphases=tuple(replace(m, chromosomes=()) for m in case.metaphases)), Provenance()
    )
    folder = stripped.save(tmp_path / "out")
    assert [m.band_level for m in Report.load(folder).metaphases] == [m.band_level for m in case.metaphases]
    page = (folder / "report.html").read_text("utf-8")
    assert "band level not estimable: 0 of 0 chromosomes" in page
    assert "median of 1 of 2 metaphases" in page


def test_an_earlier_answer_does_not_stay_beside_a_reason(metaphase: Metaphase) -> None:
    stage = CountedBandLevel()
    filled = stage.process(metaphase)
    emptied = stage.process(replace(filled, chromosomes=()))
    assert emptied.band_level is None and emptied.band_level_reason
    refilled = stage.process(replace(emptied, chromosomes=metaphase.chromosomes))
    assert refilled.band_level == filled.band_level and refilled.band_level_reason is None


def test_fluorescence_is_not_estimable(metaphase: Metaphase) -> None:
    found = CountedBandLevel().process(replace(metaphase, contrast="fluorescence"))
    assert found.band_level is None
    assert found.band_level_reason is not None and "G-bands" in found.band_level_reason


def test_it_says_nothing_of_the_karyotype(metaphase: Metaphase) -> None:
    found = CountedBandLevel().process(replace(metaphase, chromosomes=()))
    assert found.reasons == ()
    assert CountedBandLevel.assigns | CountedBandLevel.requires <= FIELDS


def test_options(metaphase: Metaphase, tmp_path: Path) -> None:
    found = CountedBandLevel(least_chromosomes=47).process(metaphase)
    assert found.band_level_reason is not None and "at least 47" in found.band_level_reason
    file = tmp_path / "ours.yaml"
    file.write_text(yaml.safe_dump(read_calibration().model_dump() | {"version": "ours 3"}))
    level = CountedBandLevel(calibration=file).process(metaphase).band_level
    assert level is not None and level.estimator == "ours 3"


def test_both_are_chosen_by_their_names() -> None:
    assert load("counted_band_level") is CountedBandLevel
    assert load("learned_band_level") is LearnedBandLevel
    assert LearnedBandLevel.assigns | LearnedBandLevel.requires <= FIELDS


def test_the_learned_band_level_is_filled(metaphase: Metaphase) -> None:
    stage = LearnedBandLevel(device="cpu", precision="fp32")
    level = stage.process(metaphase).band_level
    assert level is not None and level.interval[0] <= level.bphs <= level.interval[1]
    assert level.chromosomes and set(level.chromosomes) <= {c.id for c in metaphase.chromosomes}
    assert stage.device == "cpu"
    assert [weight.name for weight in stage.weights] == ["gband"]
    assert level.estimator.startswith("learned gband ") and stage.weights[0].sha256.startswith(level.estimator[-8:])


def test_the_learned_band_level_says_why_there_is_none(metaphase: Metaphase) -> None:
    stage = LearnedBandLevel(device="cpu", least_chromosomes=47)
    assert "at least 47" in (stage.process(metaphase).band_level_reason or "")
    assert "0 of 0" in (stage.process(replace(metaphase, chromosomes=())).band_level_reason or "")
    assert "G-bands" in (stage.process(replace(metaphase, contrast="fluorescence")).band_level_reason or "")
