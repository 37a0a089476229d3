"""The simulated cases under tests/data: drawn by the script, and read by the pipeline."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from karyonet import Case, Pipeline
from karyonet.data.metaphases import read_metaphases
from karyonet.evaluation.pipeline import compare

REPOSITORY = Path(__file__).resolve().parent.parent
DATA = REPOSITORY / "tests" / "data"
WEIGHTS = REPOSITORY / "stages" / "classification" / "weights" / "gband.safetensors"


def _examples() -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location("draw_examples", REPOSITORY / "tools" / "draw_examples.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return dict(script.EXAMPLES)


@pytest.mark.parametrize("name", ["trisomy21", "normal_female", "qband_male"])
def test_the_examples_are_what_the_script_draws(name: str, tmp_path: Path) -> None:
    drawn, shipped = _examples()[name].draw().save(tmp_path / name), DATA / name
    names = sorted(file.relative_to(drawn) for file in drawn.rglob("*") if file.is_file())
    assert names == sorted(file.relative_to(shipped) for file in shipped.rglob("*") if file.is_file())
    for file in names:
        if file.suffix == ".png":  # pixels, not bytes: compression may differ between versions of Pillow
            with Image.open(drawn / file) as new, Image.open(shipped / file) as old:
                assert np.array_equal(np.asarray(new), np.asarray(old)), f"{file}: run tools/draw_examples.py"
        elif file.name == "truth.json":
            new, old = (json.loads((folder / file).read_text()) | {"version": ""} for folder in (drawn, shipped))
            assert new == old, f"{file}: run tools/draw_examples.py"
        else:
            assert (drawn / file).read_text() == (shipped / file).read_text(), f"{file}: run tools/draw_examples.py"


def test_the_examples_are_small() -> None:
    assert all(file.stat().st_size < 500_000 for name in _examples() for file in (DATA / name / "images").iterdir())
    assert sum(file.stat().st_size for file in (DATA / "trisomy21").rglob("*.png")) < 1_000_000


@pytest.mark.xdist_group("pipeline")
@pytest.mark.skipif(not WEIGHTS.is_file(), reason="the weights of the classifier are not in this tree")
def test_the_pipeline_reads_a_normal_cell() -> None:
    annotated = read_metaphases(DATA / "normal_female")[0]
    report = Pipeline.from_config("default")(Case.read(annotated.path))
    assert not report.errors
    metaphase = report.metaphases[0]
    assert abs(metaphase.count - 46) <= 1
    assert compare(annotated, metaphase.chromosomes).right >= 37  # 80 % of them named as they were drawn
