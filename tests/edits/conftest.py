"""A case of three drawn cells with trisomy 21 and its report, for the tests of edits."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from karyonet.case import LABELS, Alternative, Case, Metaphase
from karyonet.edits.apply import Outcome, apply_edits
from karyonet.edits.document import EditsDocument
from karyonet.geometry.region import Region
from karyonet.pipeline import Pipeline
from karyonet.stage import MetaphaseStage
from karyonet.stages.karyotype import CountAndSex
from karyonet.stages.segmentation import ThresholdSegmenter
from karyonet.stages.separation import GeometricSeparator
from karyonet.stages.straightening import MedialAxisStraightener

FEMALE = tuple(label for label in LABELS[:23] for _ in range(2))
TRISOMY = (*FEMALE, "21")
CELL, COLUMNS, WIDTH = 74, 8, 12


def length_of(label: str) -> int:
    return 62 - 2 * LABELS.index(label)


class Ruler(MetaphaseStage):
    """Names chromosomes by their height in the image, all alone."""

    summary = "names by height"
    requires = frozenset({"metaphase.chromosomes", "chromosome.region", "chromosome.strip"})
    assigns = frozenset(
        f"chromosome.{name}" for name in ("probabilities", "label", "confidence", "p_arm_up", "review", "alternatives")
    )

    def process(self, metaphase: Metaphase) -> Metaphase:
        named = []
        for chromosome in metaphase.chromosomes:
            assert chromosome.strip is not None
            height = chromosome.region.bbox[3] - chromosome.region.bbox[1]
            distance = np.array([abs(height - length_of(label)) for label in LABELS], dtype=np.float32)
            probabilities = np.exp(-4 * distance)
            probabilities /= probabilities.sum()
            first, second = np.argsort(-probabilities, kind="stable")[:2]
            named.append(
                replace(
                    chromosome,
                    probabilities=probabilities.astype(np.float32),
                    label=LABELS[first],
                    confidence=float(probabilities[first]),
                    alternatives=(Alternative(LABELS[second], float(probabilities[second])),),
                    p_arm_up=True,
                )
            )
        return replace(metaphase, chromosomes=tuple(named))


class Whole(GeometricSeparator):
    """Every cluster is one chromosome."""

    requires = GeometricSeparator.requires - {"cluster.type"}

    def separate(self, cluster: Any, optical_density: Any, scale: Any) -> list[Region]:
        return [cluster.region]


def draw(labels: Sequence[str], path: Path, shade: int = 60) -> Path:
    grey = np.full((CELL * 6 + 10, 50 * COLUMNS + 10), 230, dtype=np.uint8)
    for number, label in enumerate(labels):
        y, x = CELL * (number // COLUMNS) + 8, 50 * (number % COLUMNS) + 20
        grey[y : y + length_of(label), x : x + WIDTH] = shade
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grey).save(path)
    return path


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline(
        {
            "segmentation": ThresholdSegmenter(box_masks=None, smallest_area=0.1),
            "separation": Whole(),
            "straightening": MedialAxisStraightener(),
            "classification": Ruler(),
            "karyotype": CountAndSex(smallest=0.0),
        }
    )


@pytest.fixture(scope="module", autouse=True)
def small_pictures() -> Iterator[None]:
    """Pictures that say in a few pixels what was drawn: drawing is not the subject here."""

    def drawn(metaphase: Metaphase, title: str = "") -> Image.Image:
        shown = [(c.id, c.label, c.p_arm_up, c.strip is not None) for c in metaphase.chromosomes]
        digest = hashlib.sha256(repr((shown, bool(metaphase.grey.any()))).encode()).digest()
        return Image.frombytes("RGB", (4, 2), digest[:24])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("karyonet.report.karyogram.draw_karyogram", drawn)
        patch.setattr("karyonet.report.overlay.draw_overlay", drawn)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, pipeline: Pipeline) -> Path:
    """Images of three cells with trisomy 21 and the report on them."""
    place = tmp_path_factory.mktemp("case")
    images = [draw(TRISOMY, place / "images" / f"{number}.png", 60 + number) for number in (1, 2, 3)]
    report = pipeline(Case.read(*images, case_id="t21"))
    assert str(report.karyotype) == "47,XX,+21", report.karyotype.reasons
    report.save(place / "report")
    return place


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "case")
    return tmp_path / "case"


def edits(*some: dict[str, Any], author: str = "A. Meyer") -> EditsDocument:
    return EditsDocument.model_validate({"schema": "karyonet.edits/1", "author": author, "edits": some})


def edit(kind: str, metaphase: str = "m1", **more: Any) -> dict[str, Any]:
    return {"edit": kind, "metaphase": metaphase, **more}


@pytest.fixture
def apply(place: Path, pipeline: Pipeline) -> Callable[..., Outcome]:
    def applied(*some: dict[str, Any], **more: Any) -> Outcome:
        return apply_edits(edits(*some), place / "report", pipeline, [place / "images"], **more)

    return applied


def contents(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def written(place: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((place / "report" / "report.json").read_text("utf-8"))
    return content


def chromosomes(place: Path, number: int = 0) -> dict[str, dict[str, Any]]:
    return {c["id"]: c for c in written(place)["metaphases"][number]["chromosomes"]}


def labels(place: Path, number: int = 0) -> dict[str, str]:
    return {one: c["label"] for one, c in chromosomes(place, number).items()}


def one_named(place: Path, label: str, number: int = 0) -> str:
    return next(one for one, found in labels(place, number).items() if found == label)
