"""A training command from its recipe to its weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from karyonet.errors import DataError, WeightsError
from karyonet.training.loop import Progression
from karyonet.training.model_card import describe_split, recipe_on_card
from karyonet.training.recipe import Recipe, WeightsRecipe
from karyonet.training.run import start_from, train_by_recipe, two_parts
from karyonet.training.strip_pack import LabelledStrip, StripPack, concatenate, pack_cell
from karyonet.weights import Metric, ModelCard, WeightFile, save


def pack(*splits: str) -> StripPack:
    strip = LabelledStrip(np.ones((9, 4), np.float32), "X")
    return concatenate(
        [pack_cell([strip] * 3, case=f"p{n}", cell=f"m{n}", split=s, source="s") for n, s in enumerate(splits)]
    )


class Recorded:
    """A stage's training that keeps what it was asked for."""

    def __init__(self, weight: WeightFile | None) -> None:
        self.weight = weight
        self.calls: list[tuple[WeightsRecipe, Sequence[Path], Path | None, bool]] = []

    def __call__(
        self, recipe: WeightsRecipe, data: Sequence[Path], run: Path | None, resume: bool
    ) -> WeightFile | None:
        self.calls.append((recipe, data, run, resume))
        return self.weight


@pytest.fixture
def weight(tmp_path: Path) -> WeightFile:
    card = ModelCard(name="lab", stage="classification", architecture={}, input={}, classes=(),
                     metrics={"f1": Metric(value=0.5)})  # fmt: skip
    return save(nn.Linear(3, 2).state_dict(), card, tmp_path / "lab.safetensors")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text("name: ours\nsteps: 5\ninitial: former\n")
    return path


def test_what_the_command_says_wins_over_the_recipe(
    weight: WeightFile, recipe: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    train = Recorded(weight)
    train_by_recipe(train, WeightsRecipe, "none", recipe, [tmp_path], tmp_path / "run", False, initial="other")
    train_by_recipe(train, WeightsRecipe, "none", recipe, [tmp_path], None)
    (first, *rest), (second, *others) = train.calls
    assert (first.initial, second.initial, first.steps) == ("other", "former", 5)
    assert rest == [[tmp_path], tmp_path / "run", False] and others == [[tmp_path], None, True]
    assert str(weight.path) in caplog.text and "f1 0.5000" in caplog.text


def test_data_may_be_named_in_the_recipe_but_must_be_named(weight: WeightFile, recipe: Path) -> None:
    train = Recorded(weight)
    with pytest.raises(DataError, match="K405"):
        train_by_recipe(train, WeightsRecipe, "none", recipe, [], None)
    assert train.calls == []
    recipe.write_text(recipe.read_text() + "data: [some.npz]\n")
    train_by_recipe(train, WeightsRecipe, "none", recipe, [], None)
    assert train.calls[0][0].data == (Path("some.npz"),)


def test_a_run_that_was_stopped_ends_with_143(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        train_by_recipe(Recorded(None), WeightsRecipe, "none", recipe, [tmp_path], None)
    assert stopped.value.code == 143


def test_a_network_starts_from_what_fits(weight: WeightFile, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    model = nn.ModuleDict({"other": nn.Linear(1, 1)})
    model.register_parameter("weight", nn.Parameter(torch.zeros(2, 3)))
    start_from(model, "classification", str(weight.path))
    assert model.get_parameter("weight").abs().sum() > 0 and "anew: other.bias, other.weight" in caplog.text
    with pytest.raises(WeightsError, match="K304"):
        start_from(nn.Linear(7, 7), "classification", str(weight.path))
    start_from(model, "classification", None)


def test_both_parts_are_needed() -> None:
    training, validation = two_parts(pack("a", "b", "a", "test"), "a", "b")
    assert training.tolist() == [0, 1, 2, 6, 7, 8] and validation.tolist() == [3, 4, 5]
    for splits, missing in ((("a", "a"), "b"), (("b", ""), "a")):
        with pytest.raises(DataError, match=rf"K405.*split {missing}\b"):
            two_parts(pack(*splits), "a", "b")


def test_a_card_names_data_sets_by_folder_or_file_with_their_terms() -> None:
    packs = {Path("a/lab.v2"): pack("train", "train", "test"), Path("b/public.npz"): pack("train", "validation")}
    lab, public = describe_split(packs, "train", {"public": "cite it"})
    assert (lab.name, lab.terms, lab.split, lab.examples, lab.cases) == ("lab.v2", "", "train", 6, 2)
    assert (public.name, public.terms, public.examples, public.cases) == ("public", "cite it", 3, 1)


def test_a_card_shows_the_recipe_without_the_machine(tmp_path: Path) -> None:
    recipe = WeightsRecipe(steps=9, seed=4, run=tmp_path, data=(tmp_path,), threads=3, processes=5, workers=2,
                           device="cpu", initial=str(tmp_path / "lab.safetensors"))  # fmt: skip
    shown = recipe_on_card(recipe, Progression(step=7, minutes=1.26))
    assert (shown["seed"], shown["steps_done"], shown["minutes_spent"]) == (4, 7, 1.3)
    assert shown["initial"] == "lab.safetensors" and str(tmp_path) not in str(shown)
    assert not shown.keys() & {"run", "data", "threads", "processes", "workers", "device"}
    assert "initial" not in recipe_on_card(Recipe(steps=9), Progression())
    assert recipe_on_card(WeightsRecipe(steps=9), Progression())["initial"] is None


def test_the_folder_of_a_run_is_the_one_given(tmp_path: Path) -> None:
    assert Recipe(steps=1, name="x").folder() == Path("karyonet-run/x")
    assert Recipe(steps=1, run=tmp_path).folder() == tmp_path
    assert Recipe(steps=1, run=tmp_path).folder(tmp_path / "other") == tmp_path / "other"
