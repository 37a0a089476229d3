"""The stage: a case in, comparisons and findings out."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from karyonet.case import FIELDS, LABELS, Case, Chromosome, Finding, Metaphase, Quality, Strip
from karyonet.config import load_config
from karyonet.errors import WeightsError
from karyonet.report import Provenance, Report
from karyonet.stages.abnormality import HomologComparer
from karyonet.stages.abnormality.bags import Bag
from karyonet.stages.abnormality.case_bags import compared_pairs, profiles_of
from karyonet.stages.abnormality.comparison import BagComparison
from karyonet.stages.abnormality.profiles import ProfileSet
from karyonet.stages.abnormality.variation import input_pair
from karyonet.stages.karyotype import CountAndSex
from karyonet.training.strip_pack import LabelledStrip, pack_cell
from karyonet.weights import WeightFile, find

from .conftest import PREPROCESSING, case, comparer, metaphase
from .drawn import TYPES, strip

REPOSITORY = Path(__file__).resolve().parents[3]


def probabilities(done: Case) -> dict[str, float]:
    return {one.chromosome: one.probability for one in done.comparisons if one.probability is not None}


def reasons(done: Case) -> dict[str, str]:
    return {one.chromosome: one.reason for one in done.comparisons if one.reason is not None}


def changed(one: Metaphase, label: str, **fields: Any) -> Metaphase:
    """The metaphase with fields of its first chromosome of a type changed."""
    first = next(c.id for c in one.chromosomes if c.label == label)
    return replace(
        one, chromosomes=tuple(replace(c, **fields) if c.id == first else c for c in one.chromosomes)
    )  # fmt: skip


def test_every_type_gets_a_probability_or_a_reason(stage: HomologComparer) -> None:
    done = stage(case())
    assert [one.chromosome for one in done.comparisons] == list(LABELS[:23])
    said = probabilities(done)
    assert set(said) == set(TYPES) and len(set(said.values())) == len(TYPES)
    assert all(0 < value < 1 for value in said.values())
    assert all(one.metaphases == ("m0", "m1", "m2") for one in done.comparisons if one.reason is None)
    assert set(reasons(done)) == set(LABELS[:23]) - set(TYPES)
    assert "exactly two of chromosome X" in reasons(done)["X"]
    assert stage.weights[0].stage == "abnormality" and stage.device == "cpu"
    assert stage.requires | stage.assigns <= FIELDS


def test_homologs_that_never_look_like_their_type_are_more_suspect(weight: WeightFile) -> None:
    unlike = np.full(24, 0.04, np.float32)
    label = TYPES[0]
    sure = case(2)
    always = replace(sure, metaphases=tuple(changed(m, label, probabilities=unlike) for m in sure.metaphases))
    once = replace(sure, metaphases=(changed(sure.metaphases[0], label, probabilities=unlike), sure.metaphases[1]))
    plain, read = comparer(weight, look_weight=0.0), comparer(weight)
    before, after = probabilities(plain(always)), probabilities(read(always))
    assert before == probabilities(read(sure)) == probabilities(read(once))
    assert after[label] > before[label]
    assert {one: after[one] for one in TYPES[1:]} == {one: before[one] for one in TYPES[1:]}


def test_pairs_are_prepared_as_in_training() -> None:
    generator = np.random.default_rng(3)
    drawn = [strip(label, generator, number % 2) for number, label in enumerate(TYPES * 2)]
    pack = ProfileSet.from_pack(pack_cell(drawn, case="p", cell="m", split="", source="s"))
    one = metaphase()

    def shown(chromosome: Chromosome, drawing: LabelledStrip) -> Chromosome:
        assert chromosome.strip is not None
        density = drawing.optical_density
        straight = replace(chromosome.strip, optical_density=density, valid=np.ones(len(density), bool))
        return replace(chromosome, strip=straight, p_arm_up=drawing.polarity == 1)

    chromosomes = tuple(shown(c, d) for c, d in zip(one.chromosomes, drawn, strict=True))
    bags = compared_pairs(Case("p", (replace(one, chromosomes=chromosomes),)), PREPROCESSING).bags
    assert len(bags) == len(TYPES)
    for bag in bags:
        rows = pack.pairs["s/m", bag.chromosome]
        scale = PREPROCESSING.scale(float(pack.median_length[rows[0]]))
        expected = input_pair([pack.profiles[row] for row in rows], "m", scale, PREPROCESSING)
        assert np.array_equal(bag.pairs[0].profiles, expected.profiles)
        assert np.array_equal(bag.pairs[0].valid, expected.valid)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 999))
def test_the_order_of_homologs_and_metaphases_changes_nothing(weight: WeightFile, seed: int) -> None:
    stage, whole = comparer(weight, threshold=0.0), case()
    generator = np.random.default_rng(seed)
    mixed = replace(
        whole,
        metaphases=tuple(
            replace(m, chromosomes=tuple(m.chromosomes[i] for i in generator.permutation(len(m.chromosomes))))
            for m in (whole.metaphases[i] for i in generator.permutation(3))
        ),
    )
    first, second = stage(whole), stage(mixed)
    assert probabilities(first) == pytest.approx(probabilities(second), abs=1e-5)
    for one, other in zip(first.findings, second.findings, strict=True):
        assert one.evidence["region"] == other.evidence["region"] and one.evidence["bands"] == other.evidence["bands"]
        shown = [dict(zip(f.metaphases, f.evidence["homologs"], strict=True)) for f in (one, other)]  # type: ignore[call-overload]
        assert shown[0] == shown[1]


def test_blank_margins_of_strips_and_which_way_up_they_lie_change_nothing(stage: HomologComparer) -> None:
    one = metaphase()

    def widened(c: Chromosome) -> Chromosome:
        assert c.strip is not None
        density = np.pad(c.strip.optical_density, ((0, 0), (5, 5)))
        turned = replace(c.strip, optical_density=density[::-1, ::-1], valid=c.strip.valid[::-1])
        return replace(c, strip=turned, p_arm_up=not c.p_arm_up)

    turned = replace(one, chromosomes=tuple(widened(c) for c in one.chromosomes))
    first, second = (probabilities(stage(Case("p", (m,)))) for m in (one, turned))
    assert first == pytest.approx(second, abs=1e-6)


def test_hidden_rows_are_masked_where_they_lie(stage: HomologComparer) -> None:
    one = metaphase()
    hidden = next(c for c in one.chromosomes if c.label == "1" and not c.p_arm_up)
    assert hidden.strip is not None
    valid = hidden.strip.valid.copy()
    valid[:20] = False  # row 0 is the end of the long arm
    covered = replace(hidden, strip=replace(hidden.strip, valid=valid))
    masked = replace(one, chromosomes=tuple(covered if c is hidden else c for c in one.chromosomes))
    shown = profiles_of(masked, PREPROCESSING)[hidden.id].valid
    length = profiles_of(one, PREPROCESSING)[hidden.id].valid.sum()
    assert shown[: length // 2].all() and not shown[length - 18 :].any()
    before, after = (probabilities(stage(Case("p", (m,)))) for m in (one, masked))
    assert {label for label in TYPES if before[label] != after[label]} == {"1"}


def test_what_cannot_be_compared_is_left_out_and_the_reason_said(weight: WeightFile) -> None:
    stage = comparer(weight)
    one, two = metaphase("m1"), metaphase("m2", seed=1)
    lost = replace(two, chromosomes=two.chromosomes[1:])  # one of chromosome 1 is missing
    done = stage(Case("p", (one, lost)))
    kept = {c.chromosome: c.metaphases for c in done.comparisons if c.reason is None}
    assert kept["1"] == ("m1",) and kept["2"] == ("m1", "m2")
    assert "exactly two of chromosome 1" in reasons(stage(Case("p", (lost,))))["1"]
    trisomy = metaphase(labels=(*TYPES, *TYPES, "21"))
    assert "exactly two of chromosome 21" in reasons(stage(Case("p", (trisomy,))))["21"]
    strip_ = one.chromosomes[0].strip
    assert strip_ is not None
    assert reasons(stage(Case("p", (changed(one, "1", p_arm_up=None),)))).get("1") is None  # its homolog tells
    nobody = replace(one, chromosomes=tuple(replace(c, p_arm_up=None) for c in one.chromosomes))
    assert len(reasons(stage(Case("p", (nobody,))))) == 23
    for fields in (
        {"strip": None},
        {"strip": replace(strip_, valid=np.arange(strip_.length) < 10)},
        {"strip": replace(strip_, optical_density=np.full_like(strip_.optical_density, np.nan))},
        {"strip": replace(strip_, optical_density=np.zeros_like(strip_.optical_density))},
    ):
        done = stage(Case("p", (changed(one, "1", **fields),)))
        assert "seen well enough" in reasons(done)["1"] and probabilities(done).keys() == set(TYPES) - {"1"}
    unreadable = replace(one, reasons=("K124: the metaphase cannot be read",))
    assert set(reasons(stage(Case("p", (unreadable,)))).values()) == {"no metaphase of this case can be used"}
    assert len(reasons(stage(Case("p")))) == 23
    assert len(reasons(stage(Case("p", (replace(one, chromosomes=()),))))) == 23


def test_an_orientation_of_which_nobody_is_sure_does_not_change_what_is_said(stage: HomologComparer) -> None:
    one = metaphase()
    said = probabilities(stage(Case("p", (one,))))
    first = next(c for c in one.chromosomes if c.label == "1")
    doubted = changed(one, "1", p_arm_up=not first.p_arm_up, polarity_certainty=0.7)
    believed = changed(one, "1", p_arm_up=not first.p_arm_up, polarity_certainty=0.99)
    assert probabilities(stage(Case("p", (doubted,)))) == said
    assert probabilities(stage(Case("p", (believed,)))) != said


def test_a_y_is_never_compared(stage: HomologComparer) -> None:
    labelled = tuple(replace(c, label="Y") if c.label == "22" else c for c in metaphase().chromosomes)
    done = stage(Case("p", (replace(metaphase(), chromosomes=labelled),)))
    assert "Y" not in {one.chromosome for one in done.comparisons} and "22" in reasons(done)


def test_the_best_metaphases_are_compared_where_there_are_many(weight: WeightFile) -> None:
    scores = {"m0": 0.2, "m1": 0.9, "m2": 0.5}
    ranked = replace(case(), metaphases=tuple(replace(m, quality=Quality(scores[m.id])) for m in case().metaphases))
    done = comparer(weight, max_metaphases=2)(ranked)
    assert done.comparisons[0].metaphases == ("m1", "m2")


def test_findings_are_what_exceeds_the_threshold_and_leave_those_of_numbers_alone(weight: WeightFile) -> None:
    gain = Finding("numerical", "21", "gain", "+21", 1.0, ("m1",), False)
    old = Finding("structural", "5", "unknown", None, 0.9, ("m1",), False)
    before = replace(case(), findings=(gain, old))
    said = probabilities(comparer(weight)(before))
    middle = sum(sorted(said.values())[2:4]) / 2
    done = comparer(weight, threshold=middle)(before)
    assert done.findings[0] == gain
    assert {f.chromosome for f in done.findings[1:]} == {label for label, p in said.items() if p > middle}
    assert comparer(weight, threshold=1.0)(done).findings == (gain,)
    for finding in done.findings[1:]:
        assert (finding.kind, finding.change, finding.iscn) == ("structural", "unknown", None)
        assert finding.score == pytest.approx(said[finding.chromosome], abs=1e-4)
        assert set(finding.metaphases) <= {"m0", "m1", "m2"} and finding.clonal == (len(finding.metaphases) > 1)
        homologs: Any = finding.evidence["homologs"]
        assert finding.evidence["homolog"] == homologs[0] and len(homologs) == len(finding.metaphases)
        for name, homolog in zip(finding.metaphases, homologs, strict=True):
            of = next(m for m in before.metaphases if m.id == name)
            assert next(c for c in of.chromosomes if c.id == homolog).label == finding.chromosome


def test_the_report_holds_findings_comparisons_and_reasons(weight: WeightFile, tmp_path: Path) -> None:
    done = comparer(weight, threshold=0.0)(case(2))
    bare = replace(done, metaphases=tuple(replace(m, chromosomes=()) for m in done.metaphases))
    folder = Report(bare, Provenance()).save(tmp_path / "out")
    loaded = Report.load(folder).case
    assert loaded.comparisons == done.comparisons and len(loaded.findings) == len(TYPES)
    page = (folder / "report.html").read_text("utf-8")
    assert "structural difference on a chromosome 13" in page and "exactly two of chromosome X" in page
    assert "comparisons" not in Report(Case("p"), Provenance()).to_document().to_json()


def test_the_karyotype_stage_keeps_structural_findings(weight: WeightFile) -> None:
    done = comparer(weight, threshold=0.0)(case())
    for _ in range(2):
        done = CountAndSex(smallest=0.0)(done)
        assert [f.chromosome for f in done.findings if f.kind == "structural"] == list(TYPES)
    assert len(done.comparisons) == 23


def test_switched_on_by_an_override_it_comes_before_the_karyotype() -> None:
    plain = list(load_config("geometric").stages)
    added = list(load_config("geometric", ["stages.abnormality.use=homnet", "stages.ours.use=ours"]).stages)
    assert "abnormality" not in plain and added[-1] == "ours"
    assert added.index("classification") < added.index("abnormality") < added.index("karyotype")
    assert [name for name in added if name in plain] == plain


def test_it_is_offered_by_its_name() -> None:
    points = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["entry-points"]["karyonet.stages"]
    assert EntryPoint("homnet", points["homnet"], "karyonet.stages").load() is HomologComparer


def test_thresholds_are_those_of_the_card_or_given(weight: WeightFile, tmp_path: Path) -> None:
    assert comparer(weight).threshold_for(2) == 0.9 and comparer(weight, threshold=0.3).threshold_for(1) == 0.3
    by_number = {"specificity_99": 0.9, "cases_95_1": 0.97, "cases_95_2": 0.95, "cases_95_3": 0.8}
    (tmp_path / "fitted.safetensors").write_bytes(weight.path.read_bytes())
    card = weight.card.model_copy(update={"thresholds": by_number})
    (tmp_path / "fitted.json").write_text(card.model_dump_json())
    fitted = find("abnormality", tmp_path / "fitted.safetensors")
    assert [comparer(fitted).threshold_for(n) for n in (1, 2, 3, 10)] == [0.97, 0.95, 0.8, 0.8]
    assert comparer(fitted, threshold="specificity_99").threshold_for(3) == 0.9
    named = {"cases_98": 0.98, "cases_99": 0.99}
    stricter = {f"{name}_{number}": limit for name, limit in named.items() for number in (1, 2, 3)}
    card = weight.card.model_copy(update={"thresholds": {**by_number, **stricter}})
    (tmp_path / "fitted.json").write_text(card.model_dump_json())
    fitted = find("abnormality", tmp_path / "fitted.safetensors")
    chosen = [comparer(fitted, threshold=name).threshold_for(3) for name in ("auto", "cases_98", "cases_95")]
    assert chosen == [0.99, 0.98, 0.8]
    with pytest.raises(WeightsError, match=r"K306.*specificity_95"):
        comparer(weight, threshold="specificity_95")
    for bad in ("sensitivity", 1.5, -1):
        with pytest.raises(ValidationError):
            comparer(weight, threshold=bad)
    assert HomologComparer.from_pretrained(weight.path).weights[0].sha256 == weight.sha256
    with pytest.raises(WeightsError, match="K301"):
        HomologComparer.from_pretrained("nothing")


class Lengths:
    """Calls a bag abnormal whose homologs differ in length."""

    preprocessing = PREPROCESSING

    def __call__(self, bags: list[Bag]) -> tuple[BagComparison, ...]:
        said = []
        for bag in bags:
            differ = any(len(set(pair.valid.sum(axis=1))) == 2 for pair in bag.pairs)
            count = len(bag.pairs)
            said.append(
                BagComparison(
                    bag.chromosome, 0.95 if differ else 0.05, tuple(pair.metaphase for pair in bag.pairs), (0,) * count,
                    np.full((count, 2), 0.5, np.float32), np.ones(count, np.float32), np.ones(100, np.float32),
                    (0.0, 1.0),
                )
            )  # fmt: skip
        return tuple(said)


def test_a_difference_that_variable_bands_explain_is_a_heteromorphism(
    weight: WeightFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HomologComparer, "network", Lengths())
    stage = comparer(weight, threshold=0.9)
    before = replace(case(), findings=(Finding("heteromorphism", "16", "unknown", None, 0.9, ("m1",), False),))
    one = before.metaphases[0]
    for label in ("13", "2"):  # one has variable bands, the other has none
        first = next(c for c in one.chromosomes if c.label == label)
        assert first.strip is not None
        density = first.strip.optical_density
        longer = np.concatenate([density[:5], density[2:]] if first.p_arm_up else [density[:-2], density[-5:]])
        nothing = np.zeros((2, 512), np.float32), np.zeros((len(longer), 2), np.float32)
        one = changed(one, label, strip=Strip(longer, np.ones(len(longer), bool), *nothing, 1.0))
    done = stage(replace(before, metaphases=(one,)))
    kinds = {finding.chromosome: finding.kind for finding in done.findings}
    assert kinds["13"] == "heteromorphism" and kinds["2"] == "structural" and kinds.get("16") != "heteromorphism"
    karyotype = CountAndSex(smallest=0.0)(done)
    assert {f.chromosome: f.kind for f in karyotype.findings if f.kind != "numerical"} == kinds
