"""Names for chromosomes: Proxy-ResNeXt-CBAM on straightened strips, and the names of a metaphase decided together."""

from .stage import Classification, ProxyClassifier

__all__ = ["Classification", "ProxyClassifier"]
