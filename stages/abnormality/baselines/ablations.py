"""HomNet without one of its parts, or with another one in its place (Table 4 of the paper, and two more)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..model import Architecture
from ..train import PretrainingRecipe


@dataclass(frozen=True)
class Ablation:
    """What is different.

    Attributes:
        title: for a table.
        architecture: values of :class:`~karyonet.stages.abnormality.model.Architecture`.
        recipe: values of the recipe.
    """

    title: str
    architecture: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)


_BAG_ALONE = {"homolog_weight": 0.0, "evidence_weight": 0.0}
_PAPER = {
    "stem": 0, "blocks": 0, "beside": 0, "near": False, "layers": 1, "attention": "ratio", "pair_pool": "flatten",
    "bag_pool": "sum", "normalise": False, "positions": False, "local": False, "dropout": 0.0, "merge_range": 16,
}  # fmt: skip
"""The paper merges 32 of 512 samples at one a pixel; 16 of 256 are as many regions."""

ABLATIONS: dict[str, Ablation] = {
    "without_pair": Ablation("HomNet without pair", {"attention": "none"}),
    "without_bag": Ablation("HomNet without bag", {"bag_pool": "apart"}),
    "align_mlp": Ablation("HomNet, alignment by MLP", {"attention": "mlp"}),
    "align_cnn": Ablation("HomNet, alignment by CNN", {"attention": "cnn"}),
    **{f"merge_{size}": Ablation(f"HomNet, merge range {size}", {"merge_range": size}) for size in (16, 32, 48, 64)},
    "without_blocks": Ablation("HomNet without convolution blocks", {"blocks": 0}),
    "aligned": Ablation("HomNet without the homologs side by side", {"beside": 0}),
    "anywhere": Ablation("HomNet, attention without distance", {"near": False}),
    "bag_loss": Ablation("HomNet, loss of the bag alone", {}, _BAG_ALONE),
    "paper": Ablation("HomNet by the paper's equations", _PAPER, _BAG_ALONE),
}
"""By name. Without pair the homologs are never compared; without bag every pair is judged alone."""


def ablated(recipe: PretrainingRecipe, name: str) -> PretrainingRecipe:
    """A recipe with the values of an ablation.

    Args:
        recipe: of HomNet. name: one of :data:`ABLATIONS`.
    """
    ablation = ABLATIONS[name]
    architecture = Architecture.model_validate({**recipe.architecture.model_dump(), **ablation.architecture})
    return recipe.model_copy(update={**ablation.recipe, "architecture": architecture})
