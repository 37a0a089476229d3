"""Segmentation: from the optical density of a metaphase to its foreground and clusters."""

from .stage import ThresholdSegmenter
from .threshold import SegmentationLimits, components, nuclei, remove_debris, segment

__all__ = [
    "SegmentationLimits",
    "ThresholdSegmenter",
    "components",
    "nuclei",
    "remove_debris",
    "segment",
]
