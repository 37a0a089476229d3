"""Segmentation: from the optical density of a metaphase to its foreground and clusters."""

from .instance_segmenter import InstanceSegmenter
from .stage import ThresholdSegmenter
from .threshold import SegmentationLimits, components, nuclei, remove_debris, segment

__all__ = [
    "InstanceSegmenter",
    "SegmentationLimits",
    "ThresholdSegmenter",
    "components",
    "nuclei",
    "remove_debris",
    "segment",
]
