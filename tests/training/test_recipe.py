from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from karyonet.errors import ConfigError
from karyonet.stages.abnormality.finetune import FinetuningRecipe
from karyonet.stages.abnormality.train import PretrainingRecipe
from karyonet.stages.band_level.train import BandLevelRecipe
from karyonet.stages.centromere.train import CentromereRecipe
from karyonet.stages.classification.train import ClassificationRecipe
from karyonet.stages.classification.train_context import ContextRecipe
from karyonet.stages.cluster_type.recipe import ClusterTypeRecipe
from karyonet.stages.segmentation.train_detector import DetectorRecipe
from karyonet.stages.segmentation.train_masks import MaskRecipe
from karyonet.stages.segmentation.train_rescoring import RescoringRecipe
from karyonet.training.recipe import Recipe, read_recipe

SHIPPED = sorted(Path(entry.name).stem for entry in files("karyonet.configs.train").iterdir() if ".yaml" in entry.name)
OTHER_KINDS: dict[str, type[Recipe]] = {
    "classification_context": ContextRecipe, "segmentation_masks": MaskRecipe,
    "segmentation_masks_fluorescence": MaskRecipe,
    "segmentation_detector": DetectorRecipe, "segmentation_rescoring": RescoringRecipe,
    "abnormality_pretrain": PretrainingRecipe, "abnormality_pretrain_paper": PretrainingRecipe,
    "abnormality_finetune": FinetuningRecipe,
    "band_level": BandLevelRecipe, "centromere": CentromereRecipe,
    **{name: ClusterTypeRecipe for name in SHIPPED if name.startswith("cluster_type")},
}  # fmt: skip
"""Recipes that are not those of a classifier."""


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_recipe_is_valid(name: str) -> None:
    recipe = read_recipe(OTHER_KINDS.get(name, ClassificationRecipe), None, name)
    assert recipe.name == name or name in {"classification", *OTHER_KINDS}


def test_the_shipped_recipe_is_valid() -> None:
    recipe = read_recipe(ClassificationRecipe, None, "classification")
    assert recipe.name == "gband" and recipe.budget_minutes


def test_overrides_win_and_none_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("steps: 10\nseed: 3\n")
    recipe = read_recipe(Recipe, path, "classification", seed=5, batch_size=None)
    assert (recipe.steps, recipe.seed, recipe.batch_size) == (10, 5, 96)


@pytest.mark.parametrize(
    ("text", "code", "named"),
    [
        ("steps: ten\n", "K203", "steps"),
        ("steps: 10\nstep: 3\n", "K203", "step"),
        ("steps: 10\noptimiser: {name: adam}\n", "K203", "optimiser.name"),
        ("seed: 1\n", "K203", "budget_minutes"),
        ("steps: [1\n", "K202", "recipe.yaml"),
        (None, "K201", "recipe.yaml"),
    ],
)
def test_mistakes_name_file_and_key(tmp_path: Path, text: str | None, code: str, named: str) -> None:
    path = tmp_path / "recipe.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        read_recipe(Recipe, path, "classification")
    assert raised.value.code == code
    assert named in str(raised.value) and "recipe.yaml" in str(raised.value)


def test_the_length_of_a_run_may_change_between_resumptions() -> None:
    assert Recipe(steps=10).fingerprint == Recipe(steps=20, patience=3).fingerprint
    assert Recipe(steps=10).fingerprint != Recipe(steps=10, seed=1).fingerprint
