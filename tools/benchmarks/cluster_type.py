"""Is a network better than plain geometry at telling what a component is, and what does each part of its training add?

    python tools/benchmarks/cluster_type.py DATA --split validation
    python tools/benchmarks/cluster_type.py DATA --weights cross_entropy.safetensors --weights supcon.safetensors ...

DATA is a data set folder of format metaphases, or a metaphase pack. Everything is measured on the same compositions;
those of ``--split validation`` are the ones that trainings validate on. The first row of the table is gradient-boosted
trees on the geometric features of Lin et al., BIBM 2020 (area, perimeter, solidity ...), trained on compositions of the
training split; they see whole masks at their true scale, the networks see crops that are turned, scaled, stained and
recorded anew. Then comes a row for each ``--weights``, or for each network that ships, and the gain of each over the
one before. Nuclei and debris are rejected by the threshold that keeps 99 % of the chromosomes, in every row its own; a
chromosome that is rejected is wrong. Intervals are 95 %, bootstrapped over compositions. ``--speed`` also times the
cluster-type stage alone on the components of real images.
"""

from __future__ import annotations

import json as json_module
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from skimage.measure import regionprops
from sklearn.ensemble import HistGradientBoostingClassifier

from karyonet.case import Case, Metaphase
from karyonet.data.metaphases import read_metaphases
from karyonet.device import autocast
from karyonet.evaluation.bootstrap import bootstrap_interval
from karyonet.evaluation.metrics import precision_recall_f1, ratio
from karyonet.pipeline import Pipeline
from karyonet.stages.cluster_type import SupCAM
from karyonet.stages.cluster_type.compositions import Composed, Compositions, compose
from karyonet.stages.cluster_type.decision import decide
from karyonet.stages.cluster_type.inference import TypeNetwork, predict
from karyonet.stages.cluster_type.kinds import KINDS, TYPES
from karyonet.stages.cluster_type.model import ClusterArchitecture
from karyonet.stages.cluster_type.sources import Sources
from karyonet.stages.cluster_type.train import HELD_OUT, load_metaphases, reject_threshold
from karyonet.stages.cluster_type.views import PACKED_SIZE, view
from karyonet.weights import WeightFile, find, shipped

FloatArray = NDArray[np.float64]
LENGTHS = ("perimeter", "equivalent_diameter_area", "axis_major_length", "axis_minor_length")
AREAS = ("area", "area_bbox", "area_convex")
SHAPES = ("solidity", "eccentricity", "extent")
"""Of skimage's ``regionprops``; the ratio of the axes comes on top."""
PACKS = Path("karyonet-out/packs")
CHUNK = 256
"""Compositions that are held in memory at a time."""
_ROW = 3 * len(KINDS)

Statistic = Callable[[FloatArray], FloatArray]


def _macro_f1(sums: FloatArray) -> FloatArray:
    counts = sums[..., :_ROW].reshape(*sums.shape[:-1], 3, len(KINDS))
    return np.asarray(precision_recall_f1(counts)[2][..., :TYPES].mean(axis=-1))


FIGURES: dict[str, Statistic] = {
    "accuracy": lambda sums: ratio(sums[..., :TYPES].sum(axis=-1), sums[..., _ROW]),
    "macro_f1": _macro_f1,
    "single_or_cluster": lambda sums: ratio(sums[..., _ROW + 1], sums[..., _ROW]),
    "count_accuracy": lambda sums: ratio(sums[..., _ROW + 2], sums[..., _ROW]),
    "rejected": lambda sums: ratio(sums[..., _ROW + 4], sums[..., _ROW + 3]),
}
"""From sums of :func:`tallies`; four types: accuracy and macro F1."""
TITLES = ("four types", "macro F1", "single or cluster", "number", "rejected")


