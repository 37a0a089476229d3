"""Annotated chromosomes as a case, so that a stage can be measured without the stages before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from karyonet.case import LABELS, Case, Chromosome, Metaphase, Strip
from karyonet.data.boxes import region_in_box
from karyonet.data.metaphases import AnnotatedMetaphase
from karyonet.data.strips import AnnotatedCell, chromosome_regions
from karyonet.errors import StageError
from karyonet.geometry.region import BoundingBox, Region
from karyonet.label_sets import label_sets
from karyonet.stage import BoxSegmenter, SetClassifier, Stage


class Classified(NamedTuple):
    """What a classifier says of the chromosomes of a cell, in the order of its annotations.

    Attributes:
        probabilities: float, shape (n, 24), in the order of :data:`karyonet.case.LABELS`; a row of NaN is a
            chromosome that was not classified.
        p_arm_up: bool, shape (n,), whether the short arm lies higher in the image; None where it is not said.
        label_sets: by the coverage that they are meant to have, in per cent: bool, shape (n, 24), the names that a
            chromosome may have; None where the weights have no thresholds for them.
        embeddings: float, shape (n, d), a row of NaN where there is none; None where the classifier gives none.
    """

    probabilities: NDArray[np.floating]
    p_arm_up: NDArray[np.bool_] | None = None
    label_sets: Mapping[int, NDArray[np.bool_]] | None = None
    embeddings: NDArray[np.floating] | None = None


class StageClassifier:
    """A pipeline's straightening and classification on annotated chromosomes.

    Strip images give their chromosomes by themselves. On metaphase images the pipeline's segmentation says which pixels
    in an annotated box are the chromosome (:class:`karyonet.stage.BoxSegmenter`); one that cannot gives the foreground,
    of which the component in the box is taken (:func:`karyonet.data.boxes.region_in_box`).

    Every second strip is turned upside down before it is classified, because chromosomes lie either way up in a
    metaphase: cut-out chromosomes are upright, and a polarity that is always "up" would be right about all of them.

    Args:
        stages: of a pipeline, by their place in it.
    """

    def __init__(self, stages: Mapping[str, Stage]) -> None:
        found = list(stages.values())
        self._segmentation = next((step for step in found if "metaphase.foreground" in step.assigns), None)
        self._before = [step for step in found if "chromosome.strip" in step.assigns]
        self._after = [
            step
            for step in found
            if step not in self._before and step.assigns & {"chromosome.probabilities", "chromosome.p_arm_up"}
        ]

    def __call__(self, cell: AnnotatedCell | AnnotatedMetaphase) -> Classified:
        """Classify the annotated chromosomes of one image.

        Raises:
            KaryonetError: of the first stage that fails.
        """
        case = self._annotated_case(cell)
        for step in self._before:
            case = _checked(step(case))
        straightened = case.metaphases[0].chromosomes
        case = _with_chromosomes(case, [_turned(c) if n % 2 else c for n, c in enumerate(straightened)])
        for step in self._after:
            case = _checked(step(case))
        said = _answers(case.metaphases[0].chromosomes, [c.strip is not None for c in straightened])
        contrast = case.metaphases[0].contrast
        least = [step.least_probabilities(contrast) for step in self._after if isinstance(step, SetClassifier)]
        sets = {level: label_sets(said.probabilities, value) for level, value in least[-1].items()} if least else {}
        return said._replace(label_sets=sets or None)

    def chromosomes(self, cell: AnnotatedCell | AnnotatedMetaphase) -> tuple[Chromosome, ...]:
        """The annotated chromosomes of one image after the stages, as they lie, in the order of their annotations.

        Raises:
            KaryonetError: of the first stage that fails.
        """
        return self.metaphase(cell).chromosomes

    def metaphase(self, cell: AnnotatedCell | AnnotatedMetaphase) -> Metaphase:
        """One image with its annotated chromosomes after the stages, ``c1`` … in the order of their annotations.

        Raises:
            KaryonetError: of the first stage that fails.
        """
        case = self._annotated_case(cell)
        for step in (*self._before, *self._after):
            case = _checked(step(case))
        return case.metaphases[0]

    def _annotated_case(self, cell: AnnotatedCell | AnnotatedMetaphase) -> Case:
        """The case with one chromosome for every annotation, in their order."""
        case = _checked(Case.read(cell.path, case_id=cell.id))
        if isinstance(cell, AnnotatedCell):
            density, regions = chromosome_regions(cell)
            foreground = np.zeros(density.shape, dtype=bool)
            for region in regions:
                foreground[region.slices] |= region.mask
            metaphase = replace(case.metaphases[0], optical_density=density, foreground=foreground)
        else:
            if self._segmentation is not None:
                case = _checked(self._segmentation(case))
            metaphase = case.metaphases[0]
            boxes = [chromosome.bbox for chromosome in cell.chromosomes]
            if isinstance(self._segmentation, BoxSegmenter):
                regions = self._segmentation.regions_in_boxes(metaphase, boxes)
            else:
                regions = [_boxed(metaphase.foreground, box) for box in boxes]
        chromosomes = [Chromosome(f"c{number}", region) for number, region in enumerate(regions, start=1)]
        return _with_chromosomes(replace(case, metaphases=(metaphase,)), chromosomes)


def turned(strip: Strip) -> Strip:
    """A straightened chromosome turned by 180 degrees."""
    rows = min(strip.length, strip.profiles.shape[1])
    profiles = strip.profiles.copy()
    profiles[:, :rows] = strip.profiles[::-1, :rows][:, ::-1]
    return replace(
        strip,
        optical_density=np.ascontiguousarray(strip.optical_density[::-1, ::-1]),
        valid=strip.valid[::-1].copy(),
        profiles=profiles,
        axis=strip.axis[::-1].copy(),
    )


def _answers(chromosomes: Sequence[Chromosome], straightened: Sequence[bool]) -> Classified:
    """What the stages said, the polarity of the strips that had been turned put right."""
    found = {chromosome.id: chromosome for chromosome in chromosomes}
    probabilities = np.full((len(straightened), len(LABELS)), np.nan)
    p_arm_up: list[bool | None] = [None] * len(straightened)
    for number, has_strip in enumerate(straightened):
        chromosome = found.get(f"c{number + 1}")
        if chromosome is not None and chromosome.probabilities is not None:
            probabilities[number] = chromosome.probabilities
        if chromosome is not None and chromosome.p_arm_up is not None:
            p_arm_up[number] = chromosome.p_arm_up != (has_strip and number % 2 == 1)
    said = any(up is not None for up in p_arm_up)
    embeddings = _embeddings([found.get(f"c{number}") for number in range(1, len(straightened) + 1)])
    return Classified(probabilities, np.array([bool(up) for up in p_arm_up]) if said else None, embeddings=embeddings)


def _embeddings(chromosomes: Sequence[Chromosome | None]) -> NDArray[np.float32] | None:
    """Shape (n, d), NaN for a chromosome without one; None if no chromosome has one."""
    given = [None if c is None else c.embedding for c in chromosomes]
    size = next((embedding.size for embedding in given if embedding is not None), None)
    if size is None:
        return None
    missing = np.full(size, np.nan, dtype=np.float32)
    return np.stack([missing if embedding is None else embedding for embedding in given])


def _turned(chromosome: Chromosome) -> Chromosome:
    return chromosome if chromosome.strip is None else replace(chromosome, strip=turned(chromosome.strip))


def _boxed(foreground: NDArray[np.bool_] | None, box: BoundingBox) -> Region:
    """The chromosome in a box; the whole box where there is no foreground in it."""
    region = None if foreground is None else region_in_box(foreground, box)
    return region or Region(box, np.ones((box[3] - box[1], box[2] - box[0]), dtype=bool))


def _with_chromosomes(case: Case, chromosomes: Sequence[Chromosome]) -> Case:
    return replace(case, metaphases=(replace(case.metaphases[0], chromosomes=tuple(chromosomes)),))


def _checked(case: Case) -> Case:
    """The case, if its metaphase is still there."""
    if not case.metaphases:
        error = case.errors[-1]
        raise StageError("K901", stage="classification", image=error.image, reason=error.message)
    return case
