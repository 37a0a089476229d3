"""Labelled training examples composed of lone chromosomes: how the masks lie decides what a cluster is.

After the category-variant image composition of SupCAM (Luo, Wu & Zhao, Frontiers in Genetics 14:1109269, 2023), of
which the abstract alone could be read: the procedure here is our reconstruction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, field_validator, model_validator
from pydantic import Field as Setting

from karyonet.case import ClusterType, FloatArray
from karyonet.geometry.region import Region
from karyonet.training.compose import Cutout, Field, contact_distance, lay_beside, rising_share
from karyonet.training.metaphase_pack import long_axis

from .kinds import KINDS
from .sources import Patch, Sources, SourceSettings, relative_density

_FIELD = 320
_AROUND = 96
_MARGIN = 3
_ATTEMPTS = 12
_SQUARE = np.ones((3, 3), np.uint8)


class Compositions(BaseModel):
    """How examples are composed and varied; lengths in pixels of the packs unless said otherwise.

    Attributes:
        shares: of the kinds, in the order of :data:`~karyonet.stages.cluster_type.kinds.KINDS`.
        found: share of the examples that are components of real metaphases as they lie. Of most clusters only the
            number of chromosomes is known, so the contrastive training takes none.
        different: how many different examples there are; None composes new ones without end.
        most: chromosomes in a cluster. further: probability of each one above the fewest that the kind needs.
        closing: pixels that masks grow and shrink again; up to twice as many apart chromosomes still touch.
        sliver: shared area, in squared breadths, up to which chromosomes touch. overlap: from which they overlap;
            between the two nobody could say, and such compositions are drawn again. visible: share of each chromosome
            that no other covers, at least, since a hidden one cannot be counted.
        clear: pixels that two chromosomes of a cluster must be apart so that nobody could take them for touching.
            hidden: share of a contact or an overlap that further chromosomes may cover. Neither is met: drawn again.
        least_crossing: degrees between the long axes of crossing chromosomes. any_crossing: share of the crossings in
            which the angle is left to chance. elongation: below it a chromosome has no axis to speak of.
        real: share of the examples laid among the real background and neighbours of a place without stain.
        most_neighbours: laid around the others, apart from the cluster.
        chromosome_gain: relative, of the density of each chromosome.
        addition: share, from and to, of the lighter chromosome's density that adds to the darker one's where they
            cross. On 181 crossings of 41 validation metaphases of ``gband_metaphases`` the core of a crossing had 0.66
            (median; quartiles 0.55 and 0.76) of the sum of the densities of its arms: of equal arms, a share of 0.32.
        curve: exponents, least and greatest, of the stain: each view is stained anew by a power of the density, mostly
            near 1. Above 1 light bands fade, as in images with much contrast.
        gain, scale: relative, of a whole view. mask_error: pixels that a mask grows or shrinks at most.
        blur: standard deviation at most, noise: the same, in mean densities, both in pixels of the crop.
        haze: density of an uneven background at most.
        sources: what is taken for a chromosome, a nucleus, debris and empty.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    shares: tuple[float, float, float, float, float, float] = (0.22, 0.2, 0.2, 0.2, 0.08, 0.1)
    found: float = Setting(default=0.0, ge=0, le=1)
    different: int | None = Setting(default=None, ge=1)
    most: int = Setting(default=7, ge=3)
    further: float = Setting(default=0.4, ge=0, lt=1)
    closing: int = Setting(default=1, ge=1)
    sliver: float = Setting(default=0.1, ge=0)
    overlap: float = Setting(default=0.4, gt=0)
    visible: float = Setting(default=0.35, ge=0, lt=1)
    clear: int = Setting(default=6, ge=0)
    hidden: float = Setting(default=0.6, gt=0, le=1)
    least_crossing: float = Setting(default=25.0, ge=0, le=60)
    any_crossing: float = Setting(default=0.1, ge=0, le=1)
    elongation: float = Setting(default=0.4, ge=0, le=1)
    real: float = Setting(default=0.5, ge=0, le=1)
    most_neighbours: int = Setting(default=4, ge=0)
    chromosome_gain: float = Setting(default=0.1, ge=0, lt=1)
    addition: tuple[float, float] = (0.0, 0.8)
    curve: tuple[float, float] = (0.7, 2.2)
    gain: float = Setting(default=0.15, ge=0, lt=1)
    scale: float = Setting(default=0.15, ge=0, lt=1)
    mask_error: int = Setting(default=1, ge=0)
    blur: float = Setting(default=0.7, ge=0)
    noise: float = Setting(default=0.06, ge=0)
    haze: float = Setting(default=0.08, ge=0)
    sources: SourceSettings = SourceSettings()

    _rises = field_validator("addition")(rising_share)

    @model_validator(mode="after")
    def _has_shares(self) -> Compositions:
        if min(self.shares) < 0 or self.shares[0] <= 0:
            raise ValueError("shares must not be negative, and that of instance must be above 0")
        if self.sliver >= self.overlap:
            raise ValueError("sliver must be below overlap")
        if not 0 < self.curve[0] < self.curve[1] or not self.curve[0] <= 1 <= self.curve[1]:
            raise ValueError("curve must be a range around 1")
        return self