@dataclass(frozen=True, eq=False)
class Answers:
    """What somebody says of n compositions: probabilities of the kinds, shape (n, 6), and of the numbers, (n, most)."""

    kinds: NDArray[np.float32]
    counts: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Compared:
    """n compositions: geometric features, shape (n, 11), the truth, and what each network says of them."""

    features: FloatArray
    kinds: NDArray[np.int64]
    counts: NDArray[np.int64]
    said: tuple[Answers, ...]


@dataclass(frozen=True, eq=False)
class Row:
    """A row of the table: its name and, shape (n, k), what every composition adds to the sums of its figures."""

    name: str
    tallies: FloatArray


def main(
    data: Annotated[Path, typer.Argument(help="Data set folder of format metaphases, or a metaphase pack (.npz).")],
    split: Annotated[str, typer.Option("--split", help="That is measured on.")] = "test",
    train_split: Annotated[str, typer.Option("--train-split", help="That the trees are trained on.")] = "train",
    weights: Annotated[
        list[str] | None, typer.Option("--weights", help="Shipped name or file; repeat, in the order of the ablation.")
    ] = None,
    examples: Annotated[int, typer.Option("--examples", min=2, help="Compositions that are measured on.")] = 4096,
    train_examples: Annotated[int, typer.Option("--train-examples", min=2, help="That the trees learn from.")] = 20_000,
    speed: Annotated[bool, typer.Option("--speed", help="Also time the stage on images; DATA is a folder.")] = False,
    images: Annotated[int, typer.Option("--images", min=2, help="That are timed.")] = 20,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="Of torch and OpenCV.")] = None,
    packs: Annotated[Path, typer.Option("--packs", help="Folder that keeps the pack of a folder.")] = PACKS,
    processes: Annotated[int, typer.Option("--processes", min=1, help="That make that pack.")] = 1,
    json: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
) -> None:  # fmt: skip
    """Compare gradient-boosted trees and networks, and print tables."""
    files = [find("cluster_type", name) for name in weights or ()]
    files = files or [file for file in shipped() if file.stage == "cluster_type"]
    if speed and (data.suffix == ".npz" or not files):
        raise typer.BadParameter("--speed needs the folder of the images and weights of a network")
    if threads is not None:
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
    pack, settings = load_metaphases(data, packs, processes), Compositions()
    learned = see(Sources.of(pack, train_split, settings.sources), settings, 0, train_examples)
    shown = see(Sources.of(pack, split, settings.sources), settings, HELD_OUT, examples, files)
    rows = [Row("geometry, boosted trees", tallies(boosted_trees(learned, shown.features), shown))]
    rows += [Row(file.name, tallies(said, shown)) for file, said in zip(files, shown.said, strict=True)]
    result: dict[str, Any] = {
        "data": data.name, "split": split, "examples": examples, "train_examples": train_examples,
        "rows": [{"name": row.name, "metrics": figures(row)} for row in rows],
        "gains": [
            {"from": one.name, "to": other.name, "metrics": gains(one, other)} for one, other in pairwise(rows[1:])
        ],
        "speed": time_stage(files, data, split, images) if speed else None,
    }  # fmt: skip
    for row, file in zip(result["rows"][1:], files, strict=True):
        row["sha256"] = file.sha256
    report(result)
    if json is not None:
        json.write_text(json_module.dumps(result, indent=2) + "\n", encoding="utf-8")
        print(f"figures: {json}")


def geometry(mask: NDArray[np.bool_], size: float) -> FloatArray:
    """The features of Lin et al. (BIBM 2020) of one component, float64, shape (11,).

    Args:
        mask: bool, shape (height, width), at least one pixel.
        size: of the metaphase's chromosomes in pixels, the unit of every length.
    """
    (shape,) = regionprops(mask.astype(np.uint8))  # type: ignore[no-untyped-call]
    lengths, areas = ([getattr(shape, name) for name in names] for names in (LENGTHS, AREAS))
    axes = shape.axis_minor_length / max(shape.axis_major_length, 1.0)
    shapes = [getattr(shape, name) for name in SHAPES]
    return np.array([*np.divide(lengths, size), *np.divide(areas, size**2), *shapes, axes], dtype=float)


