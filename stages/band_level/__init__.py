"""Band level: how many bands per haploid set a metaphase resolves."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .calibration import Calibration, read_calibration
from .counting import CountingEstimator
from .estimator import CLASSES, BandLevelEstimator, Estimate, NotEstimable, class_of
from .stage import BandLevelStage, CountedBandLevel, LearnedBandLevel

if TYPE_CHECKING:
    from .learned import LearnedEstimator as LearnedEstimator

__all__ = [
    "CLASSES",
    "BandLevelEstimator",
    "BandLevelStage",
    "Calibration",
    "CountedBandLevel",
    "CountingEstimator",
    "Estimate",
    "LearnedBandLevel",
    "LearnedEstimator",
    "NotEstimable",
    "class_of",
    "read_calibration",
]


def __getattr__(name: str) -> Any:
    # Imported on first use, so that listing the stages does not load torch.
    if name == "LearnedEstimator":
        return import_module(".learned", __name__).LearnedEstimator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
