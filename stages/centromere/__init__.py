"""Centromere: where the short arm of a straightened chromosome meets the long one, and the centromeric index."""

from .geometric import expected_position, narrowest, narrowest_near
from .placing import TOLERANCE
from .profiles import WidthProfile, measure
from .stage import LearnedCentromere

__all__ = [
    "TOLERANCE",
    "LearnedCentromere",
    "WidthProfile",
    "expected_position",
    "measure",
    "narrowest",
    "narrowest_near",
]
