"""From annotated data sets to strip packs."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from rich.progress import track

from karyonet.case import Case, Chromosome
from karyonet.data.metaphases import AnnotatedMetaphase, read_metaphases
from karyonet.data.strips import AnnotatedCell, chromosome_regions, read_strips
from karyonet.errors import DataError
from karyonet.geometry.straighten import straighten
from karyonet.stage import Stage
from karyonet.training.cutouts import CutoutPack, concatenate_cutouts, pack_cutouts
from karyonet.training.strip_pack import LabelledStrip, StripPack, concatenate, pack_cell

Item = TypeVar("Item")


Straightener = Callable[[AnnotatedMetaphase], Sequence[Chromosome]]
"""From an annotated metaphase to its chromosomes with their strips, in the order of the annotations."""


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
    straightened: Straightener,
    split: str | None = None,
    *,
    processes: int = 1,
    limit: int | None = None,
) -> Packed:
    """Pack a data set of format ``metaphases``: the chromosomes in the annotated boxes.

    Args:
        directory: laid out as :mod:`karyonet.data.metaphases` says.
        straightened: such as :meth:`karyonet.evaluation.annotated.StageClassifier.chromosomes`; picklable if
            ``processes`` is more than 1.
        split: only this split.
        processes: how many images are worked on at a time.
        limit: whole cases until there are at least so many images.

    Raises:
        DataError: K4xx if the data set cannot be read.
    """
    images = read_metaphases(directory, split=split, limit=limit)
    return _gather(partial(_pack_metaphase, straightened=straightened, source=Path(directory).name), images, processes)


def pack_cutouts_dataset(
    directory: str | Path,
    segmentation: Stage,
    size: float,
    split: str | None = None,
    *,
    limit: int | None = None,
) -> CutoutPack:
    """Cut the lone chromosomes out of a data set of format ``metaphases``.

    Args:
        directory: laid out as :mod:`karyonet.data.metaphases` says.
        segmentation: fills ``metaphase.foreground``.
        size: see :func:`karyonet.training.cutouts.pack_cutouts`.
        split, limit: as above.

    Raises:
        DataError: K4xx if the data set cannot be read, K405 if no chromosome in it lies alone.
    """
    packs: list[CutoutPack] = []
    for annotated in track(read_metaphases(directory, split=split, limit=limit), "cutting out chromosomes"):
        case = segmentation(Case.read(annotated.path, case_id=annotated.case))
        for metaphase in case.metaphases:
            if metaphase.foreground is not None:
                packs.append(pack_cutouts(annotated, metaphase.optical_density, metaphase.foreground, size))
    if not any(len(pack) for pack in packs):
        raise DataError("K405", path=directory, reason="no annotated chromosome lies alone")
    return concatenate_cutouts(packs)


def _pack_annotated_cell(cell: AnnotatedCell, source: str, upright: bool) -> tuple[StripPack, int]:
    density, regions = chromosome_regions(cell)
    polarity = 1 if upright else -1
    # Row 0 of a strip is the end of the axis that lies higher, which is the short arm's in an upright chromosome.
    strips = [
        LabelledStrip(straighten(density, region).optical_density, chromosome.label, polarity)
        for chromosome, region in zip(cell.chromosomes, regions, strict=True)
    ]
    return pack_cell(strips, case=cell.case, cell=cell.id, split=cell.split or "", source=source), len(strips)


def _pack_metaphase(annotated: AnnotatedMetaphase, straightened: Straightener, source: str) -> tuple[StripPack, int]:
    found = [
        (chromosome.strip.optical_density, truth.label)
        for chromosome, truth in zip(straightened(annotated), annotated.chromosomes, strict=True)
        if chromosome.strip is not None
    ]
    strips = [LabelledStrip(density, label) for density, label in found]
    pack = pack_cell(strips, case=annotated.case, cell=annotated.id, split=annotated.split or "", source=source)
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
