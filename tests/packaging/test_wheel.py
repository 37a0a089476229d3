from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Environment, build_wheel

pytestmark = pytest.mark.xdist_group("packaging")


def test_karyonet_runs_from_the_wheel(clean_environment: Environment) -> None:
    where = clean_environment.run(
        "-c", "import karyonet, karyonet.stages; print(karyonet.__file__, *karyonet.stages.__path__)"
    )
    assert all(str(clean_environment.folder) in part for part in where.stdout.split())
    listed = clean_environment.run("-m", "karyonet", "stages").stdout
    assert "threshold_segmenter" in listed
    assert "cannot be loaded" not in listed
    assert "karyotype" in clean_environment.run("-m", "karyonet", "config", "check").stdout


def test_the_wheel_puts_one_name_into_site_packages(wheel: Path) -> None:
    from zipfile import ZipFile

    root = Path(__file__).parents[2]
    names = ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"karyonet"}
    for expected in ("karyonet/py.typed", "karyonet/configs/default.yaml", "karyonet/stages/karyotype/stage.py"):
        assert expected in names
    # Everything that is read at run time and is no code: what package-data forgets is missed by users alone.
    for folder in ("karyonet", "stages", "configs"):
        for path in (root / folder).rglob("*"):
            if path.suffix in (".safetensors", ".json", ".yaml", ".j2", ".css", ".js", ".lark") and path.is_file():
                inside = path.relative_to(root).as_posix()
                assert inside.removeprefix("karyonet/") in {n.removeprefix("karyonet/") for n in names}, inside


def test_a_package_outside_adds_a_stage(clean_environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        """
        [build-system]
        requires = ["setuptools"]
        build-backend = "setuptools.build_meta"
        [project]
        name = "our-stages"
        version = "1.0"
        [project.entry-points."karyonet.stages"]
        always_female = "our_stages:AlwaysFemale"
        """.replace("\n        ", "\n")
    )
    (tmp_path / "our_stages.py").write_text(
        """
from dataclasses import replace

from karyonet.case import Karyotype
from karyonet.stage import Stage, StageOptions


class AlwaysFemale(Stage):
    summary = "Says what it is told"
    requires = frozenset({"case.metaphases"})
    assigns = frozenset({"case.karyotype"})

    class Options(StageOptions):
        iscn: str = "46,XX"

    def __call__(self, case):
        return replace(case, karyotype=Karyotype(self.options.iscn, "normal"))
"""
    )
    clean_environment.install(build_wheel(tmp_path))
    image, out = tmp_path / "field.png", tmp_path / "out"
    config = tmp_path / "ours.yaml"
    config.write_text("stages:\n  karyotype: {use: always_female, iscn: '47,XXX'}\n")
    clean_environment.run(
        "-c",
        "from PIL import Image; picture = Image.new('L', (64, 48), 255); "
        f"picture.paste(40, (9, 9, 20, 40)); picture.save({str(image)!r})",
    )
    clean_environment.run("-m", "karyonet", "run", str(image), "--config", str(config), "--out", str(out))
    assert json.loads((out / "report.json").read_text())["karyotype"]["iscn"] == "47,XXX"
