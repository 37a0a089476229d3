"""Abnormality: structural abnormalities by comparing the homologs of a chromosome type over a case's metaphases."""

from .bags import Bag, BagBatch, LabelledProfile, ProfilePair, bags_of_case, collate, make_bag
from .model import Architecture, Diagnosis, HomNet

__all__ = [
    "Architecture", "Bag", "BagBatch", "Diagnosis", "HomNet", "LabelledProfile", "ProfilePair", "bags_of_case",
    "collate", "make_bag",
]  # fmt: skip
