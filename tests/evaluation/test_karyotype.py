from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from karyonet.case import Case, Finding, ImageError, Karyotype, Outcome
from karyonet.errors import ConfigError
from karyonet.evaluation.karyotype import (
    ROW_COLUMNS,
    CalledCase,
    CaseResult,
    called_case,
    rows_as_csv,
    run_cases,
    same_iscn,
    same_sex,
    verdict_on,
)
from karyonet.evaluation.karyotype_figures import (
    TOO_FEW,
    KaryotypeEvaluation,
    evaluate_karyotypes,
    share,
    summarise,
)
from karyonet.evaluation.karyotype_truth import KnownCase, case_of_iscn

FEMALE, MALE = case_of_iscn("f", [Path()] * 3, "46,XX"), case_of_iscn("m", [Path()] * 3, "46,XY")
DOWN = case_of_iscn("d", [Path()] * 3, "47,XY,+21")
MOSAIC = case_of_iscn("t", [Path()] * 3, "mos 45,X[10]/46,XX[10]")
TRANSLOCATION = case_of_iscn("s", [Path()] * 3, "46,XX,t(9;22)(q34;q11.2)")
UNNAMED = KnownCase("u", (Path(),), "structural")
UNCLEAR = KnownCase("x", (Path(),) * 9, "unclear", sex="female")
FAILED = CalledCase()


def karyotype(iscn: str | None) -> Karyotype:
    outcome: Outcome = "undetermined" if iscn is None else "normal" if iscn in ("46,XX", "46,XY") else "abnormal"
    return Karyotype(iscn, outcome, reasons=() if iscn else ("the metaphases disagree",))


def finding(chromosome: str, kind: str = "structural", clonal: bool = False) -> Finding:
    change = "unknown" if kind == "structural" else "gain"
    return Finding(kind, chromosome, change, None, 0.9, ("m1",), clonal)  # type: ignore[arg-type]


def called(iscn: str | None, *findings: Finding) -> CalledCase:
    return called_case(Case("c", karyotype=karyotype(iscn), findings=findings))


@pytest.mark.parametrize(
    ("known", "iscn", "verdict"),
    [
        (FEMALE, "46,XX", "right"),
        (FEMALE, "46,XY", "wrong sex"),
        (FEMALE, "47,XX,+21", "wrong change"),
        (FEMALE, "45,X", "wrong change"),
        (FEMALE, None, "undetermined"),
        (DOWN, "47,XY,+21", "right"),
        (DOWN, "mos 47,XY,+21[3]/46,XY[2]", "right"),
        (DOWN, "48,XY,+8,+21", "wrong change"),
        (DOWN, "45,XY,-21", "wrong change"),
        (DOWN, "46,XY", "called normal"),
        (DOWN, None, "undetermined"),
        (MOSAIC, "45,X", "right"),
        (MOSAIC, "mos 45,X[2]/47,XX,+8[2]/46,XX[1]", "wrong change"),
        (MOSAIC, "47,XXX", "wrong change"),
        (TRANSLOCATION, "46,XX", "not flagged"),
        (TRANSLOCATION, None, "not flagged"),
        (UNNAMED, "46,XX", "not judged"),
        (UNCLEAR, "46,XX", "not judged"),
    ],
)
def test_verdicts(known: KnownCase, iscn: str | None, verdict: str) -> None:
    assert verdict_on(known, called(iscn)) == verdict
    assert CaseResult(known).verdict == "not judged"


def test_a_structural_case_is_flagged_by_the_right_chromosome() -> None:
    for iscn in ("46,XX", None):
        assert verdict_on(TRANSLOCATION, called(iscn, finding("22"))) == "flagged"
        assert verdict_on(TRANSLOCATION, called(iscn, finding("3"), finding("9", "numerical"))) == "not flagged"


def test_nothing_said_is_a_failure_where_something_could_be() -> None:
    for known in (FEMALE, DOWN, TRANSLOCATION):
        assert verdict_on(known, FAILED) == "failed"
    for known in (UNCLEAR, UNNAMED):
        assert verdict_on(known, FAILED) == "not judged"


def test_a_string_that_cannot_be_read_is_never_right() -> None:
    odd = called_case(Case("c", karyotype=Karyotype("47 chromosomes", "abnormal")))
    assert odd.iscn == "47 chromosomes" and "cannot be read" in odd.reasons[0]
    assert verdict_on(DOWN, odd) == "wrong change" and not same_iscn(DOWN, odd)
    normal = called_case(Case("c", karyotype=Karyotype("46 chromosomes", "normal")))
    assert verdict_on(FEMALE, normal) == "wrong sex" and same_sex(FEMALE, normal) is None


