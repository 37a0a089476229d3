"""The quality of simulated and real metaphases: what is done to an image is flagged, and lowers the score."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from karyonet.case import Case, Metaphase
from karyonet.data.pictures import read_grey
from karyonet.errors import ConfigError
from karyonet.imaging.optical_density import recognise_contrast, to_optical_density
from karyonet.pipeline import Pipeline
from karyonet.stages.karyotype import CountAndSex
from karyonet.stages.quality import MetaphaseQuality

from ..drawn import processed, transformed

DATA = Path(__file__).parents[2] / "data"


def judged(grey: np.ndarray, **options: object) -> Metaphase:
    """An image after segmentation, separation and quality."""
    grey = np.ascontiguousarray(grey, dtype=np.float32)
    contrast = recognise_contrast(grey)
    metaphase = Metaphase("m1", "a.png", "", grey, contrast, to_optical_density(grey, contrast))
    return MetaphaseQuality(**options).process(processed(metaphase))


def score(metaphase: Metaphase) -> float:
    assert metaphase.quality is not None
    return metaphase.quality.score


def flags(metaphase: Metaphase) -> tuple[str, ...]:
    assert metaphase.quality is not None
    return metaphase.quality.flags


@pytest.fixture(scope="module")
def grey() -> np.ndarray:
    return read_grey(DATA / "normal_female" / "images" / "m001.png")


@pytest.fixture(scope="module")
def good(grey: np.ndarray) -> Metaphase:
    return judged(grey)


@pytest.fixture(scope="module")
def blurred(grey: np.ndarray) -> Metaphase:
    return judged(ndimage.gaussian_filter(grey, 5))


def test_a_clear_metaphase_has_nothing_against_it(good: Metaphase) -> None:
    assert flags(good) == ()
    assert good.reasons == ()


def test_a_blurred_image_is_flagged_and_much_worse(good: Metaphase, blurred: Metaphase) -> None:
    assert "blurred" in flags(blurred)
    assert score(blurred) < 0.5 * score(good)


def test_inverted_contrast_keeps_the_flag(grey: np.ndarray) -> None:
    assert "blurred" not in flags(judged(1 - grey))
    assert "blurred" in flags(judged(1 - ndimage.gaussian_filter(grey, 5)))


@pytest.mark.parametrize("transform", [1, 4])
def test_turning_and_mirroring_leave_score_and_flags(grey: np.ndarray, good: Metaphase, transform: int) -> None:
    other = judged(transformed(grey, transform))
    assert score(other) == pytest.approx(score(good), abs=1e-3)
    assert flags(other) == flags(good)


@pytest.mark.parametrize("side", range(4))
def test_an_image_that_cuts_chromosomes_is_flagged(grey: np.ndarray, good: Metaphase, side: int) -> None:
    middles = np.array([[y0 + y1, x0 + x1] for x0, y0, x1, y1 in (c.region.bbox for c in good.chromosomes)]) // 2
    row, column = middles[np.abs(middles - middles.mean(axis=0)).sum(axis=1).argmin()]
    part = (grey[row:], grey[:row], grey[:, column:], grey[:, :column])[side]
    cut = judged(part)
    assert "cut_at_border" in flags(cut)
    assert score(cut) < score(good)


def test_a_nucleus_on_chromosomes_is_flagged(grey: np.ndarray, good: Metaphase) -> None:
    assert good.foreground is not None
    rows, columns = np.nonzero(good.foreground)
    distance = np.hypot(*(np.indices(grey.shape) - np.array([rows.mean(), columns.mean()])[:, None, None]))
    nucleus = ndimage.gaussian_filter((distance < 70).astype(np.float32), 1.5)
    assert "nucleus_on_top" in flags(judged(grey * (1 - 0.55 * nucleus)))


def test_a_pasted_patch_is_flagged(grey: np.ndarray, good: Metaphase) -> None:
    assert good.foreground is not None
    free = ndimage.distance_transform_edt(np.pad(~good.foreground, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(free.argmax()), free.shape)
    pasted = grey.copy()
    pasted[row - 20 : row + 20, column - 20 : column + 20] -= 0.06
    assert "pasted_patch" in flags(judged(pasted))


def test_a_faded_image_has_low_contrast(grey: np.ndarray, good: Metaphase) -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, grey.shape)
    assert "low_contrast" in flags(judged(np.clip(0.6 + 0.15 * grey + noise, 0, 1)))


def test_every_flag_has_its_option(good: Metaphase) -> None:
    strict = judged(good.grey, few_chromosomes=60, many_chromosomes=1, crowded=1e-9, blurred=1e-9)
    assert flags(strict) == ("few_chromosomes", "many_chromosomes", "crowded", "blurred")


def test_an_image_without_chromosomes_has_no_quality_and_one_reason() -> None:
    blank = judged(np.full((60, 80), 0.7))
    assert (score(blank), flags(blank)) == (0.0, ("few_chromosomes",))
    assert len(blank.reasons) == 1 and blank.reasons[0].startswith("K121")


def test_a_hopeless_metaphase_is_undetermined_with_the_reason(good: Metaphase) -> None:
    named = replace(good, chromosomes=tuple(replace(c, label="1") for c in good.chromosomes))
    kept, hopeless = (MetaphaseQuality(least_score=least).process(named) for least in (0.0, 1.0))
    assert kept.reasons == ()
    assert [reason[:4] for reason in hopeless.reasons] == ["K124"]
    case = CountAndSex()(Case("case", (hopeless,)))
    (metaphase,) = case.metaphases
    assert (metaphase.outcome, metaphase.iscn) == ("undetermined", None)
    assert metaphase.reasons == hopeless.reasons
    assert metaphase.quality == hopeless.quality
    assert metaphase.count == len(good.chromosomes)
    assert case.karyotype is not None and "K124" in case.karyotype.reasons[0]


def test_coefficients_that_cannot_be_read_are_said_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="K201"):
        Pipeline.from_config("default", [f"stages.quality.coefficients={tmp_path / 'none.yaml'}"])


@pytest.mark.parametrize(
    ("image", "flag"), [("1056152", "pasted_patch"), ("1056943", "nucleus_on_top"), ("1051772", "blurred")]
)
def test_real_metaphases_of_the_training_split_are_flagged(real_data: Path, image: str, flag: str) -> None:
    metaphase = judged(read_grey(real_data / "gband_metaphases" / "images" / f"{image}.webp"))
    assert flag in flags(metaphase)
    assert metaphase.chromosomes and 0 < score(metaphase) < 1
