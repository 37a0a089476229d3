"""The embeddings of a data set are made once, and again when the data or the model change."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from karyonet.data.strips import read_strips
from karyonet.errors import ConfigError, DataError
from karyonet.pipeline import Pipeline
from karyonet.similar import gallery as module
from karyonet.similar.gallery import Gallery, cache_folder, key_of, make_gallery, open_gallery
from karyonet.stage import Stage

from .drawn import small_weights


def stages_of(weights: Path, *options: str) -> dict[str, Stage]:
    return Pipeline.from_config("default", (f"stages.classification.weights={weights}", *options)).stages


@pytest.fixture
def copied(known: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(known, tmp_path / "known"))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A number for every time that a gallery is made."""
    calls: list[int] = []

    def counted(*arguments: object, **options: object) -> Gallery:
        calls.append(len(calls))
        return make_gallery(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "make_gallery", counted)
    return calls


def test_it_holds_the_data_set(known: Path, small: Path, tmp_path: Path) -> None:
    cells = read_strips(known)
    gallery = open_gallery(stages_of(small), cells, tmp_path / "new" / "index.npz", progress=False)
    assert len(gallery) == 16 and gallery.embeddings.shape == (16, 16)
    np.testing.assert_allclose(np.linalg.norm(gallery.embeddings, axis=1), 1, rtol=1e-4)
    assert gallery.pack.cells.tolist() == ["m1"] * 8 + ["m2"] * 8
    assert gallery.pack.cases.tolist() == ["one"] * 8 + ["two"] * 8
    again = Gallery.read(tmp_path / "new" / "index.npz", gallery.key)
    np.testing.assert_array_equal(again.embeddings, gallery.embeddings)
    np.testing.assert_array_equal(again.pack.pixels, gallery.pack.pixels)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["index.npz"]


def test_it_is_kept_in_the_cache_and_made_anew_when_anything_changes(
    copied: Path, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: list[int]
) -> None:
    monkeypatch.setattr(module, "cache_folder", lambda: tmp_path / "cache")
    stages = stages_of(small)

    def opened(stages: dict[str, Stage]) -> int:
        open_gallery(stages, read_strips(copied), progress=False)
        return len(made)

    assert [opened(stages), opened(stages), opened(stages_of(small))] == [1, 1, 1]
    other = small_weights(tmp_path / "other.safetensors", seed=1)
    assert opened(stages_of(other)) == 2
    assert opened(stages_of(small, "stages.straightening.margin=3")) == 3
    table = copied / "chromosomes.csv"
    table.write_text(table.read_text().replace("m1,1,", "m1,2,"))
    assert opened(stages) == 4
    with (copied / "cells" / "m2.png").open("ab") as file:
        file.write(b"\0")
    assert opened(stages) == 5
    assert opened(stages) == 5


def test_a_damaged_file_of_the_cache_is_made_anew(
    known: Path, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: list[int]
) -> None:
    monkeypatch.setattr(module, "cache_folder", lambda: tmp_path / "cache")
    stages, cells = stages_of(small), read_strips(known)
    open_gallery(stages, cells, progress=False)
    (file,) = (tmp_path / "cache").iterdir()
    file.write_bytes(file.read_bytes()[:500])
    assert len(open_gallery(stages, cells, progress=False)) == 16
    assert len(open_gallery(stages, cells, progress=False)) == 16
    assert len(made) == 2


def test_an_index_of_something_else_is_refused(copied: Path, small: Path, tmp_path: Path) -> None:
    index = tmp_path / "index.npz"
    open_gallery(stages_of(small), read_strips(copied), index, progress=False)
    before = index.read_bytes()

    def refused(weights: Path, path: Path) -> str:
        with pytest.raises(DataError) as raised:
            open_gallery(stages_of(weights), read_strips(copied), path, progress=False)
        return str(raised.value)

    other = small_weights(tmp_path / "other.safetensors", seed=1)
    assert "K412" in refused(other, index) and "weights" in refused(other, index)
    (copied / "cells.csv").write_text("cell,case\nm1,one\nm2,three\n")
    assert "K412" in refused(small, index) and "other data" in refused(small, index)
    assert index.read_bytes() == before
    (tmp_path / "text.npz").write_text("no index")
    assert "K401" in refused(small, tmp_path / "text.npz")
    assert "K401" in refused(small, tmp_path)


def test_an_index_that_cannot_be_written_is_said(known: Path, small: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="K213"):
        open_gallery(stages_of(small), read_strips(known), tmp_path / "file" / "index.npz", progress=False)


def test_a_damaged_cell_is_named_and_left_out(copied: Path, small: Path) -> None:
    cells = read_strips(copied)
    content = cells[0].path.read_bytes()
    cells[0].path.write_bytes(content[: len(content) // 2])
    stages = stages_of(small)
    gallery = make_gallery(stages, cells, key_of(stages, cells), progress=False)
    assert set(gallery.pack.cells) == {"m2"}
    assert len(gallery.failures) == 1 and gallery.failures[0].startswith("m1: K1")
    with pytest.raises(DataError, match="K413"):
        make_gallery(stages, cells[:1], key_of(stages, cells[:1]), progress=False)


def test_the_cache_is_where_the_platform_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "karyonet" / "similar"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "karyonet" / "similar"
