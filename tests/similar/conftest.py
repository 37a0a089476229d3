"""Simulated chromosomes, cut out and labelled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .drawn import cut_out, small_weights


@pytest.fixture(scope="session")
def chromosomes() -> list[tuple[str, np.ndarray]]:
    return cut_out(7)


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of format strips: two cells of two cases."""
    folder = tmp_path_factory.mktemp("known")
    (folder / "cells").mkdir()
    rows = ["cell,label,xmin,ymin,xmax,ymax"]
    for cell, seed in (("m1", 1), ("m2", 2)):
        pictures = cut_out(seed)
        strip = np.full((max(len(p) for _, p in pictures), sum(p.shape[1] for _, p in pictures)), 255, dtype=np.uint8)
        left = 0
        for label, picture in pictures:
            height, width = picture.shape
            strip[:height, left : left + width] = picture
            rows.append(f"{cell},{label},{left},0,{left + width},{height}")
            left += width
        Image.fromarray(strip).save(folder / "cells" / f"{cell}.png")
    (folder / "chromosomes.csv").write_text("\n".join(rows) + "\n")
    (folder / "cells.csv").write_text("cell,case\nm1,one\nm2,two\n")
    return folder


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_weights(tmp_path_factory.mktemp("weights") / "small.safetensors")
