"""ChromosomeNet's comparison of networks on public metaphases: one recipe, one split by case, one table.

The baselines are those of ChromosomeNet with a linear layer and cross entropy; ours are Proxy-ResNeXt-CBAM and a small
fast network. Steps, seed, augmentation and order of the strips are the same for all. Figures are of the validation
split, which chose the weights too; ``--test`` gives those of the test split, to be looked at once. Every finished row
is a JSON file in the folder of runs and is not repeated; a run that was stopped goes on; a row that fails, for want of
memory or otherwise, does not stop the others.

Example::

    python tools/benchmarks/chromosomenet.py --data DATA/gband_metaphases --runs runs/chromosomenet
"""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import torch
import typer
from torch.utils.flop_counter import FlopCounterMode

from karyonet.device import autocast, use_bfloat16
from karyonet.evaluation.classification import summarise
from karyonet.stages.classification.dataset import StripSet, split_pack
from karyonet.stages.classification.inference import Network
from karyonet.stages.classification.model import ProxyResNeXtCBAM
from karyonet.stages.classification.scoring import score
from karyonet.stages.classification.train import ClassificationRecipe, load_pack, train_classification
from karyonet.training.recipe import read_recipe
from karyonet.training.strip_pack import StripPack, concatenate

NETWORKS = {
    "mobilenetv2": "MobileNetV2",
    "densenet121": "DenseNet-121",
    "resnet50": "ResNet-50",
    "resnet101": "ResNet-101",
    "resnet152": "ResNet-152",
    "resnext101": "ResNeXt-101 32×8d",
    "res2net50": "Res2Net-50",
    "resnest50": "ResNeSt-50",
    "proxy_resnext_cbam": "Proxy-ResNeXt-CBAM (ours)",
    "proxy_regnety": "Proxy-RegNetY-CBAM (ours, small)",
}
COLUMNS = ("accuracy", "precision", "recall", "F1", "parameters (M)", "multiply-adds (G)", "s / 1,000 chromosomes")
STOPPED = 143
TIMED_STRIPS = 256

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Row:
    """One network to be trained and scored.

    Attributes:
        network: key of :data:`NETWORKS`.
        recipe: how it is trained.
        packs: strip packs, with splits.
        part: ``validation`` or ``test``.
        runs: folder of runs and rows.
    """

    network: str
    recipe: ClassificationRecipe
    packs: tuple[Path, ...]
    part: str
    runs: Path

    @property
    def result(self) -> Path:
        return self.runs / f"{self.part}_{self.network}.json"

    @property
    def fault(self) -> Path:
        return self.runs / f"{self.part}_{self.network}.fault.txt"

    @property
    def made_with(self) -> dict[str, Any]:
        """What must be the same for rows to be compared, and for a row to be taken as it is."""
        packs = [path.name for path in self.packs]
        return {"recipe": self.recipe.fingerprint, "steps": self.recipe.steps, "packs": packs}


