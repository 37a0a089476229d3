"""How chromosomes that a segmentation has drawn lie to each other, and what that makes of a component."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from karyonet.case import Instance, Metaphase
from karyonet.geometry.region import Region
from karyonet.stages.cluster_type.decision import decide
from karyonet.stages.cluster_type.kinds import KINDS
from karyonet.stages.cluster_type.seen import Laid, Seen, meeting_areas

TOUCHING, OVERLAPPING, BOTH = range(3)
LAID = Laid(slope=3.8, middle=-2.9, masks=0.5, network=0.25)


def rod(x: int, y: int, width: int, height: int) -> Region:
    return Region((x, y, x + width, y + height), np.ones((height, width), dtype=bool))


def metaphase(*instances: Instance) -> Metaphase:
    blank = np.zeros((200, 200), dtype=np.float32)
    return Metaphase("m1", "m.png", "", blank, "absorption", blank, instances=instances)


def test_two_meet_where_they_touch_or_cross_and_not_where_they_lie_apart() -> None:
    lying, beside, across, apart = rod(20, 50, 60, 10), rod(80, 50, 40, 10), rod(40, 30, 10, 50), rod(20, 150, 60, 10)
    assert meeting_areas([lying, apart], 2).tolist() == []
    assert meeting_areas([lying, beside], 2).tolist() == [0.0]
    assert meeting_areas([lying, across], 2).tolist() == [100.0]
    assert sorted(meeting_areas([lying, beside, across, apart], 2).tolist()) == [0.0, 100.0]
    assert meeting_areas([lying], 2).tolist() == []


def test_what_is_drawn_in_a_component_is_counted_with_its_meetings() -> None:
    lying, across, apart = rod(20, 50, 60, 10), rod(40, 30, 10, 50), rod(20, 150, 60, 10)
    shown = metaphase(
        *(Instance(region, 0.9) for region in (lying, across, apart)), Instance(rod(0, 0, 9, 9), 0.1, True)
    )
    seen = Seen.of(shown, [rod(15, 25, 70, 60), rod(15, 145, 70, 20), rod(150, 50, 20, 20)], size=60.0)
    assert seen is not None
    assert seen.numbers.tolist() == [2, 1, 0]
    assert [areas.tolist() for areas in seen.meetings] == [[pytest.approx(100 / 600)], [], []]
    assert Seen.of(metaphase(Instance(lying, 0.1, doubtful=True)), [lying], 60.0) is None


@pytest.mark.parametrize(
    ("areas", "expected"),
    [([0.0], TOUCHING), ([0.2], OVERLAPPING), ([0.0, 0.0], TOUCHING), ([0.2, 0.3], OVERLAPPING), ([0.0, 0.2], BOTH)],
)
def test_the_meetings_make_the_type(areas: list[float], expected: int) -> None:
    assert int(LAID.of_meetings(np.array(areas)).argmax()) == expected


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_the_order_of_the_meetings_does_not_matter_and_probabilities_add_up(areas: list[float]) -> None:
    said = LAID.of_meetings(np.array(areas))
    assert LAID.of_meetings(np.array(areas[::-1])) == pytest.approx(said)
    assert np.exp(said).sum() == pytest.approx(1.0, abs=2e-3)


@given(st.floats(0, 0.5), st.floats(0, 0.5))
def test_the_more_two_share_the_likelier_they_overlap(area: float, more: float) -> None:
    less, larger = LAID.of_meetings(np.array([area])), LAID.of_meetings(np.array([area + more]))
    assert larger[OVERLAPPING] >= less[OVERLAPPING] and larger[TOUCHING] <= less[TOUCHING]


def test_masks_correct_a_network_that_is_unsure_and_leave_it_alone_where_nothing_meets() -> None:
    kinds = np.tile(np.array([0.0, 0.55, 0.45, 0, 0, 0], np.float32), (2, 1))
    counts = np.tile(np.array([0.0, 1.0, 0.0], np.float32), (2, 1))
    seen = Seen(np.array([2, 2]), (np.array([0.2]), np.zeros(0)))
    assert decide(kinds, counts, 0.5, seen=seen, laid=LAID).kinds == ("overlapping", "touching")
    assert decide(kinds, counts, 0.5, seen=seen).kinds == ("touching", "touching")


def test_it_is_fitted_to_what_people_say() -> None:
    generator = np.random.default_rng(0)
    true = generator.integers(0, 3, 400)
    meetings = []
    for kind in true.tolist():
        overlaps = [[0, 0], [1, 1], [1, 0]][kind][: 1 if kind < BOTH and generator.random() < 0.5 else 2]
        meetings.append(
            np.array([generator.uniform(0.08, 0.4) if one else generator.uniform(0, 0.04) for one in overlaps])
        )
    said = np.log(np.where(np.eye(3)[true] > 0, 0.4, 0.3) + generator.uniform(0, 0.2, (400, 3)))
    fit = Laid.fitted(said, np.zeros(400), meetings, true)
    assert (
        (fit.weighed(said, meetings).argmax(axis=1) == true).mean() > 0.97 > 0.8 > (said.argmax(axis=1) == true).mean()
    )
    assert Laid.of(fit.on_card()) == fit and Laid.of({}) is None


def test_a_component_of_two_never_both_touches_and_overlaps() -> None:
    kinds = np.array([[0, 0.05, 0.05, 0.9, 0, 0]], np.float32)
    counts = np.array([[0, 0.9, 0.1]], np.float32)
    seen = Seen(np.array([2]), (np.array([0.3]),))
    said = decide(kinds, counts, 0.5, seen=seen, laid=LAID)
    assert said.kinds == ("overlapping",) and KINDS[int(said.probabilities[0].argmax())] == "overlapping"
