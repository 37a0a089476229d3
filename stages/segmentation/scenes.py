"""Training examples of the mask network: chromosomes of which every pixel is known, with others laid over them."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from karyonet.case import FloatArray
from karyonet.geometry.region import Region
from karyonet.training.compose import CONTACTS, Composition, Cutout, lay_beside, rising_share
from karyonet.training.compose import Field as Ground
from karyonet.training.metaphase_pack import MetaphasePack, long_axis
from karyonet.training.strip_pack import LEVELS

from .crops import MOST_DENSE, CropSettings, draw_boxes, softened
from .metaphases import PACKED_SIZE


class Scenes(BaseModel):
    """What the composed crops look like; lengths in pixels of the crops.

    Attributes:
        surroundings: share of the scenes in which the chromosome lies where it lay in its metaphase, among haze,
            nuclei, debris and its neighbours; in the others the ground is empty.
        most_neighbours: laid beside the chromosome in question at most; on real ground half as many.
        contacts: weights of neighbours apart, touching and overlapping.
        breadth: width of a chromosome.
        box_margin, box_jitter: pixels between the chromosome and its box, and their standard deviation.
        addition: share, from and to, of the lighter density that adds to the darker one where chromosomes cross, see
            :class:`karyonet.training.compose.Field`.
        scale: relative, of a whole scene. density: relative, of one chromosome.
        noise: standard deviation at most, in mean densities. haze: density of an uneven background at most.
        unknown: share of the neighbours whose boxes are not given.
        undirected: share of the scenes in which the direction is not given.
        turn: standard deviation of the direction in degrees.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    _rises = field_validator("addition")(rising_share)

    surroundings: float = Field(default=0.5, ge=0, le=1)
    most_neighbours: int = Field(default=5, ge=0)
    contacts: tuple[float, float, float] = (0.3, 0.4, 0.3)
    breadth: float = Field(default=12.0, gt=0)
    box_margin: float = Field(default=3.75, ge=0)
    box_jitter: float = Field(default=1.8, ge=0)
    addition: tuple[float, float] = (0.0, 1.0)
    scale: float = Field(default=0.15, ge=0, lt=1)
    density: float = Field(default=0.15, ge=0, lt=1)
    noise: float = Field(default=0.06, ge=0)
    haze: float = Field(default=0.08, ge=0)
    unknown: float = Field(default=0.1, ge=0, le=1)
    undirected: float = Field(default=0.4, ge=0, le=1)
    turn: float = Field(default=12.0, ge=0)


class Scene(NamedTuple):
    """One crop as the network takes it, and what is in it.

    Attributes:
        crop: float32, shape (5, side, side), see :class:`~karyonet.stages.segmentation.crops.BoxCrops`.
        composed: the chromosome in question first, then those laid beside it.
    """

    crop: FloatArray
    composed: Composition


def draw_scene(
    pack: MetaphasePack, chosen: NDArray[np.int64], settings: CropSettings, scenes: Scenes, seed: int
) -> Scene:
    """Draw one scene.

    Args:
        pack: metaphases at :data:`PACKED_SIZE`.
        chosen: rows of lone chromosomes that may be used.
        settings: of the crop.
        scenes: how.
        seed: the same seed draws the same scene.
    """
    generator = np.random.default_rng(seed)
    usual = settings.size / PACKED_SIZE
    scale = usual * (1 + float(generator.uniform(-scenes.scale, scenes.scale)))
    row = int(generator.choice(chosen))
    real = generator.random() < scenes.surroundings
    addition = float(generator.uniform(*scenes.addition))
    if real:
        ground, boxes = _surroundings(pack, row, settings, scale, addition, generator)
        most = scenes.most_neighbours // 2
    else:
        ground, boxes = Ground((settings.side, settings.side), addition), []
        middle = settings.side / 2
        ground.lay(_posed(pack.cutout(row), scenes, scale, generator), (middle, middle))
        most = scenes.most_neighbours
    weights = np.array(scenes.contacts) / sum(scenes.contacts)
    for _ in range(int(generator.integers(most + 1))):
        other = _posed(pack.cutout(int(generator.choice(chosen))), scenes, scale, generator)
        contact = CONTACTS[int(generator.choice(3, p=weights))]
        lay_beside(ground, other, contact, generator, scenes.breadth * scale / usual)
    composed = ground.composed()
    drawn = [_box(mask, scenes, generator) for mask in composed.masks[1:] if mask.any()]
    known = [box for box in (*boxes, *drawn) if generator.random() >= scenes.unknown]
    direction = None
    if generator.random() >= scenes.undirected:
        direction, _ = long_axis(Region.from_mask(composed.masks[0]))
        direction += float(np.deg2rad(generator.normal(0, scenes.turn)))
    crop = np.zeros((5, settings.side, settings.side), dtype=np.float32)
    crop[0] = _recorded(composed.optical_density, scenes, generator)
    draw_boxes(crop, _box(composed.masks[0], scenes, generator), known, direction)
    return Scene(crop, composed)


