from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from karyonet.case import LABELS, Case, Chromosome, Cluster, Metaphase, Strip
from karyonet.errors import ArrayError, WeightsError
from karyonet.geometry.region import Region
from karyonet.stages.classification import ProxyClassifier
from karyonet.stages.classification.model import Architecture, ProxyResNeXtCBAM
from karyonet.stages.classification.rejection import FEATURES
from karyonet.weights import ModelCard, save

ARCHITECTURE = Architecture(backbone="test_resnet", embedding_dim=16)


def write(path: Path, **changes: object) -> Path:
    torch.manual_seed(0)
    facts: dict[str, object] = {
        "name": path.stem, "stage": "classification", "architecture": ARCHITECTURE.model_dump(), "classes": LABELS,
        "input": {"height": 64, "width": 32, "reference_length": 40.0}, "temperature": 2.0,
    }  # fmt: skip
    model = ProxyResNeXtCBAM(ARCHITECTURE)
    return save(model.state_dict(), ModelCard.model_validate({**facts, **changes}), path).path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture(scope="module")
def classifier(path: Path) -> ProxyClassifier:
    return ProxyClassifier.from_pretrained(path, device="cpu", precision="fp32", batch_size=16)


@pytest.fixture(scope="module")
def strips() -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.uniform(0, 1, (int(length), 15)).astype(np.float32) for length in np.linspace(20, 60, 46)]


def case_of(strips: list[np.ndarray], without: int = 0) -> Case:
    grey = np.zeros((10, 10), np.float32)
    region = Region((0, 0, 2, 2), np.ones((2, 2), bool))
    chromosomes = [
        Chromosome(f"c{i}", region, strip=Strip(s, np.ones(len(s), bool), np.zeros((2, 512), np.float32),
                                                np.zeros((len(s), 2), np.float32), 1.0))
        for i, s in enumerate(strips)
    ]  # fmt: skip
    chromosomes += [Chromosome(f"n{i}", region) for i in range(without)]
    return Case("case", (Metaphase("m1", "a.png", "", grey, "absorption", grey, chromosomes=tuple(chromosomes)),))


def test_arrays_in_arrays_out(classifier: ProxyClassifier, strips: list[np.ndarray]) -> None:
    said = classifier(strips)
    assert said.probabilities.shape == (46, 24) and said.embeddings.shape == (46, 16)
    np.testing.assert_allclose(said.probabilities.sum(axis=1), 1.0, rtol=1e-5)
    assert said.labels == tuple(LABELS[i] for i in said.probabilities.argmax(axis=1))
    assert ((said.polarity_probability >= 0.5) == said.p_arm_up).all() and said.p_arm_up.dtype == bool
    assert classifier.classify([]).probabilities.shape == (0, 24)


def test_order_and_batching_do_not_matter(classifier: ProxyClassifier, path: Path, strips: list[np.ndarray]) -> None:
    order = np.random.default_rng(1).permutation(46)
    said, permuted = classifier(strips), classifier([strips[i] for i in order])
    np.testing.assert_allclose(permuted.probabilities, said.probabilities[order], atol=1e-5)
    one_by_one = ProxyClassifier.from_pretrained(path, device="cpu", precision="fp32", batch_size=1)(strips)
    np.testing.assert_allclose(one_by_one.probabilities, said.probabilities, atol=1e-5)


def test_the_temperature_of_the_card_flattens(
    tmp_path: Path, classifier: ProxyClassifier, strips: list[np.ndarray]
) -> None:
    sharp = ProxyClassifier.from_pretrained(write(tmp_path / "sharp.safetensors", temperature=0.5), precision="fp32")
    assert sharp(strips).probabilities.max() > classifier(strips).probabilities.max() + 0.01


