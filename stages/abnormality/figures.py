"""How far the network is from the answers: the loss of its training, and the figures of a validation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from torch import Tensor, nn
from torch.nn import functional as F

from karyonet.evaluation.outliers import separation
from karyonet.training.batches import moved
from karyonet.training.calibration import fit_temperature
from karyonet.weights import Metric

from .artificial_bags import Example, TrainingBatch, collate_examples
from .model import Diagnosis


@dataclass(frozen=True, eq=False)
class Judged:
    """What a network said of labelled bags, and what is true.

    Attributes:
        logits: float64, shape (n,). abnormal: bool, shape (n,). cases: str, shape (n,).
        homolog_right: bool, one for every pair of which it is known which homolog is abnormal.
        place_right: bool, likewise: whether the strongest evidence of that homolog is where the abnormality is.
    """

    logits: NDArray[np.float64]
    abnormal: NDArray[np.bool_]
    cases: NDArray[np.str_]
    homolog_right: NDArray[np.bool_]
    place_right: NDArray[np.bool_]

    def figures(self) -> dict[str, float]:
        """AUC (score), average precision, F1 at even odds, sensitivity at a specificity of 95 % and 99 %, log loss,
        and the shares of right homologs and places."""
        truth, logits = self.abnormal, self.logits
        said = {
            "score": float(roc_auc_score(truth, logits)),
            "average_precision": float(average_precision_score(truth, logits)),
            "f1": float(f1_score(truth, logits > 0, zero_division=0.0)),
            "loss": _surprise(logits, truth),
        }
        for per_cent in (95, 99):
            said[f"sensitivity_at_{per_cent}"] = float((logits[truth] > self.cut(per_cent / 100)).mean())
        if len(self.homolog_right):
            said["homolog_accuracy"] = float(self.homolog_right.mean())
            said["localised"] = float(self.place_right.mean())
        return said

    def cut(self, specificity: float) -> float:
        """The logit that at most ``1 - specificity`` of the normal bags exceed."""
        return float(np.quantile(self.logits[~self.abnormal], specificity, method="higher"))

    def metrics(self, data: str) -> dict[str, Metric]:
        """The figures for a model card, the AUC with its interval over cases."""
        said = self.figures()
        auc, interval = separation(self.logits, self.abnormal, self.cases)
        others = {n: Metric(value=v, data=data) for n, v in said.items() if n not in ("score", "loss")}
        return {"auc": Metric(value=auc, interval=interval, data=data)} | others

    def temperature(self) -> float:
        """What to divide logits by so that the answers are most likely (Guo et al., ICML 2017); 0.1–10."""
        logits = np.column_stack([np.zeros_like(self.logits), self.logits])
        return fit_temperature(logits, self.abnormal.astype(np.int64))


def judge(model: nn.Module, examples: Sequence[Example], device: torch.device, batch_size: int = 128) -> Judged:
    """Let a network judge labelled bags."""
    logits, homolog, place = [], [], []
    for start in range(0, len(examples), batch_size):
        batch: TrainingBatch = moved(collate_examples(examples[start : start + batch_size]), device)
        said: Diagnosis = model(batch.inputs)
        logits.append(said.logit.float().cpu().numpy())
        known = batch.affected >= 0
        which = batch.affected[known]
        homolog.append((said.homolog.argmax(dim=-1)[known] == which).cpu().numpy())
        rows = torch.arange(len(which), device=device)
        evidence = said.evidence.masked_fill(~said.visible, -torch.inf)[known][rows, which]
        target = region_targets(batch.region, said.evidence.shape[-1])[known][rows, which]
        place.append((target[rows, evidence.argmax(dim=-1)] > 0).cpu().numpy())
    return Judged(
        np.concatenate(logits).astype(np.float64),
        np.array([example.abnormal for example in examples], dtype=bool),
        np.array([example.bag.case for example in examples], dtype=np.str_),
        np.concatenate(homolog),
        np.concatenate(place),
    )


def diagnosis_loss(said: Diagnosis, batch: TrainingBatch, homolog_weight: float, evidence_weight: float) -> Tensor:
    """Cross entropy of the bags, of which homolog it is, and of where, the last two where they are known."""
    loss = F.binary_cross_entropy_with_logits(said.logit, batch.abnormal)
    known = batch.affected >= 0
    if homolog_weight and bool(known.any()):
        loss = loss + homolog_weight * F.cross_entropy(said.homolog[known], batch.affected[known])
    if evidence_weight:
        judged = said.visible & batch.region_known[..., None]
        target = region_targets(batch.region, said.evidence.shape[-1])
        each = F.binary_cross_entropy_with_logits(said.evidence, target, reduction="none")
        loss = loss + evidence_weight * (each * judged).sum() / judged.sum().clamp(min=1)
    return loss


def region_targets(region: Tensor, regions: int) -> Tensor:
    """Which regions of the network an abnormality reaches into: (..., samples) to (..., regions), 0 or 1."""
    size = -(-region.shape[-1] // regions)
    padded = F.pad(region, (0, regions * size - region.shape[-1]))
    return padded.view(*region.shape[:-1], regions, size).amax(dim=-1)


def both_kinds(examples: Iterable[Example]) -> bool:
    """Whether there are normal and abnormal bags."""
    return {example.abnormal for example in examples} == {True, False}


def _surprise(logits: NDArray[np.floating], truth: NDArray[np.bool_]) -> float:
    return float(np.logaddexp(0, np.where(truth, -logits, logits)).mean())
