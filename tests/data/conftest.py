"""Small data sets, drawn on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def write_image(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(path)


def write_csv(path: Path, rows: Sequence[str]) -> None:
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


@pytest.fixture
def metaphases(tmp_path: Path) -> Path:
    """Two metaphases of one case and one of another; only the mandatory columns."""
    for name, ending in (("a1", "png"), ("a2", "jpg"), ("b1", "tif")):
        write_image(tmp_path / "images" / f"{name}.{ending}", np.full((40, 60), 200))
    write_csv(tmp_path / "cells.csv", ["image,case", "a1,a", "a2,a", "b1,b"])
    rows = ["image,label,xmin,ymin,xmax,ymax", "a1,1,2,3,10,20", "a1,X,50,30,61,45", "b1,22,0,0,5,5"]
    write_csv(tmp_path / "chromosomes.csv", rows)
    return tmp_path


@pytest.fixture
def strips(tmp_path: Path) -> Path:
    """Three cells of two chromosomes, dark on white, in three folds."""
    image = np.full((30, 40), 255)
    image[2:28, 4:12] = 60
    image[10:12, 7:9] = 255  # a hole
    image[5:25, 24:30] = 90
    image[28, 38] = 90  # a speck
    for name in ("p", "q", "r"):
        write_image(tmp_path / "cells" / f"{name}.png", image)
    boxes = [f"{cell},{label},{box}" for cell in "pqr" for label, box in (("3", "0,0,20,30"), ("Y", "20,0,40,30"))]
    write_csv(tmp_path / "chromosomes.csv", ["cell,label,xmin,ymin,xmax,ymax", *boxes])
    write_csv(tmp_path / "cells.csv", ["cell,case,fold", "p,one,0", "q,two,1", "r,three,7"])
    return tmp_path


@pytest.fixture
def mfish(tmp_path: Path) -> Path:
    """One metaphase: chromosome 1 in two pieces, X, an overlap."""
    classes = np.zeros((20, 30))
    classes[2:8, 2:8] = 1
    classes[12:15, 2:8] = 1
    classes[5:15, 20:24] = 23
    classes[9:11, 20:24] = 255
    write_image(tmp_path / "m_dapi.png", classes)
    write_image(tmp_path / "m_classes.png", classes)
    write_csv(tmp_path / "cells.csv", ["image,slide,iscn,split", 'm,s,"46,X\0\0",test'])
    return tmp_path


@pytest.fixture
def clusters(tmp_path: Path) -> Path:
    write_image(tmp_path / "cluster" / "k.png", np.zeros((9, 9)))
    write_csv(tmp_path / "objects.csv", ["image,case,kind", "cluster/k.png,c1,cluster"])
    return tmp_path
