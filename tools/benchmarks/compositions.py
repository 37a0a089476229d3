"""Segmentation on metaphases composed of real chromosomes that lay alone, so that every whole mask is known.

``spreads`` hold 46 chromosomes apart, touching and crossing; ``crossings`` hold pairs that cross, each pair by itself.
Optical densities add. Masks are what a threshold saw where a chromosome lay alone.

Example::

    python tools/benchmarks/compositions.py DATA/gband_metaphases --split validation --metaphases 60 --images 20
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table

from karyonet.evaluation.matching import match_by_iou, region_iou
from karyonet.evaluation.segmentation import Seen, evaluate_segmentation
from karyonet.evaluation.segmentation_truth import AnnotatedImage
from karyonet.geometry.region import Region
from karyonet.pipeline import Pipeline
from karyonet.stages.segmentation import ThresholdSegmenter
from karyonet.training.compose import Composition
from karyonet.training.lone import density_in_boxes
from karyonet.training.packing import pack_whole_metaphases
from karyonet.training.spreads import compose_crossings, compose_spread, image_side

SIZE = 84.0
"""Median of the longer sides of the boxes in pixels, as in the data set."""
SHAPE = image_side(SIZE), image_side(SIZE)
DENSITY = 0.25
"""Optical density of a typical chromosome."""
MARGIN = 3
"""Pixels that annotators leave around a chromosome; boxes of the truth are wider by as much."""


def main(
    data: Annotated[Path, typer.Argument(help="Data set of format metaphases.")],
    split: str = "validation",
    metaphases: Annotated[int, typer.Option(help="Of the split, cut up.")] = 60,
    images: Annotated[int, typer.Option(help="Composed of each kind.")] = 20,
    config: Annotated[str, typer.Option(help="Pipeline.")] = "default",
    seed: int = 0,
    keep: Annotated[Path | None, typer.Option(help="Folder that keeps the composed images.")] = None,
) -> None:
    """Compose, segment, and print a table."""
    packed = pack_whole_metaphases(data, ThresholdSegmenter(), density_in_boxes, SIZE, split, limit=metaphases)
    stages = Pipeline.from_config(config).stages
    table = Table("figure", "spreads", "crossings", title=f"{data.name}, {split}: {images} images of each kind")
    columns: list[dict[str, str]] = []
    with tempfile.TemporaryDirectory() as temporary:
        rows = np.flatnonzero(packed.pack.lone)
        for kind, compose in (("spread", compose_spread), ("crossings", compose_crossings)):
            generator = np.random.default_rng((seed, kind == "spread"))
            drawn = [compose(packed.pack, rows, SIZE, generator) for _ in range(images)]
            folder = keep or Path(temporary)
            annotated = [_written(one, folder / f"{kind}{number}.png", generator) for number, one in enumerate(drawn)]
            pairs: list[tuple[float, float]] = []
            evaluation = evaluate_segmentation(stages, annotated, inspect=partial(_add_pairs, pairs))
            columns.append({name: f"{metric.value:.3f}" for name, metric in evaluation.metrics.items()})
            if pairs:
                mean = np.mean(pairs, axis=0)
                columns[-1] |= {
                    "mask IoU, crossing pairs": f"{mean[0]:.3f} ({len(pairs)} pairs)",
                    "IoU of their overlap": f"{mean[1]:.3f}",
                }
    for name in dict.fromkeys([*columns[0], *columns[1]]):
        table.add_row(name, *(column.get(name, "–") for column in columns))
    Console().print(table)


def _written(composed: Composition, path: Path, generator: np.random.Generator) -> AnnotatedImage:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = generator.normal(0, 0.004, composed.optical_density.shape)
    grey = 0.85 * np.power(10.0, -DENSITY * composed.optical_density - noise)
    Image.fromarray(np.clip(np.rint(255 * grey), 0, 255).astype(np.uint8)).save(path)
    truth = [Region.from_mask(mask).with_margin(MARGIN, SHAPE) for mask in composed.masks]
    return AnnotatedImage(path.stem, path.stem, path, True, lambda: truth)


def _add_pairs(pairs: list[tuple[float, float]], seen: Seen) -> None:
    pairs.extend(_pairs(seen))


def _pairs(seen: Seen) -> list[tuple[float, float]]:
    """Of every pair that crosses and meets no third: mean IoU of its masks, IoU of its overlap; 0 for one missed."""
    truth, found = list(seen.truth), list(seen.found)
    masks = [region.to_mask(SHAPE) for region in truth]
    crossing = np.array([[a is not b and bool((a & b).any()) for b in masks] for a in masks])
    iou = region_iou(found, truth)
    partner = {int(true): int(said) for said, true in match_by_iou(iou).pairs}
    figures = []
    for pair in np.argwhere(np.triu(crossing)):
        if crossing[pair].sum() == 2:
            ones = [partner.get(int(number)) for number in pair]
            each = [0.0 if one is None else iou[one, true] for one, true in zip(ones, pair, strict=True)]
            overlap = _overlap_iou(found, ones, masks[pair[0]] & masks[pair[1]])
            figures.append((float(np.mean(each)), overlap))
    return figures


def _overlap_iou(found: list[Region], ones: list[int | None], true: NDArray[np.bool_]) -> float:
    if ones[0] is None or ones[1] is None:
        return 0.0
    said = found[ones[0]].to_mask(SHAPE) & found[ones[1]].to_mask(SHAPE)
    return float((said & true).sum() / max((said | true).sum(), 1))


if __name__ == "__main__":
    typer.run(main)
