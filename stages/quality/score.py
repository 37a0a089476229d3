"""From what stands against a metaphase to the probability that it can be karyotyped without a person's help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator
from scipy.optimize import minimize
from scipy.special import expit

from karyonet.config import read_constants

from .features import FEATURES, QualityFeatures

FloatArray = NDArray[np.float64]

SHIPPED = Path(__file__).with_name("coefficients.yaml")


class QualityModel(BaseModel):
    """A logistic regression on the features.

    No coefficient is positive: more blur, more overlap or a further missing chromosome never makes a metaphase better.

    Attributes:
        intercept: of the log-odds.
        coefficients: by feature, none above 0.
        target: what the probability is of.
        fitted: on which data, and what was measured with it; read by people alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    intercept: float
    coefficients: dict[str, Annotated[float, Field(le=0, allow_inf_nan=False)]]
    target: str = ""
    fitted: dict[str, Any] = {}

    @field_validator("coefficients")
    @classmethod
    def _complete(cls, coefficients: dict[str, float]) -> dict[str, float]:
        if set(coefficients) != set(FEATURES):
            raise ValueError(f"the features are {', '.join(FEATURES)}")
        return coefficients

    def score(self, features: QualityFeatures) -> float:
        """The probability, 0–1."""
        return float(self.scores(features.as_array()[None])[0])

    def scores(self, features: FloatArray) -> FloatArray:
        """The same of many metaphases.

        Args:
            features: float64, shape (n, 12), in the order of :data:`FEATURES`.

        Returns:
            float64, shape (n,).
        """
        weights = np.array([self.coefficients[name] for name in FEATURES])
        return np.asarray(expit(self.intercept + features @ weights))


def read_model(path: Path = SHIPPED) -> QualityModel:
    """Read the coefficients that ``tools/fit_quality.py`` wrote.

    Raises:
        ConfigError: K201 if the file cannot be read, K202 or K203 if it holds something else.
    """
    return read_constants(QualityModel, path, SHIPPED.name)


def fit_model(features: FloatArray, good: NDArray[np.bool_], ridge: float = 1.0) -> QualityModel:
    """Fit the coefficients by penalised maximum likelihood under the constraint that none is positive.

    Args:
        features: float64, shape (n, 12), in the order of :data:`FEATURES`.
        good: bool, shape (n,), both values among them: whether the metaphase could be karyotyped.
        ridge: penalty on the squared coefficients of the standardised features.
    """
    centre, spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-9)
    design = np.column_stack([np.ones(len(features)), (features - centre) / spread])
    shrunk = np.array([0.0] + [ridge] * len(FEATURES))

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        odds = design @ weights
        likelihood = np.logaddexp(0, odds).sum() - odds[good].sum()
        gradient = design.T @ (expit(odds) - good) + shrunk * weights
        return float(likelihood + 0.5 * shrunk @ weights**2), gradient

    bounds = [(None, None)] + [(None, 0.0)] * len(FEATURES)
    found = minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B", bounds=bounds).x
    slopes = np.where(found[1:] < 0, found[1:] / spread, 0.0)
    return QualityModel(
        intercept=float(found[0] - slopes @ centre),
        coefficients={name: float(slope) for name, slope in zip(FEATURES, slopes, strict=True)},
    )
