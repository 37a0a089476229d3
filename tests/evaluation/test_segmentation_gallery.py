from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from karyonet.evaluation.matching import box_region
from karyonet.evaluation.report import Evaluation
from karyonet.evaluation.segmentation import FoundObject, Seen, compare
from karyonet.evaluation.segmentation_figures import summarise
from karyonet.evaluation.segmentation_gallery import (
    COLOURS,
    WorstImages,
    draw_comparison,
    gallery_path,
    render_gallery,
)
from karyonet.evaluation.segmentation_truth import AnnotatedImage

TRUTH = [box_region((20 + 50 * n, 30, 50 + 50 * n, 90)) for n in range(4)]
SPURIOUS = box_region((40, 120, 70, 170))


def seen(folder: Path, name: str, hits: int) -> Seen:
    """An image of which the first chromosomes were found, and one that is not there."""
    note = PngInfo()
    note.add_text("Patient", "Doe, Jane")
    path = folder / f"{name}.png"
    Image.fromarray(np.full((200, 240), 128, dtype=np.uint8)).save(path, pnginfo=note)
    image = AnnotatedImage(name, "c", path, False, lambda: TRUTH)
    found = [*TRUTH[:hits], SPURIOUS]
    return Seen(image, TRUTH, found, compare(image, [FoundObject(region) for region in found]))


@pytest.fixture
def worst(tmp_path: Path) -> WorstImages:
    gathered = WorstImages(3)
    for name, hits in (("m1", 4), ("m2", 1), ("m3", 3), ("m4<b>", 2), ("m5", 1)):
        gathered.add(seen(tmp_path, name, hits))
    return gathered


@pytest.fixture
def evaluation(worst: WorstImages) -> Evaluation:
    return summarise([one.result for one in worst.images]).described("slides & more", "metaphases", "validation")


def pictures(page: str) -> list[Image.Image]:
    return [
        Image.open(io.BytesIO(base64.b64decode(encoded)))
        for encoded in re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    ]


def test_the_worst_come_first(worst: WorstImages) -> None:
    assert [one.result.metaphase for one in worst.images] == ["m2", "m5", "m4<b>"]


def test_the_page_stands_alone_and_says_what_it_is(worst: WorstImages, evaluation: Evaluation) -> None:
    page = render_gallery(evaluation, worst)
    assert not re.findall(r"<script|<link|https?://|url\(|@import", page)
    assert "slides &amp; more, split validation" in page and "m4&lt;b&gt;" in page and "<b>" + "m4" not in page
    assert "not a diagnosis" in page
    assert all(colour in page for colour in COLOURS.values())
    images = re.findall(r"<img [^>]*>", page)
    assert len(images) == len(pictures(page)) == 3
    assert 'alt="Metaphase m2: 1 of 4 chromosomes found, 3 missed, 1 spurious"' in images[0]
    assert page.index("1. m2: F1 0.333") < page.index("2. m5: F1 0.333") < page.index("3. m4&lt;b&gt;: F1 0.571")
    assert str(worst.images[0].image.path.parent) not in page


def test_pictures_carry_no_metadata(worst: WorstImages, evaluation: Evaluation) -> None:
    for picture in pictures(render_gallery(evaluation, worst)):
        assert picture.size == (360, 300)  # enlarged, but not by more than it is worth
        assert not picture.getexif() and not {"comment", "exif", "Patient"} & set(picture.info)


def test_every_outline_has_its_colour(tmp_path: Path) -> None:
    image = seen(tmp_path, "m", 3)
    moved = [box_region((r.bbox[0] + 4, r.bbox[1] + 8, r.bbox[2], r.bbox[3])) for r in image.found[:3]]
    drawn = np.asarray(draw_comparison(image._replace(found=[*moved, SPURIOUS]))).astype(int)

    def nearest(x: float, y: float) -> str:
        """The colour at a place of the image before it was enlarged."""
        pixel = drawn[round(1.5 * y), round(1.5 * x)]
        known = {name: [int(colour[n : n + 2], 16) for n in (1, 3, 5)] for name, colour in COLOURS.items()}
        return min(known, key=lambda name: np.abs(pixel - known[name]).sum())

    assert nearest(20, 60) == "true"
    assert nearest(24, 60) == "found"
    assert nearest(170, 60) == "missed"
    assert nearest(40, 145) == "spurious"
    assert (drawn[3, 3] == 128).all()


def test_an_image_that_is_gone_is_said(tmp_path: Path) -> None:
    gathered = WorstImages()
    one = seen(tmp_path, "m", 2)
    gathered.add(one._replace(result=replace(one.result, error="K104: damaged & gone")))
    one.image.path.unlink()
    page = render_gallery(summarise([one.result]), gathered)
    assert "damaged &amp; gone" in page and "cannot be shown" in page and "<img" not in page


def test_where_the_page_goes() -> None:
    assert gallery_path(Path("x/worst.HTML")) == Path("x/worst.HTML")
    assert gallery_path(Path("x/worst")) == Path("x/worst/gallery.html")
