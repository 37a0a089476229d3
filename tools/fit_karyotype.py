"""Fit how far a count can be trusted: whether a chromosome is what it is counted as, and whether one was missed.

    python tools/fit_karyotype.py DATA [--split validation] [--out evidence.yaml]

DATA is a directory of format ``metaphases``. The pipeline of ``--config`` runs over the metaphases of a split that
neither its networks nor anything else was trained on; a chromosome is right where it lies on an annotated box (IoU at
least 0.5) of its name, and an annotated chromosome is missed where no right one lies on it. What is printed is
cross-fitted over five folds of cases; what is written is fitted on all. Run it after every change of segmentation,
separation or classification.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray
from rich.progress import track
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import GroupKFold

from karyonet.case import Case, Chromosome
from karyonet.data.metaphases import AnnotatedMetaphase, read_metaphases
from karyonet.evaluation.matching import match_boxes
from karyonet.evaluation.report import write_text
from karyonet.pipeline import Pipeline
from karyonet.stage import Stage
from karyonet.stages.karyotype import CountAndSex
from karyonet.stages.karyotype.evidence import (
    OF_CHROMOSOME,
    OF_METAPHASE,
    SHIPPED,
    EvidenceModel,
    of_chromosomes,
    of_metaphase,
)
from karyonet.stages.karyotype.stage import small_objects

FloatArray = NDArray[np.float64]
FOLDS = 5


class Seen(NamedTuple):
    """What the pipeline says of a metaphase beside what people say.

    Attributes:
        chromosomes: float64, shape (n, 3); right: bool, shape (n,).
        metaphase: float64, shape (2,); missed: of ``annotated`` chromosomes, how many no right one lies on.
    """

    chromosomes: FloatArray
    right: NDArray[np.bool_]
    metaphase: FloatArray
    missed: int
    annotated: int


@dataclass(frozen=True, eq=False)
class Sample:
    """All metaphases: as of :class:`Seen`, and of each row its case."""

    chromosomes: FloatArray
    right: NDArray[np.bool_]
    of: NDArray[np.intp]
    metaphases: FloatArray
    missed: FloatArray
    annotated: FloatArray
    cases: NDArray[np.str_]

    @classmethod
    def joined(cls, seen: Sequence[Seen], cases: Sequence[str]) -> Sample:
        return cls(
            chromosomes=np.concatenate([one.chromosomes for one in seen]),
            right=np.concatenate([one.right for one in seen]),
            of=np.repeat(np.arange(len(seen)), [len(one.right) for one in seen]),
            metaphases=np.stack([one.metaphase for one in seen]),
            missed=np.array([one.missed for one in seen], dtype=float),
            annotated=np.array([one.annotated for one in seen], dtype=float),
            cases=np.array(cases),
        )

    def take(self, metaphases: NDArray[np.intp]) -> Sample:
        """Some of the metaphases."""
        rows = np.isin(self.of, metaphases)
        return Sample(
            self.chromosomes[rows], self.right[rows], self.of[rows], self.metaphases[metaphases],
            self.missed[metaphases], self.annotated[metaphases], self.cases[metaphases],
        )  # fmt: skip


def look(stages: Sequence[Stage], metaphases: Sequence[AnnotatedMetaphase], smallest: float) -> Sample:
    """Run stages on annotated metaphases and compare what they say with what people say."""
    seen, cases = [], []
    for annotated in track(metaphases, "looking"):
        case = Case.read(annotated.path, case_id=annotated.id)
        for stage in stages:
            case = stage(case)
        for metaphase in case.metaphases:
            seen.append(compare(annotated, metaphase.chromosomes, smallest))
            cases.append(annotated.case)
    return Sample.joined(seen, cases)


def compare(annotated: AnnotatedMetaphase, chromosomes: Sequence[Chromosome], smallest: float) -> Seen:
    """Which of the chromosomes that count are right, and how many annotated ones are missed."""
    small = small_objects(chromosomes, smallest)
    named = [c for c in chromosomes if c.label is not None and c.id not in small]
    pairs = match_boxes([c.region.bbox for c in named], [c.bbox for c in annotated.chromosomes]).pairs
    right = np.zeros(len(named), dtype=bool)
    for found, true in pairs.tolist():
        right[found] = named[found].label == annotated.chromosomes[true].label
    total = len(annotated.chromosomes)
    return Seen(of_chromosomes(named), right, of_metaphase(named), total - int(right.sum()), total)


def fit(sample: Sample) -> EvidenceModel:
    """Both regressions, with a weak ridge."""
    right = LogisticRegression(C=10.0, max_iter=1000).fit(sample.chromosomes, sample.right)
    design = np.column_stack([np.ones(len(sample.metaphases)), sample.metaphases])

    def loss(weights: FloatArray) -> float:
        share = np.clip(expit(design @ weights), 1e-9, 1 - 1e-9)
        fit = sample.missed @ np.log(share) + (sample.annotated - sample.missed) @ np.log1p(-share)
        return float(-fit + 0.05 * weights[1:] @ weights[1:])

    missed = minimize(loss, np.array([-4.0, *np.zeros(len(OF_METAPHASE))])).x
    return EvidenceModel(
        right=_named(float(right.intercept_[0]), right.coef_[0], OF_CHROMOSOME),
        missed=_named(float(missed[0]), missed[1:], OF_METAPHASE),
    )


def _named(intercept: float, weights: FloatArray, names: Sequence[str]) -> dict[str, float]:
    return {"intercept": round(intercept, 4)} | {
        name: round(float(weight), 4) for name, weight in zip(names, weights, strict=True)
    }


def predicted(model: EvidenceModel, sample: Sample) -> tuple[FloatArray, FloatArray]:
    """Probabilities of being right, of each chromosome, and of being missed, of each metaphase."""
    chromosomes, metaphases = (
        expit(c["intercept"] + f @ np.array([c[name] for name in names]))
        for c, f, names in (
            (model.right, sample.chromosomes, OF_CHROMOSOME),
            (model.missed, sample.metaphases, OF_METAPHASE),
        )
    )
    return np.asarray(chromosomes), np.asarray(metaphases)


def cross_fitted(sample: Sample) -> dict[str, Any]:
    """Figures of models that had not seen the case."""
    right, missed = np.zeros(len(sample.right)), np.zeros(len(sample.missed))
    for train, test in GroupKFold(FOLDS).split(sample.metaphases, groups=sample.cases):
        held_out = sample.take(test)
        right[np.isin(sample.of, test)], missed[test] = predicted(fit(sample.take(train)), held_out)
    expected = missed * sample.annotated
    return {
        "metaphases": len(sample.missed),
        "cases": len(np.unique(sample.cases)),
        "chromosomes_not_right": round(float(1 - sample.right.mean()), 4),
        "auroc_right": round(float(roc_auc_score(sample.right, right)), 3),
        "log_loss_right": round(float(log_loss(sample.right, right)), 4),
        "log_loss_of_one_rate": round(float(log_loss(sample.right, np.full(len(right), sample.right.mean()))), 4),
        "missed_per_metaphase": round(float(sample.missed.mean()), 3),
        "correlation_missed": round(float(np.corrcoef(expected, sample.missed)[0, 1]), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="validation")
    parser.add_argument("--limit", type=int, help="at most so many metaphases, whole cases")
    parser.add_argument("--config", default="default", help="pipeline that finds and names the chromosomes")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    arguments = parser.parse_args()

    stages = list(Pipeline.from_config(arguments.config).stages.values())
    smallest = next((stage.options.smallest for stage in stages if isinstance(stage, CountAndSex)), 0.0)
    # What comes after the names says nothing that the evidence is made of.
    stages = stages[: 1 + max(n for n, stage in enumerate(stages) if "chromosome.label" in stage.assigns)]
    metaphases = read_metaphases(arguments.data, arguments.split, arguments.limit)
    sample = look(stages, metaphases, smallest)
    data = f"{arguments.data.name}, {arguments.split}"
    model = fit(sample).model_copy(update={"fitted": {"data": data, **cross_fitted(sample)}})
    text = yaml.safe_dump(model.model_dump(), sort_keys=False, allow_unicode=True)
    write_text(arguments.out, f"# Written by tools/fit_karyotype.py; log odds by feature.\n{text}")
    print(text)


if __name__ == "__main__":
    main()
