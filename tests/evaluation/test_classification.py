from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics as reference

from karyonet.case import LABELS, Case, Chromosome, Contrast, label_indices
from karyonet.data.metaphases import AnnotatedChromosome, AnnotatedMetaphase
from karyonet.data.strips import AnnotatedCell, AnnotatedStripChromosome
from karyonet.errors import ConfigError
from karyonet.evaluation.annotated import Classified, StageClassifier, turned
from karyonet.evaluation.classification import evaluate_classification
from karyonet.geometry.region import Region
from karyonet.geometry.straighten import straighten
from karyonet.stage import Stage

MALE = [label for label in LABELS[:22] for _ in range(2)] + ["X", "Y"]


def cell(name: str, case: str, labels: list[str], path: Path = Path("nowhere.png")) -> AnnotatedCell:
    boxes = [(20 * n, 0, 20 * n + 20, 60) for n in range(len(labels))]
    found = tuple(AnnotatedStripChromosome(label, None, box) for label, box in zip(labels, boxes, strict=True))
    return AnnotatedCell(name, case, path, None, None, found)


def sure(labels: list[str], certainty: float = 1.0) -> np.ndarray:
    probabilities = np.full((len(labels), 24), (1 - certainty) / 23)
    probabilities[np.arange(len(labels)), label_indices(labels)] = certainty
    return probabilities


def test_a_perfect_classifier() -> None:
    cells = [cell(f"m{n}", f"case{n // 2}", MALE) for n in range(6)]
    evaluation = evaluate_classification(lambda c: Classified(sure(MALE), np.ones(46, dtype=bool)), cells)
    assert (evaluation.cases, evaluation.metaphases, evaluation.chromosomes) == (3, 6, 276)
    expected = {"accuracy": 1, "accuracy_joint": 1, "macro_f1": 1, "ece": 0}
    expected |= {"all_correct_share": 1, "polarity_accuracy": 1}
    assert {name: metric.value for name, metric in evaluation.metrics.items()} == expected
    assert all(metric.interval == (metric.value, metric.value) for metric in evaluation.metrics.values())
    assert evaluation.per_class["22"].support == 12
    assert set(evaluation.per_class) == set(LABELS)


def test_against_scikit_learn_and_in_any_order() -> None:
    rng = np.random.default_rng(0)
    cells = [cell(f"m{n}", f"case{n // 3}", [str(v) for v in rng.choice(LABELS, 30)]) for n in range(9)]
    said = {c.id: rng.dirichlet(np.full(24, 0.2), 30) for c in cells}

    def independent(probabilities: np.ndarray) -> list[str]:
        return [LABELS[n] for n in probabilities.argmax(axis=1)]

    evaluation = evaluate_classification(lambda c: (said[c.id], None), cells, assign=independent)
    truth = [chromosome.label for c in cells for chromosome in c.chromosomes]
    named = [label for c in cells for label in independent(said[c.id])]
    figures = {name: metric.value for name, metric in evaluation.metrics.items()}
    assert figures["accuracy"] == pytest.approx(reference.accuracy_score(truth, named), abs=1e-6)
    assert figures["accuracy_joint"] == figures["accuracy"]
    assert figures["macro_f1"] == pytest.approx(reference.f1_score(truth, named, average="macro"), abs=1e-6)
    assert (np.array(evaluation.confusion_matrix) == reference.confusion_matrix(truth, named, labels=LABELS)).all()
    assert "polarity_accuracy" not in figures

    again = evaluate_classification(lambda c: (said[c.id], None), cells[::-1], assign=independent)
    assert again == evaluation


def test_names_decided_together_mend_one_decided_alone() -> None:
    probabilities = sure(MALE, 0.9)
    probabilities[2] = 1e-4
    probabilities[2, :2] = 0.55, 0.44  # a chromosome 2 that looks a little more like a third 1
    evaluation = evaluate_classification(lambda c: Classified(probabilities), [cell("m", "case", MALE)])
    assert evaluation.metrics["accuracy"].value == pytest.approx(45 / 46, abs=1e-6)
    assert evaluation.metrics["accuracy_joint"].value == 1


