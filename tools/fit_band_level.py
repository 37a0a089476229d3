"""Fit the constants of the counting estimator of the band level on simulated metaphases, and measure it on others.

    python tools/fit_band_level.py [--train 120] [--test 80] [--out counting.yaml]

Normal metaphases are drawn at band levels spread evenly over the simulator's 400–850; chromosomes are straightened
from their true masks and bear their true names, so that nothing but the estimator is measured. Seeds from 10000 on
are fitted on, seeds from 30000 on are measured on. Run it after every change of the estimator, the straightening or
the simulator.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from rich.progress import track
from scipy.optimize import lsq_linear

from karyonet.evaluation.report import write_text
from karyonet.geometry.strip import Strip
from karyonet.imaging.optical_density import to_optical_density
from karyonet.simulate import simulate
from karyonet.stages.band_level import Calibration, CountingEstimator, Estimate, class_of
from karyonet.stages.band_level.calibration import SHIPPED
from karyonet.stages.band_level.counting import Counts, expected_of, measure, pool, votes_of
from karyonet.stages.band_level.estimator import CLASSES
from karyonet.stages.band_level.expected import EXTENDED
from karyonet.stages.straightening import MedialAxisStraightener

FloatArray = NDArray[np.float64]
TRAIN_SEED, TEST_SEED = 10_000, 30_000
SMOOTHINGS, SWINGS, RESOLUTIONS = (0.04, 0.06, 0.1), (0.1, 0.15), (0.06, 0.1, 0.15)
VERSION = "counting 1"


@dataclass(frozen=True, eq=False)
class Drawn:
    """A simulated metaphase: strips and names of its chromosomes, and its true band level."""

    strips: Sequence[Strip]
    labels: Sequence[str]
    level: float


def draw(first_seed: int, number: int) -> Iterator[Drawn]:
    """Metaphases with levels spread evenly over 400–850, in an order that the seeds shuffle; men and women in turn."""
    order = np.random.default_rng(first_seed).permutation(number)
    straightener = MedialAxisStraightener()
    for place in range(number):
        level = 400 + 450 * (float(order[place]) + 0.5) / number
        metaphase = simulate("46,XY" if place % 2 else "46,XX", first_seed + place, band_level=level).metaphases[0]
        density = to_optical_density((metaphase.image / np.float32(255)).astype(np.float32), "absorption")
        strips = straightener.straighten_regions(density, [c.region for c in metaphase.chromosomes])
        yield Drawn(strips, [c.label for c in metaphase.chromosomes], level)


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
    started = time.process_time()
    given = [estimator.estimate(one.strips, one.labels) for one in drawn]
    milliseconds = 1000 * (time.process_time() - started) / len(drawn)
    pairs = [(e, one.level) for e, one in zip(given, drawn, strict=True) if isinstance(e, Estimate)]
    if len(pairs) < 3:
        raise SystemExit(f"only {len(pairs)} of {len(drawn)} metaphases can be estimated; draw more")
    found, truth = np.array([e.bphs for e, _ in pairs]), np.array([level for _, level in pairs])
    inside = [e.interval[0] <= level <= e.interval[1] for e, level in pairs]
    errors = np.abs(found - truth)
    return {
        "metaphases": len(drawn),
        "estimated": len(pairs),
        "mae_bphs": round(float(errors.mean()), 1),
        "mae_bphs_standard_error": round(float(errors.std(ddof=1) / np.sqrt(len(errors))), 1),
        "within_one_class": round(within_one_class(found, truth), 3),
        "correlation": round(float(np.corrcoef(found, truth)[0, 1]), 3),
        "estimates_from_to": [round(float(found.min())), round(float(found.max()))],
        "truth_in_interval": round(float(np.mean(inside)), 3),
        "mean_interval_width_bphs": round(float(np.mean([e.interval[1] - e.interval[0] for e, _ in pairs]))),
        "constant_answer_mae_bphs": round(float(np.abs(constant - truth).mean()), 1),
        "constant_answer_within_one_class": round(within_one_class(np.full(len(truth), constant), truth), 3),
        "cpu_milliseconds": round(milliseconds, 1),
    }


def within_one_class(found: FloatArray, truth: FloatArray) -> float:
    """Share of the estimates whose class is the true one or a neighbour of it."""
    steps = [
        abs(CLASSES.index(class_of(a)) - CLASSES.index(class_of(b)))
        for a, b in zip(found.tolist(), truth.tolist(), strict=True)
    ]
    return float(np.mean(np.array(steps) <= 1))


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, measure and write the constants."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=int, default=120, help="metaphases that are fitted on, at least 20")
    parser.add_argument("--test", type=int, default=80, help="metaphases that are measured on, at least 10")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    options = parser.parse_args(arguments)
    if not (20 <= options.train < TEST_SEED - TRAIN_SEED and options.test >= 10):
        parser.error("--train must be 20 or more and below 20000, --test 10 or more")
    train = list(track(draw(TRAIN_SEED, options.train), "drawing", total=options.train))
    calibration = fit(train)
    estimator = CountingEstimator(calibration)
    test = list(track(draw(TEST_SEED, options.test), "drawing", total=options.test))
    constant = float(np.median([one.level for one in train]))
    fitted = {
        "how": "least squares on metaphases of karyonet.simulate (46,XX and 46,XY, G-bands, 400-850 bands, crowding "
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
