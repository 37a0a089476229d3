"""Images in which no chromosome is: how many are found all the same.

Fields of real metaphases from which every annotated chromosome was taken away (nuclei, debris and haze are left), blank
fields, a page of text, metaphases at a tenth of their size, and pieces of one chromosome at ten times its size.

Example::

    python tools/benchmarks/no_metaphase.py DATA/gband_metaphases --split validation
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from karyonet.case import Case, FloatArray, Metaphase
from karyonet.data.metaphases import AnnotatedMetaphase, read_metaphases
from karyonet.imaging.optical_density import recognise_contrast, to_optical_density
from karyonet.pipeline import Pipeline

MARGIN = 6
"""Pixels around a box that are taken away with it."""


def main(
    data: Annotated[Path, typer.Argument(help="Data set of format metaphases.")],
    split: str = "validation",
    each: Annotated[int, typer.Option(help="Images of each kind.")] = 10,
    config: Annotated[str, typer.Option(help="Pipeline.")] = "default",
    seed: int = 0,
    keep: Annotated[Path | None, typer.Option(help="Folder that keeps the images.")] = None,
) -> None:
    """Run the pipeline over images without chromosomes and print what it finds."""
    generator = np.random.default_rng(seed)
    table = Table("images", "number", "found in each", "undetermined", title=f"{data.name}, {split}, {config}")
    annotated = read_metaphases(data, split=split)
    chosen = [annotated[int(i)] for i in np.linspace(0, len(annotated) - 1, each)]
    stages = Pipeline.from_config(config).stages
    every: list[int] = []
    for kind, images in _kinds(chosen, generator).items():
        counts, undetermined = [], 0
        for number, grey in enumerate(images):
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(keep / f"{kind.replace(' ', '_')}{number}.png"), np.rint(grey * 255).astype(np.uint8))
            case = Case("none", (_metaphase(grey),))
            for step in stages.values():
                case = step(case)
            counts.append(sum(len(metaphase.chromosomes) for metaphase in case.metaphases))
            undetermined += case.karyotype is not None and case.karyotype.outcome == "undetermined"
        every += counts
        table.add_row(kind, str(len(counts)), f"{np.mean(counts):.2f} (most {max(counts)})", str(undetermined))
    table.add_row("all", str(len(every)), f"{np.mean(every):.2f}", "")
    Console().print(table)


def _kinds(chosen: list[AnnotatedMetaphase], generator: np.random.Generator) -> dict[str, Iterator[FloatArray]]:
    return {
        "chromosomes taken away": (_emptied(one, generator) for one in chosen),
        "blank fields": (_blank(generator) for _ in chosen),
        "text": (_text(generator) for _ in chosen),
        "a tenth of the size": (_resized(_grey(one), 0.1) for one in chosen),
        "ten times the size": (_piece(one) for one in chosen),
    }


def _metaphase(grey: FloatArray) -> Metaphase:
    contrast = recognise_contrast(grey)
    return Metaphase("m1", "none.png", "", grey, contrast, to_optical_density(grey, contrast))


def _grey(annotated: AnnotatedMetaphase) -> FloatArray:
    grey: FloatArray = Case.read(annotated.path).metaphases[0].grey
    return grey


def _emptied(annotated: AnnotatedMetaphase, generator: np.random.Generator) -> FloatArray:
    """Everything in the boxes replaced by what is around them, with its noise."""
    grey = _grey(annotated)
    hole = np.zeros(grey.shape, dtype=np.uint8)
    for chromosome in annotated.chromosomes:
        xmin, ymin, xmax, ymax = chromosome.bbox
        hole[max(ymin - MARGIN, 0) : ymax + MARGIN, max(xmin - MARGIN, 0) : xmax + MARGIN] = 1
    outside = grey[hole == 0]
    ground = float(np.median(outside[outside > np.median(outside) - 0.02])) if outside.size else 0.8
    noise = generator.normal(0, 0.008, grey.shape)
    soft = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), 2.0)
    filled = grey * (1 - soft) + (ground + noise) * soft
    return np.asarray(np.clip(np.where(hole == 1, ground + noise, filled), 0, 1), dtype=np.float32)


def _blank(generator: np.random.Generator) -> FloatArray:
    rows, columns = np.mgrid[-1:1:800j, -1:1:800j]
    light = 0.8 - 0.1 * (rows**2 + columns**2) * generator.random() + generator.normal(0, 0.01, rows.shape)
    return np.asarray(np.clip(light, 0, 1), dtype=np.float32)


def _text(generator: np.random.Generator) -> FloatArray:
    page = np.full((800, 800), 245, dtype=np.uint8)
    letters = np.array(list("abcdefghiklmnoprstuvwxyz ABCDEFGHIKLMNOPRSTUVW 0123456789"))
    for line in range(30, 800, 26):
        cv2.putText(page, "".join(generator.choice(letters, 60)), (15, line), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 20, 1)
    return (page / 255).astype(np.float32)


def _resized(grey: FloatArray, scale: float) -> FloatArray:
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.clip(cv2.resize(grey, None, fx=scale, fy=scale, interpolation=way), 0, 1).astype(np.float32)


def _piece(annotated: AnnotatedMetaphase) -> FloatArray:
    xmin, ymin, xmax, ymax = annotated.chromosomes[0].bbox
    return _resized(_grey(annotated)[ymin:ymax, xmin:xmax], 10)


if __name__ == "__main__":
    typer.run(main)
