"""Band level: how many bands per haploid set a metaphase resolves."""

from .calibration import Calibration, read_calibration
from .counting import CountingEstimator
from .estimator import CLASSES, BandLevelEstimator, Estimate, NotEstimable, class_of
from .stage import CountedBandLevel

__all__ = [
    "CLASSES",
    "BandLevelEstimator",
    "Calibration",
    "CountedBandLevel",
    "CountingEstimator",
    "Estimate",
    "NotEstimable",
    "class_of",
    "read_calibration",
]
