"""Fixtures that every test can use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the public data sets; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("KARYONET_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "README.md").is_file():
        pytest.skip(f"no public data at {folder}; set KARYONET_DATA to run tests on real metaphases")
    return folder
