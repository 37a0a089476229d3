"""Whether straightening helps the classifier: the same network, metaphases and steps, once on strips, once on crops.

Crops are cut out and turned upright but not straightened (`upright_cropper`). Both are made of the same annotated
boxes with the same masks. Figures are of validation metaphases, whose cases no network has seen; nothing is chosen by
them but the checkpoint.

Example::

    python tools/benchmarks/strips_and_crops.py DATA/gband_metaphases --runs runs/strips_and_crops
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from karyonet.evaluation.annotated import StageClassifier
from karyonet.evaluation.bootstrap import bootstrap_interval
from karyonet.evaluation.classification import CellResult
from karyonet.pipeline import Pipeline
from karyonet.stages.classification.inference import Network
from karyonet.stages.classification.scoring import score
from karyonet.stages.classification.train import ClassificationRecipe, train_classification
from karyonet.training.packing import pack_metaphases_dataset
from karyonet.training.recipe import read_recipe
from karyonet.training.strip_pack import StripPack, concatenate

STAGES = {"strips": "medial_axis_straightener", "crops": "upright_cropper"}
NAMED = ("alone", "joint")


def main(
    data: Annotated[Path, typer.Argument(help="A data set of format metaphases.")],
    runs: Annotated[Path, typer.Option(help="Folder for packs, runs and their results.")],
    metaphases: Annotated[int, typer.Option(min=1, help="Training metaphases, in whole cases.")] = 600,
    validation: Annotated[int, typer.Option(min=1, help="Validation metaphases, in whole cases.")] = 150,
    steps: Annotated[int | None, typer.Option(min=1, help="Of both; default: the recipe's.")] = None,
    seed: int | None = None,
    threads: int | None = None,
) -> None:
    """Make what is missing and print the table."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    recipe = read_recipe(ClassificationRecipe, None, "strips_and_crops", steps=steps, seed=seed, threads=threads)
    results = {}
    for kind, stage in STAGES.items():
        path = packed(data, stage, {"train": metaphases, "validation": validation}, runs / "packs" / f"{kind}.npz")
        weight = train_classification(recipe.model_copy(update={"name": kind}), [path], runs / kind)
        if weight is None:
            raise SystemExit(143)
        network = Network(weight, recipe.device, recipe.precision)
        results[kind] = score(network, StripPack.read(path).select("validation")).results
    text, figures = table(results)
    (runs / "figures.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(text)


def packed(data: Path, stage: str, sizes: dict[str, int], path: Path) -> Path:
    """Pack the annotated chromosomes of so many metaphases of each split as a straightening stage leaves them, once."""
    if not path.is_file():
        stages = Pipeline.from_config("strips", [f"stages.straightening.use={stage}"]).stages
        cut = StageClassifier(stages).chromosomes
        packs = [pack_metaphases_dataset(data, cut, split, limit=limit).pack for split, limit in sizes.items()]
        concatenate(packs).write(path)
    return path


def table(results: dict[str, Sequence[CellResult]]) -> tuple[str, dict[str, dict[str, float | list[float]]]]:
    """Share of right names by the kinds in :data:`STAGES`, and how far the first is ahead, with intervals over cases.

    Returns:
        a Markdown table; the same as figures, in per cent.
    """
    lines = ["| | " + " | ".join(NAMED) + " |", "|---" * (len(NAMED) + 1) + "|"]
    counts = {kind: {name: _per_case(found, name) for name in NAMED} for kind, found in results.items()}
    first, second = counts
    rows: dict[str, dict[str, NDArray[np.float64]]] = dict(counts)
    rows[f"{first} ahead by"] = {
        name: np.concatenate([counts[first][name], counts[second][name]], axis=1) for name in NAMED
    }
    figures: dict[str, dict[str, float | list[float]]] = {}
    for kind, columns in rows.items():
        statistic = _ahead if kind not in counts else _share
        figures[kind] = {}
        cells = []
        for name, per_case in columns.items():
            value = float(statistic(per_case.sum(axis=0)))
            low, high = bootstrap_interval(statistic, per_case)
            figures[kind] |= {name: value, f"{name}_interval": [low, high]}
            cells.append(f"{value:.2f} ({low:.2f} to {high:.2f})")
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    return "\n".join(lines), figures


def _share(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    return 100 * sums[..., 0] / sums[..., 1]


def _ahead(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    return _share(sums[..., :2]) - _share(sums[..., 2:])


def _per_case(results: Sequence[CellResult], field: str) -> NDArray[np.float64]:
    """Right and all names of every case, float64, shape (cases, 2), the cases in the order of their names."""
    cases, members = np.unique([result.case for result in results], return_inverse=True)
    right = [float((getattr(result, field) == result.truth).sum()) for result in results]
    count = [float(len(result.truth)) for result in results]
    return np.stack([np.bincount(members, values, len(cases)) for values in (right, count)], axis=1)


if __name__ == "__main__":
    typer.run(main)
