"""Fit the score of the quality stage: the probability that a metaphase is karyotyped without a person's help.

    python tools/fit_quality.py DATA [--target identification] [--good 0.8] [--out coefficients.yaml]

DATA is a directory of format ``metaphases``. The pipeline of ``--config`` runs over metaphases of split ``train``; one
is good where the F1 of its chromosomes against the annotated boxes (IoU at least 0.5; found and rightly named, or with
``--target detection`` found alone) is at least ``--good``; where nearly all or nearly none are, give another value.
Published metaphases are well focused and whole, so that each is also run once made worse: blurred, noisy, faded or
cut. Fitted on both, measured on split ``validation``: as published, and made worse. Run it after every change of
segmentation, separation or classification.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray
from rich.progress import track
from scipy import ndimage
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from karyonet.case import Case, Metaphase
from karyonet.data.metaphases import AnnotatedMetaphase, read_metaphases
from karyonet.data.pictures import read_grey
from karyonet.evaluation.metrics import f1
from karyonet.evaluation.pipeline import compare
from karyonet.evaluation.report import write_text
from karyonet.geometry.shape import measure_scale
from karyonet.imaging.optical_density import recognise_contrast, to_optical_density
from karyonet.pipeline import Pipeline
from karyonet.stage import Stage
from karyonet.stages.quality import FEATURES, MetaphaseQuality, QualityFeatures, QualityModel, fit_model, measure
from karyonet.stages.quality.score import SHIPPED

FloatArray = NDArray[np.float32]
DAMAGES = ("blur", "noise", "blur", "fade", "blur", "cut")
"""In turn; blur as often as all others together, as it is what happens at a microscope."""


class Seen(NamedTuple):
    """What a run of the pipeline says of one metaphase: features (None without chromosomes) and the two F1."""

    features: QualityFeatures | None
    detection: float
    identification: float


@dataclass(frozen=True)
class Sample:
    """Runs as arrays: features, shape (n, 12), with rows of NaN where no chromosome was found; F1, shape (n,)."""

    features: NDArray[np.float64]
    f1: NDArray[np.float64]

    @classmethod
    def of(cls, runs: Iterable[Seen], target: str) -> Sample:
        nothing = np.full(len(FEATURES), np.nan)
        rows = [(nothing if run.features is None else run.features.as_array(), getattr(run, target)) for run in runs]
        return cls(np.array([row for row, _ in rows]), np.array([value for _, value in rows]))

    def scores(self, model: QualityModel) -> NDArray[np.float64]:
        """As the stage gives them: 0 without chromosomes."""
        return np.where(np.isnan(self.features[:, 0]), 0.0, model.scores(np.nan_to_num(self.features)))


def damaged(
    grey: FloatArray, annotated: AnnotatedMetaphase, kind: str, width: float, random: np.random.Generator
) -> tuple[FloatArray, AnnotatedMetaphase]:
    """A metaphase made worse, with its boxes.

    Args:
        grey: float32, shape (height, width).
        annotated: its boxes.
        kind: one of :data:`DAMAGES`.
        width: of a chromosome, in pixels.
        random: decides how much.
    """
    background = float(np.median(grey))
    if kind == "blur":
        return _clipped(ndimage.gaussian_filter(grey, random.uniform(0.08, 0.4) * width)), annotated
    if kind == "noise":
        noise = ndimage.gaussian_filter(random.normal(size=grey.shape), 0.7)
        return _clipped(grey + random.uniform(0.02, 0.12) * noise / noise.std()), annotated
    if kind == "fade":
        faded = background + random.uniform(0.1, 0.5) * (grey - background) + random.normal(0, 0.01, grey.shape)
        return _clipped(faded), annotated
    turns, part = int(random.integers(4)), random.uniform(0.1, 0.4)
    lost = round(part * grey.shape[0 if turns % 2 == 0 else 1])
    top, left = (lost if turns == 0 else 0), (lost if turns == 1 else 0)
    kept = grey[top : grey.shape[0] - (lost if turns == 2 else 0), left : grey.shape[1] - (lost if turns == 3 else 0)]
    moved = tuple(
        replace(c, bbox=(c.bbox[0] - left, c.bbox[1] - top, c.bbox[2] - left, c.bbox[3] - top))
        for c in annotated.chromosomes
    )  # what lies beyond the cut stays in the truth: it is missing in the karyogram
    return np.ascontiguousarray(kept), replace(annotated, chromosomes=moved)


def _clipped(grey: NDArray[Any]) -> FloatArray:
    return np.asarray(np.clip(grey, 0, 1), dtype=np.float32)


def see(stages: Sequence[Stage], grey: FloatArray, annotated: AnnotatedMetaphase) -> tuple[Seen, Metaphase | None]:
    """Run the stages over one image and compare what they find with its boxes."""
    contrast = recognise_contrast(grey)
    metaphase = Metaphase("m1", annotated.id, "", grey, contrast, to_optical_density(grey, contrast))
    case = Case(annotated.id, (metaphase,))
    for stage in stages:
        case = stage(case)
    if not case.metaphases:
        return Seen(None, 0.0, 0.0), None
    metaphase = case.metaphases[0]
    result = compare(annotated, metaphase.chromosomes)
    detection, identification = (
        float(f1(np.array(right), np.array(result.predicted), np.array(result.truth)))
        for right in (result.matched, result.right)
    )
    return Seen(measure(metaphase), detection, identification), metaphase


def run(stages: Sequence[Stage], metaphases: Sequence[AnnotatedMetaphase], title: str) -> tuple[list[Seen], list[Seen]]:
    """Every metaphase as it is, and once made worse (each kind of damage in turn, the same every time)."""
    plain, worse = [], []
    for number, annotated in enumerate(track(metaphases, description=title)):
        grey = read_grey(annotated.path)
        seen, metaphase = see(stages, grey, annotated)
        plain.append(seen)
        if metaphase is not None and metaphase.chromosomes:
            width = measure_scale([c.region for c in metaphase.chromosomes], metaphase.optical_density).width
            random = np.random.default_rng(number)
            worse.append(see(stages, *damaged(grey, annotated, DAMAGES[number % len(DAMAGES)], width, random))[0])
    return plain, worse


def figures(sample: Sample, model: QualityModel, good: float) -> dict[str, float | int]:
    """How well scores tell good metaphases: rank correlation with F1, area under the ROC curve, Brier score."""
    scores, is_good = sample.scores(model), sample.f1 >= good
    found: dict[str, float | int] = {"metaphases": len(scores), "good": int(is_good.sum())}
    found["median_f1"] = round(float(np.median(sample.f1)), 3)
    if np.ptp(scores) and np.ptp(sample.f1):
        found["spearman"] = round(float(spearmanr(scores, sample.f1).statistic), 3)
    if is_good.any() and not is_good.all():
        found["auroc"] = round(float(roc_auc_score(is_good, scores)), 3)
    return found | {"brier": round(float(np.mean((scores - is_good) ** 2)), 3)}


def stages_of(config: str, target: str) -> list[Stage]:
    """The stages of a configuration that the target needs, without the one that is fitted."""
    stages = list(Pipeline.from_config(config).stages.values())
    if target == "detection":
        last = max(number for number, stage in enumerate(stages) if "chromosome.region" in stage.assigns)
        stages = stages[: last + 1]
    return [stage for stage in stages if not isinstance(stage, MetaphaseQuality)]


def told_apart(pair: Sequence[Sample], model: QualityModel) -> None:
    """Print what the option ``least_score`` of the stage would leave out."""
    for least in (0.002, 0.005, 0.01, 0.02, 0.05):
        found = [(sample.f1[sample.scores(model) < least], len(sample.f1)) for sample in pair]
        published, worse = (f"{len(f1s)} of {n} (best F1 {f1s.max(initial=0):.2f})" for f1s, n in found)
        print(f"least_score {least}: leaves out {published} as published, {worse} made worse")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--config", default="default", help="pipeline that finds and names the chromosomes")
    parser.add_argument("--target", choices=("identification", "detection"), default="identification")
    parser.add_argument("--good", type=float, default=0.8, help="F1 from which a metaphase is good")
    parser.add_argument("--train", type=int, default=150, help="metaphases to fit on, whole cases")
    parser.add_argument("--validation", type=int, default=100, help="metaphases to measure on, whole cases")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    arguments = parser.parse_args()

    stages = stages_of(arguments.config, arguments.target)
    samples = {}
    for split, limit in (("train", arguments.train), ("validation", arguments.validation)):
        metaphases = read_metaphases(arguments.data, split, limit)
        samples[split] = [Sample.of(runs, arguments.target) for runs in run(stages, metaphases, split)]

    features, reached = (np.concatenate([getattr(s, name) for s in samples["train"]]) for name in ("features", "f1"))
    usable = ~np.isnan(features[:, 0])
    good = reached[usable] >= arguments.good
    if good.all() or not good.any():
        parser.error(f"{'every' if good.all() else 'no'} metaphase reaches F1 {arguments.good:g}; give another --good")
    fitted = fit_model(features[usable], good)
    model = QualityModel(
        intercept=round(fitted.intercept, 4),
        coefficients={name: round(value, 4) for name, value in fitted.coefficients.items()},
        target=f"F1 of {arguments.target} at least {arguments.good:g}",
    )
    measured = {
        f"{split}, {how}": figures(sample, model, arguments.good)
        for split, pair in samples.items()
        for how, sample in zip(("as published", "made worse"), pair, strict=True)
    }
    model = model.model_copy(update={"fitted": {"data": arguments.data.name, **measured}})
    text = yaml.safe_dump(model.model_dump(), sort_keys=False, allow_unicode=True)
    write_text(arguments.out, f"# Written by tools/fit_quality.py; log-odds by feature.\n{text}")
    print(text)
    told_apart(samples["validation"], model)


if __name__ == "__main__":
    main()
