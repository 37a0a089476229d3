"""One metaphase, from the chromosomes of a cell to an image and everything that is true of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from karyonet.case import ClusterType
from karyonet.geometry.region import Region
from karyonet.simulate.appearance import Look, draw_look
from karyonet.simulate.bend import Course, lay_along, random_course, ring_course
from karyonet.simulate.chromosome import StraightChromosome, render
from karyonet.simulate.field import add_surroundings, photograph
from karyonet.simulate.layout import Heteromorphism, Style, lay_out
from karyonet.simulate.plan import ChromosomePlan
from karyonet.simulate.spread import Piece, pair_contacts, place, relations

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SimulatedChromosome:
    """A chromosome of a simulated metaphase. Positions are row and column in pixels of the image.

    Attributes:
        id: unique in the metaphase, ``c1`` …
        label: one of :data:`karyonet.case.LABELS`, or ``mar``.
        homolog: which of its label, from 1.
        region: all its pixels, those of overlaps too.
        axis: float64, shape (n, 2): one point a pixel, from the end of the short arm.
        centromeres: one position, none in a fragment, two in a dicentric chromosome.
        breakpoints: where segments are joined.
        p_arm_up: whether the short arm's end lies higher in the image (of equally high ones, further left);
            None for rings and chromosomes without a short arm of their own.
        cluster: id of the cluster that it lies in.
        plan: what was drawn.
    """

    id: str
    label: str
    homolog: int
    region: Region
    axis: FloatArray
    centromeres: tuple[tuple[float, float], ...]
    breakpoints: tuple[tuple[float, float], ...]
    p_arm_up: bool | None
    cluster: str
    plan: ChromosomePlan


@dataclass(frozen=True)
class SimulatedCluster:
    """Chromosomes that touch or overlap, directly or through others.

    Attributes:
        id: ``k1`` …
        type: as in :class:`karyonet.case.Cluster`.
        chromosomes: ids.
    """

    id: str
    type: ClusterType
    chromosomes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class SimulatedMetaphase:
    """An image and its truth.

    Attributes:
        image: uint8 or uint16, shape (height, width).
        chromosomes: in the order of the karyotype.
        clusters: every chromosome is in one.
        overlaps: pixels that two chromosomes share, by their ids; 0 for pairs that touch only.
        surroundings: bool, shape (height, width): nuclei and debris.
        karyotype: of the cell, as ISCN writes it.
        band_level: bands per haploid set.
        style: ``gband`` or ``qband``.
        look: the appearance that was drawn.
    """

    image: NDArray[np.uint8] | NDArray[np.uint16]
    chromosomes: tuple[SimulatedChromosome, ...]
    clusters: tuple[SimulatedCluster, ...]
    overlaps: dict[tuple[str, str], int]
    surroundings: NDArray[np.bool_]
    karyotype: str
    band_level: float
    style: Style
    look: Look


def draw_metaphase(
    chromosomes: Sequence[ChromosomePlan],
    generator: np.random.Generator,
    *,
    band_level: float = 550,
    crowding: float = 0.5,
    style: Style = "gband",
    karyotype: str = "",
    heteromorphism: Sequence[Heteromorphism] = (),
    shape: tuple[int, int] = (800, 800),
    bit_depth: int = 8,
    look: Look | None = None,
) -> SimulatedMetaphase:
    """Draw one cell.

    Args:
        chromosomes: of the cell.
        generator: all randomness comes from it, in a fixed order.
        band_level: 300–850.
        crowding: 0 (every chromosome alone) to 1 (hardly one).
        style: ``gband`` or ``qband``.
        karyotype: of the cell, for the truth.
        heteromorphism: the person's variable bands, for each chromosome; by default the ideogram's.
        shape: height and width; the image grows if the chromosomes do not find room.
        bit_depth: 8 or 16.
        look: by default drawn from ``appearance.yaml``.

    Raises:
        ArrayError: K501 for a band level outside 300–850 or a segment that is not on its chromosome.
    """
    look = look_at_level(look or draw_look(style, generator), band_level)
    straight, courses, pieces, drawn = [], [], [], []
    for number, plan in enumerate(chromosomes):
        variant = heteromorphism[number] if heteromorphism else None
        body = render(lay_out(plan.segments, band_level, style, variant), look, generator, closed=plan.ring)
        course = _course(plan, body, look, generator)
        density, mask, origin = lay_along(course, body.density, body.coverage)
        straight.append(body)
        courses.append(course)
        pieces.append(Piece(mask, origin, course.points))
        drawn.append(density)

    wanted = relations(len(pieces), crowding, generator)
    area = len(pieces) * look.field * look.width**2 * (1.35 - 0.7 * crowding)
    axis = np.sqrt(area / np.pi / look.roundness)
    gap = max(4, round(0.4 * look.width))
    corners, shape = place(pieces, wanted, shape, (float(axis), float(axis * look.roundness)), gap, generator)

    stain, covered = np.zeros(shape), np.zeros(shape, dtype=bool)
    for (row, column), density, piece in zip(corners, drawn, pieces, strict=True):
        box = slice(row, row + density.shape[0]), slice(column, column + density.shape[1])
        under = stain[box]
        stain[box] = np.maximum(under, density) + look.addition * np.minimum(under, density)
        covered[box] |= piece.mask
    surroundings = add_surroundings(stain, covered, look, generator)
    image = photograph(stain, look, style, bit_depth, generator)

    regions = [Region.from_mask(p.mask, (c[1], c[0])) for p, c in zip(pieces, corners, strict=True)]
    contacts = pair_contacts(regions)
    ids = [f"c{number + 1}" for number in range(len(pieces))]
    clusters, membership = _clusters(ids, contacts)
    found = [
        _truth(plan, ids[n], regions[n], straight[n], courses[n].points + pieces[n].origin + corners[n], membership[n])
        for n, plan in enumerate(chromosomes)
    ]
    return SimulatedMetaphase(
        image=image,
        chromosomes=_numbered(found),
        clusters=clusters,
        overlaps={(ids[a], ids[b]): shared for (a, b), shared in contacts.items()},
        surroundings=surroundings,
        karyotype=karyotype,
        band_level=band_level,
        style=style,
        look=look,
    )


def look_at_level(look: Look, band_level: float) -> Look:
    """A look, drawn for 550 bands, at another level: chromosomes are less condensed, longer and a little thinner."""
    stretch = (band_level / 550) ** 0.45
    return replace(look, scale=look.scale * stretch, width=look.width * stretch**-0.3)


def _course(plan: ChromosomePlan, body: StraightChromosome, look: Look, generator: np.random.Generator) -> Course:
    rows = len(body.density)
    spread = np.exp(look.turning_spread * generator.standard_normal())
    if plan.ring:
        return ring_course(rows, generator)
    slenderness = rows / (2 * body.half_width) / 5
    return random_course(rows, body.half_width, look.turning * spread * slenderness**1.2, body.centromeres, generator)


def _truth(
    plan: ChromosomePlan, id: str, region: Region, body: StraightChromosome, points: FloatArray, cluster: str
) -> SimulatedChromosome:
    def at(row: float) -> tuple[float, float]:
        point = points[min(int(row), len(points) - 1)]
        return (float(point[0]), float(point[1]))

    p_arm_up: bool | None = None
    if not plan.ring and plan.p_arm_first is not None:
        first_up = points[0].tolist() < points[-1].tolist()
        p_arm_up = first_up == plan.p_arm_first
    return SimulatedChromosome(
        id=id,
        label=plan.label,
        homolog=0,
        region=region,
        axis=points,
        centromeres=tuple(at(row) for row in body.centromeres),
        breakpoints=tuple(at(row) for row in body.junctions),
        p_arm_up=p_arm_up,
        cluster=cluster,
        plan=plan,
    )


def _numbered(chromosomes: Sequence[SimulatedChromosome]) -> tuple[SimulatedChromosome, ...]:
    counts: dict[str, int] = {}
    numbered = []
    for chromosome in chromosomes:
        counts[chromosome.label] = counts.get(chromosome.label, 0) + 1
        numbered.append(replace(chromosome, homolog=counts[chromosome.label]))
    return tuple(numbered)


def _clusters(
    ids: Sequence[str], contacts: dict[tuple[int, int], int]
) -> tuple[tuple[SimulatedCluster, ...], list[str]]:
    """Connected components of the contacts, in the order of their first chromosome."""
    leader = list(range(len(ids)))
    for first, second in sorted(contacts):
        old, new = sorted((leader[first], leader[second]), reverse=True)
        leader = [new if number == old else number for number in leader]
    clusters: list[SimulatedCluster] = []
    membership = [""] * len(ids)
    for first in sorted(set(leader)):
        members = [number for number, group in enumerate(leader) if group == first]
        shared = [pixels for (a, _), pixels in contacts.items() if a in members]
        overlapping, touching = any(pixels > 0 for pixels in shared), any(pixels == 0 for pixels in shared)
        type: ClusterType = "instance"
        if overlapping or touching:
            type = "touching_overlapping" if overlapping and touching else "overlapping" if overlapping else "touching"
        cluster = SimulatedCluster(f"k{len(clusters) + 1}", type, tuple(ids[number] for number in members))
        clusters.append(cluster)
        for number in members:
            membership[number] = cluster.id
    return tuple(clusters), membership
