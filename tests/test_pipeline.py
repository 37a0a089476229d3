from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from karyonet.case import FIELDS, READ_FIELDS, Case, Cluster, Metaphase
from karyonet.errors import ConfigError, InputError
from karyonet.geometry.region import Region
from karyonet.pipeline import Pipeline
from karyonet.stage import MetaphaseStage, Stage, StageOptions, load, registered


def case(name: str = "case", metaphases: int = 2) -> Case:
    blank = np.zeros((8, 9), dtype=np.float32)
    return Case(
        name,
        tuple(Metaphase(f"m{i + 1}", f"{i + 1}.png", "0" * 64, blank, "absorption", blank) for i in range(metaphases)),
    )


class Finder(MetaphaseStage):
    summary = "finds one cluster"
    requires = frozenset({"metaphase.optical_density"})
    assigns = frozenset({"metaphase.clusters", "cluster.region"})

    class Options(StageOptions):
        size: int = 3

    def process(self, metaphase: Metaphase) -> Metaphase:
        region = Region.from_mask(np.ones((self.options.size, self.options.size), dtype=bool))
        return replace(metaphase, clusters=(Cluster("k1", region),))


class Picky(MetaphaseStage):
    summary = "fails on the first metaphase"
    requires = frozenset({"metaphase.clusters"})
    assigns = frozenset({"metaphase.count"})

    def process(self, metaphase: Metaphase) -> Metaphase:
        if metaphase.id == "m1":
            raise InputError("K122")
        if metaphase.id == "m2":
            raise ZeroDivisionError("a fault")
        return replace(metaphase, count=len(metaphase.clusters))


class Broken(Stage):
    summary = "fails on a case named bad"
    requires = frozenset({"case.id"})
    assigns: frozenset[str] = frozenset()

    def __call__(self, case: Case) -> Case:
        if case.id == "bad":
            raise RuntimeError("no")
        return case


def test_an_unmet_need_is_said_before_anything_runs() -> None:
    with pytest.raises(ConfigError) as caught:
        Pipeline({"picky": Picky(), "finder": Finder()})
    assert caught.value.code == "K205"
    for word in ("picky", "metaphase.clusters", "threshold_segmenter"):
        assert word in str(caught.value)


def test_a_failing_metaphase_does_not_stop_the_others() -> None:
    report = Pipeline({"finder": Finder(), "picky": Picky()})(case(metaphases=4))
    assert [m.id for m in report.metaphases] == ["m3", "m4"]
    assert [(e.image, e.code) for e in report.errors] == [("1.png", "K122"), ("2.png", "K901")]
    assert "ZeroDivisionError" in report.errors[1].message


def test_a_failing_case_does_not_stop_the_stream() -> None:
    reports = list(Pipeline({"broken": Broken()}).stream([case("good"), case("bad"), case("fine")]))
    assert [r.case.id for r in reports] == ["good", "bad", "fine"]
    assert [bool(r.errors) for r in reports] == [False, True, False]
    assert reports[1].karyotype.outcome == "undetermined"


def test_stages_are_timed_and_observed() -> None:
    seen: list[str] = []
    report = Pipeline({"finder": Finder()})(case(), lambda stage, _: seen.append(stage))
    assert seen == ["finder"] == list(report.provenance.seconds)


def test_the_input_is_never_changed() -> None:
    before = case()
    Pipeline({"finder": Finder()})(before)
    assert all(metaphase.clusters == () for metaphase in before.metaphases)


def test_contracts_of_the_shipped_stages_name_real_fields() -> None:
    assert READ_FIELDS <= FIELDS
    assert {"threshold_segmenter", "proxy_resnext_cbam", "count_and_sex"} <= set(registered())
    for name in registered():
        cls = load(name)
        assert cls.requires <= FIELDS
        assert cls.assigns <= FIELDS
        assert cls.summary


def test_an_unknown_stage_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"K204.*segmentation.*nothing_like_it.*threshold_segmenter"):
        load("nothing_like_it", stage="segmentation")


def test_a_wrong_option_names_its_key() -> None:
    with pytest.raises(ConfigError, match=r"K203.*stages\.karyotype\.max_changes"):
        Pipeline.from_config("default", ["stages.karyotype.max_changes=-1"])
    with pytest.raises(ConfigError, match=r"K203.*stages\.karyotype\.colour.*max_doubtful"):
        Pipeline.from_config("default", ["stages.karyotype.colour=red"])
