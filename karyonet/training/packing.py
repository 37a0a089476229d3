"""From annotated data sets to packs."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from rich.progress import track

from karyonet.case import Case, Chromosome, FloatArray
from karyonet.data.boxes import box_size, drawn_boxes
from karyonet.data.metaphases import AnnotatedChromosome, AnnotatedMetaphase, read_metaphases
from karyonet.data.mfish import MfishMetaphase, boxed, read_mfish
from karyonet.data.strips import AnnotatedCell, chromosome_regions, read_strips
from karyonet.errors import DataError, StageError
from karyonet.evaluation.segmentation_truth import AnnotatedImage, read_annotated_images
from karyonet.geometry.folds import usual_half_width
from karyonet.geometry.region import BoundingBox
from karyonet.geometry.straighten import straighten
from karyonet.stage import BoxSegmenter
from karyonet.training.lone import lone_chromosomes, untouched
from karyonet.training.metaphase_pack import MetaphasePack, pack_metaphase
from karyonet.training.pack import Pack
from karyonet.training.strip_pack import LabelledStrip, StripPack, pack_cell

logger = logging.getLogger(__name__)
AnyPack = TypeVar("AnyPack", bound=Pack)

Straightener = Callable[[AnnotatedMetaphase], Sequence[Chromosome]]
"""From an annotated metaphase to its chromosomes with their strips, in the order of the annotations."""


class WholeSegmenter(BoxSegmenter, Protocol):
    """A segmentation stage that knows the chromosomes in boxes as well."""

    def __call__(self, case: Case) -> Case:
        """Fills ``metaphase.foreground``."""


DensityInBoxes = Callable[[FloatArray, Sequence[BoundingBox]], np.float32]
"""From optical density and boxes to the mean density of a metaphase's chromosomes."""


