"""Images composed of lone chromosomes: how many there are, how they lie, and that nothing of them is lost."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from karyonet.training.metaphase_pack import MetaphasePack
from karyonet.training.spreads import MOST_SHARED, compose_crossings, compose_spread, image_side
from tests.stages.segmentation.test_detector import rods_pack

SIZE = 48.0


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> MetaphasePack:
    return MetaphasePack.read(rods_pack(tmp_path_factory.mktemp("spreads") / "rods.npz"))


def shared(masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of the smaller of every two chromosomes: the share that the other one has too."""
    flat = masks.reshape(len(masks), -1).astype(float)
    areas = flat.sum(axis=1)
    share = flat @ flat.T / np.minimum(areas[:, None], areas)
    return np.asarray(share[np.triu_indices(len(masks), 1)])


def test_a_spread_has_so_many_whole_chromosomes(pack: MetaphasePack) -> None:
    rows = pack.lone_of_split("train")
    composed = compose_spread(pack, rows, SIZE, np.random.default_rng(1), number=12)
    side = image_side(SIZE)
    assert composed.masks.shape == (12, side, side)
    assert not composed.masks[:, [0, -1]].any() and not composed.masks[:, :, [0, -1]].any()
    assert shared(composed.masks).max() <= MOST_SHARED
    assert composed.optical_density[composed.masks.any(axis=0)].mean() > 0.8
    again = compose_spread(pack, rows, SIZE, np.random.default_rng(1), number=12)
    assert np.array_equal(composed.optical_density, again.optical_density)


def test_contacts_are_as_asked_for(pack: MetaphasePack) -> None:
    rows = pack.lone_of_split("train")
    apart, across = (
        compose_spread(pack, rows, SIZE, np.random.default_rng(2), number=10, contacts=contacts)
        for contacts in ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0))
    )
    assert shared(apart.masks).max() == 0.0
    assert np.count_nonzero(shared(across.masks)) >= 5


@pytest.mark.parametrize(("addition", "darkest"), [(0.0, 1.3), (1.0, 3.0)])
def test_pairs_cross_each_by_itself_and_are_as_dark_there_as_asked_for(
    pack: MetaphasePack, addition: float, darkest: float
) -> None:
    composed = compose_crossings(pack, pack.lone_of_split("train"), SIZE, np.random.default_rng(3), addition)
    assert len(composed.masks) == 32
    meeting = shared(composed.masks)
    assert np.count_nonzero(meeting) == 16 and meeting.max() <= MOST_SHARED
    for first, second in zip(composed.masks[::2], composed.masks[1::2], strict=True):
        assert (first & second).any()
    core = composed.optical_density[np.sum(composed.masks, axis=0) > 1].mean()
    assert darkest - 1.3 < core <= darkest
