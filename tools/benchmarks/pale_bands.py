"""How much does the pipeline depend on the contrast of the stain? Metaphases with paler and paler light bands.

The optical density of every image is raised to a power, its dark bands staying as they are, and photographed again.

Example::

    python tools/benchmarks/pale_bands.py DATA/gband_metaphases --power 1 --power 1.9 --power 2.3
    python tools/benchmarks/pale_bands.py DATA/gband_metaphases --set stages.segmentation.most_contrast=100
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image
from rich.console import Console
from rich.table import Table

from karyonet.case import Case, FloatArray
from karyonet.data.metaphases import AnnotatedMetaphase, read_metaphases
from karyonet.evaluation.pipeline import evaluate_pipeline
from karyonet.pipeline import Pipeline

FIGURES = ("detection_f1", "identification_f1", "exact_count_share", "edits_mean")
BACKGROUND = 0.95
"""Grey value of the ground."""
DARK = 0.98
"""Quantile of the density of an image that every power leaves as it is."""


def main(
    data: Annotated[Path, typer.Argument(help="Data set of format metaphases.")],
    split: str = "validation",
    every: Annotated[int, typer.Option(min=1, help="One in so many metaphases is taken.")] = 18,
    images: Annotated[int, typer.Option(min=1, help="So many at most.")] = 20,
    power: Annotated[list[float] | None, typer.Option(help="Of the density; may be given several times.")] = None,
    config: Annotated[str, typer.Option(help="Pipeline.")] = "default",
    override: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE")] = None,
) -> None:
    """Change the stain, run the pipeline, and print a table."""
    chosen = read_metaphases(data, split=split)[::every][:images]
    pipeline = Pipeline.from_config(config, override or ())
    table = Table("power", *FIGURES, title=f"{data.name}, {split}: {len(chosen)} metaphases")
    for exponent in power or [1.0, 1.9, 2.3]:
        with tempfile.TemporaryDirectory() as folder:
            changed = [restained(one, exponent, Path(folder)) for one in chosen]
            metrics = evaluate_pipeline(pipeline, changed).metrics
        table.add_row(f"{exponent:g}", *(f"{metrics[name].value:.3f}" for name in FIGURES))
    Console().print(table)


def restained(annotated: AnnotatedMetaphase, power: float, folder: Path) -> AnnotatedMetaphase:
    """The metaphase with the density of its image to a power, photographed anew into ``folder``."""
    density = raised(Case.read(annotated.path).metaphases[0].optical_density, power)
    path = folder / f"{annotated.id}.png"
    grey = np.rint(255 * BACKGROUND * np.power(10.0, -density))
    Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).save(path)
    return replace(annotated, path=path)


def raised(density: FloatArray, power: float) -> FloatArray:
    """A density to a power; values at its dark quantile stay."""
    dark = float(np.quantile(density, DARK))
    return (dark * (np.maximum(density, 0) / dark) ** power).astype(np.float32)


if __name__ == "__main__":
    typer.run(main)