def test_coverage_and_size_of_label_sets() -> None:
    narrow, wide = sure(MALE) > 0, sure(MALE) > 0
    narrow[:4] = False
    narrow[:4, 23] = True  # four sets of 46 miss the truth
    wide[:23, :3] = True

    def classify(c: AnnotatedCell) -> Classified:
        if c.id == "bad":
            raise RuntimeError("no luck")
        return Classified(sure(MALE), label_sets={95: narrow, 99: wide})

    cells = [cell("m1", "one", MALE), cell("m2", "two", MALE)]
    found = evaluate_classification(classify, cells).metrics
    assert found["coverage_95"].value == pytest.approx(42 / 46, abs=1e-6)
    assert found["coverage_99"].value == 1 and found["coverage_99"].interval == (1, 1)
    assert found["label_set_size"].value == pytest.approx(wide.sum() / 46, abs=1e-6)
    found = evaluate_classification(classify, [cells[0], cell("bad", "two", MALE)]).metrics
    assert found["coverage_99"].value == 0.5 and found["coverage_99"].interval == (0, 1)
    assert found["label_set_size"].value == pytest.approx(wide.sum() / 46, abs=1e-6)
    assert "coverage_99" not in evaluate_classification(lambda c: Classified(sure(MALE)), cells).metrics


def test_label_sets_come_from_the_thresholds_of_the_stage(drawn: Path) -> None:
    class Calibrated(Reader):
        def least_probabilities(self, contrast: Contrast) -> dict[int, float]:
            return {95: 0.5, 99: 0.0}

    annotated = cell("m", "case", ["1", "1", "21", "2"], drawn)
    stages = {"straightening": Straightener(), "classification": Calibrated()}
    found = evaluate_classification(stages, [annotated], progress=False).metrics
    assert (found["coverage_95"].value, found["coverage_99"].value, found["label_set_size"].value) == (0.75, 1, 24)


def test_chromosomes_without_a_name_are_wrong() -> None:
    probabilities = sure(MALE)
    probabilities[5] = np.nan
    evaluation = evaluate_classification(lambda c: Classified(probabilities), [cell("m", "case", MALE)])
    assert evaluation.metrics["accuracy"].value == pytest.approx(45 / 46, abs=1e-6)
    assert evaluation.per_class["3"].recall == 0.5
    assert evaluation.per_class["3"].precision == 1


def test_a_cell_that_fails_is_wrong_and_named() -> None:
    def classify(c: AnnotatedCell) -> Classified:
        if c.id == "bad":
            raise RuntimeError("no luck")
        return Classified(sure(MALE))

    cells = [cell("good", "one", MALE), cell("bad", "two", MALE)]
    evaluation = evaluate_classification(classify, cells)
    assert evaluation.metrics["accuracy"].value == 0.5
    assert [(f.metaphase, f.reason) for f in evaluation.failures] == [("bad", "RuntimeError: no luck")]

    def misconfigured(c: AnnotatedCell) -> Classified:
        raise ConfigError("K201", name="x", known="default")

    with pytest.raises(ConfigError):
        evaluate_classification(misconfigured, cells)


def test_polarity_is_known_of_strips_alone() -> None:
    up = np.arange(46) < 23
    evaluation = evaluate_classification(lambda c: Classified(sure(MALE), up), [cell("m", "case", MALE)])
    assert evaluation.metrics["polarity_accuracy"].value == 0.5
    truth = tuple(AnnotatedChromosome(label, (0, 0, 5, 5)) for label in MALE)
    metaphase = AnnotatedMetaphase("m", "case", Path("nowhere.png"), 10, 10, truth)
    evaluation = evaluate_classification(lambda c: Classified(sure(MALE), up), [metaphase])
    assert "polarity_accuracy" not in evaluation.metrics