def test_a_case_is_named_together(classifier: ProxyClassifier, strips: list[np.ndarray]) -> None:
    before = case_of(strips, without=1)
    after = classifier(before)
    metaphase = after.metaphases[0]
    assert after.errors == () and [c.id for c in metaphase.chromosomes] == [
        c.id for c in before.metaphases[0].chromosomes
    ]
    said = classifier(strips)
    by_id = {c.id: c for c in metaphase.chromosomes}
    for index in range(46):
        c = by_id[f"c{index}"]
        assert c.label in LABELS and c.probabilities is not None and c.embedding is not None
        assert c.confidence == pytest.approx(float(said.probabilities[index][LABELS.index(c.label)]))
        assert len(c.alternatives) == 3 and c.label not in [a.label for a in c.alternatives]
        assert c.review or c.label == said.labels[index]
        if c.homolog is not None:
            assert by_id[c.homolog].homolog == c.id and by_id[c.homolog].label == c.label
    assert by_id["n0"].label is None and by_id["n0"].review
    assert before.metaphases[0].chromosomes[0].label is None


def test_without_thresholds_nothing_is_said_of_sets_and_outliers(
    classifier: ProxyClassifier, strips: list[np.ndarray]
) -> None:
    assert classifier(strips).outliers is None
    for chromosome in classifier(case_of(strips)).metaphases[0].chromosomes:
        assert chromosome.label_set == () and chromosome.outlier is None


def test_label_sets_hold_the_probable_names_and_the_one_given(tmp_path: Path, strips: list[np.ndarray]) -> None:
    path = write(tmp_path / "sets.safetensors", thresholds={"label_set_95": 0.9, "label_set_99": 0.06})
    stage = ProxyClassifier.from_pretrained(path, device="cpu", precision="fp32")
    said, sizes = stage(strips), set()
    for number, chromosome in enumerate(stage(case_of(strips)).metaphases[0].chromosomes):
        names, probabilities = chromosome.label_set, said.probabilities[number]
        sizes.add(len(names))
        assert set(names) == {LABELS[i] for i in np.flatnonzero(probabilities >= 0.06)} | {
            chromosome.label, said.labels[number],
        }  # fmt: skip
        given = [probabilities[LABELS.index(name)] for name in names]
        assert given == sorted(given, reverse=True)
    assert len(sizes) > 1


def test_outliers_are_scored_and_put_under_review(tmp_path: Path, strips: list[np.ndarray]) -> None:
    """A rule that knows nothing but length: long strips are outliers."""
    rule = {f"outlier_{name}": 0.0 for name in FEATURES}
    rule |= {"outlier_intercept": 0.0, "outlier_length": 20.0, "reject": 0.9}
    path = write(tmp_path / "outliers.safetensors", thresholds=rule)

    def under_review(**options: float) -> list[bool]:
        stage = ProxyClassifier(weights=str(path), review_margin=0.0, precision="fp32", **options)
        chromosomes, said = stage(case_of(strips)).metaphases[0].chromosomes, stage(strips)
        assert said.outliers is not None and (np.diff(said.outliers) >= 0).all()
        assert [c.outlier for c in chromosomes] == pytest.approx(said.outliers.tolist())
        high = [c.outlier is not None and c.outlier > options.get("reject", 0.9) for c in chromosomes]
        assert all(c.review for c, rejected in zip(chromosomes, high, strict=True) if rejected)
        return high

    assert 0 < sum(under_review()) < sum(under_review(reject=0.1)) < 46


@pytest.mark.parametrize("value", [0.0, 0.7, np.nan])
def test_what_shows_nothing_is_refused_or_put_under_review(
    classifier: ProxyClassifier, strips: list[np.ndarray], value: float
) -> None:
    blank = np.full((30, 9), value, np.float32)
    for wrong in (blank, np.zeros((0, 9), np.float32)):
        with pytest.raises(ArrayError) as raised:
            classifier([*strips, wrong])
        assert raised.value.code == "K501"
        case = classifier(case_of([*strips, wrong]))
        *named, last = case.metaphases[0].chromosomes
        assert case.errors == () and all(c.label for c in named)
        assert last.label is None and last.review
    assert classifier(case_of([blank])).errors == ()


def test_a_larger_margin_puts_more_under_review(path: Path, strips: list[np.ndarray]) -> None:
    counts = []
    for margin in (0.0, 2.0, 100.0):
        stage = ProxyClassifier(weights=str(path), review_margin=margin, precision="fp32")
        counts.append(sum(c.review for c in stage(case_of(strips)).metaphases[0].chromosomes))
    assert counts == sorted(counts) and counts[2] == 46


