"""A case while a person's edits are applied to it, one after the other; each is checked before it changes anything."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from scipy.ndimage import binary_dilation

from karyonet.case import Case, Chromosome, Cluster, Metaphase
from karyonet.edits.document import (
    AddByBox,
    AnyEdit,
    Delete,
    ExcludeMetaphase,
    Flip,
    IncludeMetaphase,
    Merge,
    Relabel,
    Split,
)
from karyonet.edits.history import AppliedEdit, Standing
from karyonet.edits.outlines import divide, join
from karyonet.geometry.region import BoundingBox, Region, shared_pixels
from karyonet.geometry.width import estimate_width

LONGEST_BRIDGE = 2.0
"""Pieces that are merged may lie so far apart, in chromosome widths."""
SMALLEST_BOX = 3
"""Pixels: a drawn box is at least so wide and high."""

Fill = Callable[[Metaphase, BoundingBox], Region]
"""Finds the chromosome in a box drawn on a metaphase (as it is in the draft)."""


class RefusedEditError(Exception):
    """An edit that cannot be applied: which of its keys is wrong, and why."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")
        self.key, self.reason = key, reason


class Draft:
    """The case as the edits so far leave it, before anything is computed anew.

    Args:
        case: of the report.
        standing: what earlier edits say; this draft's are added to it.
        stopped: ids of the metaphases that a stage or a person has left out of the karyotype.
        fill: for boxes.

    Attributes:
        metaphases: by id; chromosomes that an edit made have nothing but their region and cluster.
        outlined: metaphases whose chromosomes are others now, or have other pixels.
        named: metaphases of which a chromosome was named or turned over.
    """

    def __init__(self, case: Case, standing: Standing, stopped: Iterable[str], fill: Fill) -> None:
        self.metaphases = {metaphase.id: metaphase for metaphase in case.metaphases}
        self.standing = standing
        self.outlined: set[str] = set()
        self.named: set[str] = set()
        self._stopped = set(stopped)
        self._fill = fill

    def apply(self, edit: AnyEdit, author: str) -> AppliedEdit:
        """Apply one edit.

        Raises:
            RefusedEditError: if it cannot be; nothing has changed then.
        """
        metaphase = self.metaphases.get(edit.metaphase)
        if metaphase is None:
            raise RefusedEditError(
                "metaphase", f"there is no metaphase {edit.metaphase}; there are {_some(self.metaphases)}"
            )
        match edit:
            case Relabel():
                applied = self._relabel(edit, metaphase)
            case Flip():
                applied = self._flip(edit, metaphase)
            case Split():
                applied = self._split(edit, metaphase)
            case Merge():
                applied = self._merge(edit, metaphase)
            case Delete():
                gone = self._chromosome(metaphase, edit.chromosome)
                self._replace(metaphase, [gone], [])
                applied = AppliedEdit(edit=edit, label_before=gone.label)
            case AddByBox():
                applied = self._add(edit, metaphase)
            case ExcludeMetaphase():
                if edit.metaphase in self._stopped:
                    raise RefusedEditError("metaphase", f"{edit.metaphase} is left out of the karyotype already")
                self._stopped.add(edit.metaphase)
                applied = AppliedEdit(edit=edit)
            case IncludeMetaphase():
                if edit.metaphase not in self._stopped:
                    raise RefusedEditError("metaphase", f"{edit.metaphase} is not left out of the karyotype")
                self._stopped.discard(edit.metaphase)
                applied = AppliedEdit(edit=edit)
        self.standing.note(applied, author)
        return applied

    def _relabel(self, edit: Relabel, metaphase: Metaphase) -> AppliedEdit:
        chromosome = self._chromosome(metaphase, edit.chromosome)
        before = self.standing.names.get((metaphase.id, chromosome.id), chromosome.label)
        self.named.add(metaphase.id)
        return AppliedEdit(edit=edit, label_before=before)

    def _flip(self, edit: Flip, metaphase: Metaphase) -> AppliedEdit:
        chromosome = self._chromosome(metaphase, edit.chromosome)
        up = self.standing.p_arm_up.get((metaphase.id, chromosome.id), chromosome.p_arm_up)
        if up is None:
            known = f"how {chromosome.id} lies is not known yet"
            made = chromosome.id in self.standing.used.get(metaphase.id, ())
            cure = "; apply the edits that make it first, then flip it with another file" if made else ""
            raise RefusedEditError("chromosome", known + cure)
        self.named.add(metaphase.id)
        return AppliedEdit(edit=edit, p_arm_up=not up)

    def _split(self, edit: Split, metaphase: Metaphase) -> AppliedEdit:
        chromosome = self._chromosome(metaphase, edit.chromosome)
        for number, (x, y) in enumerate(edit.line):
            if not (0 <= x <= metaphase.width and 0 <= y <= metaphase.height):
                raise RefusedEditError(f"line.{number}", f"[{x:g}, {y:g}] lies outside the image ({_size(metaphase)})")
        parts = divide(chromosome.region, edit.line)
        if len(parts) < 2:
            box = list(chromosome.region.bbox)
            raise RefusedEditError(
                "line", f"the line does not divide {chromosome.id}; draw it across, through the box {box}"
            )
        made = self._replace(metaphase, [chromosome], [(part, chromosome.cluster) for part in parts])
        return AppliedEdit(edit=edit, made=made, label_before=chromosome.label)

    def _merge(self, edit: Merge, metaphase: Metaphase) -> AppliedEdit:
        pieces = [
            self._chromosome(metaphase, one, f"chromosomes.{number}") for number, one in enumerate(edit.chromosomes)
        ]
        region, gap = join([piece.region for piece in pieces])
        foreground = np.zeros((metaphase.height, metaphase.width), dtype=bool)
        for chromosome in metaphase.chromosomes:
            foreground[chromosome.region.slices] |= chromosome.region.mask
        area = float(np.median([chromosome.region.area for chromosome in metaphase.chromosomes]))
        width = estimate_width(foreground) or 0.5 * area**0.5
        if gap > LONGEST_BRIDGE * width:
            reason = f"they lie {gap:.0f} pixels apart, more than two widths of a chromosome ({width:.0f} pixels)"
            raise RefusedEditError("chromosomes", reason)
        largest = max(pieces, key=lambda piece: piece.region.area)
        made = self._replace(metaphase, pieces, [(region, largest.cluster)])
        return AppliedEdit(edit=edit, made=made)

    def _add(self, edit: AddByBox, metaphase: Metaphase) -> AppliedEdit:
        xmin, ymin, xmax, ymax = edit.box
        if xmin < 0 or ymin < 0 or xmax > metaphase.width or ymax > metaphase.height:
            raise RefusedEditError("box", f"{list(edit.box)} leaves the image ({_size(metaphase)})")
        if min(xmax - xmin, ymax - ymin) < SMALLEST_BOX:
            raise RefusedEditError("box", f"{list(edit.box)} is less than {SMALLEST_BOX} pixels wide or high")
        region = self._fill(metaphase, edit.box)
        if not region.area:
            raise RefusedEditError("box", f"nothing stained was found in {list(edit.box)}")
        for other in metaphase.chromosomes:
            shared = int(shared_pixels([region], [other.region])[0, 0])
            if shared > 0.8 * (region.area + other.region.area - shared):
                raise RefusedEditError("box", f"{list(edit.box)} holds {other.id}, which is there already")
        return AppliedEdit(edit=edit, made=self._replace(metaphase, [], [(region, _cluster_at(metaphase, region))]))

    def _chromosome(self, metaphase: Metaphase, name: str, key: str = "chromosome") -> Chromosome:
        found = next((chromosome for chromosome in metaphase.chromosomes if chromosome.id == name), None)
        if found is None:
            known = _some([chromosome.id for chromosome in metaphase.chromosomes])
            raise RefusedEditError(key, f"there is no {name} in {metaphase.id}; there are {known}")
        return found

    def _replace(
        self, metaphase: Metaphase, gone: Sequence[Chromosome], regions: Sequence[tuple[Region, str | None]]
    ) -> tuple[str, ...]:
        """Take chromosomes out and put new ones in, each with its cluster; the ids of the new ones."""
        used = self.standing.used.get(metaphase.id, set()) | {chromosome.id for chromosome in metaphase.chromosomes}
        first = _next_number(used, "c")
        clusters = metaphase.clusters
        made: list[Chromosome] = []
        for number, (region, cluster) in enumerate(regions, start=first):
            if cluster is None:
                new = Cluster(f"k{_next_number([k.id for k in clusters], 'k')}", region)
                clusters, cluster = (*clusters, new), new.id
            made.append(Chromosome(f"c{number}", region, cluster=cluster))
        left = {chromosome.id for chromosome in gone}
        chromosomes = (*(c for c in metaphase.chromosomes if c.id not in left), *made)
        changed = {chromosome.cluster for chromosome in (*gone, *made)}
        members = {cluster.id: [c for c in chromosomes if c.cluster == cluster.id] for cluster in clusters}
        self.metaphases[metaphase.id] = replace(
            metaphase,
            chromosomes=chromosomes,
            clusters=tuple(_with(k, members[k.id]) if k.id in changed else k for k in clusters),
        )
        self.outlined.add(metaphase.id)
        return tuple(chromosome.id for chromosome in made)