def main(
    runs: Annotated[Path, typer.Option(help="Folder for runs and their results.")],
    data: Annotated[
        list[Path] | None,
        typer.Option(help="Strip pack (.npz) or data set folder, format metaphases or strips; repeat for more."),
    ] = None,
    network: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(NETWORKS)}; default: all.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Of every network; default: the recipes'.")] = None,
    seed: int | None = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Of the CPU, for training, scoring and timing.")] = None,
    test: Annotated[bool, typer.Option("--test", help="Score the test split, not the validation split.")] = False,
    table_only: Annotated[bool, typer.Option("--table", help="Train nothing, tabulate what is there.")] = False,
) -> None:
    """Train what is missing and print the table."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    names = network or list(NETWORKS)
    if unknown := sorted(set(names) - set(NETWORKS)):
        raise typer.BadParameter(f"{unknown[0]} is none of {', '.join(NETWORKS)}", param_hint="--network")
    part = "test" if test else "validation"
    if not table_only:
        if not data:
            raise typer.BadParameter("give the strips to train on", param_hint="--data")
        recipes = {
            name: read_recipe(
                ClassificationRecipe, None, f"chromosomenet_{name}", steps=steps, seed=seed, threads=threads
            )
            for name in names
        }
        packs = tuple(packed(path, recipes[names[0]], runs / "packs") for path in data)
        scored_part(concatenate([StripPack.read(path) for path in packs]), recipes[names[0]], part)
        rows = [Row(name, recipe, packs, part, runs) for name, recipe in recipes.items()]
        for row in rows:
            _check(row)
        for row in rows:
            _complete(row)
    print(table(runs, part, names))


def packed(path: Path, recipe: ClassificationRecipe, cache: Path) -> Path:
    """The strip pack of a data set, made once for all networks."""
    if path.suffix == ".npz":
        return path
    load_pack(path, recipe, cache)
    return cache / f"{path.name}.npz"


def scored_part(pack: StripPack, recipe: ClassificationRecipe, part: str) -> StripPack:
    """The strips that are scored, of cases that no network is trained on."""
    training, validation = split_pack(pack, recipe.train_splits, recipe.validation_splits)
    chosen = validation if part == "validation" else pack.take(np.flatnonzero(pack.splits == part))
    if not len(chosen):
        raise typer.BadParameter(f"no strip is of the split {part}", param_hint="--data")
    if shared := np.intersect1d(chosen.patients, training.patients).tolist():
        raise typer.BadParameter(f"case {shared[0]} is in the splits train and {part}", param_hint="--data")
    return chosen


def run_row(row: Row) -> None:
    """Train, score and time one network and write its row; ends the process with 143 if it was asked to stop."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    recipe = row.recipe
    if recipe.threads is not None:
        torch.set_num_threads(recipe.threads)
        cv2.setNumThreads(recipe.threads)
    try:
        weight = train_classification(recipe, row.packs, row.runs / row.network)
        if weight is None:
            raise SystemExit(STOPPED)
        pack = concatenate([StripPack.read(path) for path in row.packs])
        training, _ = split_pack(pack, recipe.train_splits, recipe.validation_splits)
        scored = scored_part(pack, recipe, row.part)
        network = Network(weight, recipe.device, recipe.precision)
        outcome = score(network, scored)
        figures = outcome.figures | {
            "accuracy_interval": summarise(outcome.results).metrics["accuracy"].interval,
            "parameters": sum(parameter.numel() for parameter in network.model.parameters()),
            "multiply_adds": multiply_adds(network.model, recipe.preprocessing.canvas),
            "seconds_per_1000": seconds_per_thousand(network, scored),
            "training_strips": len(training),
            "scored_strips": len(scored),
            "scored_cases": len(np.unique(scored.patients)),
            "seed": recipe.seed,
            "timed_on": _place(network),
            "made_with": row.made_with,
        }
    except Exception as fault:
        lines = str(fault).strip().splitlines() or [""]
        row.fault.write_text(f"{type(fault).__name__}: {lines[0]}\n", encoding="utf-8")
        raise
    partial = row.result.with_suffix(".partial")
    partial.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    partial.replace(row.result)


def multiply_adds(model: ProxyResNeXtCBAM, canvas: tuple[int, int]) -> int:
    """Multiplications with addition for one chromosome, of convolutions and matrix products."""
    image = next(model.parameters()).new_zeros(1, 1, *canvas)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(image)
    return int(counter.get_total_flops()) // 2


def seconds_per_thousand(network: Network, pack: StripPack, batch_size: int = 64, repeats: int = 3) -> float:
    """Seconds that the network takes for 1,000 prepared strips, the best of some repeats after a first one.

    On one thread of a CPU it is the time spent computing, so that other programs do not count.
    """
    alone = network.device.type == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter
    strips = StripSet.from_pack(pack.take(np.arange(min(len(pack), TIMED_STRIPS))), network.preprocessing)
    batches = [
        strips.batch(np.arange(start, min(start + batch_size, len(strips))), network.device).strips
        for start in range(0, len(strips), batch_size)
    ]
    passes = []
    with torch.inference_mode(), autocast(network.device, network.precision):
        for _ in range(1 + repeats):
            _wait(network.device)
            began = clock()
            for batch in batches:
                network.model(batch)
            _wait(network.device)
            passes.append(clock() - began)
    return 1000 * min(passes[1:]) / len(strips)


