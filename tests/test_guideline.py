from __future__ import annotations

from pathlib import Path

import pytest

from karyonet.errors import ConfigError
from karyonet.guideline import Guideline, load_guideline, shipped_guidelines
from karyonet.stages.karyotype import CountAndSex

OURS = "name: our laboratory\ncounted: 30\nanalysed: 10\nkaryotyped: 3\n"


@pytest.mark.parametrize(
    ("name", "numbers"),
    [("prenatal", (15, 5, 2, 400)), ("constitutional", (20, 5, 2, 550)), ("oncology", (20, 20, 2, None))],
)
def test_the_guidelines_that_ship(name: str, numbers: tuple[int, int, int, int | None]) -> None:
    asked = load_guideline(name)
    assert (asked.counted, asked.analysed, asked.karyotyped, asked.band_level) == numbers
    assert name in asked.name


def test_only_the_guidelines_are_listed() -> None:
    assert shipped_guidelines() == ["constitutional", "oncology", "prenatal"]


def test_a_laboratory_gives_its_own(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text(OURS)
    expected = Guideline(name="our laboratory", counted=30, analysed=10, karyotyped=3, band_level=None)
    assert load_guideline(path) == load_guideline(str(path)) == expected


@pytest.mark.parametrize("name", ["postnatal", "", "nowhere/ours.yaml", "absent.yml", "."])
def test_a_guideline_that_is_not_there(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        CountAndSex(guideline=name)
    assert caught.value.code == "K201"
    assert "constitutional, oncology, prenatal" in str(caught.value)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (OURS + "colonies: 15\n", "K203", "colonies: there is no such key; allowed are name, counted, "),
        (OURS.replace("30", "many"), "K203", "counted: "),
        (OURS.replace("30", "-1"), "K203", "counted: "),
        (OURS.replace("30", "true"), "K203", "counted: "),
        (OURS.replace("karyotyped: 3\n", ""), "K203", "karyotyped: this key is needed"),
        (OURS.replace("30", "9"), "K203", "karyotyped (3) must not exceed analysed (10), nor that counted (9)"),
        (OURS + "band_level: 0\n", "K203", "band_level: "),
        ("- 30\n", "K202", "a mapping of keys to values is needed"),
        ("name: [\n", "K202", "not valid YAML"),
    ],
)
def test_a_guideline_that_cannot_be_used(tmp_path: Path, text: str, code: str, words: str) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        CountAndSex(guideline=str(path))
    assert caught.value.code == code
    assert words in str(caught.value) and str(path) in str(caught.value)
    assert str(caught.value).count("\n") == 0