def _with(cluster: Cluster, members: Sequence[Chromosome]) -> Cluster:
    """A cluster of which a person has changed the chromosomes: what a stage said of its type holds no more."""
    region = join([c.region for c in members])[0] if members else cluster.region
    return replace(cluster, region=region, type=None, probability=None, chromosomes=tuple(c.id for c in members))


def _cluster_at(metaphase: Metaphase, region: Region) -> str | None:
    """The cluster whose chromosomes a region shares most pixels with, those that it touches included; None if none."""
    if not metaphase.chromosomes:
        return None
    wide = region.with_margin(1, (metaphase.height, metaphase.width))
    grown = replace(wide, mask=binary_dilation(wide.mask, np.ones((3, 3), dtype=bool)))
    shared = shared_pixels([grown], [chromosome.region for chromosome in metaphase.chromosomes])[0]
    return metaphase.chromosomes[int(shared.argmax())].cluster if shared.any() else None


def _next_number(ids: Iterable[str], letter: str) -> int:
    numbers = [int(found[1]) for one in ids if (found := re.fullmatch(rf"{letter}([0-9]{{1,9}})", one))]
    return max(numbers, default=0) + 1


def _size(metaphase: Metaphase) -> str:
    return f"{metaphase.width} × {metaphase.height} pixels"


def _some(ids: Iterable[str]) -> str:
    known = list(ids)
    return ", ".join(known[:50]) + (" …" if len(known) > 50 else "") or "none"
