from __future__ import annotations

from pathlib import Path

import pytest

from karyonet.config import load_config, shipped
from karyonet.errors import ConfigError


def test_every_shipped_configuration_is_valid() -> None:
    assert "default" in shipped()
    for name in shipped():
        assert load_config(name).stages


def test_a_stage_and_its_options_are_read(tmp_path: Path) -> None:
    file = tmp_path / "ours.yaml"
    file.write_text("stages:\n  segmentation: {use: ours, threshold: 0.4}\nreading: {max_pages: 3}\n")
    config = load_config(file)
    assert config.stages["segmentation"].use == "ours"
    assert config.stages["segmentation"].options == {"threshold": 0.4}
    assert config.reading.max_pages == 3


def test_an_override_wins_and_changes_the_checksum() -> None:
    plain = load_config("default")
    changed = load_config("default", ["stages.classification.weights=ours.safetensors", "reading.max_pages=2"])
    assert changed.stages["classification"].options["weights"] == "ours.safetensors"
    assert changed.reading.max_pages == 2
    assert changed.sha256 != plain.sha256
    assert load_config("default").sha256 == plain.sha256


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("stages: [", "K202", ["ours.yaml", "line"]),
        ("just text", "K202", ["ours.yaml"]),
        ("stages: {a: {use: b}}\nstage: {}\n", "K203", ["ours.yaml", "stage", "allowed", "reading"]),
        ("stages: {a: {weights: b}}\n", "K203", ["stages.a.use", "needed"]),
        ("stages: {}\n", "K203", ["stages"]),
        ("stages: {a: {use: b}}\ndevice: tpu\n", "K203", ["device", "'cpu'", "'cuda'"]),
        ("stages: {a: {use: b}}\nreading: {max_pages: many}\n", "K203", ["reading.max_pages"]),
    ],
)
def test_a_mistake_names_file_and_key(tmp_path: Path, text: str, code: str, words: list[str]) -> None:
    file = tmp_path / "ours.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert caught.value.code == code
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("name", ["nowhere", "no/such/file.yaml"])
def test_an_unknown_configuration_names_the_known_ones(name: str) -> None:
    with pytest.raises(ConfigError, match=r"K201.*default"):
        load_config(name)


@pytest.mark.parametrize("override", ["stages.a.use", "=3", "a..b=3", "a=["])
def test_a_bad_override_is_refused(override: str) -> None:
    with pytest.raises(ConfigError, match="K206"):
        load_config("default", [override])


def test_a_stage_of_the_file_can_be_left_out_and_no_other() -> None:
    whole, rest = load_config("default"), load_config("default", ["stages.abnormality=null"])
    assert [name for name in whole.stages if name != "abnormality"] == list(rest.stages)
    assert len(rest.stages) == len(whole.stages) - 1 and rest.sha256 != whole.sha256
    with pytest.raises(ConfigError, match=r"K203.*abnormalty"):
        load_config("default", ["stages.abnormalty=null"])
