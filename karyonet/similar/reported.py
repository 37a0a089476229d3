"""A chromosome of a finished report, with the metaphase around it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from karyonet.case import Case, Chromosome, Metaphase
from karyonet.errors import InputError
from karyonet.imaging import ReadingLimits
from karyonet.report import Report
from karyonet.similar.gallery import Gallery
from karyonet.similar.search import Sighting, nearest, run_stage
from karyonet.stage import Stage
from karyonet.training.strip_pack import median_strip_length


@dataclass(frozen=True, eq=False)
class Reported:
    """A chromosome of a report.

    Attributes:
        name: ``m1:c4``.
        metaphase: its image and the regions of all its chromosomes, nothing else.
        chromosome: as the report has it.
    """

    name: str
    metaphase: Metaphase
    chromosome: Chromosome


def read_reported(
    folder: Path, name: str, images: Sequence[Path] = (), limits: ReadingLimits | None = None
) -> Reported:
    """Read a chromosome of a report and find the image that it lies in.

    A report keeps the name and the checksum of an image, not its folder: files and folders that are named are looked
    at, then the report's own folder, those around it, and the current one.

    Args:
        folder: of the report.
        name: metaphase and chromosome, ``m1:c4``.
        images: where the image may be.
        limits: of the image file.

    Raises:
        InputError: K101 or K114 for the report, K127 if it has no such chromosome, K128 if the image is not found.
    """
    report = Report.load(folder)
    wanted, _, part = name.partition(":")
    known = {metaphase.id: metaphase for metaphase in report.metaphases}
    if wanted not in known:
        raise InputError("K127", report=folder, chromosome=name, known=_some([f"{key}:c1" for key in known]))
    metaphase = known[wanted]
    chromosome = next((c for c in metaphase.chromosomes if c.id == part), None)
    if chromosome is None:
        choices = [f"{wanted}:{c.id}" for c in metaphase.chromosomes]
        raise InputError("K127", report=folder, chromosome=name, known=_some(choices))
    recorded = _find(metaphase, folder, images, limits)
    if recorded is None or recorded.grey.shape != metaphase.grey.shape:
        raise InputError("K128", report=folder, image=metaphase.image)
    regions = tuple(Chromosome(c.id, c.region) for c in metaphase.chromosomes)
    foreground = np.zeros(recorded.grey.shape, dtype=bool)
    for c in regions:
        foreground[c.region.slices] |= c.region.mask
    return Reported(name, replace(recorded, id=wanted, foreground=foreground, chromosomes=regions), chromosome)


def see_reported(
    stages: Mapping[str, Stage],
    reported: Reported,
    gallery: Gallery,
    count: int,
    without_case: str | None = None,
) -> Sighting:
    """Find the known chromosomes that look like one of a report; scale and stain come from its metaphase.

    Raises:
        InputError: K125 if it cannot be straightened. StageError: K901.
    """
    case = Case(reported.name, (reported.metaphase,))
    for step in stages.values():
        if step.assigns & {"chromosome.strip", "chromosome.embedding", "chromosome.probabilities"}:
            case = run_stage(step, case)
    chromosomes = case.metaphases[0].chromosomes
    own = next((c for c in chromosomes if c.id == reported.chromosome.id), None)
    if own is None or own.strip is None or own.embedding is None:
        raise InputError("K125", path=reported.name, reason="it cannot be straightened")
    scale = median_strip_length([c.strip.optical_density for c in chromosomes if c.strip is not None])
    rows, columns = own.region.with_margin(6, reported.metaphase.grey.shape).slices
    return Sighting(
        name=reported.name,
        strip=own.strip.optical_density,
        picture=reported.metaphase.grey[rows, columns],
        p_arm_up=own.p_arm_up,
        label=own.label or "",
        confidence=own.confidence or 0.0,
        scale=scale,
        scales=(scale,),
        neighbours=nearest(own.embedding[None], gallery, count, without_case),
    )


def _find(metaphase: Metaphase, folder: Path, images: Sequence[Path], limits: ReadingLimits | None) -> Metaphase | None:
    """The metaphase as its image shows it; None where no file is the one that the report was made of."""
    stem, _, page = metaphase.image.rpartition("#")  # "name.tif#2" is its second page
    file, number = (stem, int(page) - 1) if stem and page.isdigit() else (metaphase.image, 0)
    places = [*images, folder, *folder.resolve().parents[:3], Path.cwd()]
    for place in places:
        path = place / file if place.is_dir() else place
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != metaphase.sha256:
            continue
        pages = Case.read(path, limits=limits).metaphases
        return pages[number] if number < len(pages) else None
    return None


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:6])
    return f"{shown} …" if len(names) > 6 else shown or "(none)"
