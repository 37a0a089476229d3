"""Pairs of homologs as input, varied in training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from karyonet.case import FloatArray

from .bags import ProfilePair
from .profiles import Preprocessing


class Variation(BaseModel):
    """How profiles are varied in training, normal and abnormal ones alike; halves change sides at random.

    Attributes:
        stain: standard deviation, relative, of each chromosome's density; metaphase: of a metaphase's.
        stretch: standard deviation, relative, of each chromosome's length.
        noise: standard deviation of each sample, 1.0 is the mean density.
        hidden: probability that a stretch of a chromosome is hidden. longest_hidden: its largest share.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    stain: float = Field(default=0.04, ge=0)
    metaphase: float = Field(default=0.06, ge=0)
    stretch: float = Field(default=0.02, ge=0)
    noise: float = Field(default=0.02, ge=0)
    hidden: float = Field(default=0.05, ge=0, le=1)
    longest_hidden: float = Field(default=0.2, ge=0, lt=1)


def input_pair(
    homologs: Sequence[FloatArray],
    metaphase: str,
    scale: float,
    preprocessing: Preprocessing,
    generator: np.random.Generator | None = None,
    variation: Variation | None = None,
) -> ProfilePair:
    """Two homologs as the network takes them.

    Args:
        homologs: two of float32, shape (rows, 2), short arm first.
        metaphase: its name.
        scale: samples a row.
        preprocessing: of the network.
        generator, variation: what varies them, and how; None leaves them as they are.
    """
    if generator is None or variation is None:
        placed = [preprocessing.place(homolog, scale) for homolog in homologs]
    else:
        gain = float(np.exp(generator.normal(0, variation.metaphase)))
        placed = []
        for homolog in homologs:
            stretched = scale * float(np.exp(generator.normal(0, variation.stretch)))
            profile, shown = preprocessing.place(homolog, stretched)
            profile = profile * np.float32(gain * np.exp(generator.normal(0, variation.stain)))
            profile += np.float32(variation.noise) * generator.standard_normal(profile.shape, dtype=np.float32)
            if generator.random() < 0.5:  # which side of a straightened chromosome is left is chance
                profile = profile[::-1]
            if generator.random() < variation.hidden:
                length = int(shown.sum())
                stretch = int(length * generator.uniform(0, variation.longest_hidden))
                begin = int(generator.integers(0, length - stretch + 1))
                shown[begin : begin + stretch] = False
            placed.append((profile * shown, shown))
    return ProfilePair(
        np.stack([profile for profile, _ in placed]).astype(np.float32),
        np.stack([shown for _, shown in placed]),
        metaphase,
    )


def region_in_samples(region: tuple[float, float], pair: ProfilePair, homolog: int) -> FloatArray:
    """A region, as shares of a chromosome, on the samples of a homolog: float32, shape (samples,), 1 in it."""
    samples = np.flatnonzero(pair.valid[homolog])
    length = int(samples[-1]) + 1
    marked = np.zeros(pair.valid.shape[1], dtype=np.float32)
    begin = min(int(region[0] * length), length - 1)
    marked[begin : max(int(np.ceil(region[1] * length)), begin + 1)] = 1.0
    return marked
