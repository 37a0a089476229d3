"""Centromeres: how many are found on simulated chromosomes, and how consistent they are on real ones.

    python tools/benchmarks/centromere.py --metaphases 100 --seed 30000
    python tools/benchmarks/centromere.py --data ../shared/data/pki3 --split validation

Simulated chromosomes are straightened from their true masks; half of the metaphases hold rearranged chromosomes. Real
ones lie short arm up, and nobody has marked their centromeres: what can be measured is how far they are from where
the ideogram has them, whether the arm that comes out shorter is the short one, and whether homologs agree. The
ideogram is told the name and where the short arm is; the network is told the name at most.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from karyonet.case import CLEARLY_SHORTER, LABELS, Centromere
from karyonet.evaluation.bootstrap import bootstrap_interval
from karyonet.ideogram.queries import centromeric_index
from karyonet.stages.centromere import (
    TOLERANCE,
    LearnedCentromere,
    WidthProfile,
    expected_position,
    measure,
    narrowest,
    narrowest_near,
)
from karyonet.stages.centromere.drawn import CentromerePack, Drawing, draw_pack
from karyonet.stages.centromere.figures import calibration_error
from karyonet.stages.straightening import MedialAxisStraightener
from karyonet.training.packing import pack_strips_dataset
from karyonet.training.strip_pack import StripPack

FloatArray = NDArray[np.float64]
LEARNED = ("learned, no name", "learned, with name")
_HIDDEN = 0.05
"""Share of its rows from which a chromosome counts as partly hidden."""


@dataclass(frozen=True, eq=False)
class Placed:
    """What several methods say of n chromosomes whose short arm is known, seen from its end.

    Attributes:
        positions: by method, shape (n,).
        learned: by method, what the network says.
        labels: of each. metaphases: of each. up: bool, shape (n,): the short arm is at row 0.
        rows: int, shape (n,): in the pack. hidden: bool, shape (n,).
    """

    positions: dict[str, FloatArray]
    learned: dict[str, list[Centromere]]
    labels: list[str]
    metaphases: NDArray[np.str_]
    up: NDArray[np.bool_]
    rows: NDArray[np.intp]
    hidden: NDArray[np.bool_]


def place_all(pack: StripPack, stage: LearnedCentromere) -> Placed:
    """Let every method place the centromeres of a pack."""
    strips = [pack.optical_density(row) for row in range(len(pack))]
    names = [LABELS[number] for number in pack.labels]
    rows, profiles = [], []
    for row, strip in enumerate(strips):
        profile = measure(strip)
        if profile is not None and pack.polarity[row] >= 0:
            rows.append(row)
            profiles.append(profile)
    labels, up = [names[row] for row in rows], pack.polarity[rows] == 1
    told = {
        LEARNED[0]: stage.locate([strips[row] for row in rows]),
        LEARNED[1]: stage.locate([strips[row] for row in rows], labels),
    }
    learned = {method: [one for one in said if one is not None] for method, said in told.items()}
    expected = np.array([expected_position(label, bool(way)) for label, way in zip(labels, up, strict=True)])
    positions = {
        "narrowest place": np.array([narrowest(profile) for profile in profiles]),
        "ideogram by name": expected,
        "narrowest near it": np.array([narrowest_near(p, e) for p, e in zip(profiles, expected, strict=True)]),
    } | {method: np.array([one.position for one in said]) for method, said in learned.items()}
    from_short_arm = {method: np.where(up, place, 1 - place) for method, place in positions.items()}
    return Placed(
        from_short_arm,
        learned,
        labels,
        pack.metaphases[rows],
        up,
        np.array(rows),
        np.array([_hidden(p) for p in profiles]),
    )


def _hidden(profile: WidthProfile) -> bool:
    return float((~profile.visible).mean()) > _HIDDEN


def simulated_table(pack: CentromerePack, said: Placed) -> Table:
    """Shares found, where the truth is known."""
    truth = np.where(said.up, pack.centromere[said.rows], 1 - pack.centromere[said.rows])
    changed = pack.changed[said.rows]
    table = Table(title=f"{len(truth)} simulated chromosomes of {len(np.unique(said.metaphases))} metaphases")
    for column in ("method", "within 5 %", "interval", "median error", "unchanged", "rearranged", "partly hidden"):
        table.add_column(column)
    table.add_column("calibration error")
    _, members = np.unique(said.metaphases, return_inverse=True)
    means = {label: truth[_of(said, label) & ~changed].mean() for label in set(said.labels)}
    methods = said.positions | {"mean of the type*": np.array([means[label] for label in said.labels])}
    for method, positions in methods.items():
        error = np.abs(positions - truth)
        right = error <= TOLERANCE
        per_case = np.column_stack([np.bincount(members, right), np.bincount(members)])
        low, high = bootstrap_interval(lambda sums: sums[..., 0] / sums[..., 1], per_case)
        doubt = "–"
        if method in said.learned:
            confidences = np.array([one.confidence for one in said.learned[method]])
            doubt = f"{calibration_error(confidences, right):.3f}"
        table.add_row(
            method, f"{right.mean():.3f}", f"{low:.3f}–{high:.3f}", f"{np.median(error):.4f}",
            f"{right[~changed].mean():.3f}", _share(right[changed]), _share(right[said.hidden]), doubt,
        )  # fmt: skip
    table.caption = (
        f"{int(changed.sum())} rearranged, {int(said.hidden.sum())} partly hidden; * of the unchanged ones among these "
        "chromosomes themselves, so that it is the most that a name can tell"
    )
    return table


def real_table(said: Placed, split: str) -> Table:
    """How consistent positions are, where no truth is known."""
    indices = np.array([centromeric_index(label) for label in said.labels])
    unlike = indices < 0.4
    table = Table(title=f"{len(indices)} real chromosomes of {len(np.unique(said.metaphases))} metaphases, {split}")
    for column in (
        "method", "from the ideogram, median", "within 5 % of it", "of its type's median", "short arm shorter",
        "homologs differ, median", "by 5 % at most", "mean confidence", "arms told apart", "of them right",
    ):  # fmt: skip
        table.add_column(column)
    for method, positions in said.positions.items():
        away = np.abs(positions - indices)
        middles = {label: float(np.median(positions[_of(said, label)])) for label in set(said.labels)}
        from_middle = np.abs(positions - np.array([middles[label] for label in said.labels]))
        apart = np.array([abs(positions[a] - positions[b]) for a, b in _homologs(said)])
        extra = ["–"] * 3
        if method in said.learned:
            centromeres = said.learned[method]
            ups = np.array([one.short_arm_up for one in centromeres])
            decided = np.maximum(ups, 1 - ups) >= CLEARLY_SHORTER
            agree = ((ups > 0.5) == said.up)[decided]
            mean = float(np.mean([one.confidence for one in centromeres]))
            extra = [f"{mean:.3f}", f"{decided.mean():.3f}", _share(agree)]
        table.add_row(
            method, f"{np.median(away):.4f}", f"{(away <= TOLERANCE).mean():.3f}",
            f"{(from_middle <= TOLERANCE).mean():.3f}", f"{(positions[unlike] < 0.5).mean():.4f}",
            f"{np.median(apart):.4f}", _share(apart <= TOLERANCE), *extra,
        )  # fmt: skip
    table.caption = f"short arm shorter: of the {int(unlike.sum())} whose ideogram has an index below 0.4"
    return table


def types_table(said: Placed) -> Table:
    """Median index of every type."""
    table = Table("type", "ideogram", *LEARNED, title="Median position from the end of the short arm")
    for label in LABELS:
        of_type = _of(said, label)
        if of_type.any():
            medians = [f"{np.median(said.positions[method][of_type]):.3f}" for method in LEARNED]
            table.add_row(label, f"{centromeric_index(label):.3f}", *medians)
    return table


def _of(said: Placed, label: str) -> NDArray[np.bool_]:
    return np.asarray(np.array(said.labels) == label)


def _homologs(said: Placed) -> Iterator[tuple[int, int]]:
    """Pairs of the two chromosomes of a type in a metaphase."""
    members: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, key in enumerate(zip(said.metaphases.tolist(), said.labels, strict=True)):
        members[key].append(number)
    yield from ((rows[0], rows[1]) for rows in members.values() if len(rows) == 2)


def _share(right: NDArray[np.bool_]) -> str:
    return f"{right.mean():.3f}" if len(right) else "–"


def milliseconds(pack: StripPack, stage: LearnedCentromere, count: int = 46) -> float:
    """Time for the first ``count`` chromosomes of a pack, on the processors that are used: the fastest of five."""
    strips = [pack.optical_density(row) for row in range(min(count, len(pack)))]
    labels = [LABELS[number] for number in pack.labels[: len(strips)]]
    stage.locate(strips, labels)
    spent = []
    for _ in range(5):
        started = time.process_time()
        stage.locate(strips, labels)
        spent.append(time.process_time() - started)
    return 1000 * min(spent)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--metaphases", type=int, default=100, help="simulated ones")
    parser.add_argument("--seed", type=int, default=30_000, help="of the first simulated metaphase")
    parser.add_argument(
        "--mask-error", type=float, default=0.0, help="pixels by which outlines are off, in half of them"
    )
    parser.add_argument("--drawn", type=Path, help="file that keeps the simulated chromosomes, read if it is there")
    parser.add_argument("--data", type=Path, help="a folder of format strips, short arms up, or a strip pack of one")
    parser.add_argument("--split", default="validation", help="of the folder")
    parser.add_argument("--weights", default="centromere")
    options = parser.parse_args()
    stage, console = LearnedCentromere.from_pretrained(options.weights), Console(width=200)
    pack: StripPack
    if options.data is None:
        drawing = Drawing(
            metaphases=options.metaphases, first_seed=options.seed, mask_error=options.mask_error, fluorescence=0.1
        )
        if options.drawn is None or not options.drawn.is_file():
            drawn = draw_pack(drawing, MedialAxisStraightener())
            if options.drawn is not None:
                drawn.write(options.drawn)
        else:
            drawn = CentromerePack.read(options.drawn)
        pack, said = drawn, place_all(drawn, stage)
        console.print(simulated_table(drawn, said))
    else:
        whole = options.data.suffix == ".npz"
        pack = StripPack.read(options.data) if whole else pack_strips_dataset(options.data, options.split).pack
        pack = pack.select(split=options.split)
        said = place_all(pack, stage)
        console.print(real_table(said, f"{options.data.stem}, split {options.split}"), types_table(said))
    console.print(f"{milliseconds(pack, stage):.1f} ms of CPU for 46 chromosomes")


if __name__ == "__main__":
    main()
