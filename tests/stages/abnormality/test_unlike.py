"""A homolog that looks like another chromosome in several metaphases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from karyonet.case import LABELS, Case, Chromosome, Metaphase
from karyonet.geometry.region import Region
from karyonet.stages.abnormality import HomologComparer
from karyonet.stages.abnormality.unlike import lone_unlike, unlike_pairs
from karyonet.stages.karyotype import CountAndSex

MALE = [*LABELS[:22], *LABELS]
DOT = Region((0, 0, 4, 4), np.ones((4, 4), bool))


def metaphase(name: str, confidences: Mapping[int, float], labels: list[str] = MALE) -> Metaphase:
    """A normal metaphase; the names of the chromosomes at these places are as probable as that, all others sure."""
    blank = np.zeros((4, 4), np.float32)
    chromosomes = tuple(
        Chromosome(f"c{place}", DOT, label=label, confidence=confidences.get(place, 0.999))
        for place, label in enumerate(labels)
    )
    return Metaphase(name, f"{name}.png", "0" * 64, blank, "absorption", blank, chromosomes=chromosomes)


def test_a_type_that_is_contradicted_in_two_metaphases_is_a_clonal_finding() -> None:
    # Places 17 and 39 are the two of chromosome 18: which homolog it is may differ.
    case = Case("p1", (metaphase("m1", {17: 0.002}), metaphase("m2", {}), metaphase("m3", {39: 0.0})))
    (finding,) = unlike_pairs(case, 0.01)
    assert (finding.kind, finding.chromosome, finding.change, finding.clonal) == ("structural", "18", "unknown", True)
    assert finding.metaphases == ("m1", "m3") and finding.evidence["homologs"] == ["c17", "c39"]
    assert finding.score == pytest.approx(0.998) and finding.evidence["looks_like"] == "another chromosome"
    assert unlike_pairs(replace(case, metaphases=case.metaphases[::-1]), 0.01)[0].metaphases == ("m3", "m1")


@pytest.mark.parametrize(
    "metaphases",
    [
        (metaphase("m1", {17: 0.002}), metaphase("m2", {})),
        (metaphase("m1", {17: 0.002}), metaphase("m2", {3: 0.002})),
        (metaphase("m1", {17: 0.002}), metaphase("m2", {39: 0.02})),
        (metaphase("m1", {17: 0.0, 39: 0.0}), metaphase("m2", {17: 0.0, 39: 0.0})),
        (metaphase("m1", {17: 0.002}), metaphase("m2", {17: 0.002}, MALE[:39] + MALE[40:])),
        (metaphase("m1", {17: 0.002}), replace(metaphase("m2", {17: 0.002}), reasons=("K124: blurred",))),
    ],
    ids=["once", "another type", "not contradicted", "both homologs", "no second one", "metaphase left out"],
)
def test_what_may_be_a_missed_chromosome_is_no_finding(metaphases: tuple[Metaphase, ...]) -> None:
    assert unlike_pairs(Case("p1", metaphases), 0.01) == ()


def test_what_it_looks_like_is_said() -> None:
    like_y = np.full(24, 0.002, np.float32)
    like_y[23] = 0.954
    case = Case("p1", (metaphase("m1", {17: 0.002}), metaphase("m2", {39: 0.002})))
    seen = tuple(
        replace(m, chromosomes=tuple(replace(c, probabilities=like_y) for c in m.chromosomes)) for m in case.metaphases
    )
    assert unlike_pairs(replace(case, metaphases=seen), 0.01)[0].evidence["looks_like"] == "Y"


def seen(name: str, probabilities: Mapping[int, float], labels: list[str] = MALE) -> Metaphase:
    """A metaphase whose chromosomes at these places look that much like their names."""
    one = metaphase(name, probabilities, labels)
    chromosomes = []
    for chromosome in one.chromosomes:
        assert chromosome.label is not None and chromosome.confidence is not None
        rest = np.full(24, (1 - chromosome.confidence) / 23, np.float32)
        rest[LABELS.index(chromosome.label)] = chromosome.confidence
        chromosomes.append(replace(chromosome, probabilities=rest))
    return replace(one, chromosomes=tuple(chromosomes))


def test_a_lone_y_that_never_looks_like_one_is_a_finding_that_changes_no_karyotype() -> None:
    case = Case("p1", (seen("m1", {45: 0.9}), seen("m2", {45: 0.4}), seen("m3", {45: 0.95})))
    (finding,) = lone_unlike(case, 3.0, 0.3)
    assert (finding.kind, finding.chromosome, finding.clonal) == ("structural", "Y", False)
    assert finding.metaphases == ("m1", "m2", "m3") and finding.evidence["lone"] == ["c45"] * 3
    assert finding.evidence["look_doubt"] == pytest.approx(4.1, abs=0.1)
    doubt = 7 - np.log(0.95 / 0.05)
    assert finding.score == pytest.approx(1 / (1 + np.exp(-0.3 * np.sqrt(3) * doubt)), abs=1e-3)
    assert lone_unlike(case, 5.0, 0.3) == ()
    done = HomologComparer(device="cpu")(case)
    assert [(one.kind, one.chromosome) for one in done.findings] == [("structural", "Y")]
    read = CountAndSex()(done)
    assert str(read.karyotype) == "46,XY" and read.findings == done.findings


@pytest.mark.parametrize(
    "metaphases",
    [
        (seen("m1", {45: 0.4}), seen("m2", {45: 0.4})),
        (seen("m1", {45: 0.4}), seen("m2", {45: 0.4}), seen("m3", {})),
        (seen("m1", {45: 0.4}), seen("m2", {45: 0.4}), replace(seen("m3", {45: 0.4}), reasons=("K124: blurred",))),
        tuple(seen(name, {45: 0.4}, [*MALE, "Y"]) for name in ("m1", "m2", "m3")),
        tuple(metaphase(name, {45: 0.4}) for name in ("m1", "m2", "m3")),
    ],
    ids=["two metaphases", "not in all", "metaphase left out", "two of them", "looks not judged"],
)
def test_a_lone_chromosome_that_may_have_been_misread_is_no_finding(metaphases: tuple[Metaphase, ...]) -> None:
    assert lone_unlike(Case("p1", metaphases), 3.0, 0.3) == ()


def test_the_stage_adds_the_finding_once_however_often_it_runs() -> None:
    stage = HomologComparer(device="cpu")
    case = stage(Case("p1", (metaphase("m1", {17: 0.002}), metaphase("m2", {39: 0.002}))))
    assert [(finding.kind, finding.chromosome) for finding in case.findings] == [("structural", "18")]
    assert stage(case).findings == case.findings
    assert HomologComparer(device="cpu", least_confidence=0.001)(case).findings == ()