class Straightener(Stage):
    summary, requires, assigns = "", frozenset(), frozenset({"chromosome.strip"})

    def __call__(self, case: Case) -> Case:
        (metaphase,) = case.metaphases
        done = [replace(c, strip=straighten(metaphase.optical_density, c.region)) for c in metaphase.chromosomes]
        return replace(case, metaphases=(replace(metaphase, chromosomes=tuple(done)),))


class Reader(Stage):
    """Names a chromosome by its length, and its polarity by the darker end."""

    summary, requires = "", frozenset({"chromosome.strip"})
    assigns = frozenset({"chromosome.probabilities", "chromosome.p_arm_up"})

    def __call__(self, case: Case) -> Case:
        def read(chromosome: Chromosome) -> Chromosome:
            strip = chromosome.strip
            assert strip is not None
            third = strip.length // 3
            up = strip.optical_density[:third].sum() > strip.optical_density[-third:].sum()
            left = strip.profiles[:, : strip.length]
            assert (left[:, :third].sum() > left[:, -third:].sum()) == up
            label = "1" if strip.length > 35 else "21"
            return replace(chromosome, probabilities=sure([label])[0].astype(np.float32), p_arm_up=bool(up))

        (metaphase,) = case.metaphases
        return replace(
            case, metaphases=(replace(metaphase, chromosomes=tuple(read(c) for c in metaphase.chromosomes)),)
        )


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """Two long and two short chromosomes, all with the dark end up."""
    image = np.full((60, 80), 255, dtype=np.uint8)
    for n, length in enumerate((50, 50, 22, 22)):
        image[4 : 4 + length, 20 * n + 6 : 20 * n + 14] = 160
        image[4 : 4 + length // 3, 20 * n + 6 : 20 * n + 14] = 40
    Image.fromarray(image).save(tmp_path / "strip.png")
    return tmp_path / "strip.png"


def test_stages_see_chromosomes_either_way_up(drawn: Path) -> None:
    annotated = cell("m", "case", ["1", "1", "21", "21"], drawn)
    seen: list[bool] = []

    class Watching(Reader):
        def __call__(self, case: Case) -> Case:
            case = super().__call__(case)
            seen.extend(bool(c.p_arm_up) for c in case.metaphases[0].chromosomes)
            return case

    stages = {"straightening": Straightener(), "classification": Watching()}
    evaluation = evaluate_classification(stages, [annotated], progress=False)
    assert seen == [True, False, True, False]
    assert evaluation.failures == ()
    assert evaluation.metrics["accuracy"].value == 1
    assert evaluation.metrics["polarity_accuracy"].value == 1


def test_stages_on_annotated_metaphases(drawn: Path) -> None:
    class Segmenter(Stage):
        summary, requires, assigns = "", frozenset(), frozenset({"metaphase.foreground"})

        def __call__(self, case: Case) -> Case:
            (metaphase,) = case.metaphases
            return replace(case, metaphases=(replace(metaphase, foreground=metaphase.grey < 0.9),))

    boxes = [(20 * n + 3, 2, 20 * n + 17, 60) for n in range(4)]
    truth = tuple(AnnotatedChromosome(label, box) for label, box in zip(["1", "1", "21", "21"], boxes, strict=True))
    metaphase = AnnotatedMetaphase("m", "case", drawn, 80, 60, truth)
    stages = {"segmentation": Segmenter(), "straightening": Straightener(), "classification": Reader()}
    classified = StageClassifier(stages)(metaphase)
    assert classified.probabilities.argmax(axis=1).tolist() == [0, 0, 20, 20]


def test_turning_twice_changes_nothing() -> None:
    density = np.random.default_rng(0).random((60, 20)).astype(np.float32)
    strip = straighten(density, Region((4, 5, 14, 50), np.ones((45, 10), dtype=bool)))
    once, twice = turned(strip), turned(turned(strip))
    assert not np.array_equal(once.optical_density, strip.optical_density)
    assert np.array_equal(once.optical_density, np.rot90(strip.optical_density, 2))
    for name in ("optical_density", "valid", "profiles", "axis"):
        assert np.array_equal(getattr(twice, name), getattr(strip, name)), name
    assert once.profiles[0, 0] == strip.profiles[1, strip.length - 1]
