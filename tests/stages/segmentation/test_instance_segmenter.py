"""The learned segmenter with the weights that ship, on metaphases of the simulator and on real ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from karyonet.case import Case, Metaphase
from karyonet.data.metaphases import read_metaphases
from karyonet.evaluation.matching import match_boxes
from karyonet.imaging.optical_density import recognise_contrast, to_optical_density
from karyonet.stage import BoxSegmenter
from karyonet.stages.segmentation import InstanceSegmenter, finder
from karyonet.stages.separation import InstanceSeparator
from tests.stages.drawn import Drawing, lone_rods

EXAMPLES = Path(__file__).resolve().parents[2] / "data"


@pytest.fixture(scope="module")
def segmenter() -> InstanceSegmenter:
    return InstanceSegmenter(device="cpu")


@pytest.fixture(scope="module")
def example() -> Metaphase:
    return Case.read(EXAMPLES / "trisomy21" / "images" / "m001.png").metaphases[0]


@pytest.fixture(scope="module")
def found(segmenter: InstanceSegmenter, example: Metaphase) -> np.ndarray:
    return boxes_of(segmenter.process(example))


def boxes_of(metaphase: Metaphase) -> np.ndarray:
    return np.array([instance.region.bbox for instance in metaphase.instances], dtype=float).reshape(-1, 4)


def agreement(one: np.ndarray, other: np.ndarray) -> float:
    """F1 of the boxes of one as a prediction of those of the other."""
    return 2 * len(match_boxes(one, other).pairs) / max(len(one) + len(other), 1)


def seen(grey: np.ndarray) -> Metaphase:
    grey = np.ascontiguousarray(grey, dtype=np.float32)
    contrast = recognise_contrast(grey)
    return Metaphase("m1", "m1.png", "", grey, contrast, to_optical_density(grey, contrast))


def truth(case: str, image: str) -> np.ndarray:
    (annotated,) = [item for item in read_metaphases(EXAMPLES / case) if item.id == image]
    # People leave a margin around a chromosome; the simulator does not.
    return np.array([c.bbox for c in annotated.chromosomes], dtype=float) + np.array([-3, -3, 3, 3])


@pytest.mark.parametrize(("case", "image"), [("trisomy21", "m001"), ("normal_female", "m001"), ("qband_male", "m001")])
def test_simulated_metaphases_are_found_whatever_their_contrast(
    segmenter: InstanceSegmenter, case: str, image: str
) -> None:
    metaphase = segmenter.process(Case.read(EXAMPLES / case / "images" / f"{image}.png").metaphases[0])
    assert agreement(boxes_of(metaphase), truth(case, image)) > 0.9
    assert metaphase.foreground is not None and metaphase.clusters and not metaphase.reasons
    for instance in metaphase.instances:
        assert metaphase.foreground[instance.region.slices][instance.region.mask].all()
        assert 0 < instance.score <= 1


@pytest.mark.parametrize("turns", [1, 2])
def test_a_turned_image_gives_the_turned_chromosomes(
    segmenter: InstanceSegmenter, example: Metaphase, found: np.ndarray, turns: int
) -> None:
    turned = boxes_of(segmenter.process(seen(np.rot90(example.grey, turns))))
    height, width = example.grey.shape
    xmin, ymin, xmax, ymax = found.T
    expected = (
        np.stack([ymin, width - xmax, ymax, width - xmin], 1)
        if turns == 1
        else np.stack([width - xmax, height - ymax, width - xmin, height - ymin], 1)
    )
    assert agreement(turned, expected) > 0.93


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_another_magnification_finds_the_same(
    segmenter: InstanceSegmenter, example: Metaphase, found: np.ndarray, scale: float
) -> None:
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    grey = np.clip(cv2.resize(example.grey, None, fx=scale, fy=scale, interpolation=way), 0, 1)
    assert agreement(boxes_of(segmenter.process(seen(grey))) / scale, found) > 0.9


def test_the_inverted_image_finds_the_same(segmenter: InstanceSegmenter, example: Metaphase, found: np.ndarray) -> None:
    inverted = seen(1 - example.grey)
    assert inverted.contrast == "fluorescence"
    assert agreement(boxes_of(segmenter.process(inverted)), found) > 0.9


def test_tiles_leave_no_seam(
    segmenter: InstanceSegmenter, example: Metaphase, found: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finder, "TILE", 448)
    assert agreement(boxes_of(segmenter.process(example)), found) > 0.97


def test_clusters_are_taken_apart_into_what_was_seen(segmenter: InstanceSegmenter, example: Metaphase) -> None:
    metaphase = InstanceSeparator().process(segmenter.process(example))
    assert len(metaphase.chromosomes) == len(metaphase.instances)
    assert [c.id for c in metaphase.chromosomes] == [f"c{n}" for n in range(1, len(metaphase.chromosomes) + 1)]
    named = [name for cluster in metaphase.clusters for name in cluster.chromosomes]
    assert sorted(named) == sorted(c.id for c in metaphase.chromosomes)


@pytest.mark.parametrize(
    ("density", "code"),
    [
        (np.zeros((300, 300), np.float32), "K121"),
        (np.abs(np.random.default_rng(0).normal(0, 0.01, (300, 300))).astype(np.float32), "K12"),
        (Drawing().disc(200, 200, 90).optical_density, "K12"),
        (lone_rods().rod(300, 200, 60).optical_density[:150, :150], "K12"),
    ],
)
def test_what_is_no_metaphase_gives_no_chromosome_but_a_reason(
    segmenter: InstanceSegmenter, density: np.ndarray, code: str
) -> None:
    metaphase = Metaphase("m1", "m1.png", "", 10**-density, "absorption", density)
    said = segmenter.process(metaphase)
    assert said.instances == () and said.clusters == () and said.foreground is not None and not said.foreground.any()
    assert len(said.reasons) == 1 and said.reasons[0].startswith(code)


def test_boxes_that_a_person_draws_are_filled(segmenter: InstanceSegmenter, example: Metaphase) -> None:
    assert isinstance(segmenter, BoxSegmenter)
    boxes = [tuple(int(v) for v in box) for box in truth("trisomy21", "m001")]
    regions = segmenter.regions_in_boxes(replace(example, foreground=None), boxes)
    assert len(regions) == len(boxes) and all(region.area > 20 for region in regions)


def test_real_metaphases(segmenter: InstanceSegmenter, real_data: Path) -> None:
    images = read_metaphases(real_data / "gband_metaphases", split="validation", limit=4)[:3]
    figures = []
    for annotated in images:
        metaphase = segmenter.process(Case.read(annotated.path).metaphases[0])
        figures.append(agreement(boxes_of(metaphase), np.array([c.bbox for c in annotated.chromosomes], dtype=float)))
    assert np.mean(figures) > 0.93


def test_ink_darker_than_any_chromosome_does_not_hide_them(
    segmenter: InstanceSegmenter, example: Metaphase, found: np.ndarray
) -> None:
    inked = np.rint(255 * example.grey).astype(np.uint8)
    cv2.putText(inked, "A-105080", (5, 25), cv2.FONT_HERSHEY_SIMPLEX, 0.9, 0, 5)
    inked[-30:, -40:] = 0
    assert agreement(boxes_of(segmenter.process(seen(inked / np.float32(255)))), found) > 0.85


@pytest.fixture(scope="module")
def pale(example: Metaphase) -> Metaphase:
    """The example with light bands as pale as the ground."""
    darkest = float(np.quantile(example.optical_density, 0.99))
    harsh = darkest * (np.maximum(example.optical_density, 0) / darkest) ** 2.5
    return replace(example, optical_density=harsh.astype(np.float32))


@pytest.fixture(scope="module")
def as_it_is() -> InstanceSegmenter:
    return InstanceSegmenter(device="cpu", most_contrast=100.0)


def test_pale_bands_do_not_tear_chromosomes_apart(
    segmenter: InstanceSegmenter, as_it_is: InstanceSegmenter, pale: Metaphase, found: np.ndarray
) -> None:
    evened, torn = boxes_of(segmenter.process(pale)), boxes_of(as_it_is.process(pale))
    assert agreement(evened, found) > max(agreement(torn, found), 0.93)


def test_usual_stain_is_left_as_it_is(as_it_is: InstanceSegmenter, example: Metaphase, found: np.ndarray) -> None:
    assert np.array_equal(boxes_of(as_it_is.process(example)), found)


def test_pale_bands_are_part_of_a_chromosome_in_a_drawn_box(
    segmenter: InstanceSegmenter, as_it_is: InstanceSegmenter, example: Metaphase, pale: Metaphase
) -> None:
    boxes = [tuple(int(edge) for edge in box) for box in truth("trisomy21", "m001")]

    def areas(stage: InstanceSegmenter, metaphase: Metaphase) -> np.ndarray:
        return np.array([region.area for region in stage.regions_in_boxes(metaphase, boxes)])  # type: ignore[arg-type]

    whole = areas(segmenter, example)
    assert np.median(areas(as_it_is, pale) / whole) < np.median(areas(segmenter, pale) / whole) < 1.15
