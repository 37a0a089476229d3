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

from karyonet.case import LABELS, Chromosome, LeftOut
from karyonet.config import read_constants

from .likelihood import Counted, Named

FloatArray = NDArray[np.float64]
Finite = Annotated[float, Field(allow_inf_nan=False)]
SHIPPED = Path(__file__).with_name("evidence.yaml")
OF_CHROMOSOME = ("confidence", "score", "outlier")
"""Log odds of the name by the chromosome's own look, log odds of being one by the segmentation, and outlier score."""
OF_METAPHASE = ("doubtful", "clustered")
"""Shares of the chromosomes that a person should look at, and that share their cluster with others."""
_SUREST = 7.0
"""Log odds beyond which a network's confidence says nothing more."""
_USUAL = 0.995
_LEAST = 1e-4


class EvidenceModel(BaseModel):
    """Two logistic regressions: whether a chromosome is what it is counted as, and whether one of the cell was missed.

    Attributes:
        right: coefficients of :data:`OF_CHROMOSOME`, and ``intercept``.
        missed: coefficients of :data:`OF_METAPHASE`, and ``intercept``.
        gained: what is added to ``missed`` for a chromosome beyond the normal complement; set by hand, after the 21
            annotated metaphases in which there is one (README), since the data have no more.
        fitted: on which data, and what was measured with it; read by people alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    right: dict[str, Finite]
    missed: dict[str, Finite]
    gained: Finite = 3.0
    fitted: dict[str, Any] = {}

    @field_validator("right")
    @classmethod
    def _complete(cls, right: dict[str, float]) -> dict[str, float]:
        return _checked(right, OF_CHROMOSOME)

    @field_validator("missed")
    @classmethod
    def _whole(cls, missed: dict[str, float]) -> dict[str, float]:
        return _checked(missed, OF_METAPHASE)

    def counted(self, metaphase: str, named: Sequence[Chromosome], left_out: Sequence[LeftOut] = ()) -> Counted:
        """What was counted in a metaphase.

        Args:
            metaphase: its id.
            named: the chromosomes that count, each with a label.
            left_out: what may be a chromosome besides.
        """
        besides: dict[str, list[float]] = defaultdict(list)
        for one in left_out:
            besides[one.label].append(one.odds + float(np.log(max(one.confidence, _LEAST))))
        found: dict[str, list[Named]] = defaultdict(list)
        for chromosome, odds in zip(named, _weighed(self.right, of_chromosomes(named)).tolist(), strict=True):
            assert chromosome.label is not None
            found[chromosome.label].append(Named(odds, _instead(chromosome)))
        missed = float(_weighed(self.missed, of_metaphase(named)[None])[0])
        return Counted(
            metaphase,
            {label: tuple(sorted(ones, key=_odds)) for label, ones in found.items()},
            missed,
            missed + self.gained,
            {label: tuple(sorted(odds, reverse=True)) for label, odds in besides.items()},
        )


def read_evidence(path: Path = SHIPPED) -> EvidenceModel:
    """Read the coefficients that ``tools/fit_karyotype.py`` wrote.

    Raises:
        ConfigError: K201 if the file cannot be read, K202 or K203 if it holds something else.
    """
    return read_constants(EvidenceModel, path, SHIPPED.name)


def of_chromosomes(named: Sequence[Chromosome]) -> FloatArray:
    """Features of the chromosomes of a metaphase, float64, shape (n, 3), in the order of :data:`OF_CHROMOSOME`.

    What no stage has judged is as sure as most that were.
    """
    confidence, score = (
        np.array([_USUAL if value is None else value for value in values], dtype=np.float64)
        for values in ([c.confidence for c in named], [c.score for c in named])
    )
    outlier = np.array([chromosome.outlier or 0.0 for chromosome in named], dtype=np.float64)
    return np.column_stack([*(np.clip(logit(odds), -_SUREST, _SUREST) for odds in (confidence, score)), outlier])


def of_metaphase(named: Sequence[Chromosome]) -> FloatArray:
    """Features of a metaphase, float64, shape (2,), in the order of :data:`OF_METAPHASE`."""
    if not named:
        return np.zeros(len(OF_METAPHASE))
    together = Counter(chromosome.cluster for chromosome in named if chromosome.cluster is not None)
    clustered = sum(number for number in together.values() if number > 1)
    return np.array([sum(chromosome.review for chromosome in named), clustered]) / len(named)


def _odds(named: Named) -> float:
    return named.odds


def _instead(chromosome: Chromosome) -> dict[str, float]:
    """Log of how many times likelier the name of a chromosome is than each other one that it could have."""
    own = _USUAL if chromosome.confidence is None else chromosome.confidence
    others = {one.label: one.confidence for one in chromosome.alternatives}
    if chromosome.probabilities is not None:
        others = dict(zip(LABELS, chromosome.probabilities.tolist(), strict=True))
    return {
        label: float(np.log(max(own, _LEAST) / max(share, _LEAST)))
        for label, share in others.items()
        if label != chromosome.label
    }


def _weighed(coefficients: dict[str, float], features: FloatArray) -> FloatArray:
    weights = np.array([value for name, value in coefficients.items() if name != "intercept"])
    return np.asarray(coefficients["intercept"] + features @ weights, dtype=np.float64)


def _checked(coefficients: dict[str, float], features: Sequence[str]) -> dict[str, float]:
    if set(coefficients) != {"intercept", *features}:
        raise ValueError(f"the coefficients are intercept, {', '.join(features)}")
    return {name: coefficients[name] for name in ("intercept", *features)}
