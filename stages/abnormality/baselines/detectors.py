"""Baselines that are fitted, not trained by steps: logistic regression and detectors that see normal bags only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from karyonet.errors import InputError

from ..bags import BagBatch
from .features import bag_features

DetectorName = Literal["logistic_regression", "oc_svm", "deep_svdd", "autoencoder"]
DETECTORS: tuple[DetectorName, ...] = get_args(DetectorName)

_EPOCHS = 20
_NU = 0.1
"""Share of the normal bags that the one-class support vector machine may leave outside, at most."""


class LabelledBatch(NamedTuple):
    """Bags and which of them are abnormal, bool, shape (b,)."""

    inputs: BagBatch
    abnormal: NDArray[np.bool_]


class Detector(Protocol):
    """Something that scores bags after it was fitted."""

    def fit(self, batches: Sequence[LabelledBatch]) -> None:
        """Learn from bags; those that know normal ones only leave the others out."""

    def score(self, batch: BagBatch) -> NDArray[np.float64]:
        """Larger for abnormal bags, shape (b,)."""

    @property
    def parameters(self) -> int:
        """Numbers that it keeps from what it saw."""


@dataclass
class FeatureDetector:
    """Features of bags, standardised, and a scikit-learn estimator.

    Attributes:
        name: ``logistic_regression``, which sees all bags, or ``oc_svm``, which sees the normal ones (RBF kernel,
            Schölkopf et al., Neural Computation 13, 2001).
        seed: of what is random.
    """

    name: Literal["logistic_regression", "oc_svm"]
    seed: int = 0

    def __post_init__(self) -> None:
        supervised = self.name == "logistic_regression"
        self._estimator = LogisticRegression(max_iter=1000) if supervised else OneClassSVM(nu=_NU)
        self._pipeline = make_pipeline(StandardScaler(), self._estimator)

    def fit(self, batches: Sequence[LabelledBatch]) -> None:
        """Learn from bags."""
        features = np.concatenate([bag_features(batch.inputs) for batch in batches])
        abnormal = np.concatenate([batch.abnormal for batch in batches])
        if self.name == "logistic_regression":
            self._pipeline.fit(features, abnormal)
        else:
            self._pipeline.fit(features[~abnormal])

    def score(self, batch: BagBatch) -> NDArray[np.float64]:
        """Log odds of "abnormal", or how far outside of the normal bags one lies, shape (b,)."""
        said: NDArray[np.float64] = self._pipeline.decision_function(bag_features(batch))
        return said if self.name == "logistic_regression" else -said

    @property
    def parameters(self) -> int:
        """Coefficients, or support vectors with their weights."""
        fitted = self._estimator
        if self.name == "logistic_regression":
            return int(fitted.coef_.size + fitted.intercept_.size)
        return int(fitted.support_vectors_.size + fitted.dual_coef_.size)


@dataclass
class ProfileDetector:
    """A network of PyOD over the profiles of normal pairs; a bag's score is the mean over its pairs.

    Attributes:
        name: ``deep_svdd`` (Ruff et al., ICML 2018) or ``autoencoder``, whose score is the error of reconstruction.
        seed: of what is random.
    """

    name: Literal["deep_svdd", "autoencoder"]
    seed: int = 0

    def __post_init__(self) -> None:
        self._kind = _pyod()[self.name]
        self._network: Any = None

    def fit(self, batches: Sequence[LabelledBatch]) -> None:
        """Learn from the pairs of normal bags."""
        pairs = np.concatenate([_flat(batch.inputs)[~batch.abnormal[_owners(batch.inputs)]] for batch in batches])
        shared = {"batch_size": 128, "random_state": self.seed, "verbose": 0}
        if self.name == "deep_svdd":
            self._network = self._kind(n_features=pairs.shape[1], epochs=_EPOCHS, **shared)
        else:
            self._network = self._kind(epoch_num=_EPOCHS, **shared)
        self._network.fit(pairs)

    def score(self, batch: BagBatch) -> NDArray[np.float64]:
        """Mean outlyingness of the pairs, shape (b,)."""
        each = np.asarray(self._network.decision_function(_flat(batch)), dtype=np.float64)
        owners = _owners(batch)
        return np.bincount(owners, each, len(batch.present)) / np.bincount(owners, minlength=len(batch.present))

    @property
    def parameters(self) -> int:
        """Of the network."""
        networks = (value for value in vars(self._network).values() if isinstance(value, torch.nn.Module))
        return max((sum(p.numel() for p in network.parameters()) for network in networks), default=0)


def build_detector(name: DetectorName, seed: int = 0) -> Detector:
    """A detector that was not fitted yet.

    Raises:
        InputError: K110 if it needs the extra ``baselines``, which is not installed.
    """
    if name == "logistic_regression" or name == "oc_svm":
        return FeatureDetector(name, seed)
    return ProfileDetector(name, seed)


def _pyod() -> dict[str, Any]:
    try:
        from pyod.models.auto_encoder import AutoEncoder
        from pyod.models.deep_svdd import DeepSVDD
    except ImportError as fault:
        raise InputError("K110", path="a detector of PyOD", extra="baselines") from fault
    return {"autoencoder": AutoEncoder, "deep_svdd": DeepSVDD}


def _flat(batch: BagBatch) -> NDArray[np.float32]:
    """The profiles of the pairs that are there, shape (pairs, 4 × samples)."""
    flat: NDArray[np.float32] = batch.profiles[batch.present].flatten(1).numpy()
    return flat


def _owners(batch: BagBatch) -> NDArray[np.int64]:
    """The bag of every pair that is there."""
    owners: NDArray[np.int64] = batch.present.nonzero()[:, 0].numpy()
    return owners