def test_sex_and_string() -> None:
    assert same_sex(MALE, called("47,XXY")) is True and same_sex(MALE, called("45,X")) is False
    assert same_sex(MALE, called(None)) is None and same_sex(UNNAMED, called("46,XX")) is None
    assert same_iscn(MOSAIC, called("mos 45,X[3]/46,XX[2]")) and not same_iscn(MOSAIC, called("45,X"))
    assert same_iscn(TRANSLOCATION, called("46,XX,t(22;9)(q11.2;q34)"))
    assert not same_iscn(FEMALE, called(None)) and not same_iscn(UNNAMED, called("46,XX"))


def result(name: str, known: KnownCase, answer: CalledCase | None, seconds: float = 1.0) -> CaseResult:
    return CaseResult(replace(known, id=name), answer, seconds)


def values(evaluation: KaryotypeEvaluation) -> dict[str, float]:
    left_out = {"seconds_per_case", "peak_memory_mb"}
    return {name: metric.value for name, metric in evaluation.metrics.items() if name not in left_out}


def test_figures_by_hand() -> None:
    clonal = finding("5", "numerical", clonal=True)
    results = [
        result("n1", FEMALE, called("46,XX")),
        result("n2", MALE, called("46,XY", finding("9"))),
        result("n3", MALE, called("46,XX")),
        result("n4", MALE, called("47,XY,+21", clonal)),
        result("n5", MALE, called(None, clonal), 9.0),
        result("n6", MALE, FAILED),
        result("few", replace(FEMALE, paths=(Path(),)), None),
        result("a1", DOWN, called("47,XY,+21")),
        result("a2", DOWN, called("48,XY,+8,+21")),
        result("a3", MOSAIC, called("46,XX")),
        result("s1", TRANSLOCATION, called("46,XX", finding("9"))),
        result("s2", TRANSLOCATION, called(None)),
        result("s3", UNNAMED, called("46,XX")),
        result("x", UNCLEAR, None),
    ]
    evaluation = summarise(results)
    assert values(evaluation) == pytest.approx(
        {
            "normal_called_normal": 2 / 6,
            "normal_undetermined": 2 / 6,
            "normal_called_abnormal": 2 / 6,
            "wrong_sex": 1 / 6,
            "normal_clonal_finding": 2 / 6,
            "normal_structural_finding": 1 / 6,
            "specificity": 5 / 6,
            "abnormal_sensitivity": 1 / 3,
            "abnormal_called_abnormal": 2 / 3,
            "structural_flagged": 1 / 2,
            "sex_right": 7 / 11,
            "iscn_right": 3 / 9,
            "iscn_right_structural": 0,
        },
        abs=1e-6,
    )
    assert evaluation.cases_behind["sex_right"] == 11 and evaluation.cases_behind["structural_flagged"] == 2
    assert evaluation.truth == {"normal": 6, TOO_FEW: 1, "numerical": 3, "structural": 3, "unclear": 1}
    assert (evaluation.cases, evaluation.metaphases) == (12, 11 * 3 + 1)
    assert evaluation.metrics["seconds_per_case"].value == 1.0
    assert values(summarise(results[::-1])) == values(evaluation)
    assert summarise(results[::-1]).metrics["sex_right"] == evaluation.metrics["sex_right"]


def test_a_share_of_no_case_is_left_out() -> None:
    evaluation = summarise([result("n", replace(FEMALE, exact=False), called("46,XX"))])
    assert {"abnormal_sensitivity", "structural_flagged", "iscn_right"}.isdisjoint(evaluation.metrics)
    assert evaluation.metrics["normal_called_normal"].interval == (1, 1)


def test_the_interval_is_that_of_the_cases_of_a_figure() -> None:
    """Many normal cases do not narrow what is known of a few abnormal ones, and none is drawn without any."""
    few = [result(f"a{n}", DOWN, called("47,XY,+21" if n < 3 else None)) for n in range(4)]
    many = [result(f"n{n}", FEMALE, called("46,XX")) for n in range(200)]
    assert summarise([*few, *many]).metrics["abnormal_sensitivity"] == share([True] * 3 + [False])
    assert share([True, True]).interval == (1, 1)
    assert share([True, False] * 50).interval == pytest.approx((0.4, 0.6), abs=0.03)


ANSWERS = [called(iscn) for iscn in ("46,XX", "46,XY", "45,X", "47,XX,+8", None)]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from([*ANSWERS, FAILED]), min_size=1, max_size=8))
def test_a_normal_case_is_called_one_of_three(answers: list[CalledCase]) -> None:
    figures = values(summarise([result(f"n{n}", FEMALE, answer) for n, answer in enumerate(answers)]))
    three = ("normal_called_normal", "normal_undetermined", "normal_called_abnormal")
    assert sum(figures[name] for name in three) == pytest.approx(1, abs=1e-5)
    assert figures["normal_called_normal"] <= figures["specificity"] + 1e-6


