"""Fixtures and functions that every test can use."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the public data sets; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("KARYONET_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "README.md").is_file():
        pytest.skip(f"no public data at {folder}; set KARYONET_DATA to run tests on real metaphases")
    return folder


def killed_at(step: int, work: Callable[[], object]) -> bool:
    """Run ``work`` in a process that ends without a word before its n-th change to the disk; whether it got there."""
    pid = os.fork()
    if pid == 0:
        steps = 0

        def counted(change: Callable[..., Any]) -> Callable[..., Any]:
            def method(*arguments: Any, **options: Any) -> Any:
                nonlocal steps
                steps += 1
                if steps == step:
                    os._exit(9)
                return change(*arguments, **options)

            return method

        for name in ("rename", "replace", "mkdir", "write_bytes", "unlink", "chmod"):
            setattr(Path, name, counted(getattr(Path, name)))
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
