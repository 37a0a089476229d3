from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from karyonet.case import Case, Chromosome, Metaphase
from karyonet.errors import ArrayError
from karyonet.geometry.region import Region
from karyonet.stages.straightening import MedialAxisStraightener, UprightCropper


def _metaphase(regions: list[Region], optical_density: np.ndarray) -> Metaphase:
    grey = (10.0**-optical_density).astype(np.float32)
    chromosomes = tuple(Chromosome(f"c{i + 1}", region) for i, region in enumerate(regions))
    return Metaphase("m1", "m1.png", "0" * 64, grey, "absorption", optical_density, chromosomes=chromosomes)


def _crossing() -> tuple[list[Region], np.ndarray]:
    """Two straight chromosomes that cross in the middle; densities add."""
    upright, lying = np.zeros((2, 140, 140), bool)
    upright[20:120, 63:77] = True
    lying[64:78, 30:110] = True
    density = 0.3 * upright + 0.4 * lying
    return [Region.from_mask(upright), Region.from_mask(lying)], density.astype(np.float32)


def test_every_chromosome_gets_a_strip():
    regions, density = _crossing()
    before = _metaphase(regions, density)
    (after,) = MedialAxisStraightener()(Case("case", (before,))).metaphases
    assert [chromosome.id for chromosome in after.chromosomes] == ["c1", "c2"]
    assert [chromosome.strip.length for chromosome in after.chromosomes] == [100, 80]
    assert all(chromosome.strip is None for chromosome in before.chromosomes)


def test_rows_of_the_overlap_are_not_valid():
    regions, density = _crossing()
    first, second = MedialAxisStraightener().straighten_regions(density, regions)
    assert not first.valid[45:57].any()
    assert first.valid[:43].all()
    assert first.valid[59:].all()
    assert (~second.valid).sum() == pytest.approx(14, abs=2)


def test_a_cropper_takes_the_place_of_the_straightener():
    regions, density = _crossing()
    (after,) = UprightCropper(margin=3)(Case("case", (_metaphase(regions, density),))).metaphases
    first, second = (chromosome.strip for chromosome in after.chromosomes)
    assert (first.length, second.length) == (100, 80)
    assert 14 + 2 * 3 <= first.optical_density.shape[1] <= 14 + 2 * 3 + 3
    assert not first.valid[45:57].any()
    assert first.valid[:43].all()


def test_profiles_do_not_depend_on_the_strength_of_the_stain():
    regions, density = _crossing()
    stage = MedialAxisStraightener()
    weak, strong = (stage.straighten_regions(density * np.float32(k), regions)[0] for k in (1.0, 2.5))
    assert strong.profiles == pytest.approx(weak.profiles, abs=1e-4)
    assert strong.optical_density == pytest.approx(2.5 * weak.optical_density, abs=1e-4)
    valid = weak.valid.nonzero()[0][2:-2]
    mean = density[density > 0].mean()
    assert weak.profiles[0, valid] == pytest.approx(0.3 / mean, rel=0.1)


def test_margin_widens_the_strip():
    regions, density = _crossing()
    narrow, wide = (MedialAxisStraightener(margin=m).straighten_regions(density, regions)[0] for m in (0, 6))
    assert wide.optical_density.shape[1] == narrow.optical_density.shape[1] + 12
    with pytest.raises(ValidationError):
        MedialAxisStraightener(margin=-1)
    with pytest.raises(ValidationError):
        MedialAxisStraightener(width=3)


def test_a_metaphase_without_chromosomes_or_stain():
    regions, density = _crossing()
    stage = MedialAxisStraightener()
    assert stage.straighten_regions(density, []) == []
    assert np.isfinite(stage.straighten_regions(np.zeros_like(density), regions)[0].profiles).all()


def test_a_bad_metaphase_does_not_stop_the_others():
    regions, density = _crossing()
    good = _metaphase(regions, density)
    beyond = Region((130, 130, 150, 150), np.ones((20, 20), bool))
    bad = replace(_metaphase([beyond], density), id="m2", image="m2.png")
    with pytest.raises(ArrayError, match="K501"):
        MedialAxisStraightener().process(bad)
    case = MedialAxisStraightener()(Case("case", (bad, good)))
    assert [metaphase.id for metaphase in case.metaphases] == ["m1"]
    assert [error.code for error in case.errors] == ["K501"]


def test_real_chromosomes_from_karyograms(real_data):
    """Chromosomes that a person set upright: the axis is about as long as the box is high."""
    with (real_data / "pki3" / "chromosomes.csv").open() as table:
        rows = [row for row in csv.DictReader(table) if row["cell"] == "97002023.12"]
    grey = np.asarray(Image.open(real_data / "pki3" / "cells" / "97002023.12.png").convert("L"), dtype=np.float32)
    density = -np.log10(np.clip(grey, 1, None) / 255).astype(np.float32)
    regions, heights = [], []
    for row in rows:
        xmin, ymin, xmax, ymax = (int(row[key]) for key in ("xmin", "ymin", "xmax", "ymax"))
        regions.append(Region.from_mask(grey[ymin:ymax, xmin:xmax] < 250, offset=(xmin, ymin)))
        heights.append(regions[-1].mask.shape[0])
    strips = MedialAxisStraightener().straighten_regions(density, regions)
    lengths = np.array([strip.length for strip in strips])
    assert np.corrcoef(lengths, heights)[0, 1] > 0.95
    assert np.median(np.abs(lengths / np.array(heights) - 1)) < 0.05
    assert np.median([strip.confidence for strip in strips]) > 0.8
    kept = [
        strip.optical_density.sum() / region.crop(density).sum() for strip, region in zip(strips, regions, strict=True)
    ]
    assert np.median(kept) == pytest.approx(1.0, abs=0.1)