def see(sources: Sources, settings: Compositions, seed: int, number: int, files: Sequence[WeightFile] = ()) -> Compared:
    """Compose examples, measure their masks, and ask networks what each one is.

    Args:
        sources: of a split.
        settings: how examples are composed.
        seed: first part of the seeds; the second is the place.
        number: of examples.
        files: weights of the networks.
    """
    networks = [TypeNetwork(file) for file in files]
    features, truth = [], []
    said: list[list[Answers]] = [[] for _ in networks]
    title = f"composing {number} examples"
    for chunk in track(list(_chunks(seed, number)), title, console=Console(stderr=True), transient=True):
        composed = [compose(sources, settings, one) for one in chunk]
        features += [geometry(one.region.mask, PACKED_SIZE) for one in composed]
        truth += [(one.kind, one.chromosomes) for one in composed]
        for answers, network in zip(said, networks, strict=True):
            answers.append(_answers(network, composed, chunk, settings))
    kinds, counts = np.array(truth, dtype=np.int64).T
    joined = [Answers(*map(np.concatenate, zip(*((a.kinds, a.counts) for a in one), strict=True))) for one in said]
    return Compared(np.stack(features), kinds, counts, tuple(joined))


def _chunks(seed: int, number: int) -> Iterator[list[tuple[int, int]]]:
    for start in range(0, number, CHUNK):
        yield [(seed, place) for place in range(start, min(start + CHUNK, number))]


def _answers(
    network: TypeNetwork, composed: Sequence[Composed], seeds: Sequence[tuple[int, int]], settings: Compositions
) -> Answers:
    """What a network says of views of compositions, which are those of the validations of a training."""
    views = [
        view(one, network.settings, settings, (*seed, 0, 0)).crop for one, seed in zip(composed, seeds, strict=True)
    ]
    with torch.inference_mode(), autocast(network.device, network.precision):
        crops = torch.from_numpy(np.stack(views))
        said = predict(network.model, crops, network.device, network.batch_size, network.settings.views)
    kinds = torch.softmax(said.kinds / network.temperature, dim=1).numpy()
    return Answers(kinds, torch.softmax(said.counts, dim=1).numpy())


def boosted_trees(learned: Compared, features: FloatArray) -> Answers:
    """Train trees for the kinds and, on chromosomes alone, for the number, and ask them about other compositions."""
    chromosomes, most = learned.counts > 0, ClusterArchitecture().most
    numbers = np.minimum(learned.counts[chromosomes], most) - 1
    said = []
    for given, truth, classes in (
        (learned.features, learned.kinds, len(KINDS)),
        (learned.features[chromosomes], numbers, most),
    ):
        trees = HistGradientBoostingClassifier(random_state=0).fit(given, truth)
        probabilities = np.zeros((len(features), classes), dtype=np.float32)
        probabilities[:, trees.classes_] = trees.predict_proba(features)
        said.append(probabilities)
    return Answers(*said)


def tallies(said: Answers, truth: Compared) -> FloatArray:
    """What every composition adds to the sums of the figures.

    Returns:
        float64, shape (n, 23): of chromosomes, whether the kind is right, which was said and which is true, each one
        place a kind; then whether it is one, single or cluster is right, the number is right; whether it is none, and
        whether that was seen.
    """
    most = said.counts.shape[1]
    threshold = reject_threshold(said.kinds[:, TYPES:].sum(axis=1), truth.kinds, kept=0.99)
    decided = decide(said.kinds, said.counts, threshold)
    answers = np.array([KINDS.index(kind) for kind in decided.kinds])
    chromosome, every = truth.counts > 0, np.eye(len(KINDS))
    several, true = decided.counts > 1, np.minimum(truth.counts, most)
    parts = (
        every[answers] * (answers == truth.kinds)[:, None], every[answers], every[truth.kinds],
        np.ones((len(answers), 1)), (~decided.rejected & (several == (true > 1)))[:, None],
        (decided.counts == true)[:, None],
    )  # fmt: skip
    others = np.stack([~chromosome, ~chromosome & decided.rejected], axis=1)
    return np.concatenate([np.concatenate(parts, axis=1) * chromosome[:, None], others], axis=1).astype(float)


