"""Pictures of karyograms become a data set, all or nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from karyonet.data import karyogram_import
from karyonet.data.karyogram_import import import_karyograms
from karyonet.data.strips import chromosome_regions, crop_chromosomes, read_strips
from karyonet.errors import ConfigError, DataError, InputError

from .drawn_karyogram import MALE, Style, draw


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("karyograms")
    picture, _ = draw(MALE, Style(title="Jane Doe 1970"))
    picture.save(folder / "a.png")
    draw({**MALE, "21": 3}, Style(rules=True), seed=5)[0].convert("RGB").save(folder / "b.jpg", quality=90)
    deep = np.asarray(picture).astype(np.uint16) * 257
    Image.fromarray(deep).save(folder / "c.tif")
    Image.new("L", (300, 200), 255).save(folder / "blank.png")
    return folder


def test_what_is_written_is_read_as_strips(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "data"
    import_karyograms([pictures / "a.png", pictures / "b.jpg", pictures / "c.tif"], out)
    cells = read_strips(out)
    assert [(cell.id, cell.case, len(cell.chromosomes)) for cell in cells] == [
        ("a", "a", 46),
        ("b", "b", 47),
        ("c", "c", 46),
    ]
    assert Counter(c.label for c in cells[1].chromosomes)["21"] == 3
    assert [c.homolog for c in cells[0].chromosomes][:4] == ["1", "2", "1", "2"]
    _, drawn = draw(MALE, Style(title="Jane Doe 1970"))
    for cell in (cells[0], cells[2]):  # 8 and 16 bits
        _, regions = chromosome_regions(cell)
        sizes = [region.mask.shape for region in regions]
        wanted = [(ymax - ymin, xmax - xmin) for _, (xmin, ymin, xmax, ymax) in drawn]
        assert np.abs(np.subtract(sizes, wanted)).max() <= 2
        assert all(crop[0].mean() > 0.99 for crop in crop_chromosomes(cell))  # nothing but background at the edge
    assert [path.name for path in out.parent.iterdir()] == ["data"]


def test_further_cells_are_added(pictures: Path, tmp_path: Path) -> None:
    import_karyograms([pictures / "a.png"], tmp_path / "d", case_id="patient")
    table = tmp_path / "d" / "cells.csv"
    table.write_text("cell,split,case\na,train,patient\n")
    import_karyograms([pictures / "b.jpg"], tmp_path / "d", case_id="patient")
    assert table.read_text() == "cell,split,case\na,train,patient\nb,,patient\n"
    assert [(cell.id, cell.split, len(cell.chromosomes)) for cell in read_strips(tmp_path / "d")] == [
        ("a", "train", 46),
        ("b", None, 47),
    ]


def test_a_data_set_without_cells_gets_them(pictures: Path, tmp_path: Path) -> None:
    import_karyograms([pictures / "a.png"], tmp_path / "d")
    (tmp_path / "d" / "cells.csv").unlink()
    import_karyograms([pictures / "b.jpg"], tmp_path / "d", case_id="patient")
    assert [(cell.id, cell.case) for cell in read_strips(tmp_path / "d")] == [("a", "a"), ("b", "patient")]


def test_a_cell_is_never_overwritten(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "d"
    import_karyograms([pictures / "a.png"], out)
    before = contents(tmp_path)
    with pytest.raises(DataError, match=r"K411: .*d has a cell named a already"):
        import_karyograms([pictures / "b.jpg", pictures / "a.png"], out)
    assert contents(tmp_path) == before
    with pytest.raises(DataError, match="K411"):
        import_karyograms([pictures / "b.jpg", pictures / "b.jpg"], tmp_path / "e")
    assert not (tmp_path / "e").exists()


def test_nothing_is_written_unless_every_picture_can_be_read(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"K408: .*blank\.png"):
        import_karyograms([pictures / "a.png", pictures / "blank.png"], tmp_path / "d")
    with pytest.raises(InputError, match="K101"):
        import_karyograms([pictures / "a.png", pictures / "none.png"], tmp_path / "d")
    assert list(tmp_path.iterdir()) == []


def test_other_folders_and_files_are_left_alone(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text.txt").write_text("years of work")
    with pytest.raises(DataError, match="K401"):
        import_karyograms([pictures / "a.png"], tmp_path / "thesis")
    with pytest.raises(ConfigError, match="K209"):
        import_karyograms([pictures / "a.png"], tmp_path / "thesis" / "text.txt")
    assert contents(tmp_path) == {"thesis/text.txt": b"years of work"}


def test_a_failure_while_moving_is_taken_back(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "d"
    import_karyograms([pictures / "a.png"], out)
    before = contents(tmp_path)
    moved = []

    def replace(self: Path, target: Path) -> Path:
        moved.append(target.name)
        if target.name == karyogram_import.CELLS:
            raise OSError("disk full")
        return self.rename(target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(OSError, match="disk full"):
        import_karyograms([pictures / "b.jpg"], out)
    assert moved == ["chromosomes.csv", "cells.csv"]
    assert contents(tmp_path) == before
