from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import BaseModel, ConfigDict
from torch import nn

from karyonet.case import LABELS
from karyonet.errors import WeightsError
from karyonet.weights import Metric, ModelCard, card_section, find, load_into, load_tensors, save, shipped


def card(**changes: object) -> ModelCard:
    facts = {"name": "lab", "stage": "classification", "architecture": {"a": 1}, "input": {"b": 2}, "classes": LABELS}
    return ModelCard.model_validate({**facts, **changes})


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))


@pytest.fixture
def path(tmp_path: Path, model: nn.Module) -> Path:
    return save(model.state_dict(), card(metrics={"accuracy": Metric(value=0.9, interval=(0.8, 0.95))}),
                tmp_path / "lab.safetensors").path  # fmt: skip


def code_of(action: object) -> str:
    assert callable(action)
    with pytest.raises(WeightsError) as raised:
        action()
    return raised.value.code


def test_tensors_survive_in_half_precision(path: Path, model: nn.Module) -> None:
    weight = find("classification", path)
    tensors = load_tensors(weight)
    for name, value in model.state_dict().items():
        assert tensors[name].dtype == value.dtype
        torch.testing.assert_close(tensors[name], value, rtol=1e-3, atol=1e-3)
    assert path.stat().st_size < 2000
    assert weight.card.metrics["accuracy"].interval == (0.8, 0.95)
    assert weight.card.sha256 == weight.sha256 and len(weight.sha256) == 64
    load_into(model, weight)


def test_values_beyond_half_precision_are_kept(tmp_path: Path) -> None:
    weight = save({"large": torch.tensor([1e6])}, card(), tmp_path / "large.safetensors")
    assert load_tensors(weight)["large"].item() == 1e6


def test_a_changed_or_cut_file_is_refused(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert code_of(lambda: load_tensors(find("classification", path))) == "K302"
    path.write_bytes(content[:-10])
    assert code_of(lambda: load_tensors(find("classification", path))) == "K302"


def test_what_is_no_safetensors_file_is_refused(path: Path) -> None:
    import hashlib
    from dataclasses import replace

    path.write_bytes(b"not tensors")
    weight = replace(find("classification", path), sha256=hashlib.sha256(b"not tensors").hexdigest())
    assert code_of(lambda: load_tensors(weight)) == "K305"


def test_missing_weights_name_the_known_ones() -> None:
    with pytest.raises(WeightsError) as raised:
        find("classification", "no_such_weights")
    assert raised.value.code == "K301" and "no_such_weights" in str(raised.value)
    assert code_of(lambda: find("classification", "absent.safetensors")) == "K301"
    assert code_of(lambda: find("no_such_stage", "gband")) == "K301"


def test_the_card_must_be_there_and_valid(path: Path) -> None:
    beside = path.with_suffix(".json")
    text = beside.read_text()
    beside.write_text(text.replace('"temperature": 1.0', '"temperature": -1.0'))
    assert code_of(lambda: find("classification", path)) == "K306"
    beside.write_text(text[:50])
    assert code_of(lambda: find("classification", path)) == "K306"
    beside.unlink()
    assert code_of(lambda: find("classification", path)) == "K303"


def test_a_section_of_the_card_is_read_as_the_stage_means_it(path: Path) -> None:
    class Layers(BaseModel):
        model_config = ConfigDict(extra="forbid")
        a: int

    weight = find("classification", path)
    assert card_section(weight, "architecture", Layers).a == 1
    with pytest.raises(WeightsError, match=r"K306.*lab\.json is not valid \(input\.\w+: "):
        card_section(weight, "input", Layers)


def test_another_model_or_stage_is_refused(path: Path) -> None:
    assert code_of(lambda: find("abnormality", path)) == "K304"
    weight = find("classification", path)
    for other in (
        nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5)),
        nn.Sequential(nn.Linear(4, 3)),
        nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 3)),
    ):
        assert code_of(lambda other=other: load_into(other, weight)) == "K304"


def test_shipped_weights_are_what_their_cards_say() -> None:
    for weight in shipped():
        assert weight.card.name == weight.name and weight.card.licence and weight.card.training_data
        assert load_tensors(weight)
