"""Abnormality: structural abnormalities by comparing the homologs of a chromosome type over a case's metaphases."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .comparison import BagComparison
from .stage import HomologComparer

if TYPE_CHECKING:
    from .bags import Bag as Bag
    from .bags import BagBatch as BagBatch
    from .bags import LabelledProfile as LabelledProfile
    from .bags import ProfilePair as ProfilePair
    from .bags import bags_of_case as bags_of_case
    from .bags import collate as collate
    from .bags import make_bag as make_bag
    from .model import Architecture as Architecture
    from .model import Diagnosis as Diagnosis
    from .model import HomNet as HomNet

_BAGS = ("Bag", "BagBatch", "LabelledProfile", "ProfilePair", "bags_of_case", "collate", "make_bag")
_MODEL = ("Architecture", "Diagnosis", "HomNet")
__all__ = [
    "Architecture", "Bag", "BagBatch", "BagComparison", "Diagnosis", "HomNet", "HomologComparer", "LabelledProfile",
    "ProfilePair", "bags_of_case", "collate", "make_bag",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # Imported on first use, so that listing the stages does not load torch.
    if name in _BAGS:
        return getattr(import_module(".bags", __name__), name)
    if name in _MODEL:
        return getattr(import_module(".model", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