class Composed(NamedTuple):
    """One example before it is varied, composed or found.

    Attributes:
        relative_density: float32, shape (height, width), neighbours and background included.
        region: the component in question.
        kind: index in :data:`~karyonet.stages.cluster_type.kinds.KINDS`; of what was found perhaps
            :data:`~karyonet.stages.cluster_type.kinds.CLUSTER`.
        chromosomes: how many are in it; 0 for a nucleus or debris.
        masks: bool, shape (n, height, width): each chromosome whole; none of what was found.
    """

    relative_density: FloatArray
    region: Region
    kind: int
    chromosomes: int
    masks: NDArray[np.bool_]


def cluster_type(masks: Sequence[NDArray[np.bool_]], settings: Compositions) -> ClusterType | None:
    """What chromosomes that lie like this are.

    Args:
        masks: bool, shape (height, width), of each whole chromosome.
        settings: closing, sliver, overlap, visible, clear, hidden and breadth.

    Returns:
        None where they are not one component, a pair shares neither little nor much or is neither near nor apart, or a
        chromosome or the place where two meet is mostly hidden.
    """
    if _component(masks, settings.closing) is None:
        return None
    once = np.sum(masks, axis=0, dtype=np.uint8) == 1
    if any(np.count_nonzero(mask & once) < settings.visible * np.count_nonzero(mask) for mask in masks):
        return None
    sliver, overlap = (share * settings.sources.breadth**2 for share in (settings.sliver, settings.overlap))
    near, clear, edges = (
        [_grown(mask, by) for mask in masks]
        for by in (2 * settings.closing + 1, max(settings.clear, 2 * settings.closing + 1), settings.closing + 1)
    )
    touching = overlapping = False
    for i, first in enumerate(masks):
        for j in range(i):
            both = first & masks[j]
            shared = int(np.count_nonzero(both))
            if shared < overlap:
                if shared > sliver:
                    return None
                if not (near[i] & masks[j]).any():
                    if (clear[i] & masks[j]).any():
                        return None
                    continue
                both = edges[i] & edges[j]
            if _covered(both, masks, (i, j)) > settings.hidden:
                return None
            overlapping |= shared >= overlap
            touching |= shared < overlap
    if overlapping:
        return "touching_overlapping" if touching else "overlapping"
    return "touching" if touching else "instance"


def _covered(place: NDArray[np.bool_], masks: Sequence[NDArray[np.bool_]], pair: tuple[int, int]) -> float:
    """Share of a place at which two chromosomes meet that further ones cover."""
    others = [mask for number, mask in enumerate(masks) if number not in pair]
    if not others or not place.any():
        return 0.0
    return float(np.logical_or.reduce(others)[place].mean())


