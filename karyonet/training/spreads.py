"""Whole images composed of real chromosomes that lay alone: spreads, and pairs that cross, each by itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from karyonet.training.compose import CONTACTS, Composition, Contact, Cutout, Field, lay_beside
from karyonet.training.metaphase_pack import MetaphasePack

CONTACT_WEIGHTS = (0.5, 0.3, 0.2)
"""How often a chromosome of a spread lies apart, touches another one, and crosses it."""
MOST_SHARED = 0.4
"""Of the smaller of two crossing chromosomes; more could not be told apart by a person either."""
_SIDE = 900 / 84
_BREADTH = 16 / 84
"""Of an image, and of a chromosome's width, over the longer side of the median box."""
_GRID = 4
"""Crossing pairs along each side of an image."""


def image_side(size: float) -> int:
    """Pixels of each side of an image of chromosomes of which the median box is ``size`` pixels long."""
    return round(_SIDE * size)


def compose_spread(
    pack: MetaphasePack,
    rows: NDArray[np.int64],
    size: float,
    generator: np.random.Generator,
    number: int = 46,
    contacts: Sequence[float] = CONTACT_WEIGHTS,
    addition: float = 1.0,
) -> Composition:
    """Chromosomes laid down one after the other, each beside one that is there.

    Args:
        pack: of metaphases, with their longer boxes' median at ``size``.
        rows: lone chromosomes of it that may be used.
        size: in pixels.
        generator: of chromosomes, turns and places.
        number: of chromosomes.
        contacts: weights of :data:`karyonet.training.compose.CONTACTS`, their sum 1.
        addition: see :class:`karyonet.training.compose.Field`.
    """
    side = image_side(size)
    field = Field((side, side), addition)
    field.lay(_chromosome(pack, rows, generator), (side / 2, side / 2))
    while len(field.masks) < number:
        contact = CONTACTS[int(generator.choice(3, p=contacts))]
        field = _laid(field, _chromosome(pack, rows, generator), contact, size, generator) or field
    return field.composed()


def compose_crossings(
    pack: MetaphasePack, rows: NDArray[np.int64], size: float, generator: np.random.Generator, addition: float = 1.0
) -> Composition:
    """Sixteen pairs that cross, on a grid; the masks of a pair follow each other.

    Args:
        pack, rows, size, generator, addition: as of :func:`compose_spread`.
    """
    side = image_side(size)
    cell = side // _GRID
    whole = Field((side, side))
    for row, column in np.ndindex(_GRID, _GRID):
        pair = None
        while pair is None or not pair.masks[:2] or not (pair.masks[0] & pair.masks[1]).any():
            island = Field((cell, cell), addition)
            island.lay(_chromosome(pack, rows, generator), (cell / 2, cell / 2))
            pair = _laid(island, _chromosome(pack, rows, generator), "overlapping", size, generator)
        window = slice(row * cell, (row + 1) * cell), slice(column * cell, (column + 1) * cell)
        whole.optical_density[window] = pair.optical_density
        for mask in pair.masks:
            full = np.zeros((side, side), dtype=bool)
            full[window] = mask
            whole.masks.append(full)
    return whole.composed()


def _chromosome(pack: MetaphasePack, rows: NDArray[np.int64], generator: np.random.Generator) -> Cutout:
    """One of the chromosomes, turned, at the magnification of the pack."""
    row = int(generator.choice(rows))
    return pack.cutout(row).posed(float(generator.uniform(0, 360)), 1.0, bool(generator.random() < 0.5))


def _laid(field: Field, cutout: Cutout, contact: Contact, size: float, generator: np.random.Generator) -> Field | None:
    """The field with one more, None if it would leave the image or lie too much on others, or they on it."""
    tried = Field((field.covered.shape[0], field.covered.shape[1]), float(field.addition))
    tried.optical_density, tried.covered = field.optical_density.copy(), field.covered.copy()
    tried.masks = list(field.masks)
    lay_beside(tried, cutout, contact, generator, _BREADTH * size)
    mask = tried.masks[-1]
    shared = [(mask & other).sum() / min(mask.sum(), other.sum()) for other in field.masks] if mask.any() else [1.0]
    cut = mask[[0, -1]].any() or mask[:, [0, -1]].any() or mask.sum() < cutout.mask.sum()
    return None if cut or max(shared) > MOST_SHARED else tried
