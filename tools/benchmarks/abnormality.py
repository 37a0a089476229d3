"""HomNet against its baselines, and what each of its parts is worth: the same bags for all, one table.

Every network is trained for the same number of steps on the same batches of artificial bags, keeps its best weights by
the AUC on the same selection bags, and is judged on the same evaluated bags. Selection bags give the threshold of F1
for every row. Fitted methods learn from the first batches. Selection and evaluated bags are of the validation cases,
drawn anew; ``--test`` evaluates bags of the test cases, to be looked at once. Intervals are over cases; the AUC is also
compared with HomNet's, on the same resamples. Every finished row is a JSON file in the folder of runs and is not
repeated; a run that was stopped goes on; a row that cannot be run does not stop the others.

Example::

    python tools/benchmarks/abnormality.py DATA/pki3 --fold 1 --run runs/abnormality
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from karyonet.data.strips import read_strips
from karyonet.device import choose_device
from karyonet.errors import DataError, KaryonetError
from karyonet.stages.abnormality.artificial_bags import ArtificialBags, Example
from karyonet.stages.abnormality.baselines import (
    ABLATIONS,
    BaselineTask,
    Judge,
    LabelledBatch,
    ablated,
    build_detector,
    judged,
    network_judge,
)
from karyonet.stages.abnormality.baselines.figures import Outcome, best_threshold, difference, figures
from karyonet.stages.abnormality.model import Architecture, HomNet
from karyonet.stages.abnormality.profiles import Preprocessing, ProfileSet
from karyonet.stages.abnormality.train import (
    PretrainingRecipe,
    PretrainingTask,
    drawn_bags,
    load_pack,
    parts,
    without_abnormal,
)
from karyonet.training.loop import Task, Trainer
from karyonet.training.recipe import read_recipe
from karyonet.training.strip_pack import StripPack
from karyonet.weights import card_section, find, load_into

FITTED_BATCHES = 32
"""Batches that methods which are fitted learn from, at most."""
STOPPED = 143
COLUMNS = ("AUC", "AUC − HomNet's", "F1", "average precision", "parameters", "training minutes")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        title: in the table.
        kind: how it is made; an ``ablation``, a ``network`` and a ``detector`` are called as the row is.
    """

    title: str
    kind: Literal["homnet", "ablation", "shipped", "network", "detector"]


ROWS: dict[str, Row] = {
    "homnet": Row("HomNet", "homnet"),
    "shipped": Row("HomNet, shipped weights", "shipped"),
    "logistic_regression": Row("logistic regression (features, DTW)", "detector"),
    "oc_svm": Row("one-class SVM (features, DTW)", "detector"),
    "deep_svdd": Row("Deep-SVDD", "detector"),
    "autoencoder": Row("autoencoder", "detector"),
    "mlp_mixer": Row("MLP-Mixer", "network"),
    "vit": Row("ViT", "network"),
    "resnet": Row("ResNet", "network"),
    "xception": Row("Xception", "network"),
    "mobilenet": Row("MobileNet", "network"),
    "densenet": Row("DenseNet", "network"),
    "siamese": Row("Siamese", "network"),
    "siamese_as_published": Row("Siamese as published (wrong sign, two networks)", "network"),
    **{name: Row(ablation.title, "ablation") for name, ablation in ABLATIONS.items()},
}


