"""The Proxy-ResNeXt-CBAM paper's comparison on BioImLab: its three networks, the same random splits, one table.

``image`` is the paper's protocol: chromosomes are split at random (80 % training, 7 % validation, 13 % test), so that
those of one metaphase are on all sides. ``metaphase`` is ten-fold over metaphases. Every finished run is a JSON file
in the folder of runs and is not repeated; a run that was stopped goes on.

Example::

    python tools/benchmarks/bioimlab.py DATA/bioimlab --protocol image --splits 3 --runs runs/bioimlab
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from karyonet.device import autocast, choose_device
from karyonet.evaluation.retrieval import KS, recall_at
from karyonet.stages.classification.dataset import StripSet
from karyonet.stages.classification.inference import Network
from karyonet.stages.classification.scoring import score
from karyonet.stages.classification.train import ClassificationRecipe, load_pack, train_classification
from karyonet.training.recipe import read_recipe
from karyonet.training.strip_pack import StripPack

NETWORKS = {
    "resnext": "ResNeXt (cross entropy)",
    "proxy_resnext": "Proxy-ResNeXt",
    "proxy_resnext_cbam": "Proxy-ResNeXt-CBAM",
    "proxy_regnety": "Proxy-RegNetY-CBAM",
}
FIGURES = ("accuracy", "accuracy_joint", "precision", "recall", "f1", "recall_at_1", "recall_at_2", "recall_at_4",
           "recall_at_8", "polarity_accuracy")  # fmt: skip


def main(
    data: Annotated[Path, typer.Argument(help="The BioImLab data set, format strips.")],
    runs: Annotated[Path, typer.Option(help="Folder for runs and their results.")],
    protocol: Annotated[str, typer.Option(help="image or metaphase")] = "image",
    splits: int = 3,
    network: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(NETWORKS)}; default: all.")] = None,
    threads: int | None = None,
    table_only: Annotated[bool, typer.Option("--table", help="Train nothing, tabulate what is there.")] = False,
) -> None:
    """Train what is missing and print the table."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    names = network or list(NETWORKS)
    recipes = {n: read_recipe(ClassificationRecipe, None, f"bioimlab_{n}", threads=threads) for n in names}
    for number in range(0 if table_only else splits):
        for name, recipe in recipes.items():
            result = runs / f"{protocol}_{name}_{number}.json"
            if not result.is_file():
                figures = _run(recipe, data, runs, protocol, number)
                if figures is None:
                    raise SystemExit(143)
                result.write_text(json.dumps(figures, indent=2) + "\n")
    _table(runs, protocol, names)


def split_by_image(pack: StripPack, number: int) -> StripPack:
    """The paper's protocol: every chromosome is drawn by itself."""
    order = np.random.default_rng((20_24, number)).permutation(len(pack))
    splits = np.full(len(pack), "train", dtype="<U10")
    validation, test = round(0.07 * len(pack)), round(0.13 * len(pack))
    splits[order[:validation]] = "validation"
    splits[order[validation : validation + test]] = "test"
    # Each its own case, since this protocol keeps nothing apart.
    return replace(pack, splits=splits, cases=np.array([f"chromosome{i}" for i in range(len(pack))]))


def split_by_metaphase(pack: StripPack, number: int, folds: int = 10) -> StripPack:
    """Fold ``number`` of the metaphases is the test, the next one the validation part."""
    cells, members = np.unique(pack.cells, return_inverse=True)
    fold = np.random.default_rng(20_24).permutation(len(cells))[members] % folds
    splits = np.full(len(pack), "train", dtype="<U10")
    splits[fold == number], splits[fold == (number + 1) % folds] = "test", "validation"
    return replace(pack, splits=splits, cases=pack.cells)


def _run(
    recipe: ClassificationRecipe, data: Path, runs: Path, protocol: str, number: int
) -> dict[str, float | int] | None:
    split = {"image": split_by_image, "metaphase": split_by_metaphase}[protocol]
    pack = split(load_pack(data, recipe, runs / "packs"), number)
    part = runs / "packs" / f"{protocol}_{number}.npz"
    if not part.is_file():
        pack.write(part)
    recipe = recipe.model_copy(update={"seed": number})
    weight = train_classification(recipe, [part], runs / f"{protocol}_{recipe.name}_{number}")
    if weight is None:
        return None
    network = Network(weight, recipe.device, recipe.precision)
    test = pack.take(np.flatnonzero(pack.splits == "test"))
    strips, device = StripSet.from_pack(test, recipe.preprocessing), choose_device(recipe.device)
    with torch.inference_mode(), autocast(device, recipe.precision):
        vectors = torch.cat([network.model(strips.batch(rows, device).strips).embeddings.float().cpu()
                             for rows in np.array_split(np.arange(len(strips)), 1 + len(strips) // 256)])  # fmt: skip
    figures: dict[str, float | int] = {**score(network, test, turn_every=2).figures}
    if protocol == "image":  # the test part holds a few chromosomes of every metaphase
        del figures["accuracy_joint"]
    figures |= {"training": int((pack.splits == "train").sum()), "test": len(test)}
    recalls = recall_at(vectors.numpy(), test.labels, KS)
    return figures | {f"recall_at_{k}": float(recall) for k, recall in zip(KS, recalls, strict=True)}


def _table(runs: Path, protocol: str, names: list[str]) -> None:
    print("| network | splits | " + " | ".join(FIGURES) + " |")
    print("|---" * (len(FIGURES) + 2) + "|")
    for name in names:
        rows = [json.loads(path.read_text()) for path in sorted(runs.glob(f"{protocol}_{name}_[0-9]*.json"))]
        cells = [_mean_and_deviation([row[figure] for row in rows if figure in row]) for figure in FIGURES]
        print(f"| {NETWORKS[name]} | {len(rows)} | " + " | ".join(cells) + " |")


def _mean_and_deviation(values: list[float]) -> str:
    if not values:
        return "–"
    deviation = f" ± {100 * np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
    return f"{100 * np.mean(values):.2f}{deviation}"


if __name__ == "__main__":
    typer.run(main)
