"""Homologs that differ in nothing but the length of variable bands: a normal variant, no abnormality.

Heterochromatin (1qh, 9qh, 16qh) and the short arms of the acrocentrics differ in length between healthy homologs. The
question is put as a counterfactual: would the pair be called normal if these bands were equally long in both?
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from karyonet.case import FloatArray
from karyonet.ideogram import variable_stretch

from .bags import Bag, ProfilePair

MOST = 2.75
"""Times its usual length that a variable stretch can have; what exceeds that is left as it is."""


def evened(bag: Bag) -> Bag | None:
    """The bag as it would be if the variable bands of the longer homolog were as long as those of the shorter one.

    In the longer homolog what exceeds the shorter one is taken out of the variable stretch, by squeezing it; what lies
    to either side stays as it is. A band that is too short in one homolog is evened in the same way, in the other.

    Returns:
        None where there is nothing to even: the type has no variable bands, or the homologs are equally long.
    """
    stretch = variable_stretch(bag.chromosome)
    if stretch is None:
        return None
    pairs = tuple(_evened(pair, stretch) for pair in bag.pairs)
    if all(new is old for new, old in zip(pairs, bag.pairs, strict=True)):
        return None
    return replace(bag, pairs=pairs)


def lengthened(profile: FloatArray, stretch: tuple[float, float], factor: float) -> FloatArray:
    """A chromosome whose variable bands are so many times as long.

    Args:
        profile: float32, shape (rows, width), short arm first.
        stretch: where they lie, as shares of its length (:func:`karyonet.ideogram.variable_stretch`).
        factor: above 0.
    """
    first, last = (round(share * len(profile)) for share in stretch)
    part = np.ascontiguousarray(profile[first : max(last, first + 1)])
    size = (part.shape[1], max(round(factor * len(part)), 1))
    longer = cv2.resize(part, size, interpolation=cv2.INTER_LINEAR).reshape(size[::-1])
    return np.concatenate([profile[:first], longer, profile[first + len(part) :]]).astype(np.float32)


def _evened(pair: ProfilePair, stretch: tuple[float, float]) -> ProfilePair:
    lengths = [int(np.flatnonzero(valid)[-1]) + 1 for valid in pair.valid]
    longer, shortest = int(np.argmax(lengths)), min(lengths)
    start = round(stretch[0] * shortest)
    usual = max(round((stretch[1] - stretch[0]) * shortest), 1)
    stop = min(start + usual + max(lengths) - shortest, start + round(MOST * usual))
    if stop <= start + usual:
        return pair
    own, shown = pair.profiles[longer], pair.valid[longer]
    squeezed = cv2.resize(np.ascontiguousarray(own[:, start:stop].T), (2, usual), interpolation=cv2.INTER_AREA).T
    rest = np.zeros((2, stop - start - usual), dtype=np.float32)
    profiles, valid = pair.profiles.copy(), pair.valid.copy()
    profiles[longer] = np.concatenate([own[:, :start], squeezed, own[:, stop:], rest], axis=1)
    visible = shown[np.linspace(start, stop - 1, usual).round().astype(np.intp)]
    valid[longer] = np.concatenate([shown[:start], visible, shown[stop:], np.zeros(rest.shape[1], dtype=bool)])
    return replace(pair, profiles=profiles * valid[:, None], valid=valid)
