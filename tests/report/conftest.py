"""Synthetic cases: banded rods in a grid, with everything a finished pipeline fills."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from karyonet.case import (
    LABELS,
    Alternative,
    BandLevel,
    Case,
    Centromere,
    Chromosome,
    Clone,
    Cluster,
    Demand,
    Finding,
    GuidelineCheck,
    ImageError,
    Karyotype,
    LeftOut,
    Metaphase,
    Quality,
    Strip,
)
from karyonet.geometry.region import Region
from karyonet.report import Provenance, WeightRecord

MALE = (*(label for label in LABELS[:22] for _ in range(2)), "X", "Y")
_CELL, _COLUMNS, _WIDTH = 74, 8, 12


def _strip(length: int, seed: int) -> Strip:
    rows = np.arange(length)
    bands = 0.35 + 0.25 * np.sin(rows * (0.5 + 0.03 * seed))
    density = np.zeros((length, _WIDTH + 4), dtype=np.float32)
    density[:, 2:-2] = bands[:, None]
    density[0, :] = 1.0  # marks row 0, the end that lies higher in the image
    density[:, 2] *= 0.5  # and the left side
    return Strip(
        optical_density=density,
        valid=np.ones(length, dtype=bool),
        profiles=np.zeros((2, 512), dtype=np.float32),
        axis=np.zeros((length, 2), dtype=np.float32),
        confidence=0.9,
    )


def build_metaphase(labels: Sequence[str | None] = MALE, id: str = "m1", **fields: object) -> Metaphase:
    """A metaphase of upright rods with these labels; homologs are paired in order."""
    height = _CELL * max(-(-len(labels) // _COLUMNS), 1)
    density = np.zeros((height, 50 * _COLUMNS), dtype=np.float32)
    chromosomes: list[Chromosome] = []
    for number, label in enumerate(labels):
        length = 64 - 2 * (LABELS.index(label) if label else 20)
        strip = _strip(length, number)
        y, x = _CELL * (number // _COLUMNS) + 5, 50 * (number % _COLUMNS) + 15
        region = Region((x, y, x + _WIDTH, y + length), np.ones((length, _WIDTH), dtype=bool))
        density[region.slices] = strip.optical_density[:, 2:-2]
        chromosomes.append(
            Chromosome(
                id=f"c{number + 1}",
                region=region,
                cluster=f"k{number + 1}",
                strip=strip,
                p_arm_up=number % 3 != 0,
                label=label,
                confidence=None if label is None else 0.9 + number / 500,
                alternatives=(Alternative("11", 0.05),) if number % 5 == 0 else (),
                label_set=() if label is None else (label, "11") if number % 5 == 0 else (label,),
                outlier=None if label is None else 0.25,
                review=number in (3, 20) or label is None,
                centromere=Centromere(0.375, 0.875, 0.96875, (x + 6.0, y + 24.0)) if number % 2 == 0 else None,
            )
        )
    for first in chromosomes:
        for second in chromosomes:
            if first.label and first.id < second.id and first.label == second.label and first.homolog is None:
                place = {c.id: n for n, c in enumerate(chromosomes)}
                chromosomes[place[first.id]] = replace(chromosomes[place[first.id]], homolog=second.id)
                chromosomes[place[second.id]] = replace(chromosomes[place[second.id]], homolog=first.id)
                break
    metaphase = Metaphase(
        id=id,
        image=f"{id}.png",
        sha256="0f" * 32,
        grey=(0.9 * 10**-density).astype(np.float32),
        contrast="absorption",
        optical_density=density,
        clusters=tuple(Cluster(c.cluster or "", c.region, "instance", 0.98, (c.id,)) for c in chromosomes),
        chromosomes=tuple(chromosomes),
        quality=Quality(0.84, ("touching chromosomes",)),
        band_level=BandLevel(480.0, (420.0, 545.0), 550),
        count=len(labels),
        iscn="46,XY",
        outcome="normal",
        state="counted",
    )
    return replace(metaphase, **fields)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def make_metaphase() -> Callable[..., Metaphase]:
    return build_metaphase


@pytest.fixture(scope="session")
def provenance() -> Provenance:
    return Provenance(
        karyonet="0.1.0",
        config_sha256="c0" * 32,
        weights=[WeightRecord(stage="classification", file="gband.safetensors", sha256="5e" * 32)],
        device="cpu",
        seconds={"segmentation": 0.41, "classification": 3.2},
    )


@pytest.fixture(scope="session")
def case() -> Case:
    """Two metaphases with trisomy 21 (one chromosome of one without a label), an empty one, and an unreadable image."""
    labels = (*MALE, "21")
    left_out = LeftOut((300, 10, 330, 60), "X", 0.9, 1.25), LeftOut((350, 10, 360, 20), "Y", 0.4, -1.5)
    first = build_metaphase(labels, iscn="47,XY,+21", outcome="abnormal", state="analysed", left_out=left_out)
    second = build_metaphase(
        (*labels[:-1], None), id="m2", iscn="47,XY,+21", outcome="abnormal", contrast="fluorescence"
    )
    empty = build_metaphase((), id="m3", iscn=None, count=None, outcome="undetermined", reasons=("out of focus",))
    return Case(
        id="105076",
        metaphases=(first, second, replace(empty, quality=None, band_level=None, state=None)),
        karyotype=Karyotype("47,XY,+21", "abnormal", (Clone("47,XY,+21", ("m1", "m2")),), mosaicism_excluded=0.776393),
        findings=(
            Finding("numerical", "21", "gain", "+21", 0.98, ("m1", "m2"), True),
            Finding(
                "structural", "9", "unknown", None, 0.91, ("m1",), False, {"homolog": "c17", "region": (0.31, 0.58)}
            ),
        ),
        errors=(ImageError("m4.png", "K102", "K102: m4.png is empty (0 bytes); export the image again."),),
        guideline=GuidelineCheck(
            "our laboratory",
            (
                Demand("counted", 2, 2),
                Demand("analysed", 2, 1),
                Demand("karyotyped", 1, 0),
                Demand("band_level", 550, 549.6),
            ),
        ),
    )