@dataclass(frozen=True)
class Bench:
    """What all rows share.

    Attributes:
        recipe: of HomNet, with the bags of the benchmark.
        pack: strips with the splits of the benchmark. published: str, one a strip: the splits of the data set.
        part: split whose bags are evaluated. count: how many they are.
        run: folder of runs and rows.
        weights: shipped weights, a name or a file.
    """

    recipe: PretrainingRecipe
    pack: StripPack
    published: NDArray[np.str_]
    part: str
    count: int
    run: Path
    weights: str

    @cached_property
    def profiles(self) -> tuple[ProfileSet, ProfileSet, ProfileSet]:
        """Of training, selection and evaluated cases."""
        training, validation = (ProfileSet.from_pack(self.pack.take(rows)) for rows in parts(self.pack, self.recipe))
        if self.part == self.recipe.validation_split:
            return training, validation, validation
        evaluated = ProfileSet.from_pack(self.pack.select(split=self.part))
        if shared := sorted(set(evaluated.patients) & {*training.patients, *validation.patients}):
            raise DataError("K405", path="the data", reason=f"the case {shared[0]} is in {self.part} and other splits")
        return training, validation, evaluated

    def pretraining(self, recipe: PretrainingRecipe) -> PretrainingTask:
        """The batches and selection bags that all rows have in common."""
        training, validation, _ = self.profiles
        return PretrainingTask(recipe, training, validation)

    def evaluated(self, preprocessing: Preprocessing) -> list[Example]:
        """The evaluated bags, the same whatever the input of a network is."""
        bags = ArtificialBags(self.profiles[2], preprocessing, self.recipe.bags)
        drawn: list[Example] = drawn_bags(bags, self.count, self.recipe.seed + 1)
        return drawn

    def result(self, name: str) -> Path:
        return self.run / f"{self.part}_{name}.json"

    def fault(self, name: str) -> Path:
        return self.run / f"{self.part}_{name}.fault.txt"


class NotRunError(Exception):
    """Why a row makes no sense here."""


