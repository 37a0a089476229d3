from __future__ import annotations

import subprocess
import sys

HEAVY = ("torch", "torchvision", "timm", "skimage", "sklearn", "scipy", "albumentations", "pydicom", "weasyprint")


def modules_after(statement: str) -> set[str]:
    script = f"import sys\n{statement}\nprint(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )


def test_importing_karyonet_loads_nothing_heavy() -> None:
    assert not modules_after("import karyonet") & {*HEAVY, "numpy", "pydantic"}


def test_building_the_command_line_loads_nothing_heavy() -> None:
    assert not modules_after("import karyonet.cli.app") & {*HEAVY, "numpy"}


def test_listing_stages_does_not_load_torch() -> None:
    assert "torch" not in modules_after("from karyonet.stage import load, registered\nfor n in registered(): load(n)")


def test_help_names_every_command() -> None:
    text = subprocess.run(
        [sys.executable, "-m", "karyonet", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for command in ("run", "batch", "apply", "rank", "evaluate", "train", "config", "stages", "models", "schema"):
        assert command in text