def test_what_the_segmentation_is_not_sure_of_is_put_under_review(path: Path, strips: list[np.ndarray]) -> None:
    (metaphase,) = case_of(strips).metaphases
    first, second, *others = (replace(c, score=0.99) for c in metaphase.chromosomes)
    doubted = (replace(first, score=0.7), replace(second, score=None), *others)
    given = replace(metaphase, contrast="fluorescence", chromosomes=doubted)  # so that none is left out by its name
    stage = ProxyClassifier(weights=str(path), precision="fp32")
    surer = ProxyClassifier(weights=str(path), precision="fp32", review_score=0.6)
    asked, unasked = ({c.id for c in s.process(given).chromosomes if c.review} for s in (stage, surer))
    assert first.id in asked and asked - unasked <= {first.id}


def test_what_the_segmentation_doubts_is_decided_with_the_names(
    classifier: ProxyClassifier, strips: list[np.ndarray]
) -> None:
    (metaphase,) = case_of(strips, without=1).metaphases
    *sure, unreadable = metaphase.chromosomes
    scores = np.linspace(0.001, 0.9999, len(sure))
    doubted = [
        replace(c, score=float(s), doubtful=bool(s < 0.4), review=bool(s < 0.4))
        for c, s in zip(sure, scores, strict=True)
    ]
    unread = replace(unreadable, score=0.3, doubtful=True, review=True)
    cluster = Cluster("k1", sure[0].region, chromosomes=tuple(c.id for c in metaphase.chromosomes))
    given = replace(metaphase, chromosomes=(*doubted, unread), clusters=(cluster,))
    named = classifier.process(given)
    left = {c.id for c in named.chromosomes}
    assert unreadable.id not in left and sure[0].id not in left and sure[-1].id in left
    assert not any(c.doubtful for c in named.chromosomes)
    assert set(named.clusters[0].chromosomes) == left
    assert all((c.label is not None and c.homolog is None) or c.homolog in left for c in named.chromosomes)


def test_of_fluorescence_nothing_is_decided_by_the_names(classifier: ProxyClassifier, strips: list[np.ndarray]) -> None:
    (metaphase,) = case_of(strips).metaphases
    doubted = [replace(c, score=0.39, doubtful=n < 5) for n, c in enumerate(metaphase.chromosomes)]
    named = classifier.process(replace(metaphase, contrast="fluorescence", chromosomes=tuple(doubted)))
    assert [c.id for c in named.chromosomes] == [c.id for c in metaphase.chromosomes[5:]]


def test_an_empty_metaphase_stays_empty(classifier: ProxyClassifier) -> None:
    assert classifier(case_of([])).metaphases[0].chromosomes == ()
    assert classifier(case_of([])).errors == ()


def test_wrong_input_is_refused(classifier: ProxyClassifier, strips: list[np.ndarray]) -> None:
    with pytest.raises(ArrayError):
        classifier.classify(strips, scale=0.0)
    with pytest.raises(ArrayError):
        classifier([np.zeros(4, np.float32)])


def test_weights_that_do_not_fit_are_refused(tmp_path: Path, strips: list[np.ndarray]) -> None:
    def code(action: object) -> str:
        assert callable(action)
        with pytest.raises(WeightsError) as raised:
            action()
        return raised.value.code

    assert code(lambda: ProxyClassifier(weights="no_such")) == "K301"
    other = write(tmp_path / "other.safetensors", classes=LABELS[::-1])
    assert code(lambda: ProxyClassifier(weights=str(other))) == "K304"
    wider = write(tmp_path / "wider.safetensors", architecture={**ARCHITECTURE.model_dump(), "embedding_dim": 8})
    assert code(lambda: ProxyClassifier(weights=str(wider))(strips)) == "K304"
    odd = write(tmp_path / "odd.safetensors", input={"height": 64, "depth": 3})
    assert code(lambda: ProxyClassifier(weights=str(odd))(strips)) == "K306"


def test_provenance_names_the_file(classifier: ProxyClassifier, path: Path) -> None:
    assert [weight.path for weight in classifier.weights] == [path]
    assert classifier.device == "cpu"


def test_listing_the_stage_does_not_import_torch() -> None:
    script = "import sys, karyonet.stages.classification as c; c.ProxyClassifier.summary; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
