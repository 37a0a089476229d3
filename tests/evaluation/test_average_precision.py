from __future__ import annotations

import contextlib
import io
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from karyonet.errors import InputError
from karyonet.evaluation.average_precision import RankedMatches, average_precision, coco_matches, require_pycocotools
from karyonet.geometry.region import Region

Scene = tuple[list[Region], list[float], list[Region]]


def scenes(seed: int, images: int = 4) -> list[Scene]:
    """Discs as truth; found are some of them, moved, and some that are not there, each with a score of its own."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:80, :90]

    def disc(x: float, y: float, radius: float) -> Region:
        return Region.from_mask((columns - x) ** 2 + (rows - y) ** 2 <= radius**2)

    drawn: list[Scene] = []
    for _ in range(images):
        spots = np.column_stack([rng.uniform(12, 78, 8), rng.uniform(12, 68, 8), rng.uniform(4, 10, 8)])
        number = int(rng.integers(1, 9))
        moved = spots[:number] + rng.normal(0, 1, (number, 3))
        extra = np.column_stack([rng.uniform(12, 78, 3), rng.uniform(12, 68, 3), rng.uniform(4, 10, 3)])
        found = [disc(x, y, max(r, 2)) for x, y, r in (*moved, *extra)]
        drawn.append((found, rng.uniform(0, 1, len(found)).tolist(), [disc(*spot) for spot in spots]))
    return drawn


def matched(drawn: list[Scene], masks: bool) -> list[RankedMatches]:
    return [coco_matches(found, scores, truth, masks) for found, scores, truth in drawn]


def of_pycocotools(drawn: list[Scene], masks: bool) -> np.ndarray:
    """Average precision at the ten thresholds, all of it by pycocotools, which is given uncompressed run lengths."""
    annotations: tuple[list[dict], list[dict]] = ([], [])
    for number, (found, scores, truth) in enumerate(drawn, start=1):
        for into, regions, given_scores in ((annotations[0], truth, None), (annotations[1], found, scores)):
            for n, region in enumerate(regions):
                pixels = region.to_mask((80, 90)).ravel(order="F")
                borders = np.flatnonzero(np.diff(pixels, prepend=False))
                runs = np.diff(np.concatenate([[0], borders, [pixels.size]])).tolist()
                x, y, right, bottom = region.bbox
                into.append(
                    {"id": len(into) + 1, "image_id": number, "category_id": 1, "iscrowd": 0, "area": region.area}
                    | {"bbox": [x, y, right - x, bottom - y], "segmentation": {"size": [80, 90], "counts": runs}}
                    | ({} if given_scores is None else {"score": given_scores[n]})
                )
    with contextlib.redirect_stdout(io.StringIO()):
        data = []
        for one in annotations:
            coco = COCO()
            images = [{"id": number + 1, "height": 80, "width": 90} for number in range(len(drawn))]
            coco.dataset = {"images": images, "categories": [{"id": 1}], "annotations": one}
            coco.createIndex()
            data.append(coco)
        evaluation = COCOeval(*data, "segm" if masks else "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][:, :, 0, 0, -1].mean(axis=1)


@pytest.mark.parametrize("masks", [False, True], ids=["boxes", "masks"])
@pytest.mark.parametrize("seed", range(4))
def test_the_figures_are_those_of_pycocotools(seed: int, masks: bool) -> None:
    drawn = scenes(seed)
    ours = average_precision(matched(drawn, masks))
    assert ours.shape == (1, 10)
    assert 0 < ours[0, 0] < 1
    assert ours[0] == pytest.approx(of_pycocotools(drawn, masks), abs=1e-9)


def test_what_is_true_is_found() -> None:
    for masks in (False, True):
        images = [coco_matches(truth, [1.0] * len(truth), truth, masks) for _, _, truth in scenes(7)]
        assert average_precision(images).tolist() == [[1.0] * 10]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.2, 0.5, 0.9]), st.booleans()), min_size=1, max_size=12), st.randoms())
def test_equal_scores_have_no_order(found: list[tuple[float, bool]], shuffle) -> None:
    def image(pairs: list[tuple[float, bool]]) -> RankedMatches:
        right = np.tile(np.array([hit for _, hit in pairs]), (10, 1))
        return RankedMatches(np.array([score for score, _ in pairs]), right, 12)

    mixed = found.copy()
    shuffle.shuffle(mixed)
    assert (average_precision([image(found)]) == average_precision([image(mixed)])).all()


def test_without_scores_it_is_precision_times_recall() -> None:
    right = np.tile(np.arange(100) < 80, (10, 1))
    value = average_precision([RankedMatches(np.ones(100), right, 128)])[0]
    assert value == pytest.approx(0.8 * 63 / 101)  # of 101 recalls 63 are at most 80 / 128


def test_a_weight_is_a_number_of_copies() -> None:
    images = matched(scenes(5), masks=False)
    copies = [images[0], images[0], images[0], images[2]]
    weighted = average_precision(images, np.array([[3, 0, 1, 0], [1, 1, 1, 1]]))
    assert weighted[0] == pytest.approx(average_precision(copies)[0])
    assert weighted[1] == pytest.approx(average_precision(images)[0])


def test_nothing_found_and_nothing_true() -> None:
    disc = scenes(1)[0][0][0]
    assert average_precision([coco_matches([], [], [disc], masks=True)]).tolist() == [[0.0] * 10]
    assert average_precision([coco_matches([disc], [1.0], [], masks=True)]).tolist() == [[0.0] * 10]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycocotools.cocoeval", None)
    with pytest.raises(InputError, match=r"K110.*pip install 'karyonet\[evaluation\]'"):
        require_pycocotools()
