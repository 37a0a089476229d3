"""Quality: how well a metaphase can be read, and what stands against it."""

from .features import FEATURES, QualityFeatures, measure
from .score import QualityModel, fit_model, read_model
from .stage import MetaphaseQuality

__all__ = ["FEATURES", "MetaphaseQuality", "QualityFeatures", "QualityModel", "fit_model", "measure", "read_model"]