def main(
    data: Annotated[Path, typer.Argument(help="Data set folder, format strips or metaphases, or strip pack (.npz).")],
    run: Annotated[Path, typer.Option(help="Folder for runs and their results.")],
    fold: Annotated[int | None, typer.Option(min=1, help="Validation fold, if the data set has folds; not 0.")] = None,
    rows: Annotated[str | None, typer.Option(help=f"Of {','.join(ROWS)}, with commas between; default: all.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Of every network; default: the recipe's.")] = None,
    bags_size: Annotated[int, typer.Option(min=1, help="Metaphases of every bag.")] = 5,
    bags: Annotated[int, typer.Option(min=2, help="How many bags are evaluated.")] = 1024,
    config: Annotated[Path | None, typer.Option(help="Recipe of HomNet; default: the shipped one.")] = None,
    weights: Annotated[str, typer.Option(help="Shipped weights, a name or a .safetensors file.")] = "homnet",
    threads: Annotated[int | None, typer.Option(min=1, help="Of the CPU.")] = None,
    test: Annotated[bool, typer.Option("--test", help="Evaluate bags of the test cases.")] = False,
    table_only: Annotated[bool, typer.Option("--table", help="Train nothing, tabulate what is there.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for the same as JSON.")] = None,
) -> None:
    """Train and evaluate what is missing and print the table."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    names = rows.split(",") if rows else list(ROWS)
    if unknown := sorted(set(names) - set(ROWS)):
        raise typer.BadParameter(f"{unknown[0]} is none of {', '.join(ROWS)}", param_hint="--rows")
    recipe = read_recipe(PretrainingRecipe, config, "abnormality_pretrain", steps=steps, threads=threads)
    if recipe.steps is None:
        raise typer.BadParameter(
            "the recipe has a budget of time; give the steps of every network", param_hint="--steps"
        )
    # Equal steps: nobody stops early.
    settings = recipe.bags.model_copy(update={"fewest": bags_size, "most": bags_size})
    recipe = recipe.model_copy(update={"bags": settings, "patience": None})
    made_with = {"data": data.name, "fold": fold, "recipe": recipe.fingerprint, "steps": recipe.steps, "bags": bags}
    original = without_abnormal(load_pack(data, recipe, run / "packs"), data)
    pack = original if fold is None else by_fold(original, data, fold, recipe)
    _check(run, made_with)
    part = "test" if test else recipe.validation_split
    bench = Bench(recipe, pack, original.splits, part, bags, run, weights)
    if not table_only:
        if test and not len(pack.of_split("test")):
            raise typer.BadParameter("the data set has no test split", param_hint="--test")
        for name in names:
            _complete(bench, name)
    print(table(bench, names))
    if json_file is not None:
        kept = {name: _said(bench, name) for name in names}
        content = {**made_with, "part": part, "bags_size": bags_size, "rows": kept}
        json_file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def by_fold(pack: StripPack, data: Path, fold: int, recipe: PretrainingRecipe) -> StripPack:
    """The strips with one fold as validation split; the test fold stays what it is, all others are trained on."""
    folds = {cell.id: cell.fold for cell in read_strips(data)} if (data / "cells").is_dir() else {}
    known = {number for number in folds.values() if number is not None}
    if fold not in known:
        reason = f"the data set has no fold {fold}" if known else "the data set has no folds; leave it out"
        raise typer.BadParameter(reason, param_hint="--fold")
    chosen = np.array([folds[cell] == fold for cell in pack.cells.tolist()])
    splits = np.where(chosen, recipe.validation_split, recipe.train_split)
    return replace(pack, splits=np.where(pack.splits == "test", "test", splits))


def run_row(bench: Bench, name: str) -> dict[str, Any]:
    """Train and evaluate one row.

    Raises:
        NotRunError: if the row makes no sense for these data. KaryonetError: if something that it needs is missing.
        SystemExit: 143 if it was asked to stop.
    """
    row = ROWS[name]
    recipe = ablated(bench.recipe, name) if row.kind == "ablation" else bench.recipe
    extra: dict[str, Any] = {}
    device = choose_device(recipe.device)
    preprocessing = recipe.preprocessing
    if row.kind == "shipped":
        model, preprocessing, extra = _shipped(bench)
        judge, parameters, minutes = network_judge(model.to(device), device, recipe.precision), _count(model), None
        _, validation, _ = bench.profiles
        selection = drawn_bags(
            ArtificialBags(validation, preprocessing, recipe.bags), recipe.validation_bags, recipe.seed
        )
    else:
        bags = bench.pretraining(recipe)
        selection = bags.validation
        judge, parameters, minutes = (_fitted if row.kind == "detector" else _trained)(bench, name, bags)
    threshold = best_threshold(judged(judge, selection))
    said = judged(judge, bench.evaluated(preprocessing))
    facts = {"threshold": threshold, "parameters": parameters, "minutes": minutes, "device": str(device)}
    outcome = Outcome(said.logits, said.abnormal, said.cases)
    return {**figures(outcome, threshold), **facts, **extra, "outcome": outcome.record()}


def table(bench: Bench, names: list[str]) -> str:
    """What is known of the rows, as a Markdown table."""
    lines = [f"| | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    ours = _read(bench, "homnet")
    for name in names:
        row = _read(bench, name)
        cells = [_reason(bench, name), *["–"] * (len(COLUMNS) - 1)] if row is None else _cells(row, ours, name)
        lines.append(f"| {ROWS[name].title} | {' | '.join(cells)} |")
    recipe = bench.recipe
    conditions = (
        f"{bench.count:,} bags of {recipe.bags.most} metaphases of the {bench.part} cases; {recipe.steps:,} steps of "
        f"{recipe.batch_size} bags, seed {recipe.seed}; in per cent, 95 % intervals over cases"
    )
    return "\n".join([*lines, "", conditions])


def _trained(bench: Bench, name: str, bags: PretrainingTask) -> tuple[Judge, int, float | None]:
    task: Task = bags if ROWS[name].kind in ("homnet", "ablation") else BaselineTask(name, bags)  # type: ignore[arg-type]
    trainer = Trainer(bags.recipe, task, bench.run / name)
    if not trainer.fit().finished:
        raise SystemExit(STOPPED)
    model = trainer.best_model()
    return network_judge(model, trainer.device, bags.recipe.precision), _count(model), trainer.progression.minutes


def _fitted(bench: Bench, name: str, bags: PretrainingTask) -> tuple[Judge, int, float | None]:
    detector = build_detector(name, bags.recipe.seed)  # type: ignore[arg-type]
    drawn = [bags.batch(step, torch.device("cpu")) for step in range(min(bags.recipe.steps or 1, FITTED_BATCHES))]
    began = time.monotonic()
    detector.fit([LabelledBatch(batch.inputs, batch.abnormal.numpy() > 0) for batch in drawn])
    return detector.score, detector.parameters, (time.monotonic() - began) / 60


def _shipped(bench: Bench) -> tuple[HomNet, Preprocessing, dict[str, Any]]:
    weight = find("abnormality", bench.weights)
    trained_on = {(described.name, described.split) for described in weight.card.training_data}
    evaluated = bench.pack.of_split(bench.part)
    if trained_on & {*zip(bench.pack.sources[evaluated].tolist(), bench.published[evaluated].tolist(), strict=True)}:
        raise NotRunError("cases that are evaluated are among those that the weights were trained on")
    model = HomNet(card_section(weight, "architecture", Architecture))
    load_into(model, weight)
    return model.eval(), card_section(weight, "input", Preprocessing), {"sha256": weight.card.sha256}


def _complete(bench: Bench, name: str) -> None:
    """Run a row unless its result is there; a fault is written down and the next row can go on."""
    stored = _read(bench, name)
    if stored is not None and (name != "shipped" or stored["sha256"] == find("abnormality", bench.weights).card.sha256):
        return
    bench.fault(name).unlink(missing_ok=True)
    logger.info("%s", ROWS[name].title)
    try:
        said = run_row(bench, name)
    except Exception as fault:
        lines = str(fault).strip().splitlines() or [""]
        expected = isinstance(fault, KaryonetError | NotRunError)
        why = f"not run: {lines[0]}" if expected else f"failed: {type(fault).__name__}: {lines[0]}"
        bench.fault(name).write_text(why + "\n", encoding="utf-8")
        logger.error("%s %s", ROWS[name].title, why)
        return
    partial = bench.result(name).with_suffix(".partial")
    partial.write_text(json.dumps(said) + "\n", encoding="utf-8")
    partial.replace(bench.result(name))


def _check(run: Path, made_with: Mapping[str, Any]) -> None:
    """Refuse to put rows into one table that were made in different ways."""
    kept = run / "benchmark.json"
    if not kept.is_file():
        run.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(made_with, indent=2) + "\n", encoding="utf-8")
    elif (before := json.loads(kept.read_text(encoding="utf-8"))) != made_with:
        other = ", ".join(key for key in made_with if before.get(key) != made_with[key])
        raise typer.BadParameter(f"{run} holds rows with another {other}; choose another folder", param_hint="--run")


def _count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _read(bench: Bench, name: str) -> dict[str, Any] | None:
    path = bench.result(name)
    read: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    return read


def _reason(bench: Bench, name: str) -> str:
    path = bench.fault(name)
    return path.read_text(encoding="utf-8").strip().replace("|", "/") if path.is_file() else "not run"


def _said(bench: Bench, name: str) -> dict[str, Any]:
    row = _read(bench, name)
    if row is None:
        return {"title": ROWS[name].title, "not_run": _reason(bench, name)}
    return {"title": ROWS[name].title} | {k: v for k, v in row.items() if k != "outcome"}


def _cells(row: dict[str, Any], ours: dict[str, Any] | None, name: str) -> list[str]:
    auc, f1, precision = (
        "{:.1f} ({:.1f}–{:.1f})".format(*(100 * v for v in (row[key]["value"], *row[key]["interval"])))
        for key in ("auc", "f1", "average_precision")
    )
    apart = "–"
    if ours is not None and name != "homnet":
        low, high = difference(Outcome.read(row["outcome"]), Outcome.read(ours["outcome"]))
        value = row["auc"]["value"] - ours["auc"]["value"]
        apart = f"{100 * value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
    minutes = "–" if row["minutes"] is None else f"{row['minutes']:.1f}"
    return [auc, apart, f1, precision, f"{row['parameters']:,}", minutes]


if __name__ == "__main__":
    typer.run(main)
