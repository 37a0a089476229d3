"""From named chromosomes to counts, clones and a karyotype."""

from .stage import CountAndSex

__all__ = ["CountAndSex"]