class Failure(NamedTuple):
    """An image or cell that could not be processed, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Packed(Generic[AnyPack]):
    """A pack and how it came about.

    Attributes:
        pack: the examples.
        annotated: chromosomes that the data set names, in images that could be processed.
        failures: every image or cell that could not be processed.
    """

    pack: AnyPack
    annotated: int
    failures: tuple[Failure, ...] = ()

    @property
    def matched_share(self) -> float:
        """Share of the annotated chromosomes that are in the pack."""
        return len(self.pack.labels) / self.annotated if self.annotated else 0.0


def pack_once(kind: type[AnyPack], path: Path, cache: Path, make: Callable[[Path], Packed[AnyPack]]) -> AnyPack:
    """Read a pack, or make one of a data set folder and keep it in ``cache``.

    Args:
        kind: of pack.
        path: the pack (``.npz``) or the folder.
        cache: folder of the packs that were made.
        make: packs a folder.

    Raises:
        DataError: K4xx if the path is neither.
    """
    if path.suffix == ".npz":
        return kind.read(path)
    kept = cache / f"{path.name}.npz"
    if kept.is_file():
        return kind.read(kept)
    packed = make(path)
    count, share = len(packed.pack.labels), 100 * packed.matched_share
    logger.info("%s: %d chromosomes, %.1f %% of those annotated", path, count, share)
    for failure in packed.failures:
        logger.warning("%s: %s could not be processed (%s)", path, failure.name, failure.reason)
    packed.pack.write(kept)
    return packed.pack


def pack_strips_dataset(
    directory: str | Path,
    split: str | None = None,
    *,
    upright: bool = True,
    processes: int = 1,
    limit: int | None = None,
) -> Packed[StripPack]:
    """Pack a data set of format ``strips``: each chromosome is straightened along its own axis.

    Args:
        directory: laid out as :mod:`karyonet.data.strips` says.
        split: only this split.
        upright: short arms are up in the images, so that the polarity of every strip is known.
        processes: how many cells are worked on at a time.
        limit: whole cases until there are at least so many cells.

    Raises:
        DataError: K4xx if the data set cannot be read, K405 if nothing in it could be packed.
    """
    cells = read_strips(directory, split=split, limit=limit)
    work = partial(_pack_annotated_cell, source=Path(directory).name, upright=upright)
    return _gather(StripPack, directory, work, cells, processes)


def pack_metaphases_dataset(
    directory: str | Path,
    straightened: Straightener,
    split: str | None = None,
    *,
    processes: int = 1,
    limit: int | None = None,
) -> Packed[StripPack]:
    """Pack a data set of format ``metaphases`` or ``mfish``: the chromosomes in the annotated boxes.

    Args:
        directory: laid out as :mod:`karyonet.data.metaphases` or :mod:`karyonet.data.mfish` says.
        straightened: such as :meth:`karyonet.evaluation.annotated.StageClassifier.chromosomes`; picklable if
            ``processes`` is more than 1.
        split: only this split.
        processes: how many images are worked on at a time.
        limit: whole cases until there are at least so many images.

    Raises:
        DataError: K4xx if the data set cannot be read, K405 if nothing in it could be packed.
    """
    images: Sequence[AnnotatedMetaphase | MfishMetaphase]
    if (Path(directory) / "images").is_dir():
        images = read_metaphases(directory, split=split, limit=limit)
    else:
        images = read_mfish(directory, split=split, limit=limit)
    work = partial(_pack_strips, straightened=straightened, source=Path(directory).name)
    return _gather(StripPack, directory, work, images, processes)


def pack_strips_folder(path: Path, upright: Sequence[str], pipeline: str, processes: int = 1) -> Packed[StripPack]:
    """Pack a data set folder of format strips, metaphases or mfish, whichever it is, as strips.

    Args:
        path: the folder.
        upright: names of folders of format strips whose chromosomes all lie short arm up.
        pipeline: configuration that straightens the chromosomes of metaphase images.
        processes: how many cells or images are worked on at a time.

    Raises:
        DataError: K401 if it is neither, else as :func:`pack_strips_dataset` and :func:`pack_metaphases_dataset`.
    """
    if (path / "cells").is_dir():
        return pack_strips_dataset(path, upright=path.name in upright, processes=processes)
    if (path / "images").is_dir() or any(path.glob("*_classes.*")):
        from karyonet.evaluation.annotated import StageClassifier
        from karyonet.pipeline import Pipeline

        straightened = StageClassifier(Pipeline.from_config(pipeline).stages).chromosomes
        return pack_metaphases_dataset(path, straightened, processes=processes)
    raise DataError("K401", path=path, format="strips, metaphases or mfish", missing="cells/, images/ or class maps")


def pack_whole_metaphases(
    directory: str | Path,
    segmentation: WholeSegmenter,
    density: DensityInBoxes,
    size: float,
    split: str | None = None,
    *,
    processes: int = 1,
    limit: int | None = None,
) -> Packed[MetaphasePack]:
    """Pack whole images of a data set of format ``metaphases``, with their annotated boxes.

    Args:
        directory: laid out as :mod:`karyonet.data.metaphases` says.
        segmentation: its foreground tells which chromosomes touch no other, and it says which pixels of a box are the
            chromosome; picklable if ``processes`` is more than 1.
        density: what the optical density of an image is divided by; as picklable.
        size: what :func:`karyonet.data.boxes.box_size` of every image is brought to by scaling, in pixels.
        split, processes, limit: as above.

    Raises:
        DataError: K4xx if the data set cannot be read, K405 if nothing in it could be packed.
    """
    images = read_metaphases(directory, split=split, limit=limit)
    work = partial(_pack_whole, segmentation=segmentation, density=density, size=size)
    return _gather(MetaphasePack, directory, work, images, processes)


def pack_masked_images(
    directory: str | Path,
    format: str,
    density: DensityInBoxes,
    size: float,
    split: str | None = None,
    *,
    processes: int = 1,
    limit: int | None = None,
) -> Packed[MetaphasePack]:
    """Pack whole images in which every pixel of every chromosome is known; their names are left open.

    Args:
        directory: laid out as ``format`` says.
        format: ``mfish`` or ``simulated``.
        density, size, split, processes, limit: as above.

    Raises:
        DataError: K4xx if the data set cannot be read, K405 if nothing in it could be packed.
    """
    images = read_annotated_images(directory, format, split=split, limit=limit)
    return _gather(MetaphasePack, directory, partial(_pack_masked, density=density, size=size), images, processes)


def _pack_annotated_cell(cell: AnnotatedCell, source: str, upright: bool) -> tuple[StripPack, int]:
    density, regions = chromosome_regions(cell)
    polarity = 1 if upright else -1
    # Row 0 of a strip is the end of the axis that lies higher, which is the short arm's in an upright chromosome.
    usual = usual_half_width([region.mask for region in regions])
    strips = [
        LabelledStrip(straighten(density, region, usual=usual).optical_density, chromosome.label, polarity)
        for chromosome, region in zip(cell.chromosomes, regions, strict=True)
    ]
    return pack_cell(strips, case=cell.case, cell=cell.id, split=cell.split or "", source=source), len(strips)


def _pack_strips(
    metaphase: AnnotatedMetaphase | MfishMetaphase, straightened: Straightener, source: str
) -> tuple[StripPack, int]:
    annotated = boxed(metaphase) if isinstance(metaphase, MfishMetaphase) else metaphase
    found = [
        (chromosome.strip.optical_density, truth.label)
        for chromosome, truth in zip(straightened(annotated), annotated.chromosomes, strict=True)
        if chromosome.strip is not None
    ]
    strips = [LabelledStrip(density, label) for density, label in found]
    pack = pack_cell(strips, case=annotated.case, cell=annotated.id, split=annotated.split or "", source=source)
    return pack, len(annotated.chromosomes)


def _pack_whole(
    annotated: AnnotatedMetaphase, segmentation: WholeSegmenter, density: DensityInBoxes, size: float
) -> tuple[MetaphasePack, int]:
    boxes = [chromosome.bbox for chromosome in annotated.chromosomes]
    if not boxes:
        raise DataError("K405", path=annotated.path, reason="it has no annotated chromosome")
    case = segmentation(Case.read(annotated.path, case_id=annotated.case))
    if not case.metaphases:
        raise StageError("K901", stage="segmentation", image=annotated.id, reason=case.errors[-1].message)
    metaphase = case.metaphases[0]
    regions = segmentation.regions_in_boxes(metaphase, boxes)
    relative = metaphase.optical_density / density(metaphase.optical_density, boxes)
    foreground = metaphase.foreground
    lone = [] if foreground is None else lone_chromosomes(foreground, boxes)
    return pack_metaphase(annotated, relative, regions, size / box_size(boxes), lone), len(boxes)


def _pack_masked(image: AnnotatedImage, density: DensityInBoxes, size: float) -> tuple[MetaphasePack, int]:
    regions = list(image.read_truth())
    if not regions:
        raise DataError("K405", path=image.path, reason="it has no annotated chromosome")
    metaphase = Case.read(image.path, case_id=image.case).metaphases[0]
    shape = metaphase.optical_density.shape
    boxes = drawn_boxes(regions, (shape[0], shape[1]))
    relative = metaphase.optical_density / density(metaphase.optical_density, boxes)
    chromosomes = tuple(AnnotatedChromosome("", box) for box in boxes)
    annotated = AnnotatedMetaphase(image.id, image.case, image.path, shape[1], shape[0], chromosomes, split=image.split)
    lone = untouched(regions, (shape[0], shape[1]))
    return pack_metaphase(annotated, relative, regions, size / box_size(boxes), lone), len(boxes)


def _gather(
    kind: type[AnyPack],
    directory: str | Path,
    work: Callable[[Any], tuple[AnyPack, int]],
    items: Sequence[Any],
    processes: int,
) -> Packed[AnyPack]:
    packs: list[AnyPack] = []
    failures: list[Failure] = []
    annotated = 0
    for outcome in track(_outcomes(work, items, processes), f"making a {kind.kind}", total=len(items)):
        if isinstance(outcome, Failure):
            failures.append(outcome)
        else:
            packs.append(outcome[0])
            annotated += outcome[1]
    if not packs:
        reason = f"the first of {len(items)} says: {failures[0].reason}" if failures else "it names no image"
        raise DataError("K405", path=directory, reason=reason)
    return Packed(kind.concatenate(packs), annotated, tuple(failures))


def _outcomes(work: Callable[[Any], Any], items: Sequence[Any], processes: int) -> Iterator[Any]:
    if processes <= 1:
        yield from map(partial(_attempt, work), items)
        return
    # Not fork: torch and OpenCV keep threads that do not survive it.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(work,)) as pool:
        yield from pool.map(_continue, items, chunksize=4)


def _attempt(work: Callable[[Any], Any], item: Any) -> Any:
    try:
        return work(item)
    except Exception as fault:  # one damaged image must not cost the hours that the others took
        return Failure(item.id, f"{type(fault).__name__}: {fault}")


_work: Callable[[Any], Any]
"""Of a worker process, which gets it once: it may hold a network."""


def _begin(work: Callable[[Any], Any]) -> None:
    import cv2
    import torch

    global _work
    _work = work
    # As many processes as cores are asked for; threads of their own would only be in each other's way.
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _continue(item: Any) -> Any:
    return _attempt(_work, item)
