"""From annotated data sets to strip packs."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from rich.progress import track

from karyonet.case import Case, Chromosome
from karyonet.data.metaphases import AnnotatedMetaphase, read_metaphases
from karyonet.data.strips import AnnotatedCell, chromosome_regions, read_strips
from karyonet.evaluation.matching import match_boxes
from karyonet.geometry.straighten import straighten
from karyonet.training.strip_pack import (
    LabelledStrip,
    StripPack,
    concatenate,
    median_strip_length,
    pack_cell,
    typical_density,
)

Item = TypeVar("Item")


class PipelineResult(Protocol):
    """What a pipeline returns: anything that holds the processed case."""

    @property
    def case(self) -> Case: ...


PipelineLike = Callable[[Case], PipelineResult]


@dataclass(frozen=True)
class Packed:
    """A pack and how it came about.

    Attributes:
        pack: the strips.
        annotated: chromosomes that the data set names, in images that could be processed.
        failures: image or cell and reason of every one that could not be processed.
    """

    pack: StripPack
    annotated: int
    failures: tuple[tuple[str, str], ...] = ()

    @property
    def matched_share(self) -> float:
        """Share of the annotated chromosomes that are in the pack."""
        return len(self.pack) / self.annotated if self.annotated else 0.0


def pack_strips_dataset(
    directory: str | Path,
    split: str | None = None,
    *,
    upright: bool = True,
    processes: int = 1,
    limit: int | None = None,
) -> Packed:
    """Pack a data set of format ``strips``: each chromosome is straightened along its own axis.

    Args:
        directory: laid out as :mod:`karyonet.data.strips` says.
        split: only this split.
        upright: short arms are up in the images, so that the polarity of every strip is known.
        processes: how many cells are worked on at a time.
        limit: whole cases until there are at least so many cells.

    Raises:
        DataError: K4xx if the data set cannot be read.
    """
    cells = read_strips(directory, split=split, limit=limit)
    return _gather(partial(_pack_annotated_cell, source=Path(directory).name, upright=upright), cells, processes)


def pack_metaphases_dataset(
    directory: str | Path,
    pipeline: PipelineLike,
    split: str | None = None,
    *,
    min_iou: float = 0.7,
    processes: int = 1,
    limit: int | None = None,
) -> Packed:
    """Pack a data set of format ``metaphases``: what a pipeline finds, with the labels of the boxes that it matches.

    Found and annotated boxes are matched one to one (:func:`karyonet.evaluation.matching.match_boxes`).

    Args:
        directory: laid out as :mod:`karyonet.data.metaphases` says.
        pipeline: finds and straightens chromosomes; picklable if ``processes`` is more than 1.
        split: only this split.
        min_iou: least overlap of a match.
        processes: how many images are worked on at a time.
        limit: whole cases until there are at least so many images.

    Raises:
        DataError: K4xx if the data set cannot be read.
    """
    images = read_metaphases(directory, split=split, limit=limit)
    work = partial(_pack_metaphase, pipeline=pipeline, source=Path(directory).name, min_iou=min_iou)
    return _gather(work, images, processes)


def _pack_annotated_cell(cell: AnnotatedCell, source: str, upright: bool) -> tuple[StripPack, int]:
    density, regions = chromosome_regions(cell)
    polarity = 1 if upright else -1
    # Row 0 of a strip is the end of the axis that lies higher, which is the short arm's in an upright chromosome.
    strips = [
        LabelledStrip(straighten(density, region).optical_density, chromosome.label, polarity)
        for chromosome, region in zip(cell.chromosomes, regions, strict=True)
    ]
    return pack_cell(strips, case=cell.case, cell=cell.id, split=cell.split or "", source=source), len(strips)


def _pack_metaphase(
    annotated: AnnotatedMetaphase, pipeline: PipelineLike, source: str, min_iou: float
) -> tuple[StripPack, int]:
    case = pipeline(Case.read(annotated.path, case_id=annotated.case)).case
    if not case.metaphases:
        raise RuntimeError(case.errors[0].message if case.errors else "no metaphase came out of the pipeline")
    found: list[Chromosome] = [c for c in case.metaphases[0].chromosomes if c.strip is not None]
    images = [c.strip.optical_density for c in found if c.strip is not None]
    boxes, annotated_boxes = [c.region.bbox for c in found], [c.bbox for c in annotated.chromosomes]
    matches = match_boxes(boxes, annotated_boxes, min_iou).pairs.tolist()
    pack = pack_cell(
        [LabelledStrip(images[row], annotated.chromosomes[column].label) for row, column in matches],
        case=annotated.case,
        cell=annotated.id,
        split=annotated.split or "",
        source=source,
        # Of all strips found, matched or not: that is what a metaphase shows when it is classified.
        median_length=median_strip_length(images),
        density=typical_density(images),
    )
    return pack, len(annotated.chromosomes)


def _gather(work: Callable[[Any], tuple[StripPack, int]], items: list[Any], processes: int) -> Packed:
    packs: list[StripPack] = []
    failures: list[tuple[str, str]] = []
    annotated = 0
    for outcome in track(_results(partial(_attempt, work), items, processes), "packing strips", total=len(items)):
        if isinstance(outcome, tuple) and isinstance(outcome[0], StripPack):
            packs.append(outcome[0])
            annotated += outcome[1]
        else:
            failures.append(outcome)
    return Packed(concatenate(packs), annotated, tuple(failures))


def _attempt(work: Callable[[Any], tuple[StripPack, int]], item: Any) -> Any:
    try:
        return work(item)
    except Exception as fault:  # one damaged image must not cost the hours that the others took
        return item.id, f"{type(fault).__name__}: {fault}"


def _results(work: Callable[[Item], Any], items: list[Item], processes: int) -> Iterator[Any]:
    if processes <= 1:
        yield from map(work, items)
        return
    # Not fork: torch and OpenCV keep threads that do not survive it.
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(work, items, chunksize=4)
