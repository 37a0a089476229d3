"""Fit the constants of the counting estimator of the band level on simulated metaphases, and measure it on others.

    python tools/fit_band_level.py [--train 250] [--test 125] [--cache FOLDER] [--out counting.yaml]

Normal metaphases are drawn at band levels spread evenly over the simulator's 300–850; chromosomes are straightened
from their true masks and bear their true names, so that nothing but the estimator is measured. Seeds from 40000 on
are fitted on, seeds from 30000 on are measured on; the former are those that the learned estimator is trained on. Run
it after every change of the estimator, the straightening or the simulator, with an empty cache.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

from karyonet.evaluation.report import write_text
from karyonet.stages.band_level import Calibration, CountingEstimator
from karyonet.stages.band_level.calibration import SHIPPED
from karyonet.stages.band_level.counting import Counts, expected_of, measure, pool, votes_of
from karyonet.stages.band_level.expected import EXTENDED
from karyonet.stages.band_level.figures import judge, within_one_class
from karyonet.stages.band_level.metaphases import metaphases_of
from karyonet.stages.band_level.pack import Drawn, simulated_pack
from karyonet.stages.straightening import MedialAxisStraightener

FloatArray = NDArray[np.float64]
TRAIN_SEED, TEST_SEED = 40_000, 30_000
SMOOTHINGS, SWINGS, RESOLUTIONS = (0.04, 0.06, 0.1), (0.1, 0.15), (0.06, 0.1, 0.15)
VERSION = "counting 2"


def draw(first_seed: int, number: int, cache: Path) -> list[Drawn]:
    """Metaphases of a run of seeds, whose levels are spread evenly over 300–850; those in the cache are read."""
    pack = simulated_pack(range(first_seed, first_seed + number), cache, MedialAxisStraightener().straighten_regions)
    return [one.drawn() for one in metaphases_of(pack)]


def fit(drawn: Sequence[Drawn]) -> Calibration:
    """The constants under which the counts follow the level best."""
    levels = np.array([one.level for one in drawn])
    best, closest = None, -1.0
    for smoothing, swing in product(SMOOTHINGS, SWINGS):
        counts = [measure(one.strips, one.labels, smoothing, swing) for one in drawn]
        for resolution in RESOLUTIONS:
            calibration = fit_counts(counts, levels, smoothing, swing, resolution)
            votes = np.array([pool(*votes_of(one, calibration)) for one in counts])
            agreement = float(np.corrcoef(np.log(votes[:, 0]), np.log(levels))[0, 1])
            if agreement > closest:
                best, closest = fit_map(calibration, counts, votes, levels), agreement
    if best is None:
        raise SystemExit("the counts do not follow the band level at all; look at the simulator and the straightening")
    return best


def fit_counts(
    counts: Sequence[Counts], levels: FloatArray, smoothing: float, swing: float, resolution: float
) -> Calibration:
    """Slenderness by level, and how many of the ideogram's transitions an image shows; the map is the identity."""
    slenderness = np.log([one.slenderness for one in counts])
    stretching, at_550 = np.polyfit(np.log(levels / 550), slenderness, 1)
    start = Calibration(
        version=VERSION, smoothing=smoothing, least_swing=swing, resolution=resolution,
        slenderness=round(float(np.exp(at_550)), 2), stretching=round(float(stretching), 4), gain=1.0, offset=0.0,
        intercept=0.0, of_count=1.0, of_slenderness=0.0, spread=0.0,
    )  # fmt: skip
    expected = [
        float(np.interp(level, EXTENDED, expected_of(label, start)))
        for one, level in zip(counts, levels, strict=True)
        for label in one.labels
    ]
    gain, offset = np.polyfit(expected, np.concatenate([one.transitions for one in counts]), 1)
    return start.model_copy(update={"gain": round(float(gain), 4), "offset": round(float(offset), 4)})


def fit_map(calibration: Calibration, counts: Sequence[Counts], votes: FloatArray, levels: FloatArray) -> Calibration:
    """The map from the vote (``votes``, shape (n, 2): level, doubt) and the slenderness to the level."""
    slenderness = np.log(np.array([one.slenderness for one in counts]) / calibration.slenderness)
    design = np.column_stack([np.ones(len(levels)), np.log(votes[:, 0] / 550), slenderness])
    found = lsq_linear(design, np.log(levels / 550), bounds=([-np.inf, 0, 0], np.inf)).x
    residual = np.log(levels / 550) - design @ found
    spread = np.sqrt(max(float(residual.var(ddof=3) - np.mean((found[1] * votes[:, 1]) ** 2)), 0.0))
    names = ("intercept", "of_count", "of_slenderness", "spread")
    values = (round(max(float(v), 0.0) if n else float(v), 4) for n, v in enumerate((*found, spread)))
    return calibration.model_copy(update=dict(zip(names, values, strict=True)))


def figures(drawn: Sequence[Drawn], estimator: CountingEstimator, constant: float) -> dict[str, Any]:
    """How far the estimates are off, and how far one and the same answer for every metaphase would be."""
    truth = np.array([one.level for one in drawn])
    return {
        **judge(estimator, drawn),
        "constant_answer_mae_bphs": round(float(np.abs(constant - truth).mean()), 1),
        "constant_answer_within_one_class": round(within_one_class(np.full(len(truth), constant), truth), 3),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, measure and write the constants."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=int, default=250, help="metaphases that are fitted on, at least 20")
    parser.add_argument("--test", type=int, default=125, help="metaphases that are measured on, at least 10")
    parser.add_argument("--cache", type=Path, help="folder that keeps the drawn metaphases; by default they are lost")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    options = parser.parse_args(arguments)
    if not (options.train >= 20 and 10 <= options.test < TRAIN_SEED - TEST_SEED):
        parser.error("--train must be 20 or more, --test 10 or more and below 10000")
    with tempfile.TemporaryDirectory() as folder:
        cache = options.cache or Path(folder)
        train, test = draw(TRAIN_SEED, options.train, cache), draw(TEST_SEED, options.test, cache)
    calibration = fit(train)
    estimator = CountingEstimator(calibration)
    constant = float(np.median([one.level for one in train]))
    fitted = {
        "how": "least squares on metaphases of karyonet.simulate (46,XX and 46,XY, G-bands, 300-850 bands, crowding "
        "0.5), true masks and names; smoothing, least_swing and resolution are the best of a grid",
        "constant_answer_bphs": round(constant, 1),
        "train": {"seeds": [TRAIN_SEED, TRAIN_SEED + options.train - 1], **figures(train, estimator, constant)},
        "test": {"seeds": [TEST_SEED, TEST_SEED + options.test - 1], **figures(test, estimator, constant)},
    }
    content = calibration.model_copy(update={"fitted": fitted}).model_dump()
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    write_text(options.out, f"# Written by tools/fit_band_level.py; lengths in chromosome widths.\n{text}")
    print(text)


if __name__ == "__main__":
    main()