def compose(sources: Sources, settings: Compositions, seed: int | Sequence[int]) -> Composed:
    """Compose one example.

    The kind is drawn first; where a dozen attempts only give other arrangements, the last sound one stands with the
    type that its geometry has, or else a chromosome alone.

    Args:
        sources: of a split.
        settings: how.
        seed: the same seed composes the same example.
    """
    generator = np.random.default_rng(seed)
    kind = KINDS[int(generator.choice(len(KINDS), p=_shares(sources, settings)))]
    if settings.found and generator.random() < settings.found:
        patches = {"instance": sources.singles, "nucleus": sources.nuclei, "debris": sources.debris}.get(
            kind, sources.clusters
        )
        if patches:
            return _as_found(sources, patches[int(generator.integers(len(patches)))])
    if kind in ("nucleus", "debris"):
        patches = sources.nuclei if kind == "nucleus" else sources.debris
        field = _rejected(sources, patches[int(generator.integers(len(patches)))], generator)
        region = Region.from_mask(field.masks[0])
        masks = np.zeros((0, _FIELD, _FIELD), dtype=bool)
    else:
        field, kind = _arranged(sources, kind, settings, generator)
        whole = _component(field.masks, settings.closing)
        region, masks = Region.from_mask(field.covered if whole is None else whole), np.stack(field.masks)
    density = _surrounded(sources, field, region, settings, generator)
    return Composed(density, region, KINDS.index(kind), len(masks), masks)


def _as_found(sources: Sources, patch: Patch) -> Composed:
    """A component of a real metaphase among all that lies around it."""
    image = relative_density(sources.pack, patch.image)
    window = patch.region.with_margin(_AROUND, (image.shape[0], image.shape[1]))
    no_masks = np.zeros((0, *window.mask.shape), dtype=bool)
    return Composed(
        np.ascontiguousarray(image[window.slices]),
        Region.from_mask(window.mask),
        patch.kind,
        patch.chromosomes,
        no_masks,
    )


def _shares(sources: Sources, settings: Compositions) -> NDArray[np.float64]:
    """Probabilities of the kinds; what the data have no example of is not drawn."""
    shares = np.array(settings.shares)
    shares[4] *= bool(sources.nuclei)
    shares[5] *= bool(sources.debris)
    return np.asarray(shares / shares.sum())


def _arranged(
    sources: Sources, kind: str, settings: Compositions, generator: np.random.Generator
) -> tuple[Field, ClusterType]:
    """Chromosomes in an empty field that are, if at all possible, of a kind."""
    found: tuple[Field, ClusterType] | None = None
    for _ in range(_ATTEMPTS):
        field = _laid(sources, _contacts(kind, settings, generator), settings, generator)
        said = None if field is None else cluster_type(field.masks, settings)
        if field is not None and said is not None:
            found = field, said
            if said == kind:
                return found
    if found is not None:
        return found
    field = Field((_FIELD, _FIELD))
    field.lay(_chromosome(sources, settings, generator), (_FIELD / 2, _FIELD / 2))
    return field, "instance"


def _contacts(kind: str, settings: Compositions, generator: np.random.Generator) -> list[bool]:
    """Of each chromosome after the first, whether it is to overlap what is there."""
    if kind == "instance":
        return []
    both = kind == "touching_overlapping"
    fewest = 2 if both else 1
    count = min(fewest + int(generator.geometric(1 - settings.further)) - 1, settings.most - 1)
    if not both:
        return [kind == "overlapping"] * count
    drawn = [True, False, *(generator.random(count - 2) < 0.5).tolist()]
    return [drawn[place] for place in generator.permutation(count)]


def _laid(
    sources: Sources, contacts: Sequence[bool], settings: Compositions, generator: np.random.Generator
) -> Field | None:
    """Chromosomes laid onto or against each other; None where one leaves the field."""
    field = Field((_FIELD, _FIELD), float(generator.uniform(*settings.addition)))
    field.lay(_chromosome(sources, settings, generator), (_FIELD / 2, _FIELD / 2))
    for overlaps in contacts:
        cutout = _chromosome(sources, settings, generator)
        target = field.masks[int(generator.integers(len(field.masks)))]
        if overlaps:
            if generator.random() >= settings.any_crossing and _is_parallel(target, cutout.mask, settings):
                cutout = cutout.posed(90.0)
            x, y = _point(target, generator)
            column, row = _point(cutout.mask, generator)
            height, width = cutout.mask.shape
            centre = x - column + width / 2, y - row + height / 2
        else:
            origin, direction = _point(target, generator), float(generator.uniform(0, 2 * np.pi))
            distance = contact_distance(field.covered, cutout.mask, origin, direction)
            distance += float(generator.uniform(-1.0, 0.5 + settings.closing))
            centre = origin[0] + distance * np.cos(direction), origin[1] + distance * np.sin(direction)
        field.lay(cutout, centre)
        if int(field.masks[-1].sum()) != int(cutout.mask.sum()):
            return None
    return field


