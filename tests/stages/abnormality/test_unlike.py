"""A homolog that looks like another chromosome in several metaphases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from karyonet.case import LABELS, Case, Chromosome, Metaphase
from karyonet.geometry.region import Region
from karyonet.stages.abnormality import HomologComparer
from karyonet.stages.abnormality.unlike import unlike_pairs

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


def test_the_stage_adds_the_finding_once_however_often_it_runs() -> None:
    stage = HomologComparer(device="cpu")
    case = stage(Case("p1", (metaphase("m1", {17: 0.002}), metaphase("m2", {39: 0.002}))))
    assert [(finding.kind, finding.chromosome) for finding in case.findings] == [("structural", "18")]
    assert stage(case).findings == case.findings
    assert HomologComparer(device="cpu", least_confidence=0.001)(case).findings == ()
