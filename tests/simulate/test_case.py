"""Simulated cases: determinism, mosaics, files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from karyonet.cli.app import app
from karyonet.data.metaphases import read_metaphases
from karyonet.errors import ArrayError, ConfigError, IscnError
from karyonet.report import rle
from karyonet.report.coco import read_masks
from karyonet.simulate import simulate


def test_the_same_seed_gives_the_same_case() -> None:
    first, again, other = (simulate("45,X", seed, crowding=0.7) for seed in (3, 3, 4))
    assert np.array_equal(first.metaphases[0].image, again.metaphases[0].image)
    assert first.metaphases[0].overlaps == again.metaphases[0].overlaps
    assert not np.array_equal(first.metaphases[0].image, other.metaphases[0].image)


def test_more_metaphases_leave_the_first_as_they_are() -> None:
    one, two = (simulate("46,XX", 3, metaphases=number).metaphases for number in (1, 2))
    assert np.array_equal(one[0].image, two[0].image) and not np.array_equal(two[0].image, two[1].image)


def test_the_drawing_is_the_same_on_every_machine() -> None:
    """Recorded sums of one metaphase; they are renewed when the drawing is changed on purpose."""
    metaphase = simulate("47,XY,+21", 1).metaphases[0]
    assert sum(chromosome.region.area for chromosome in metaphase.chromosomes) == 66_696
    assert sum(metaphase.overlaps.values()) == 3_443
    assert int(metaphase.image.sum()) == pytest.approx(150_880_157, abs=5)


def test_a_mosaic_gives_its_clones() -> None:
    case = simulate("mos 45,X[1]/46,XX[2]", 1, metaphases=3)
    assert [m.karyotype for m in case.metaphases] == ["45,X", "46,XX", "46,XX"]
    assert [len(m.chromosomes) for m in case.metaphases] == [45, 46, 46]


def test_files_can_be_read_back(tmp_path: Path) -> None:
    case = simulate("47,XX,+mar", 2, metaphases=2)
    folder = case.save(tmp_path / "case")
    annotated = read_metaphases(folder)
    assert [m.id for m in annotated] == ["m001", "m002"]
    assert [len(m.chromosomes) for m in annotated] == [46, 46]  # the marker has no label
    assert {m.stated_count for m in annotated} == {47} and {m.karyotype for m in annotated} == {"structural"}
    truth = json.loads((folder / "truth.json").read_text())
    coco = json.loads((folder / "chromosomes.coco.json").read_text())
    assert len(read_masks(coco)) == 94
    assert len(coco["annotations"]) == 94 and truth["karyotype"] == "47,XX,+mar"
    for number, metaphase in enumerate(case.metaphases):
        with Image.open(folder / "images" / f"m{number + 1:03d}.png") as image:
            assert np.array_equal(np.asarray(image), metaphase.image)
        rows = [a for a in coco["annotations"] if a["image_id"] == number + 1]
        for annotation, chromosome in zip(rows, metaphase.chromosomes, strict=True):
            mask = rle.decode(annotation["segmentation"]["counts"], tuple(annotation["segmentation"]["size"]))
            assert np.array_equal(mask, chromosome.region.to_mask(metaphase.image.shape))  # type: ignore[arg-type]
            assert annotation["area"] == chromosome.region.area
        told = truth["metaphases"][number]
        assert [c["label"] for c in told["chromosomes"]] == [c.label for c in metaphase.chromosomes]
        assert sum(len(cluster["chromosomes"]) for cluster in told["clusters"]) == 47


@pytest.mark.parametrize(
    ("karyotype", "kind", "affected"),
    [
        ("46,XX", "normal", ""),
        ("46,XY", "normal", ""),
        ("47,XY,+21", "numerical", "21"),
        ("45,X", "numerical", "X"),
        ("47,XXY", "numerical", "X"),
        ("47,XYY", "numerical", "Y"),
        ("46,XX,del(5)(p14)", "structural", "5"),
        ("46,XX,1qh+", "normal", ""),
    ],
)
def test_the_table_says_what_departs_from_normal(karyotype: str, kind: str, affected: str, tmp_path: Path) -> None:
    from karyonet.simulate.truth import to_tables

    cells, boxes = to_tables(simulate(karyotype, 1, crowding=0), "case")
    assert (cells[0]["karyotype"], cells[0]["affected"]) == (kind, affected)
    assert len(boxes) == cells[0]["boxes"] == cells[0]["stated_count"]


def test_saving_again_replaces_the_case_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "notes.txt").write_text("mine")
    simulate("46,XX", 1, metaphases=2).save(tmp_path / "case")
    simulate("45,X", 1).save(tmp_path / "case")
    assert sorted(p.name for p in (tmp_path / "case" / "images").iterdir()) == ["m001.png"]
    assert (tmp_path / "case" / "notes.txt").read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["case"]


def test_saving_onto_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="K209"):
        simulate("46,XX", 1).save(tmp_path / "file")


@pytest.mark.parametrize(
    "options",
    [
        {"seed": -1},
        {"band_level": 299},
        {"band_level": float("nan")},
        {"crowding": 1.5},
        {"style": "cband"},
        {"metaphases": 0},
        {"shape": (50, 800)},
        {"bit_depth": 12},
    ],
)
def test_arguments_out_of_range_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ArrayError, match="K501"):
        simulate("46,XX", **options)  # type: ignore[arg-type]


def test_the_command_writes_a_case(tmp_path: Path) -> None:
    out = tmp_path / "new" / "demo"
    result = CliRunner().invoke(app, ["simulate", "47,XY,+21", "--out", str(out), "--seed", "2", "--style", "qband"])
    assert result.exit_code == 0 and "47 chromosomes" in result.output
    with (out / "cells.csv").open() as file:
        assert [row["stated_count"] for row in csv.DictReader(file)] == ["47"]
    assert sorted(p.name for p in out.iterdir()) == [
        *("cells.csv", "chromosomes.coco.json", "chromosomes.csv", "images", "truth.json"),
    ]


@pytest.mark.parametrize("karyotype", ["46,XX,+21", "46,XX,del(5)(p99)", "47,XX,+25", "46,XX,del(5)(q?)", "nonsense"])
def test_the_command_writes_nothing_for_what_cannot_be_drawn(karyotype: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["simulate", karyotype, "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, IscnError)
    assert list(tmp_path.iterdir()) == []


def test_the_command_refuses_numbers_out_of_range(tmp_path: Path) -> None:
    for option in (["--band-level", "299"], ["--crowding", "2"], ["--metaphases", "0"], ["--style", "cband"]):
        result = CliRunner().invoke(app, ["simulate", "46,XX", "--out", str(tmp_path / "out"), *option])
        assert result.exit_code == 2 and list(tmp_path.iterdir()) == []


def test_a_fault_while_writing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    case = simulate("46,XX", 1)
    monkeypatch.setattr("karyonet.simulate.files.to_coco", fail)
    with pytest.raises(OSError, match="disk full"):
        case.save(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
