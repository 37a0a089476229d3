"""Straightening: every chromosome as an upright strip with left and right grey profiles."""

from .stage import MedialAxisStraightener, UprightCropper

__all__ = ["MedialAxisStraightener", "UprightCropper"]
