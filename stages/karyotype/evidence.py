"""How far a count can be trusted: every chromosome by its look, every metaphase by its clusters and doubts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator
from scipy.special import logit

from karyonet.case import Chromosome
from karyonet.config import read_constants

from .likelihood import Counted

FloatArray = NDArray[np.float64]
Finite = Annotated[float, Field(allow_inf_nan=False)]
SHIPPED = Path(__file__).with_name("evidence.yaml")
OF_CHROMOSOME = ("confidence", "outlier", "small", "review")
"""Log odds of the name by the chromosome's own look; outlier score; log of how far below the metaphase's median area it
is; whether a person should look at it."""
OF_METAPHASE = ("doubtful", "clustered")
"""Shares of the chromosomes that a person should look at, and that share their cluster with others."""
_SUREST = 7.0
"""Log odds beyond which a network's confidence says nothing more."""


class EvidenceModel(BaseModel):
    """Two logistic regressions: whether a chromosome is what it is counted as, and whether one of the cell was missed.

    Attributes:
        right: coefficients of :data:`OF_CHROMOSOME`, and ``intercept``.
        missed: coefficients of :data:`OF_METAPHASE`, and ``intercept``.
        fitted: on which data, and what was measured with it; read by people alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    right: dict[str, Finite]
    missed: dict[str, Finite]
    fitted: dict[str, Any] = {}

    @field_validator("right")
    @classmethod
    def _complete(cls, right: dict[str, float]) -> dict[str, float]:
        return _checked(right, OF_CHROMOSOME)

    @field_validator("missed")
    @classmethod
    def _whole(cls, missed: dict[str, float]) -> dict[str, float]:
        return _checked(missed, OF_METAPHASE)

    def counted(self, metaphase: str, named: Sequence[Chromosome]) -> Counted:
        """What was counted in a metaphase.

        Args:
            metaphase: its id.
            named: the chromosomes that count, each with a label.
        """
        odds: dict[str, list[float]] = defaultdict(list)
        for chromosome, value in zip(named, _weighed(self.right, of_chromosomes(named)), strict=True):
            assert chromosome.label is not None
            odds[chromosome.label].append(float(value))
        missed = float(_weighed(self.missed, of_metaphase(named)[None])[0])
        return Counted(metaphase, {label: tuple(values) for label, values in odds.items()}, missed)


def read_evidence(path: Path = SHIPPED) -> EvidenceModel:
    """Read the coefficients that ``tools/fit_karyotype.py`` wrote.

    Raises:
        ConfigError: K201 if the file cannot be read, K202 or K203 if it holds something else.
    """
    return read_constants(EvidenceModel, path, SHIPPED.name)


def of_chromosomes(named: Sequence[Chromosome]) -> FloatArray:
    """Features of the chromosomes of a metaphase, float64, shape (n, 4), in the order of :data:`OF_CHROMOSOME`.

    What no stage has judged speaks neither for a chromosome nor against it.
    """
    areas = np.array([chromosome.region.area for chromosome in named], dtype=np.float64)
    median = float(np.median(areas)) if len(areas) else 1.0
    confidence = [0.99 if chromosome.confidence is None else chromosome.confidence for chromosome in named]
    return np.column_stack(
        [
            np.clip(logit(np.array(confidence, dtype=np.float64)), -_SUREST, _SUREST),
            [chromosome.outlier or 0.0 for chromosome in named],
            np.minimum(np.log(areas / median), 0.0),
            [float(chromosome.review) for chromosome in named],
        ]
    ).reshape(len(named), len(OF_CHROMOSOME))


def of_metaphase(named: Sequence[Chromosome]) -> FloatArray:
    """Features of a metaphase, float64, shape (2,), in the order of :data:`OF_METAPHASE`."""
    if not named:
        return np.zeros(len(OF_METAPHASE))
    together = Counter(chromosome.cluster for chromosome in named if chromosome.cluster is not None)
    clustered = sum(number for number in together.values() if number > 1)
    return np.array([sum(chromosome.review for chromosome in named), clustered]) / len(named)


def _weighed(coefficients: dict[str, float], features: FloatArray) -> FloatArray:
    weights = np.array([value for name, value in coefficients.items() if name != "intercept"])
    return np.asarray(coefficients["intercept"] + features @ weights, dtype=np.float64)


def _checked(coefficients: dict[str, float], features: Sequence[str]) -> dict[str, float]:
    if set(coefficients) != {"intercept", *features}:
        raise ValueError(f"the coefficients are intercept, {', '.join(features)}")
    return {name: coefficients[name] for name in ("intercept", *features)}
