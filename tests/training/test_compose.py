from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.training.compose import Cutout, Field, compose_cluster, contact_distance, lay_beside


def rod(length: int = 30, breadth: int = 8, density: float = 1.0) -> Cutout:
    mask = np.ones((length, breadth), dtype=bool)
    return Cutout(np.full(mask.shape, density, dtype=np.float32), mask)


@given(angle=st.floats(0, 360), scale=st.floats(0.7, 1.4), mirrored=st.booleans())
@settings(max_examples=25, deadline=None)
def test_posing_keeps_area_and_mass(angle: float, scale: float, mirrored: bool) -> None:
    posed = rod(80, 24).posed(angle, scale, mirrored)
    assert posed.mask.sum() == pytest.approx(1920 * scale**2, rel=0.12)
    assert posed.optical_density.sum() == pytest.approx(1920 * scale**2, rel=0.05)


def test_mirroring_is_its_own_inverse_and_changes_a_crooked_shape() -> None:
    mask = np.zeros((31, 21), dtype=bool)
    mask[:, :6], mask[-6:, :] = True, True
    crooked = Cutout(mask.astype(np.float32), mask)
    once = crooked.posed(0.0, 1.0, True).mask
    assert not np.array_equal(once, crooked.posed(0.0).mask)
    assert (once.sum(axis=0)[::-1] == crooked.posed(0.0).mask.sum(axis=0)).mean() > 0.9


def test_densities_add_where_masks_cross() -> None:
    field = Field((64, 64))
    field.lay(rod(), (32, 32))
    field.lay(rod().posed(90), (32, 32))
    density, masks = field.composed()
    assert masks.sum(axis=0).max() == 2
    assert density[masks.all(axis=0)].mean() == pytest.approx(2.0, abs=0.1)
    assert density[masks.sum(axis=0) == 1].mean() == pytest.approx(1.0, abs=0.1)
    assert density[~masks.any(axis=0)].max() < 1.0


def test_what_leaves_the_field_is_cut_off() -> None:
    field = Field((40, 40))
    field.lay(rod(), (39, 20))
    field.lay(rod(), (400, 20))
    masks = field.composed().masks
    assert 0 < masks[0].sum() < 240
    assert not masks[1].any()


def test_contact_distance_is_the_width_of_two_rods_side_by_side() -> None:
    field = Field((64, 64))
    field.lay(rod(), (32, 32))
    distance = contact_distance(field.covered, rod().mask, (32.0, 32.0), 0.0)
    assert distance == pytest.approx(8, abs=1)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_contacts_are_what_they_are_called(seed: int) -> None:
    shared = {}
    for contact in ("apart", "touching", "overlapping"):
        field = Field((120, 120))
        field.lay(rod(), (60, 60))
        generator = np.random.default_rng(seed)
        lay_beside(field, rod().posed(float(generator.uniform(0, 360))), contact, generator, 8.0)  # type: ignore[arg-type]
        first, second = field.masks
        shared[contact] = int((first & second).sum())
    assert shared["apart"] == 0
    assert shared["touching"] <= 70
    assert shared["overlapping"] >= 1


def test_the_first_chromosome_lies_in_the_middle_and_all_masks_are_whole() -> None:
    parts = [rod().posed(angle) for angle in (10, 80, 140)]
    composed = compose_cluster(parts, ["touching", "overlapping"], (160, 160), np.random.default_rng(3), 8.0)
    rows, columns = np.nonzero(composed.masks[0])
    assert abs(rows.mean() - 79.5) < 1.5 and abs(columns.mean() - 79.5) < 1.5
    assert [int(mask.sum()) for mask in composed.masks] == [int(part.mask.sum()) for part in parts]
