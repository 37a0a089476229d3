"""What every pack keeps: its examples in a file, in order, or a clear word about a damaged file."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.data.metaphases import AnnotatedChromosome, AnnotatedMetaphase
from karyonet.errors import DataError
from karyonet.geometry.region import Region
from karyonet.similar.gallery import Gallery, Key
from karyonet.training.metaphase_pack import MetaphasePack, pack_metaphase
from karyonet.training.pack import Pack, appearing
from karyonet.training.strip_pack import LabelledStrip, StripPack, pack_cell

BOX = (5, 5, 25, 55)


def strips(name: str) -> StripPack:
    generator = np.random.default_rng(len(name))
    found = [LabelledStrip(generator.random((length, 6), np.float32), "X") for length in (7, 12, 30)]
    return pack_cell(found, case=f"case {name}", cell=name, split="train", source="drawn")


def drawn(name: str) -> tuple[AnnotatedMetaphase, np.ndarray]:
    density = np.zeros((60, 70 + len(name)), np.float32)
    density[10:50, 10:20] = 0.5
    chromosomes = (AnnotatedChromosome("7", BOX), AnnotatedChromosome("9", (40, 30, 60, 50)))
    return AnnotatedMetaphase(name, f"case {name}", Path("m.png"), 70, 60, chromosomes, split="train"), density


def metaphases(name: str) -> MetaphasePack:
    annotated, density = drawn(name)
    rod = Region((10, 10, 20, 50), np.ones((40, 10), bool))
    return pack_metaphase(annotated, density, [rod, rod], 0.8, [rod, None])


PACKS: list[Callable[[str], Pack]] = [strips, metaphases]


def read_gallery(path: Path) -> Gallery:
    return Gallery.read(path, Key("data", "model"))


def gallery(name: str) -> Gallery:
    return Gallery(strips(name), np.eye(3, dtype=np.float32), Key("data", "model"))


def same(one: Pack, other: Pack) -> bool:
    pairs = [(getattr(one, name), getattr(other, name)) for name in one.names()]
    return all(a.dtype.kind == b.dtype.kind and np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("make", PACKS)
def test_what_is_written_is_read(make: Callable[[str], Pack], tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "pack.npz"
    pack = make("a")
    pack.write(path)
    pack.write(path)
    assert same(type(pack).read(path), pack) and [file.name for file in path.parent.iterdir()] == ["pack.npz"]


@pytest.mark.parametrize("make", PACKS)
def test_packs_laid_together_keep_every_image(make: Callable[[str], Pack]) -> None:
    parts = [make("a"), make("long name"), make("b")]
    whole = type(parts[0]).concatenate(parts)
    index = 0
    for part in parts:
        for number in range(len(part)):
            assert np.array_equal(whole.part(whole.pixels, index), part.part(part.pixels, number))
            assert whole.cells[index] == part.cells[number] and whole.cases[index] == part.cases[number]
            index += 1
    assert len(whole) == index and whole.of_split("train").tolist() == list(range(index))
    once = type(whole).concatenate([type(whole).concatenate(parts[:2]), parts[2]])
    assert same(once, whole)


def test_chromosomes_stay_with_their_metaphase() -> None:
    whole = MetaphasePack.concatenate([metaphases("a"), metaphases("b"), metaphases("c")])
    assert [whole.chromosomes(index).tolist() for index in range(3)] == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize(
    ("make", "read", "kind"),
    [
        (strips, StripPack.read, "strip pack"),
        (metaphases, MetaphasePack.read, "metaphase pack"),
        (gallery, read_gallery, "index"),
    ],
)
def test_a_damaged_file_is_named_and_closed(
    make: Callable[[str], Pack | Gallery], read: Callable[[Path], object], kind: str, tmp_path: Path
) -> None:
    whole, path = tmp_path / "whole.npz", tmp_path / "damaged.npz"
    make("a").write(whole)
    content = whole.read_bytes()
    array, other = tmp_path / "array.npy", tmp_path / "other.npz"
    np.save(array, np.zeros(3))
    np.savez(other, pixels=np.zeros(3, np.uint8))
    flipped = content[:200] + bytes(byte ^ 1 for byte in content[200:300]) + content[300:]
    damaged = [b"", b"no archive", content[:30], content[:-30], content[: len(content) // 2], content[-300:], flipped,
               array.read_bytes(), other.read_bytes()]  # fmt: skip
    refused = 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for bytes_ in damaged:
            path.write_bytes(bytes_)
            refused += _refused(read, path, kind)
        refused += _refused(read, tmp_path / "absent.npz", kind) + _refused(read, tmp_path, kind)
        gc.collect()
    assert refused == len(damaged) + 2
    assert [str(warning.message) for warning in caught if warning.category is ResourceWarning] == []


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_damage_makes_another_error(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("damaged") / "pack.npz"
    strips("a").write(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        read = StripPack.read(path)
    except DataError as error:
        assert error.code == "K401"
    else:  # a byte that nothing depends on
        assert len(read) == 3


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError])
def test_a_file_that_could_not_be_completed_leaves_the_former(fault: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "pack.npz"
    path.write_bytes(b"former")
    with pytest.raises(fault), appearing(path) as stream:
        stream.write(b"half")
        raise fault
    assert path.read_bytes() == b"former" and list(tmp_path.iterdir()) == [path]


def _refused(read: Callable[[Path], object], path: Path, kind: str) -> bool:
    try:
        read(path)
    except DataError as error:
        return error.code == "K401" and f"format {kind}: a readable {kind} (" in str(error)
    return False
