"""Band levels of real metaphases: how they spread within a case, and whether they follow the chromosomes' slenderness.

    python tools/benchmarks/band_level.py ../shared/data/pki3 --format strips --split train --limit 90
    python tools/benchmarks/band_level.py ../shared/data/gband_metaphases --format metaphases --split train --limit 60

Chromosomes are the annotated ones, by name; in metaphases their pixels are those of ``threshold_segmenter`` in the
annotated boxes. Nobody has stated the band levels of these images, so that no error can be measured. The vote of the
counts alone is given beside the estimate, which is made of the vote and the slenderness and follows the latter by
construction.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from karyonet.data.metaphases import AnnotatedMetaphase, read_metaphases
from karyonet.data.strips import AnnotatedCell, read_strips
from karyonet.evaluation.annotated import StageClassifier
from karyonet.stages.band_level import CountingEstimator, Estimate
from karyonet.stages.band_level.counting import measure, pool, votes_of
from karyonet.stages.segmentation import ThresholdSegmenter
from karyonet.stages.straightening import MedialAxisStraightener

FloatArray = NDArray[np.float64]


def spread_within(cases: list[str], values: FloatArray) -> tuple[int, float]:
    """Cases with several metaphases, and the pooled standard deviation within them."""
    members = defaultdict(list)
    for case, value in zip(cases, values.tolist(), strict=True):
        members[case].append(value)
    several = [np.array(group) for group in members.values() if len(group) > 1]
    freedom = sum(len(group) - 1 for group in several)
    return len(several), float(np.sqrt(sum(((g - g.mean()) ** 2).sum() for g in several) / max(freedom, 1)))


def across(cases: list[str], first: FloatArray, second: FloatArray) -> float:
    """Correlation of the cases' means."""
    names = np.array(cases)
    means = [[values[names == case].mean() for case in sorted(set(cases))] for values in (first, second)]
    return float(np.corrcoef(means)[0, 1])


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--format", choices=("strips", "metaphases"), required=True)
    parser.add_argument("--split", default="train")
    parser.add_argument("--limit", type=int, default=60, help="metaphases, whole cases")
    options = parser.parse_args()
    straightened = StageClassifier(
        {"segmentation": ThresholdSegmenter(), "straightening": MedialAxisStraightener()}
    ).chromosomes
    estimator = CountingEstimator()
    constants = estimator.calibration
    cases, found = [], []
    cells: Sequence[AnnotatedCell | AnnotatedMetaphase] = (
        read_strips(options.data, options.split, options.limit)
        if options.format == "strips"
        else read_metaphases(options.data, options.split, options.limit)
    )
    for cell in cells:
        strips = {chromosome.id: chromosome.strip for chromosome in straightened(cell)}
        labels = [one.label for one in cell.chromosomes]
        given = [strips.get(f"c{number}") for number in range(1, len(labels) + 1)], labels
        estimate = estimator.estimate(*given)
        if isinstance(estimate, Estimate):
            counts = measure(*given, constants.smoothing, constants.least_swing)
            vote, _ = pool(*votes_of(counts, constants))
            cases.append(cell.case)
            found.append((estimate.bphs, vote, counts.slenderness, counts.transitions.mean()))
    if len(found) < 3:
        parser.error(f"only {len(found)} of {len(cells)} metaphases can be estimated")
    values = np.array(found)
    print(f"{len(found)} of {len(cells)} metaphases estimated; transitions a chromosome {values[:, 3].mean():.1f}")
    print(f"slenderness: mean {values[:, 2].mean():.1f} w (simulated at 550 bands: {constants.slenderness:.1f} w)")
    for name, column in (("estimate", values[:, 0]), ("vote of the counts alone", values[:, 1])):
        number, within = spread_within(cases, column)
        low, middle, high = np.percentile(column, [5, 50, 95])
        print(
            f"{name}: median {middle:.0f} bphs (5-95 %: {low:.0f}-{high:.0f}), standard deviation {column.std():.0f}, "
            f"within a case {within:.0f} ({number} of {len(set(cases))} cases with several); "
            f"correlation with slenderness across cases {across(cases, column, values[:, 2]):.2f}"
        )


if __name__ == "__main__":
    main()
