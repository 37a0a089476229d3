"""Both estimators of the band level, on simulated metaphases and on real ones.

    python tools/benchmarks/band_level.py simulated --seeds 30000 125 [--cache FOLDER]
    python tools/benchmarks/band_level.py ../shared/data/pki3 --format strips --split train --limit 90
    python tools/benchmarks/band_level.py ../shared/data/gband_metaphases --format metaphases --split train --limit 60

Of simulated metaphases the level is known. Nobody has stated those of real images, so that no error can be measured:
how the estimates spread within a case, and whether they follow the chromosomes' slenderness, is what can be said.
Real chromosomes are the annotated ones, by name; in metaphases their pixels are those of ``threshold_segmenter`` in the
annotated boxes. DATA may be a strip pack (``.npz``) that a training has made. The vote of the counts alone is given
beside the counting estimate, which is made of the vote and the slenderness and follows the latter by construction.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from karyonet.case import Strip
from karyonet.data.metaphases import AnnotatedMetaphase, read_metaphases
from karyonet.data.strips import AnnotatedCell, read_strips
from karyonet.evaluation.annotated import StageClassifier
from karyonet.stages.band_level import BandLevelEstimator, CountingEstimator, Estimate, LearnedEstimator
from karyonet.stages.band_level.counting import measure, pool, votes_of
from karyonet.stages.band_level.figures import across_cases, judge, spread_within
from karyonet.stages.band_level.metaphases import cases_of, metaphases_of
from karyonet.stages.band_level.pack import simulated_pack
from karyonet.stages.band_level.ribbon import Preprocessing, lay_ribbon
from karyonet.stages.segmentation import ThresholdSegmenter
from karyonet.stages.straightening import MedialAxisStraightener
from karyonet.training.strip_pack import StripPack

Cell = tuple[str, Sequence[Strip | None], Sequence[str]]
"""Case, strips and names of a metaphase."""


def real_cells(path: Path, format: str, split: str, limit: int) -> Iterator[Cell]:
    """The metaphases of a split, whole cases until there are at least so many."""
    if path.suffix == ".npz":
        count = 0
        for number, case in enumerate(cases_of(StripPack.read(path), split, 1)):
            if count >= limit:
                return
            count += len(case)
            for one in case:
                yield str(number), *one.read()
        return
    cells: Sequence[AnnotatedCell | AnnotatedMetaphase] = (
        read_strips(path, split, limit) if format == "strips" else read_metaphases(path, split, limit)
    )
    stages = {"segmentation": ThresholdSegmenter(), "straightening": MedialAxisStraightener()}
    straightened = StageClassifier(stages).chromosomes
    for cell in cells:
        strips = {chromosome.id: chromosome.strip for chromosome in straightened(cell)}
        labels = [one.label for one in cell.chromosomes]
        yield cell.case, [strips.get(f"c{number}") for number in range(1, len(labels) + 1)], labels


def of_simulated(estimators: Sequence[BandLevelEstimator], first: int, number: int, cache: Path) -> None:
    """Print how far every estimator is off."""
    pack = simulated_pack(range(first, first + number), cache, MedialAxisStraightener().straighten_regions)
    drawn = [one.drawn() for one in metaphases_of(pack)]
    levels = np.array([one.level for one in drawn])
    print(f"seeds {first}-{first + number - 1}: levels {levels.min():.0f}-{levels.max():.0f} bphs")
    for estimator in estimators:
        estimator.estimate(drawn[0].strips, drawn[0].labels)  # what is computed once is not timed
        print(f"{estimator.version}: " + ", ".join(f"{k} {v}" for k, v in judge(estimator, drawn).items()))


def of_real(estimators: Sequence[BandLevelEstimator], cells: Sequence[Cell]) -> None:
    """Print how the estimates of every estimator spread, and how they follow slenderness."""
    print(f"{len(cells)} metaphases of {len({case for case, *_ in cells})} cases")
    for estimator in estimators:
        found = []
        for case, strips, labels in cells:
            estimate = estimator.estimate(strips, labels)
            if isinstance(estimate, Estimate):
                found.append((case, estimate.bphs, *_beside(estimator, strips, labels)))
        if len(found) < 3:
            raise SystemExit(f"only {len(found)} of {len(cells)} metaphases can be estimated")
        cases = [row[0] for row in found]
        bphs, slenderness, vote = np.array([row[1:] for row in found], dtype=np.float64).T
        print(f"{estimator.version}: {len(found)} estimated; slenderness: mean {slenderness.mean():.1f}")
        columns = [("estimate", bphs)]
        if isinstance(estimator, CountingEstimator):
            columns.append(("vote of the counts alone", vote))
        for name, column in columns:
            number, within = spread_within(cases, column)
            low, middle, high = np.percentile(column, [5, 50, 95])
            print(
                f"  {name}: median {middle:.0f} bphs (5-95 %: {low:.0f}-{high:.0f}), standard deviation "
                f"{column.std():.0f}, within a case {within:.0f} ({number} of {len(set(cases))} cases with several); "
                f"correlation with slenderness across cases {across_cases(cases, column, slenderness):.2f}"
            )


def _beside(
    estimator: BandLevelEstimator, strips: Sequence[Strip | None], labels: Sequence[str]
) -> tuple[float, float]:
    """Slenderness as the estimator measures it, and the vote of the counts (0 for another estimator)."""
    if isinstance(estimator, CountingEstimator):
        constants = estimator.calibration
        counts = measure(strips, labels, constants.smoothing, constants.least_swing)
        return counts.slenderness, pool(*votes_of(counts, constants))[0]
    settings = estimator.preprocessing if isinstance(estimator, LearnedEstimator) else Preprocessing()
    return lay_ribbon(strips, labels, settings).slenderness, 0.0


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="simulated, a data set folder, or a strip pack")
    parser.add_argument("--format", choices=("strips", "metaphases"), default="metaphases")
    parser.add_argument("--split", default="train")
    parser.add_argument("--limit", type=int, default=60, help="real metaphases, whole cases")
    parser.add_argument("--seeds", type=int, nargs=2, default=(30_000, 125), metavar=("FIRST", "NUMBER"))
    parser.add_argument("--cache", type=Path, help="folder that keeps the drawn metaphases; by default they are lost")
    parser.add_argument("--weights", default="gband", help="of the learned estimator")
    options = parser.parse_args()
    torch.set_num_threads(1)
    estimators: list[BandLevelEstimator] = [CountingEstimator(), LearnedEstimator.from_pretrained(options.weights)]
    if options.data != "simulated":
        of_real(estimators, list(real_cells(Path(options.data), options.format, options.split, options.limit)))
        return
    with tempfile.TemporaryDirectory() as folder:
        of_simulated(estimators, options.seeds[0], options.seeds[1], options.cache or Path(folder))


if __name__ == "__main__":
    main()