def figures(row: Row) -> dict[str, dict[str, Any]]:
    """Every figure of a row with its interval."""
    return {
        name: {"value": float(figure(row.tallies.sum(axis=0))), "interval": bootstrap_interval(figure, row.tallies)}
        for name, figure in FIGURES.items()
    }


def gains(one: Row, other: Row) -> dict[str, dict[str, Any]]:
    """By how much every figure of the second row is above that of the first, with the interval of the difference.

    Both are measured on the same compositions, so a resample draws the same for both.
    """
    width = one.tallies.shape[1]
    both = np.concatenate([one.tallies, other.tallies], axis=1)

    def gain(figure: Statistic) -> Statistic:
        return lambda sums: figure(sums[..., width:]) - figure(sums[..., :width])

    return {
        name: {"value": float(gain(figure)(both.sum(axis=0))), "interval": bootstrap_interval(gain(figure), both)}
        for name, figure in FIGURES.items()
    }


def time_stage(files: Sequence[WeightFile], data: Path, split: str, images: int) -> dict[str, Any]:
    """Median seconds that the stage alone takes for the components of an image, of each network.

    The components are those of the default pipeline; the first image warms up and is not timed.
    """
    stages = [SupCAM(weights=str(file.path)) for file in files]
    before = []
    for step in Pipeline.from_config("default").stages.values():
        if "cluster.type" in step.assigns:
            break
        before.append(step)
    seconds: list[list[float]] = [[] for _ in files]
    components = []
    chosen = read_metaphases(data, split)[: images + 1]
    for place, annotated in enumerate(track(chosen, "timing", console=Console(stderr=True), transient=True)):
        case = Case.read(annotated.path)
        for step in before:
            case = step(case)
        for metaphase in case.metaphases:
            spent = [_seconds(stage, metaphase) for stage in stages]
            if place:
                components.append(len(metaphase.clusters))
                for column, taken in zip(seconds, spent, strict=True):
                    column.append(taken)
    if not components:
        raise typer.BadParameter("--speed needs at least two images that can be segmented")
    return {
        "images": len(components),
        "components": float(np.median(components)),
        "threads": torch.get_num_threads(),
        "seconds": [float(np.median(column)) for column in seconds],
    }


def _seconds(stage: SupCAM, metaphase: Metaphase) -> float:
    start = time.perf_counter()
    stage.process(metaphase)
    return time.perf_counter() - start


def report(result: dict[str, Any]) -> None:
    """Print the figures as tables, in per cent."""
    console = Console()
    console.width = max(console.width, 130)
    title = f"{result['data']}, {result['split']}: {result['examples']} compositions, per cent"
    _print(console, title, [(row["name"], row["metrics"], ".2f") for row in result["rows"]])
    if result["gains"]:
        rows = [(f"{gain['to']} over {gain['from']}", gain["metrics"], "+.2f") for gain in result["gains"]]
        _print(console, "gain of each network over the one before", rows)
    if (speed := result["speed"]) is not None:
        where = f"{speed['images']} images, {speed['components']:.0f} components, {speed['threads']} threads"
        for row, seconds in zip(result["rows"][1:], speed["seconds"], strict=True):
            console.print(f"{row['name']}: {seconds:.3f} s a metaphase ({where}, medians)", highlight=False)


def _print(console: Console, title: str, rows: Sequence[tuple[str, dict[str, Any], str]]) -> None:
    table = Table("", title=title)
    for name in TITLES:
        table.add_column(name, justify="right")
    for name, metrics, form in rows:
        cells = [(100 * m["value"], *(100 * end for end in m["interval"])) for m in metrics.values()]
        table.add_row(name, *(f"{value:{form}} ({low:{form}} to {high:{form}})" for value, low, high in cells))
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
