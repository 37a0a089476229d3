"""Which known chromosomes a given one looks like, and how they would name it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from karyonet.case import LABELS, Case, Chromosome, Contrast, FloatArray, Metaphase, Strip
from karyonet.errors import InputError, StageError
from karyonet.geometry.region import Region
from karyonet.similar.crop import Crop
from karyonet.similar.gallery import Gallery, breadth
from karyonet.stage import Stage

DEVIATIONS: tuple[float, ...] = (2.0, 1.5, 1.0, 0.5, 0.0, -0.5, -1.0, -1.5, -2.0)
"""Scales that are tried where none is given: how many standard deviations wider than usual the chromosome is then."""
UNUSUAL = 0.01
"""Similarity that an unusual width costs, times the squared deviation.

Chosen on 679 validation chromosomes of pki3 (35 cases), looked for among those of other cases
(``tools/fit_scale_penalty.py``): with penalties of 0, 0.003, 0.01, 0.03 and 0.1 the nearest one had the right name for
85.9, 88.4, 89.1, 87.3 and 84.2 %; with the scale known, for 96.6 %."""


@dataclass(frozen=True)
class Neighbour:
    """A known chromosome.

    Attributes:
        index: its place in the gallery.
        label, cell, case: as the data set names them.
        similarity: cosine of the embeddings, -1 to 1.
    """

    index: int
    label: str
    similarity: float
    cell: str
    case: str


@dataclass(frozen=True)
class Vote:
    """How many of the neighbours have a label, and the sum of their similarities."""

    label: str
    neighbours: int
    similarity: float


@dataclass(frozen=True, eq=False)
class Sighting:
    """What is known of one chromosome.

    Attributes:
        name: of the file or of the chromosome.
        strip: its stain, straightened, as it lies: float32, shape (length, width).
        picture: grey values around it, float32, 0–1.
        p_arm_up: whether the short arm is at row 0 of the strip; None where the model does not say.
        label, confidence: what the model calls it, seen alone.
        scale: median length of its metaphase in pixels that it was seen with.
        scales: those that were tried; one where it was known.
        neighbours: nearest first.
    """

    name: str
    strip: FloatArray
    picture: FloatArray
    p_arm_up: bool | None
    label: str
    confidence: float
    scale: float
    scales: tuple[float, ...]
    neighbours: tuple[Neighbour, ...]

    @property
    def votes(self) -> tuple[Vote, ...]:
        """The labels of the neighbours: most first, the more similar first where as many have them."""
        found: dict[str, list[float]] = {}
        for neighbour in self.neighbours:
            found.setdefault(neighbour.label, []).append(neighbour.similarity)
        votes = [Vote(label, len(values), sum(values)) for label, values in found.items()]
        return tuple(sorted(votes, key=lambda vote: (-vote.neighbours, -vote.similarity)))


def nearest(
    embeddings: FloatArray, gallery: Gallery, count: int, without_case: str | None = None
) -> tuple[Neighbour, ...]:
    """The known chromosomes that are most similar to any of several views of one chromosome.

    Args:
        embeddings: float32, shape (views, d), unit length.
        gallery: what is searched.
        count: how many; fewer where there are no more.
        without_case: leave out the chromosomes of this case.
    """
    similarity = (embeddings @ gallery.embeddings.T).max(axis=0)
    if without_case is not None:
        similarity = np.where(gallery.pack.cases == without_case, -np.inf, similarity)
    order = np.argsort(-similarity, kind="stable")[:count]
    pack = gallery.pack
    return tuple(
        Neighbour(int(n), LABELS[pack.labels[n]], float(similarity[n]), str(pack.cells[n]), str(pack.cases[n]))
        for n in order
        if np.isfinite(similarity[n])
    )


def plausible_scales(strip: FloatArray, gallery: Gallery) -> tuple[float, ...]:
    """Median lengths in pixels that the metaphase of a chromosome may have had, one for each of :data:`DEVIATIONS`.

    The length of a chromosome says nothing of it, as types differ by a factor of four. The width does: it is nearly
    the same for all chromosomes of a metaphase, and relative to the median length the known ones say what it can be.
    """
    pack = gallery.pack
    widths = np.array([breadth(pack.strip(n)) for n in range(len(pack))]) / pack.median_length
    logarithms = np.log(np.maximum(widths, 1e-3))
    spread = max(float(logarithms.std()), 0.02)
    return tuple(float(breadth(strip) / np.exp(logarithms.mean() + spread * z)) for z in DEVIATIONS)


def see_crop(
    stages: Mapping[str, Stage],
    crop: Crop,
    gallery: Gallery,
    count: int,
    scale: float | None = None,
    without_case: str | None = None,
) -> Sighting:
    """Find the known chromosomes that look like the one of a picture.

    Args:
        stages: of a pipeline; those that straighten and classify are used.
        crop: the picture.
        gallery: known chromosomes.
        count: how many neighbours.
        scale: median chromosome length of its metaphase in pixels; None tries :func:`plausible_scales` and takes the
            one with the most similar neighbours, less what an unusual width costs.
        without_case: leave out the known chromosomes of this case.

    Raises:
        InputError: K125 if it cannot be straightened. StageError: K901.
    """
    strip = _straightened(stages, crop)
    scales = (scale,) if scale is not None else plausible_scales(strip, gallery)
    best: tuple[float, Sighting] | None = None
    for tried, deviation in zip(scales, (0.0,) if scale is not None else DEVIATIONS, strict=True):
        said = _classified(stages, strip, tried, crop.contrast)
        views = [chromosome.embedding for chromosome in said if chromosome.embedding is not None]
        if not views:
            raise InputError("K125", path=crop.name, reason="what stands out cannot be classified")
        neighbours = nearest(np.stack(views), gallery, count, without_case)
        label, confidence = _named([c.probabilities for c in said if c.probabilities is not None])
        xmin, ymin, xmax, ymax = crop.region.bbox
        picture = crop.grey[max(ymin - 6, 0) : ymax + 6, max(xmin - 6, 0) : xmax + 6]
        up = said[0].p_arm_up
        sighting = Sighting(crop.name, strip, picture, up, label, confidence, tried, scales, neighbours)
        score = closeness(sighting) - UNUSUAL * deviation**2
        if best is None or score > best[0]:
            best = score, sighting
    assert best is not None  # there is at least one scale
    return best[1]


def closeness(sighting: Sighting) -> float:
    """Mean similarity of the four nearest, by which a scale is judged."""
    return float(np.mean([neighbour.similarity for neighbour in sighting.neighbours[:4]] or [-1.0]))


def _named(probabilities: Sequence[FloatArray]) -> tuple[str, float]:
    """The most probable label over all views, and its probability."""
    mean = np.mean(probabilities, axis=0) if probabilities else np.full(len(LABELS), 1 / len(LABELS))
    return LABELS[int(mean.argmax())], float(mean.max())


def _straightened(stages: Mapping[str, Stage], crop: Crop) -> FloatArray:
    metaphase = Metaphase(
        "m1", crop.name, crop.sha256, crop.grey, crop.contrast, crop.optical_density,
        foreground=crop.region.to_mask(crop.grey.shape), chromosomes=(Chromosome("c1", crop.region),),
    )  # fmt: skip
    case = Case(crop.name, (metaphase,))
    for step in stages.values():
        if "chromosome.strip" in step.assigns:
            case = run_stage(step, case)
    strip = case.metaphases[0].chromosomes[0].strip
    if strip is None or not (strip.optical_density > 0).any():
        raise InputError("K125", path=crop.name, reason="what stands out cannot be straightened")
    return strip.optical_density


def _classified(stages: Mapping[str, Stage], strip: FloatArray, scale: float, contrast: Contrast) -> list[Chromosome]:
    """What the classifying stages say of a strip as it lies, turned and mirrored.

    Stages judge size and stain by the metaphase, which is not there. The strip therefore comes with companions of its
    own stain, stretched to the length ``scale``, so many that they make the median.
    """
    views = [strip, strip[::-1, ::-1], strip[:, ::-1], strip[::-1]]
    companion = strip[np.linspace(0, len(strip) - 1, max(round(scale), 4)).round().astype(np.intp)]
    strips = [*views, *[companion] * (len(views) + 1)]
    nothing = np.zeros((1, 1), dtype=np.float32)
    region = Region((0, 0, 1, 1), np.ones((1, 1), dtype=bool))
    chromosomes = [Chromosome(f"c{n}", region, strip=_as_strip(values)) for n, values in enumerate(strips, start=1)]
    case = Case("similar", (Metaphase("m1", "", "", nothing, contrast, nothing, chromosomes=tuple(chromosomes)),))
    for step in stages.values():
        if step.assigns & {"chromosome.embedding", "chromosome.probabilities"}:
            case = run_stage(step, case)
    found = {chromosome.id: chromosome for chromosome in case.metaphases[0].chromosomes}
    return [found[f"c{n}"] for n in range(1, len(views) + 1)]


def _as_strip(density: FloatArray) -> Strip:
    rows = len(density)
    profiles = np.zeros((2, 512), dtype=np.float32)
    axis: NDArray[np.float32] = np.zeros((rows, 2), dtype=np.float32)
    return Strip(np.ascontiguousarray(density), np.ones(rows, dtype=bool), profiles, axis, 1.0)


def run_stage(step: Stage, case: Case) -> Case:
    """The case after a stage, if its metaphase is still there.

    Raises:
        StageError: K901 if it is not.
    """
    after = step(case)
    if not after.metaphases:
        error = after.errors[-1]
        raise StageError("K901", stage=type(step).__name__, image=error.image or case.id, reason=error.message)
    return after
