"""What of the objects that a segmentation was not sure of is a chromosome."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from karyonet.case import LABELS, Chromosome
from karyonet.errors import ConfigError
from karyonet.geometry.region import Region
from karyonet.stages.classification.existence import are_chromosomes, features_of, left_out, read_existence

MODEL = read_existence()
MALE = [*(label for label in LABELS[:22] for _ in range(2)), "X", "Y"]
PIXELS = Region.from_mask(np.ones((30, 10), dtype=bool))


def objects(labels: list[str], scores: list[float | None]) -> tuple[list[Chromosome], np.ndarray]:
    found = [
        Chromosome(f"c{n}", PIXELS, score=score, doubtful=score is not None and score < 0.4)
        for n, score in enumerate(scores)
    ]
    probabilities = np.full((len(labels), 24), 0.02 / 23, dtype=np.float32)
    probabilities[np.arange(len(labels)), [LABELS.index(label) for label in labels]] = 0.98
    return found, probabilities


def kept(labels: list[str], scores: list[float | None]) -> list[bool]:
    return are_chromosomes(*objects(labels, scores), MODEL).kept.tolist()


def test_a_doubtful_object_completes_a_type_and_is_no_third() -> None:
    assert kept(MALE, [0.99] * 45 + [0.2]) == [True] * 46
    assert kept([*MALE, "7"], [0.99] * 46 + [0.2]) == [True] * 46 + [False]


def test_the_dearer_a_loss_the_more_doubtful_an_object_may_be_that_fills_the_gap() -> None:
    found, probabilities = objects(MALE, [0.99] * 45 + [0.001])
    cheap, dear = (MODEL.model_copy(update={"loss": loss}) for loss in (0.0, 30.0))
    assert are_chromosomes(found, probabilities, cheap).kept.sum() == 45
    assert are_chromosomes(found, probabilities, dear).kept.sum() == 46


def test_a_doubtful_object_fills_no_gap_under_a_name_that_its_look_contradicts() -> None:
    found, probabilities = objects([*MALE[:-1], "22"], [0.99] * 45 + [0.35])
    probabilities[probabilities < 0.5] = 1e-6
    assert are_chromosomes(found, probabilities, MODEL).kept.sum() == 45
    filling = MODEL.model_copy(update={"contradicted": 0.0, "loss": 20.0})
    assert are_chromosomes(found, probabilities, filling).kept.sum() == 46
    sure = [*found[:-1], replace(found[-1], score=0.99, doubtful=False)]
    assert are_chromosomes(sure, probabilities, MODEL).kept.sum() == 46


def test_a_sure_third_chromosome_stays() -> None:
    assert kept([*MALE, "21"], [0.99] * 47) == [True] * 47


def test_what_is_left_out_beside_a_complete_set_is_remembered() -> None:
    found, probabilities = objects([*MALE, "7"], [0.99] * 46 + [0.2])
    apart = Region((50, 0, 60, 30), PIXELS.mask)
    beside = [*found[:-1], replace(found[-1], region=apart)]
    (one,) = left_out(beside, probabilities, are_chromosomes(beside, probabilities, MODEL))
    assert (one.bbox, one.label, one.confidence) == (apart.bbox, "7", pytest.approx(0.98))
    surer = [*beside[:-1], replace(beside[-1], score=0.35)]
    (other,) = left_out(surer, probabilities, are_chromosomes(surer, probabilities, MODEL))
    assert one.odds < other.odds < MODEL.certain


def test_what_lies_on_chromosomes_is_another_reading_of_them_and_not_left_out() -> None:
    found, probabilities = objects([*MALE, "7"], [0.99] * 46 + [0.2])
    assert left_out(found, probabilities, are_chromosomes(found, probabilities, MODEL)) == ()


def test_where_the_segmentation_alone_decides_nothing_is_said_of_what_it_left_out() -> None:
    found, probabilities = objects(MALE, [0.99] * 45 + [0.2])
    assert left_out(found, probabilities, are_chromosomes(found, probabilities, None)) == ()


def test_without_a_score_nothing_is_questioned() -> None:
    assert kept([*MALE, "7"], [None] * 47) == [True] * 47
    assert kept(["7"] * 30, [None] * 30) == [True] * 30


@pytest.mark.parametrize("model", [None, MODEL])
def test_of_few_objects_those_are_chromosomes_of_which_the_segmentation_is_sure(model: object) -> None:
    found, probabilities = objects(MALE[:10], [0.99] * 5 + [0.2] * 5)
    assert are_chromosomes(found, probabilities, model).kept.tolist() == [True] * 5 + [False] * 5  # type: ignore[arg-type]


@given(st.floats(0, 1), st.floats(0.01, 0.99), st.floats(0.1, 10))
def test_a_surer_score_and_a_surer_name_never_speak_against_an_object(score: float, share: float, area: float) -> None:
    def odds(score: float, share: float) -> float:
        features = features_of(
            np.array([score, 0.9], np.float32), np.array([[share], [0.9]], np.float32), np.array([area, 1], np.float32)
        )
        return float(MODEL.log_odds(features)[0])

    assert odds(min(score + 0.1, 1), share) >= odds(score, share) - 1e-6
    assert odds(score, min(share + 0.005, 0.995)) >= odds(score, share) - 1e-6


def test_constants_that_lack_one_are_refused(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text("coefficients: {intercept: 1}\ncertain: 2\nloss: 6\n")
    with pytest.raises(ConfigError, match=r"K203.*score, probability, size"):
        read_existence(tmp_path / "e.yaml")
