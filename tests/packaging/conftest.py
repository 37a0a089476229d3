"""A clean environment with the built wheel in it; its dependencies are those of the environment that runs the tests."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Environment:
    """A virtual environment: where it is, and how to run and install in it."""

    folder: Path

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [str(self.folder / "bin" / "python"), *arguments]
        result = subprocess.run(command, capture_output=True, text=True, cwd=self.folder)
        if check and result.returncode:
            pytest.fail(f"{command} gave {result.returncode}:\n{result.stdout}\n{result.stderr}")
        return result

    def install(self, wheel: Path) -> None:
        quiet = ("--quiet", "--disable-pip-version-check", "--no-warn-script-location")
        self.run("-m", "pip", "install", *quiet, "--no-deps", "--no-index", str(wheel))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built from a copy of the tracked files."""
    source = tmp_path_factory.mktemp("source")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if name and not name.startswith("tests/") and (REPOSITORY / name).is_file():
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((REPOSITORY / name).read_bytes())
    return build_wheel(source)


def build_wheel(source: Path) -> Path:
    """Build the wheel of a project, without asking a registry for its build tools."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(source / "dist"), str(source)]
    result = subprocess.run(build, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return next((source / "dist").glob("*.whl"))


@pytest.fixture(scope="session")
def clean_environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel in an environment of its own."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True, symlinks=True)
    environment = Environment(folder)
    site = Path(environment.run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip())
    # A plain path line does not run the .pth files of that folder, so an editable karyonet there stays out of sight.
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    environment.install(wheel)
    return environment