def _surroundings(
    pack: MetaphasePack,
    row: int,
    settings: CropSettings,
    scale: float,
    addition: float,
    generator: np.random.Generator,
) -> tuple[Ground, list[tuple[slice, slice]]]:
    """A chromosome where it lay, turned by quarters and perhaps mirrored, and the boxes of its neighbours."""
    index, side = int(pack.owner[row]), settings.side
    own = pack.boxes[row]
    scale = min(scale, (side - 2 * settings.border) / float(max(own[2:] - own[:2])))
    middle = own.reshape(2, 2).mean(axis=0) + generator.normal(0, 1, 2)
    turned = np.linalg.matrix_power(np.array([[0.0, -1.0], [1.0, 0.0]]), int(generator.integers(4)))
    if generator.random() < 0.5:
        turned = turned @ np.array([[-1.0, 0.0], [0.0, 1.0]])
    linear = scale * turned
    matrix = np.concatenate([linear, ((side - 1) / 2 - linear @ middle)[:, None]], axis=1)
    # No more of the image than the crop can show.
    x, y = np.maximum(middle - side / scale, 0).astype(int).tolist()
    right, bottom = np.ceil(middle + side / scale).astype(int).tolist()
    density = softened(pack.image(index)[y:bottom, x:right].astype(np.float32) / np.float32(LEVELS), scale)
    ground = Ground((side, side), addition)
    ground.optical_density = _moved(density, matrix, (x, y), side)
    region = pack.region(row)
    whole = _moved(region.mask.astype(np.float32), matrix, region.bbox[:2], side)
    ground.masks.append(np.asarray(whole > 0.5))
    ground.covered = ground.masks[0].copy()
    boxes = []
    for other in pack.chromosomes(index):
        if other != row:
            corners = pack.boxes[other].reshape(2, 2) @ linear.T + matrix[:, 2]
            boxes.append(_window(corners.min(axis=0), corners.max(axis=0), side))
    return ground, boxes


def _moved(image: FloatArray, matrix: NDArray[np.float64], offset: tuple[int, int], side: int) -> FloatArray:
    """A part of an image, its top left pixel at ``offset`` (x, y), as a crop shows it."""
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ np.array(offset)
    return np.asarray(cv2.warpAffine(image, shifted, (side, side), flags=cv2.INTER_LINEAR), dtype=np.float32)


def _window(low: NDArray[np.floating], high: NDArray[np.floating], side: int) -> tuple[slice, slice]:
    left, top = np.clip(np.rint(low).astype(int), 0, side).tolist()
    right, bottom = np.clip(np.rint(high).astype(int), 0, side).tolist()
    return slice(top, bottom), slice(left, right)


def _posed(cutout: Cutout, scenes: Scenes, scale: float, generator: np.random.Generator) -> Cutout:
    posed = cutout.posed(float(generator.uniform(0, 360)), scale, bool(generator.random() < 0.5))
    gain = 1 + float(generator.uniform(-scenes.density, scenes.density))
    return Cutout(posed.optical_density * np.float32(gain), posed.mask)


def _recorded(density: FloatArray, scenes: Scenes, generator: np.random.Generator) -> FloatArray:
    """With the haze and the noise of a camera image."""
    side = density.shape[0]
    slope = generator.uniform(-1, 1, 2)
    ramp = np.add.outer(np.linspace(-1, 1, side) * slope[0], np.linspace(-1, 1, side) * slope[1])
    haze = scenes.haze * generator.random() * (0.5 + 0.25 * ramp)
    noise = generator.standard_normal(density.shape, dtype=np.float32) * (scenes.noise * generator.random())
    recorded: FloatArray = np.clip(density + haze + noise, 0, MOST_DENSE).astype(np.float32)
    return recorded


def _box(mask: NDArray[np.bool_], scenes: Scenes, generator: np.random.Generator) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    edges = np.array([rows[0], rows[-1] + 1, columns[0], columns[-1] + 1])
    outward = np.maximum(generator.normal(scenes.box_margin, scenes.box_jitter, 4), -1.0)
    low, high, left, right = np.rint(edges + outward * [-1, 1, -1, 1]).astype(int)
    return slice(max(low, 0), max(high, 0)), slice(max(left, 0), max(right, 0))