@pytest.fixture
def cases(tmp_path: Path) -> list[KnownCase]:
    """Three normal cases of three images, one of one image, an unclear one."""
    rng = np.random.default_rng(0)
    known = []
    for name, number, truth in (("a", 3, FEMALE), ("b", 3, MALE), ("c", 3, MALE), ("d", 1, MALE), ("e", 3, UNCLEAR)):
        paths = tuple(tmp_path / f"{name}{n}.png" for n in range(number))
        for path in paths:
            Image.fromarray(rng.integers(0, 255, (40, 40), dtype=np.uint8)).save(path)
        known.append(replace(truth, id=name, paths=paths))
    return known


def scripted(answers: Mapping[str, str | None], seen: list[Case] | None = None) -> Callable[[Case], SimpleNamespace]:
    def pipeline(case: Case) -> SimpleNamespace:
        if seen is not None:
            seen.append(case)
        return SimpleNamespace(case=replace(case, karyotype=karyotype(answers[case.id])))

    return pipeline


def test_all_images_of_a_case_are_one_run(cases: list[KnownCase]) -> None:
    seen: list[Case] = []
    evaluation, results = evaluate_karyotypes(
        scripted({"a": "46,XX", "b": "46,XX", "c": None}, seen), cases, progress=False
    )
    assert [(case.id, [metaphase.image for metaphase in case.metaphases]) for case in seen] == [
        (name, [f"{name}{n}.png" for n in range(3)]) for name in "abc"
    ]
    assert [r.verdict for r in results] == ["right", "wrong sex", "undetermined", "not judged", "not judged"]
    assert (evaluation.cases, evaluation.failures) == (3, ())
    assert evaluation.metrics["normal_called_normal"].value == pytest.approx(1 / 3, abs=1e-6)


def test_a_bad_image_and_a_bad_case_stop_nothing(cases: list[KnownCase]) -> None:
    cases[0].paths[1].write_bytes(b"no image")
    for path in cases[1].paths:
        path.write_bytes(b"")
    answer = scripted({"a": "46,XX"})

    def pipeline(case: Case) -> SimpleNamespace:
        if case.id == "c":
            raise RuntimeError("out of luck")
        return answer(case)

    evaluation, results = evaluate_karyotypes(pipeline, cases, progress=False)
    assert Counter(r.verdict for r in results) == {"right": 1, "failed": 2, "not judged": 2}
    assert [failure.metaphase for failure in evaluation.failures] == ["a/a1.png", "b", "c"]
    assert "out of luck" in evaluation.failures[2].reason and "K112" in evaluation.failures[1].reason
    assert evaluation.metrics["normal_undetermined"].value == pytest.approx(2 / 3, abs=1e-6)


def test_a_case_of_which_no_metaphase_is_left_has_failed(cases: list[KnownCase]) -> None:
    def pipeline(case: Case) -> SimpleNamespace:
        lost = tuple(ImageError(m.image, "K122", "no chromosome was found") for m in case.metaphases)
        return SimpleNamespace(case=replace(case, metaphases=(), errors=lost, karyotype=karyotype(None)))

    (first, *_) = run_cases(pipeline, cases, progress=False)
    assert first.verdict == "failed" and [image for image, _ in first.errors] == [f"a/a{n}.png" for n in range(3)]


def test_a_wrong_configuration_stops_it(cases: list[KnownCase]) -> None:
    def pipeline(case: Case) -> SimpleNamespace:
        raise ConfigError("K201", name="x", known="default")

    with pytest.raises(ConfigError, match="K201"):
        run_cases(pipeline, cases, progress=False)


def test_rows_name_every_case(cases: list[KnownCase]) -> None:
    results = run_cases(scripted({"a": "46,XX", "b": None, "c": "47,XY,+21"}), cases, progress=False)
    rows = {row["case"]: row for row in csv.DictReader(io.StringIO(rows_as_csv(results)))}
    assert list(rows) == list("abcde") and tuple(rows["a"]) == ROW_COLUMNS
    assert (rows["a"]["truth_iscn"], rows["a"]["called"], rows["a"]["verdict"]) == ("46,XX", "46,XX", "right")
    assert (rows["b"]["outcome"], rows["b"]["reasons"]) == ("undetermined", "the metaphases disagree")
    assert (rows["c"]["outcome"], rows["c"]["verdict"]) == ("abnormal", "wrong change")
    assert (rows["d"]["metaphases"], rows["d"]["verdict"], rows["d"]["seconds"]) == ("1", "not judged", "")
    assert rows["e"]["truth"] == "unclear"
