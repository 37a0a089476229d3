"""What of the objects that a segmentation was not sure of is a chromosome: decided by its look and by what is missing.

A segmentation judges an object by its pixels and its neighbours. Once all have been named there is more to go by: a
doubtful object that looks like a 7 is likelier to be one where only one 7 was found than where two were. What is sure
enough is never questioned, so that no gain is explained away for being rare.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator
from scipy.special import logit

from karyonet.assignment import CopyNumberPrior, chromosomes_among
from karyonet.case import LABELS, Chromosome, FloatArray, LeftOut
from karyonet.config import read_constants
from karyonet.geometry.region import shared_pixels

SHIPPED = Path(__file__).with_name("existence.yaml")
FEATURES = ("score", "probability", "size")
"""Log odds of the segmentation's score and of the most probable name; log of the area over the metaphase's median."""
FEWEST = 20
"""Objects of a metaphase that are sure; with fewer nothing can be said to be missing."""
MOST_COVERED = 0.5
"""Share of an object that chromosomes may cover, or it is another reading of them."""
_FURTHEST = 1e-4


class ExistenceModel(BaseModel):
    """A logistic regression on the features, and how it is used.

    Attributes:
        coefficients: of :data:`FEATURES`, and ``intercept``.
        certain: log odds from which an object is a chromosome whatever else was found.
        loss: what a missing chromosome costs, see :class:`karyonet.assignment.CopyNumberPrior`: the higher, the more
            readily a doubtful object fills a gap.
        contradicted: a doubtful object fills no gap under a name that is less probable than this.
        fitted: on which data, and what was measured with it; read by people alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    coefficients: dict[str, Annotated[float, Field(allow_inf_nan=False)]]
    certain: float
    loss: float = Field(ge=0)
    contradicted: float = Field(default=0.0, ge=0, le=1)
    fitted: dict[str, Any] = {}

    @field_validator("coefficients")
    @classmethod
    def _complete(cls, coefficients: dict[str, float]) -> dict[str, float]:
        if set(coefficients) != {"intercept", *FEATURES}:
            raise ValueError(f"the coefficients are intercept, {', '.join(FEATURES)}")
        return coefficients

    def log_odds(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log odds of being a chromosome, float64, shape (n,), of features, shape (n, 3)."""
        weights = np.array([self.coefficients[name] for name in FEATURES])
        return np.asarray(self.coefficients["intercept"] + features @ weights, dtype=np.float64)

    def kept(
        self, probabilities: FloatArray, log_odds: NDArray[np.float64], doubtful: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Which objects of a metaphase are chromosomes.

        Args:
            probabilities: float32, shape (n, 24), of their names.
            log_odds: shape (n,), of being one.
            doubtful: bool, shape (n,): the segmentation alone would leave them out.

        Returns:
            bool, shape (n,).
        """
        existence = np.where(log_odds >= self.certain, np.inf, log_odds)
        barred = doubtful[:, None] & (probabilities < self.contradicted)
        return chromosomes_among(np.where(barred, 0, probabilities), existence, CopyNumberPrior(loss=self.loss))


def read_existence(path: Path = SHIPPED) -> ExistenceModel:
    """Read the constants that ``tools/tune_pipeline.py`` wrote.

    Raises:
        ConfigError: K201 if the file cannot be read, K202 or K203 if it holds something else.
    """
    return read_constants(ExistenceModel, path, SHIPPED.name)


def features_of(scores: FloatArray, probabilities: FloatArray, areas: FloatArray) -> NDArray[np.float64]:
    """Features, float64, shape (n, 3), in the order of :data:`FEATURES`.

    Args:
        scores: float32, shape (n,), of the segmentation.
        probabilities: float32, shape (n, 24), of the names.
        areas: float32, shape (n,), in pixels.
    """
    odds = [
        logit(np.clip(np.asarray(values, dtype=np.float64), _FURTHEST, 1 - _FURTHEST))
        for values in (scores, probabilities.max(axis=1))
    ]
    return np.column_stack([*odds, np.log(areas / np.median(areas))])


class Existence(NamedTuple):
    """Which of n objects are chromosomes.

    Attributes:
        kept: bool, shape (n,).
        log_odds: float64, shape (n,), of being one by itself; None where the segmentation alone has decided.
    """

    kept: NDArray[np.bool_]
    log_odds: NDArray[np.float64] | None = None


def are_chromosomes(
    objects: Sequence[Chromosome], probabilities: FloatArray, model: ExistenceModel | None
) -> Existence:
    """Which objects of a metaphase are chromosomes.

    Args:
        objects: n, of which those without a score are not questioned.
        probabilities: float32, shape (n, 24), of their names.
        model: None, or fewer than 20 sure objects, leaves it at what the segmentation said.
    """
    sure = np.array([not one.doubtful for one in objects], dtype=bool)
    if model is None or np.count_nonzero(sure) < FEWEST:
        return Existence(sure)
    scored = np.array([one.score is not None for one in objects])
    scores = np.array([1.0 if one.score is None else one.score for one in objects], dtype=np.float32)
    areas = np.array([one.region.area for one in objects], dtype=np.float32)
    log_odds = np.where(scored, model.log_odds(features_of(scores, probabilities, areas)), np.inf)
    return Existence(model.kept(probabilities, log_odds, ~sure), log_odds)


def left_out(objects: Sequence[Chromosome], probabilities: FloatArray, existence: Existence) -> tuple[LeftOut, ...]:
    """What is no part of a metaphase, though it could be a chromosome beside those that are.

    Of what lies mostly on them it is not: another reading of the same pixels.

    Args:
        objects: n.
        probabilities: float32, shape (n, 24), of their names.
        existence: what was decided of them.
    """
    if existence.log_odds is None:
        return ()
    regions = [one.region for one in objects]
    kept = [region for region, is_one in zip(regions, existence.kept.tolist(), strict=True) if is_one]
    rows = np.flatnonzero(~existence.kept).tolist()
    covered = shared_pixels([regions[row] for row in rows], kept).sum(axis=1)
    beside = [row for row, pixels in zip(rows, covered, strict=True) if pixels <= MOST_COVERED * regions[row].area]
    types = probabilities.argmax(axis=1).tolist()
    return tuple(
        LeftOut(
            regions[row].bbox,
            LABELS[types[row]],
            float(probabilities[row, types[row]]),
            float(existence.log_odds[row]),
        )
        for row in beside
    )
