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
from karyonet.training.compose import CONTACTS, Composition, Contact, Cutout, Field, lay_beside
from karyonet.training.lone import density_in_boxes
from karyonet.training.metaphase_pack import MetaphasePack
from karyonet.training.packing import pack_whole_metaphases

SIZE = 84.0
"""Median of the longer sides of the boxes in pixels, as in the data set."""
SIDE = 900
DENSITY = 0.25
"""Optical density of a typical chromosome."""
BREADTH = 16.0
"""Width of a chromosome in pixels."""
GRID = 4
"""Crossing pairs along each side of an image."""
MOST_SHARED = 0.4
"""Of the smaller of two crossing chromosomes; more could not be told apart by a person either."""
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
        for kind, compose in (("spread", _spread), ("crossings", _crossings)):
            generator = np.random.default_rng((seed, kind == "spread"))
            drawn = [compose(packed.pack, generator) for _ in range(images)]
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


def _chromosome(pack: MetaphasePack, generator: np.random.Generator) -> Cutout:
    """A lone chromosome, turned, at the magnification of the data set."""
    row = int(generator.choice(np.flatnonzero(pack.lone)))
    return pack.cutout(row).posed(float(generator.uniform(0, 360)), 1.0, bool(generator.random() < 0.5))


def _spread(pack: MetaphasePack, generator: np.random.Generator) -> Composition:
    """46 chromosomes, each beside one that is there: half of them apart, a third touching, the others crossing."""
    field = Field((SIDE, SIDE))
    field.lay(_chromosome(pack, generator), (SIDE / 2, SIDE / 2))
    while len(field.masks) < 46:
        contact = CONTACTS[int(generator.choice(3, p=[0.5, 0.3, 0.2]))]
        field = _laid(field, _chromosome(pack, generator), contact, generator) or field
    return field.composed()


def _crossings(pack: MetaphasePack, generator: np.random.Generator) -> Composition:
    """Pairs that cross, on a grid."""
    side = SIDE // GRID
    whole = Field((SIDE, SIDE))
    for row, column in np.ndindex(GRID, GRID):
        pair = None
        while pair is None or not pair.masks[:2] or not (pair.masks[0] & pair.masks[1]).any():
            island = Field((side, side))
            island.lay(_chromosome(pack, generator), (side / 2, side / 2))
            pair = _laid(island, _chromosome(pack, generator), "overlapping", generator)
        window = slice(row * side, (row + 1) * side), slice(column * side, (column + 1) * side)
        whole.optical_density[window] = pair.optical_density
        for mask in pair.masks:
            full = np.zeros((SIDE, SIDE), dtype=bool)
            full[window] = mask
            whole.masks.append(full)
    return whole.composed()


def _laid(field: Field, cutout: Cutout, contact: Contact, generator: np.random.Generator) -> Field | None:
    """The field with one more, None if it would leave the image or lie too much on others, or they on it."""
    tried = Field((field.covered.shape[0], field.covered.shape[1]))
    tried.optical_density, tried.covered = field.optical_density.copy(), field.covered.copy()
    tried.masks = list(field.masks)
    lay_beside(tried, cutout, contact, generator, BREADTH)
    mask = tried.masks[-1]
    shared = [(mask & other).sum() / min(mask.sum(), other.sum()) for other in field.masks] if mask.any() else [1.0]
    cut = mask[[0, -1]].any() or mask[:, [0, -1]].any() or mask.sum() < cutout.mask.sum()
    return None if cut or max(shared) > MOST_SHARED else tried


def _written(composed: Composition, path: Path, generator: np.random.Generator) -> AnnotatedImage:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = generator.normal(0, 0.004, composed.optical_density.shape)
    grey = 0.85 * np.power(10.0, -DENSITY * composed.optical_density - noise)
    Image.fromarray(np.clip(np.rint(255 * grey), 0, 255).astype(np.uint8)).save(path)
    shape = (SIDE, SIDE)
    truth = [Region.from_mask(mask).with_margin(MARGIN, shape) for mask in composed.masks]
    return AnnotatedImage(path.stem, path.stem, path, True, lambda: truth)


def _add_pairs(pairs: list[tuple[float, float]], seen: Seen) -> None:
    pairs.extend(_pairs(seen))


def _pairs(seen: Seen) -> list[tuple[float, float]]:
    """Of every pair that crosses and meets no third: mean IoU of its masks, IoU of its overlap; 0 for one missed."""
    truth, found = list(seen.truth), list(seen.found)
    masks = [region.to_mask((SIDE, SIDE)) for region in truth]
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
    said = found[ones[0]].to_mask((SIDE, SIDE)) & found[ones[1]].to_mask((SIDE, SIDE))
    return float((said & true).sum() / max((said | true).sum(), 1))


if __name__ == "__main__":
    typer.run(main)
