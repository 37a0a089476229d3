"""Choose what the pipeline makes of doubtful objects and names, for the fewest corrections that are left to a person.

    python tools/tune_pipeline.py DATA [--split validation] [--possible 0.06] [--seen seen.npz] [--out existence.yaml]

DATA is a directory of format ``metaphases``. The pipeline of ``--config`` runs over a split that its networks were not
trained on; an object is a chromosome where it lies on an annotated box (IoU at least 0.5). Three choices follow:

1. what is a chromosome: a logistic regression, cross-fitted over five folds of cases, used with every ``--certain``,
   ``--loss`` and ``--contradicted``; chosen is what leaves the fewest edits (boxes to add, boxes to remove, names to
   change) and, of what leaves no more than five per cent more, what has most exact counts;
2. the prior on copy numbers by which names are given, chosen in the same way;
3. what is put under review: most of the wrong names and surplus objects at no more than ``--reviewed`` chromosomes a
   metaphase.

Every choice is also made without each fifth of the cases and measured on it: what a choice is worth on cases that had
no part in it. All that was tried is written to ``--record``, the first choice to ``--out``; prior and review are
defaults of the classification stage. Looking takes two seconds a metaphase, and ``--seen`` keeps what was seen. Run it
after every change of segmentation or classification.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import yaml
from numpy.typing import NDArray
from rich.progress import track
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold

from karyonet.assignment import CopyNumberPrior, assign
from karyonet.case import LABELS, Case, Chromosome
from karyonet.data.metaphases import AnnotatedMetaphase, read_metaphases
from karyonet.evaluation.matching import match_boxes
from karyonet.evaluation.metrics import ratio
from karyonet.evaluation.pipeline import MetaphaseResult, compare, summarise
from karyonet.evaluation.report import write_text
from karyonet.geometry.region import Region
from karyonet.pipeline import Pipeline
from karyonet.stages.classification import ProxyClassifier
from karyonet.stages.classification.existence import FEATURES, FEWEST, SHIPPED, ExistenceModel, features_of

Setting = TypeVar("Setting", "Use", "Prior")
Results = list[MetaphaseResult]

FOLDS = 5
TOLERANCE = 0.05
RECORD = SHIPPED.with_name("tuning.yaml")
COLUMNS = ("xmin", "ymin", "xmax", "ymax", "area", "score")
FIGURES = ("detection_f1", "identification_f1", "exact_count_share", "all_correct_share", "edits_mean",
           "splits_merges_per_metaphase")  # fmt: skip


class Use(NamedTuple):
    """How a regression is used, see :class:`ExistenceModel`."""

    certain: float
    loss: float
    contradicted: float = 0.0


class Prior(NamedTuple):
    """By which names are given, see :class:`CopyNumberPrior`."""

    loss: float
    gain: float


class Review(NamedTuple):
    """What is put under review: see the options ``review_margin`` and ``review_score`` of the classification stage."""

    margin: float
    score: float


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

    def sure(self, threshold: float) -> NDArray[np.bool_]:
        """Which the segmentation finds by itself."""
        alone: NDArray[np.bool_] = self.objects[:, COLUMNS.index("score")] >= threshold
        return alone

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


@dataclass(frozen=True)
class Looked:
    """A split with what was seen of it.

    Attributes:
        metaphases: as they are annotated.
        seen: what the pipeline says of each.
        truth: bool, which objects of each lie on an annotated box.
        odds: log odds of each object by a regression on the other cases.
        sure: which objects of each the segmentation finds by itself.
    """

    metaphases: list[AnnotatedMetaphase]
    seen: list[Seen]
    truth: list[NDArray[np.bool_]]
    odds: list[NDArray[np.float64]]
    sure: list[NDArray[np.bool_]]

    @classmethod
    def of(cls, metaphases: list[AnnotatedMetaphase], seen: list[Seen], threshold: float) -> Looked:
        """Compare with the annotations and fit the regressions."""
        truth = [one.are_chromosomes(annotated) for one, annotated in zip(seen, metaphases, strict=True)]
        counts = [len(one.objects) for one in seen]
        features, of = np.concatenate([one.features() for one in seen]), np.concatenate(truth)
        cases = np.repeat([one.case for one in metaphases], counts)
        odds = np.zeros(len(of))
        for train, test in GroupKFold(FOLDS).split(features, groups=cases):
            odds[test] = fit(features[train], of[train], Use(0.0, 0.0)).log_odds(features[test])
        loss = log_loss(of, 1 / (1 + np.exp(-odds)))
        print(f"{len(of)} objects, {np.count_nonzero(~of)} of them none; log loss {loss:.4f}")
        by_metaphase = np.split(odds, np.cumsum(counts)[:-1])
        return cls(metaphases, seen, truth, by_metaphase, [one.sure(threshold) for one in seen])

    @property
    def cases(self) -> list[str]:
        return [annotated.case for annotated in self.metaphases]

    def model(self, used: Use) -> ExistenceModel:
        """The regression on all of them."""
        return fit(np.concatenate([one.features() for one in self.seen]), np.concatenate(self.truth), used)

    def kept(self, used: Use) -> list[NDArray[np.bool_]]:
        """What is taken for a chromosome, by regressions on the other cases."""
        model = self.model(used)
        return [
            model.kept(one.probabilities, odds, ~alone) if np.count_nonzero(alone) >= FEWEST else alone
            for one, odds, alone in zip(self.seen, self.odds, self.sure, strict=True)
        ]

    def results(self, kept: Sequence[NDArray[np.bool_]], prior: CopyNumberPrior | None = None) -> Results:
        """What is left to be corrected."""
        return [decided(a, one, k, prior) for a, one, k in zip(self.metaphases, self.seen, kept, strict=True)]

    def lost(self, kept: Sequence[NDArray[np.bool_]]) -> int:
        """Chromosomes that the segmentation finds by itself and that are not kept."""
        parts = zip(self.truth, self.sure, kept, strict=True)
        return sum(int((is_one & alone & ~k).sum()) for is_one, alone, k in parts)


def decided(
    annotated: AnnotatedMetaphase, seen: Seen, kept: NDArray[np.bool_], prior: CopyNumberPrior | None = None
) -> MetaphaseResult:
    """The metaphase with the objects that are kept, named together."""
    names = assign(seen.probabilities[kept], prior).labels
    boxes = [tuple(box) for box in seen.objects[kept, :4].astype(int).tolist()]
    found = [
        Chromosome(f"c{n}", Region(box, np.ones((box[3] - box[1], box[2] - box[0]), dtype=bool)), label=name)
        for n, (box, name) in enumerate(zip(boxes, names, strict=True))
    ]
    return compare(annotated, found)


def choose(tried: Mapping[Setting, Results], members: Iterable[int]) -> Setting:
    """The setting with the fewest edits; of those within :data:`TOLERANCE` of it, the one with most exact counts.

    Args:
        tried: results of the same metaphases, by setting; of equals the first is taken.
        members: of which metaphases the choice is made.
    """
    members = list(members)
    edits = {setting: sum(results[m].edits for m in members) for setting, results in tried.items()}
    good = [setting for setting in tried if edits[setting] <= min(edits.values()) * (1 + TOLERANCE)]
    return max(good, key=lambda setting: sum(tried[setting][m].predicted == tried[setting][m].truth for m in members))


def chosen_blindly(tried: Mapping[Setting, Results], cases: Sequence[str]) -> Results:
    """What comes of the choice for cases that had no part in it, over five folds."""
    folds = GroupKFold(FOLDS).split(np.zeros(len(cases)), groups=cases)
    return [tried[setting][m] for others, fold in folds for setting in [choose(tried, others)] for m in fold]


def figures_of(results: Results) -> dict[str, float]:
    """Those of :data:`FIGURES`."""
    metrics = summarise(results).metrics
    return {figure: round(metrics[figure].value, 4) for figure in FIGURES}


def choice(name: str, tried: Mapping[Setting, Results], cases: Sequence[str]) -> tuple[Setting, dict[str, Any]]:
    """The setting that is chosen, and the record of the choice."""
    chosen = choose(tried, range(len(cases)))
    rows = [setting._asdict() | figures_of(results) for setting, results in tried.items()]
    blind = figures_of(chosen_blindly(tried, cases))
    print(f"{name}:", *rows, f"chosen: {chosen._asdict()}", f"on cases without a part in it: {blind}", sep="\n  ")
    return chosen, {"chosen": chosen._asdict(), "on_cases_without_a_part_in_it": blind, "tried": rows}


class Doubts(NamedTuple):
    """The chromosomes of the result, with what may put them under review.

    Attributes:
        margin, score: float64, shape (n,): see :class:`Review`.
        unlike: bool, shape (n,): named otherwise than each would be alone, which is always under review.
        misnamed, surplus: bool, shape (n,): what a person has to correct.
    """

    margin: NDArray[np.float64]
    score: NDArray[np.float64]
    unlike: NDArray[np.bool_]
    misnamed: NDArray[np.bool_]
    surplus: NDArray[np.bool_]

    @classmethod
    def of(cls, looked: Looked, kept: Sequence[NDArray[np.bool_]], prior: CopyNumberPrior) -> Doubts:
        """Of all metaphases."""
        parts = []
        for annotated, seen, k in zip(looked.metaphases, looked.seen, kept, strict=True):
            named = assign(seen.probabilities[k], prior)
            pairs = match_boxes(seen.objects[k, :4], [c.bbox for c in annotated.chromosomes]).pairs
            truth = np.full(int(k.sum()), "", dtype=object)
            truth[pairs[:, 0]] = [annotated.chromosomes[j].label for j in pairs[:, 1]]
            labels = np.array(named.labels, dtype=object)
            alone = np.array(LABELS, dtype=object)[seen.probabilities[k].argmax(axis=1)]
            score = seen.objects[k, COLUMNS.index("score")]
            parts.append((named.margins, score, alone != labels, (truth != "") & (truth != labels), truth == ""))
        return cls(*map(np.concatenate, zip(*parts, strict=True)))

    def under(self, review: Review) -> NDArray[np.bool_]:
        """What is put under review."""
        doubtful: NDArray[np.bool_] = (self.margin < review.margin) | (self.score < review.score) | self.unlike
        return doubtful


def choose_review(
    doubts: Doubts, tried: Sequence[Review], metaphases: int, reviewed: float
) -> tuple[Review, dict[str, Any]]:
    """What puts most of the errors under review, with no more than ``reviewed`` chromosomes a metaphase."""
    wrong, rows = doubts.misnamed | doubts.surplus, []
    for review in tried:
        under = doubts.under(review)
        shares = {
            "wrong_names": (under & doubts.misnamed, doubts.misnamed),
            "surplus_objects": (under & doubts.surplus, doubts.surplus),
            "errors": (under & wrong, wrong),
            "share_that_is_wrong": (under & wrong, under),
        }
        rows.append(
            review._asdict()
            | {"chromosomes_a_metaphase": round(float(under.sum()) / metaphases, 3)}
            | {name: round(float(ratio(part.sum(), whole.sum())), 4) for name, (part, whole) in shares.items()}
        )
    able = [n for n, row in enumerate(rows) if row["chromosomes_a_metaphase"] <= reviewed] or [0]
    best = max(able, key=lambda n: rows[n]["errors"])
    print(f"review, at most {reviewed:g} a metaphase:", *rows, f"chosen: {rows[best]}", sep="\n  ")
    return tried[best], {"at_most": reviewed, "chosen": {**rows[best]}, "tried": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="validation")
    parser.add_argument("--limit", type=int, help="at most so many metaphases, whole cases")
    parser.add_argument("--config", default="default", help="pipeline that finds and names the chromosomes")
    parser.add_argument("--possible", type=float, default=0.06, help="score from which objects are looked at")
    parser.add_argument("--threshold", type=float, help="score that decides without all this; default: of the weights")
    parser.add_argument("--certain", type=float, nargs="+", default=[2.0, 1.0])
    parser.add_argument("--loss", type=float, nargs="+", default=[6.0, 4.0, 5.0, 7.0, 8.0])
    parser.add_argument("--contradicted", type=float, nargs="+", default=[0.01])
    parser.add_argument("--name-loss", type=float, nargs="+", default=[3.0, 1.5, 5.0])
    parser.add_argument("--name-gain", type=float, nargs="+", default=[5.0, 4.0, 7.0, 10.0])
    parser.add_argument("--review-margin", type=float, nargs="+", default=[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    parser.add_argument("--review-score", type=float, nargs="+", default=[0.0, 0.4, 0.6, 0.8, 0.9, 0.95])
    parser.add_argument("--reviewed", type=float, default=2.0, help="chromosomes a metaphase under review, at most")
    parser.add_argument("--seen", type=Path, help="npz file that keeps what was seen")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    parser.add_argument("--record", type=Path, default=RECORD)
    arguments = parser.parse_args()

    metaphases = read_metaphases(arguments.data, arguments.split, arguments.limit)
    if arguments.seen and arguments.seen.is_file():
        seen = read_seen(arguments.seen)
    else:
        seen = list(look(arguments.config, arguments.possible, metaphases))
        if arguments.seen:
            write_seen(arguments.seen, seen)
    threshold = arguments.threshold
    if threshold is None:
        weights = Pipeline.from_config(arguments.config).stages["segmentation"].weights
        threshold = weights[0].card.thresholds.get("chromosome") if weights else None
        if threshold is None:
            parser.error("the weights of the segmentation state no threshold: give one with --threshold")
    looked = Looked.of(metaphases, seen, threshold)
    alone = figures_of(looked.results(looked.sure))
    print("by the segmentation alone:", alone)

    uses = [Use(*values) for values in product(arguments.certain, arguments.loss, arguments.contradicted)]
    used, existence = choice("existence", {use: looked.results(looked.kept(use)) for use in uses}, looked.cases)
    kept = looked.kept(used)
    existence["lost_of_what_the_segmentation_finds"] = looked.lost(kept)
    priors = [Prior(*values) for values in product(arguments.name_loss, arguments.name_gain)]
    by_prior = {prior: looked.results(kept, CopyNumberPrior(prior.loss, prior.gain)) for prior in priors}
    prior, names = choice("names", by_prior, looked.cases)
    reviews = [Review(*values) for values in product(arguments.review_margin, arguments.review_score)]
    doubts = Doubts.of(looked, kept, CopyNumberPrior(prior.loss, prior.gain))
    _, review = choose_review(doubts, reviews, len(metaphases), arguments.reviewed)

    data = {"data": f"{arguments.data.name}, {arguments.split}", "metaphases": len(metaphases)}
    record = data | {"by_the_segmentation_alone": alone, "existence": existence, "names": names, "review": review}
    _write(arguments.record, "all that was tried", record)
    measured = {"by the segmentation alone": alone, "decided with the names": figures_of(looked.results(kept))}
    model = looked.model(used).model_copy(update={"fitted": data | measured})
    _write(arguments.out, "log odds by feature", model.model_dump())


def _write(path: Path, what: str, content: Mapping[str, Any]) -> None:
    text = yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, width=200, default_flow_style=None)
    write_text(path, f"# Written by tools/tune_pipeline.py; {what}.\n{text}")


if __name__ == "__main__":
    main()