def in_own_process(target: Callable[..., object], *arguments: object) -> tuple[int, bool]:
    """Call a function in a process of its own, so that it may end by a signal and takes its memory with it.

    SIGTERM and SIGINT are handed on.

    Returns:
        exit status, negative for a signal; whether this process was asked to stop.
    """
    child = get_context("spawn").Process(target=target, args=arguments)
    asked = []

    def hand_on(number: int, _: object) -> None:
        asked.append(number)
        if child.pid is not None and child.is_alive():
            os.kill(child.pid, number)

    former = {number: signal.signal(number, hand_on) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        child.start()
        child.join()
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    status = child.exitcode
    assert status is not None
    return status, bool(asked)


def table(runs: Path, part: str, names: list[str]) -> str:
    """What is known of the networks, as a Markdown table."""
    lines = [f"| network | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    conditions: dict[str, None] = {}
    for name in names:
        result, fault = runs / f"{part}_{name}.json", runs / f"{part}_{name}.fault.txt"
        if result.is_file():
            row = json.loads(result.read_text(encoding="utf-8"))
            cells = _cells(row)
            conditions[
                f"{part} split: {row['scored_strips']:,} chromosomes of {row['scored_cases']} cases; trained on "
                f"{row['training_strips']:,} for {row['made_with']['steps']:,} steps, seed {row['seed']}; timed on "
                f"{row['timed_on']}"
            ] = None
        else:
            what = f"failed: {fault.read_text(encoding='utf-8').strip()}" if fault.is_file() else "not run"
            cells = [what.replace("|", "/"), *["–"] * (len(COLUMNS) - 1)]
        lines.append(f"| {NETWORKS[name]} | {' | '.join(cells)} |")
    return "\n".join([*lines, *([""] if conditions else []), *conditions])


def _check(row: Row) -> None:
    """Refuse to put rows into one table that were made in different ways."""
    if row.result.is_file() and json.loads(row.result.read_text(encoding="utf-8"))["made_with"] != row.made_with:
        reason = f"{row.result} was made with another recipe, other steps or other data; remove it or choose"
        raise typer.BadParameter(f"{reason} another folder", param_hint="--runs")


def _complete(row: Row) -> None:
    """Run a row unless its result is there; a fault is written down and the next row can go on."""
    if row.result.is_file():
        return
    row.runs.mkdir(parents=True, exist_ok=True)
    row.fault.unlink(missing_ok=True)
    logger.info("%s", NETWORKS[row.network])
    status, asked = in_own_process(run_row, row)
    if asked or status in (STOPPED, -signal.SIGTERM):
        raise SystemExit(STOPPED)
    if status != 0:
        if not row.fault.is_file():
            why = f"ended by signal {-status}, perhaps for want of memory" if status < 0 else f"ended with {status}"
            row.fault.write_text(why + "\n", encoding="utf-8")
        logger.error("%s failed: %s", NETWORKS[row.network], row.fault.read_text(encoding="utf-8").strip())


def _cells(row: dict[str, Any]) -> list[str]:
    low, high = (f"{100 * bound:.2f}" for bound in row["accuracy_interval"])
    return [
        f"{100 * row['accuracy']:.2f} ({low}–{high})",
        *(f"{100 * row[name]:.2f}" for name in ("precision", "recall", "f1")),
        f"{row['parameters'] / 1e6:.2f}",
        f"{row['multiply_adds'] / 1e9:.3f}",
        f"{row['seconds_per_1000']:.2f}",
    ]


def _place(network: Network) -> str:
    number_format = "bfloat16" if use_bfloat16(network.device, network.precision) else "float32"
    if network.device.type == "cuda":
        return f"{torch.cuda.get_device_name(network.device)}, {number_format}"
    count = torch.get_num_threads()
    return f"the CPU, {count} thread{'s' if count > 1 else ''}, {number_format}"


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    typer.run(main)