def _chromosome(sources: Sources, settings: Compositions, generator: np.random.Generator) -> Cutout:
    """A lone chromosome, turned any way."""
    cutout = sources.pack.cutout(int(generator.choice(sources.chromosomes)))
    posed = cutout.posed(float(generator.uniform(0, 360)), 1.0, bool(generator.random() < 0.5))
    gain = 1 + float(generator.uniform(-settings.chromosome_gain, settings.chromosome_gain))
    return Cutout(posed.optical_density * np.float32(gain), posed.mask)


def _rejected(sources: Sources, patch: Patch, generator: np.random.Generator) -> Field:
    """A nucleus or debris in an empty field; what is larger than the field is shrunk."""
    cutout = sources.cutout(patch)
    scale = min(1.0, (_FIELD - 4 * _MARGIN) / float(np.hypot(*cutout.mask.shape)))
    posed = cutout.posed(float(generator.uniform(0, 360)), scale, bool(generator.random() < 0.5))
    field = Field((_FIELD, _FIELD))
    field.lay(posed if posed.mask.any() else cutout, (_FIELD / 2, _FIELD / 2))
    return field


def _surrounded(
    sources: Sources, field: Field, region: Region, settings: Compositions, generator: np.random.Generator
) -> FloatArray:
    """The field with real background and neighbours around it, or with lone chromosomes laid around it."""
    low, high = np.array(region.bbox[:2]), np.array(region.bbox[2:])
    radius = float(np.hypot(*(high - low))) / 2 + _MARGIN
    first = int(np.searchsorted(sources.clearances, radius))
    if first < len(sources.spots) and generator.random() < settings.real:
        index, x, y = sources.spots[int(generator.integers(first, len(sources.spots)))].tolist()
        left, top = (np.array([x, y]) - (low + high) // 2).tolist()
        ground = _window(relative_density(sources.pack, index), left, top)
        return np.asarray(field.optical_density + ground, dtype=np.float32)
    for _ in range(int(generator.integers(settings.most_neighbours + 1))):
        neighbour = _chromosome(sources, settings, generator)
        lay_beside(field, neighbour, "apart", generator, settings.sources.breadth)
    return field.optical_density


def _window(image: FloatArray, left: int, top: int) -> FloatArray:
    """A part of an image of the size of the field, empty where it leaves the image."""
    height, width = image.shape
    window = np.zeros((_FIELD, _FIELD), dtype=np.float32)
    rows, columns = slice(max(top, 0), min(top + _FIELD, height)), slice(max(left, 0), min(left + _FIELD, width))
    part = image[rows, columns]
    window[rows.start - top : rows.start - top + part.shape[0], columns.start - left :][:, : part.shape[1]] = part
    return window


def _component(masks: Sequence[NDArray[np.bool_]], closing: int) -> NDArray[np.bool_] | None:
    """The pixels of all masks, small gaps closed; None if they are not one component."""
    union = np.logical_or.reduce(masks).astype(np.uint8)
    closed = cv2.morphologyEx(union, cv2.MORPH_CLOSE, _SQUARE, iterations=closing)
    count, _ = cv2.connectedComponents(closed, connectivity=8)
    return np.asarray(closed > 0) if count == 2 else None


def _grown(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), _SQUARE, iterations=by) > 0)


def _is_parallel(first: NDArray[np.bool_], second: NDArray[np.bool_], settings: Compositions) -> bool:
    """Whether two chromosomes would cross at too sharp an angle."""
    (one, length), (other, breadth) = (long_axis(Region.from_mask(mask)) for mask in (first, second))
    between = abs((one - other + np.pi / 2) % np.pi - np.pi / 2)
    return min(length, breadth) >= settings.elongation and np.rad2deg(between) < settings.least_crossing


def _point(mask: NDArray[np.bool_], generator: np.random.Generator) -> tuple[float, float]:
    """A pixel of a mask at random, (x, y)."""
    rows, columns = np.nonzero(mask)
    pick = int(generator.integers(rows.size))
    return float(columns[pick]), float(rows[pick])
