"""Fit what of the objects that the segmentation was not sure of is a chromosome, once all have been named.

    python tools/fit_existence.py DATA [--split validation] [--possible 0.06] [--seen seen.npz] [--out existence.yaml]

DATA is a directory of format ``metaphases``. The pipeline of ``--config`` runs over a split that its networks were not
trained on; an object is a chromosome where it lies on an annotated box (IoU at least 0.5). The regression is
cross-fitted over five folds of cases, and for every ``--certain`` and ``--loss`` it is printed what a
person would have to correct; the first that are named are written. Looking takes two seconds a metaphase, and
``--seen`` keeps what was seen, so that other values need no second look. Run it after every change of segmentation or
classification.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray
from rich.progress import track
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold

from karyonet.assignment import assign
from karyonet.case import Case, Chromosome
from karyonet.data.metaphases import AnnotatedMetaphase, read_metaphases
from karyonet.evaluation.matching import match_boxes
from karyonet.evaluation.pipeline import MetaphaseResult, compare, summarise
from karyonet.evaluation.report import write_text
from karyonet.geometry.region import Region
from karyonet.pipeline import Pipeline
from karyonet.stages.classification import ProxyClassifier
from karyonet.stages.classification.existence import FEATURES, FEWEST, SHIPPED, ExistenceModel, features_of

FOLDS = 5
COLUMNS = ("xmin", "ymin", "xmax", "ymax", "area", "score")
FIGURES = ("detection_f1", "identification_f1", "exact_count_share", "all_correct_share", "edits_mean",
           "splits_merges_per_metaphase")  # fmt: skip


class Use(NamedTuple):
    """How a regression is used, see :class:`ExistenceModel`."""

    certain: float
    loss: float


class Seen(NamedTuple):
    """What the pipeline says of the objects of a metaphase before it is decided which are chromosomes.

    Attributes:
        objects: float64, shape (n, 6), in the order of :data:`COLUMNS`.
        probabilities: float32, shape (n, 24).
    """

    objects: NDArray[np.float64]
    probabilities: NDArray[np.float32]

    def features(self) -> NDArray[np.float64]:
        """Of :data:`FEATURES`."""
        columns = self.objects.astype(np.float32)
        score, area = (columns[:, COLUMNS.index(name)] for name in ("score", "area"))
        features: NDArray[np.float64] = features_of(score, self.probabilities, area)
        return features

    def are_chromosomes(self, annotated: AnnotatedMetaphase) -> NDArray[np.bool_]:
        """Which lie on an annotated box."""
        truth = np.zeros(len(self.objects), dtype=bool)
        pairs = match_boxes(self.objects[:, :4], [c.bbox for c in annotated.chromosomes]).pairs
        truth[pairs[:, 0]] = True
        return truth


def look(config: str, possible: float, metaphases: Sequence[AnnotatedMetaphase]) -> Iterator[Seen]:
    """Run a pipeline up to the names."""
    pipeline = Pipeline.from_config(config, [f"stages.segmentation.possible={possible}"])
    stages = list(pipeline.stages.values())
    classifier = next(stage for stage in stages if isinstance(stage, ProxyClassifier))
    for annotated in track(metaphases, "looking"):
        case = Case.read(annotated.path, case_id=annotated.id)
        for stage in stages[: stages.index(classifier)]:
            case = stage(case)
        found = [c for m in case.metaphases for c in m.chromosomes if c.strip is not None and c.score is not None]
        strips = [c.strip.optical_density for c in found if c.strip is not None]
        rows = [[*c.region.bbox, c.region.area, c.score] for c in found]
        yield Seen(
            np.array(rows, dtype=np.float64).reshape(-1, len(COLUMNS)),
            classifier.classify(strips, context=True).probabilities.astype(np.float32),
        )


def read_seen(path: Path) -> list[Seen]:
    """What an earlier run has seen."""
    with np.load(path) as held:
        ends = np.cumsum(held["counts"])[:-1]
        parts = zip(np.split(held["objects"], ends), np.split(held["probabilities"], ends), strict=True)
        return [Seen(objects, probabilities) for objects, probabilities in parts]


def write_seen(path: Path, seen: Sequence[Seen]) -> None:
    """Keep it."""
    np.savez(
        path,
        counts=[len(one.objects) for one in seen],
        objects=np.concatenate([one.objects for one in seen]),
        probabilities=np.concatenate([one.probabilities for one in seen]),
    )


def fit(features: NDArray[np.float64], truth: NDArray[np.bool_], used: Use) -> ExistenceModel:
    """The regression, and how it is used."""
    fitted = LogisticRegression(C=10.0, max_iter=1000).fit(features, truth)
    weights = dict(zip(FEATURES, fitted.coef_[0].tolist(), strict=True))
    coefficients = {name: round(float(value), 4) for name, value in weights.items()}
    return ExistenceModel(
        coefficients={"intercept": round(float(fitted.intercept_[0]), 4)} | coefficients,
        **used._asdict(),
    )


def decided(annotated: AnnotatedMetaphase, seen: Seen, kept: NDArray[np.bool_]) -> MetaphaseResult:
    """The metaphase with the objects that are kept, named together."""
    names = assign(seen.probabilities[kept]).labels
    boxes = [tuple(box) for box in seen.objects[kept, :4].astype(int).tolist()]
    found = [
        Chromosome(f"c{n}", Region(box, np.ones((box[3] - box[1], box[2] - box[0]), dtype=bool)), label=name)
        for n, (box, name) in enumerate(zip(boxes, names, strict=True))
    ]
    return compare(annotated, found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="validation")
    parser.add_argument("--limit", type=int, help="at most so many metaphases, whole cases")
    parser.add_argument("--config", default="default", help="pipeline that finds and names the chromosomes")
    parser.add_argument("--possible", type=float, default=0.06, help="score from which objects are looked at")
    parser.add_argument("--threshold", type=float, default=0.4, help="score that decides without all this")
    parser.add_argument("--certain", type=float, nargs="+", default=[2.0, 3.0])
    parser.add_argument("--loss", type=float, nargs="+", default=[6.0, 5.0, 7.0, 8.0])
    parser.add_argument("--seen", type=Path, help="npz file that keeps what was seen")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    arguments = parser.parse_args()

    metaphases = read_metaphases(arguments.data, arguments.split, arguments.limit)
    if arguments.seen and arguments.seen.is_file():
        seen = read_seen(arguments.seen)
    else:
        seen = list(look(arguments.config, arguments.possible, metaphases))
        if arguments.seen:
            write_seen(arguments.seen, seen)
    features = [one.features() for one in seen]
    truth = [one.are_chromosomes(annotated) for one, annotated in zip(seen, metaphases, strict=True)]
    rows, of = np.concatenate(features), np.concatenate(truth)
    cases = np.repeat([one.case for one in metaphases], [len(one.objects) for one in seen])
    uses = [Use(*values) for values in product(arguments.certain, arguments.loss)]
    odds = np.zeros(len(of))
    for train, test in GroupKFold(FOLDS).split(rows, groups=cases):
        odds[test] = fit(rows[train], of[train], uses[0]).log_odds(rows[test])
    by_metaphase = np.split(odds, np.cumsum([len(one.objects) for one in seen])[:-1])
    loss = log_loss(of, 1 / (1 + np.exp(-odds)))
    print(f"{len(of)} objects, {np.count_nonzero(~of)} of them none; log loss {loss:.4f}")

    def tell(name: str, kept: Sequence[NDArray[np.bool_]]) -> dict[str, float]:
        results = [decided(a, one, k) for a, one, k in zip(metaphases, seen, kept, strict=True)]
        metrics = summarise(results).metrics
        figures = {figure: round(metrics[figure].value, 4) for figure in FIGURES}
        alone = [is_one & by_itself for is_one, by_itself in zip(truth, sure, strict=True)]
        lost = sum(int((found & ~k).sum()) for found, k in zip(alone, kept, strict=True))
        print(name, figures, f"lost of the {sum(map(np.sum, alone))} chromosomes that the segmentation finds: {lost}")
        return figures

    sure = [one.objects[:, COLUMNS.index("score")] >= arguments.threshold for one in seen]
    measured = {"by the segmentation alone": tell("by the segmentation alone", sure)}
    for used in uses:
        model = fit(rows, of, used)
        kept = [
            model.kept(one.probabilities, o) if np.count_nonzero(alone) >= FEWEST else alone
            for one, o, alone in zip(seen, by_metaphase, sure, strict=True)
        ]
        figures = tell(", ".join(f"{name} {value:g}" for name, value in used._asdict().items()), kept)
        measured.setdefault("decided with the names", figures)
    model = fit(rows, of, uses[0])
    data = {"data": f"{arguments.data.name}, {arguments.split}", "metaphases": len(metaphases), **measured}
    text = yaml.safe_dump(model.model_copy(update={"fitted": data}).model_dump(), sort_keys=False, allow_unicode=True)
    write_text(arguments.out, f"# Written by tools/fit_existence.py; log odds by feature.\n{text}")


if __name__ == "__main__":
    main()
